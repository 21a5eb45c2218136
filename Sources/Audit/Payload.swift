// Enters: what a record hides, and a key of payloads. Leaves: the `sealed` of a record; and back.
public import Cryptography
internal import Memory
internal import Protobuf

/// The cipher of one payload key in one segment of one log: Kp(32) || base(12) (TRUST 4.1, "Payload keys").
///
/// Deriving takes 9 µs and sealing less than one: a writer keeps it for as long as its segment.
public final class PayloadCipher {
    private var cipher: AES256GCM
    private let base: NonceBase
    private static let none: [UInt8] = []

    /// - Parameter salt: the segment's.
    public init(key: Secret, logID: LogID, salt: [UInt8]) {
        let info = Array("audpay-v1".utf8) + [0] + logID.bytes + salt
        let derived = key.withBytes { HKDF.expand(.sha512, key: $0, info: info.raw, count: 44) }
        cipher = derived.withBytes { AES256GCM(key: $0.extracting(0..<32)) }
        base = derived.withBytes { NonceBase($0.extracting(32..<44)) }
    }

    /// Adds GCM(Kp, base ⊕ index, empty, `payload`) at the end of `output`: 16 bytes more than `payload` has.
    public func seal(_ payload: RawSpan, index: UInt64, into output: inout [UInt8]) {
        let (none, nonce) = (Self.none, base.nonce(index))
        unsafe cipher.seal(payload, nonce: nonce.span.bytes, authenticating: none.raw, into: &output)
    }

    /// Adds the payload at the end of `output`. False: it is not what was sealed under this key for this entry.
    public func open(_ data: RawSpan, index: UInt64, into output: inout [UInt8]) -> Bool {
        let (none, nonce) = (Self.none, base.nonce(index))
        return unsafe cipher.open(data, nonce: nonce.span.bytes, authenticating: none.raw, into: &output)
    }
}

/// Seals and opens payloads (TRUST 4.1, "Payload keys"): data = GCM(Kp, base ⊕ index, empty, Payload).
public enum Payload {
    public static func seal(
        _ payload: [UInt8], key: Secret, logID: LogID, salt: [UInt8], index: UInt64
    ) -> [UInt8] {
        var data: [UInt8] = []
        PayloadCipher(key: key, logID: logID, salt: salt).seal(payload.raw, index: index, into: &data)
        return data
    }

    /// `nil`: it is not what was sealed under this key for this entry.
    public static func open(
        _ data: [UInt8], key: Secret, logID: LogID, salt: [UInt8], index: UInt64
    ) -> [UInt8]? {
        var payload: [UInt8] = []
        let isGood = PayloadCipher(key: key, logID: logID, salt: salt).open(data.raw, index: index, into: &payload)
        return isGood ? payload : nil
    }

    /// The name of the key, and the data, of a record's `sealed`. `nil`: it has none.
    public static func sealed(inRecord plaintext: [UInt8]) -> (key: [UInt8], data: [UInt8])? {
        ByteView.lending(plaintext) { view in
            var reader = WireReader(view)
            while let field = try? reader.next() {
                guard field.number == 30, var message = try? field.message() else { continue }
                var (key, data): ([UInt8], [UInt8]) = ([], [])
                while let part = try? message.next() {
                    if part.number == 1, let bytes = try? part.bytes() { key = bytes.array }
                    if part.number == 2, let bytes = try? part.bytes() { data = bytes.array }
                }
                return (key, data)
            }
            return nil
        }
    }

    /// The salt of the digests, of an opened payload.
    public static func salt(in payload: [UInt8]) -> [UInt8]? {
        ByteView.lending(payload) { view in
            var reader = WireReader(view)
            while let field = try? reader.next() {
                if field.number == 1, let salt = try? field.bytes() { return salt.array }
            }
            return nil
        }
    }
}
