// Enters: what a record hides, and a key of payloads. Leaves: the `sealed` of a record; and back.
public import Cryptography
internal import Memory
internal import Protobuf

/// Seals and opens payloads (TRUST 4.1, "Payload keys"): data = GCM(Kp, base ⊕ index, empty, Payload).
public enum Payload {
    /// Kp(32) || base(12), which are good for one segment of one log.
    private static func derive(_ key: Secret, _ logID: LogID, salt: [UInt8]) -> Secret {
        let info = Array("audpay-v1".utf8) + [0] + logID.bytes + salt
        return key.withBytes { HKDF.expand(.sha512, key: $0, info: info.raw, count: 44) }
    }

    private static func nonce(_ derived: Secret, _ index: UInt64) -> [UInt8] {
        Audit.nonce(derived.withBytes { [UInt8](copying: $0.extracting(32..<44)) }, index)
    }

    public static func seal(
        _ payload: [UInt8], key: Secret, logID: LogID, salt: [UInt8], index: UInt64
    ) -> [UInt8] {
        let derived = derive(key, logID, salt: salt)
        var cipher = derived.withBytes { AES256GCM(key: $0.extracting(0..<32)) }
        var data: [UInt8] = []
        let none: [UInt8] = []
        cipher.seal(
            payload.raw, nonce: nonce(derived, index).raw, authenticating: none.raw, into: &data)
        return data
    }

    /// `nil`: it is not what was sealed under this key for this entry.
    public static func open(
        _ data: [UInt8], key: Secret, logID: LogID, salt: [UInt8], index: UInt64
    ) -> [UInt8]? {
        let derived = derive(key, logID, salt: salt)
        var cipher = derived.withBytes { AES256GCM(key: $0.extracting(0..<32)) }
        var payload: [UInt8] = []
        let none: [UInt8] = []
        let isGood = cipher.open(
            data.raw, nonce: nonce(derived, index).raw, authenticating: none.raw, into: &payload)
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
