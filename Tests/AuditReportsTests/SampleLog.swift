// Enters: nothing, or records. Leaves: a log that the repository's writer made of them, on a disk in memory.
import Audit
import AuditReports
import Cryptography
import Memory

/// A folder in memory. It keeps what was written, synced or not.
final class MemoryVolume: AuditVolume {
    private(set) var files: [String: [UInt8]] = [:]
    private var current = ""

    func names() throws(VolumeError) -> [String] { files.keys.sorted() }
    func read(_ name: String) throws(VolumeError) -> OwnedBytes { OwnedBytes(files[name] ?? []) }
    func create(_ name: String) throws(VolumeError) { (files[name], current) = ([], name) }
    func write(_ bytes: [UInt8]) throws(VolumeError) { files[current, default: []] += bytes }
    func sync() throws(VolumeError) {}
    func sync(_ name: String) throws(VolumeError) {}
    func syncNames() throws(VolumeError) {}
    func rename(_ name: String, to other: String) throws(VolumeError) {}
    func remove(_ name: String) throws(VolumeError) { files[name] = nil }
}

/// Keys of tests, each of 32 equal bytes.
enum TestKeys {
    static let audit = ["audit-1": secret(1)]
    static let signer = Ed25519PrivateKey(seed: secret(2))
    static let index = secret(3)
    static var pubkey: String {
        let key = signer.publicKey
        return Base64.encode(key.raw)
    }

    static func secret(_ byte: UInt8) -> Secret { Secret(copying: [UInt8](repeating: byte, count: 32).raw) }

    /// HMAC-SHA-256(index key, "audsub-v1" 00 || id)[0..16] (TRUST 4.1).
    static func pseudonym(_ subject: String) -> [UInt8] {
        let message = Array("audsub-v1".utf8) + [0] + Array(subject.utf8)
        let code = HMACSHA256(key: index).code(of: message.raw)
        return (0..<16).map { code[$0] }
    }

    static let payloads = [
        PayloadKey(name: name(1), subject: pseudonym("anna"), month: 202607, isHeld: true, key: secret(11)),
        PayloadKey(name: name(2), subject: pseudonym("bert"), month: 202607, isHeld: false, key: secret(12)),
        PayloadKey(name: name(3), subject: pseudonym("bert"), month: 202605, isHeld: false, key: secret(13)),
    ]

    static func name(_ byte: UInt8) -> [UInt8] { [UInt8](repeating: byte, count: 8) }
}

/// Writes a log; each record is a second later than the one before.
struct SampleLog: ~Copyable {
    static let start: UInt64 = 1_785_240_000_000_000_000

    let volume = MemoryVolume()
    private(set) var now = start
    private var writer: LogWriter<MemoryVolume>
    let name: String

    /// - Parameter number: the log's, in its folder.
    init(number: UInt8 = 0) throws {
        struct NoLog: Error {}
        guard let id = LogID([0, number] + [UInt8](repeating: 0xab, count: 14)),
            let origin = Origin(deployment: "example.org/vencejo", id)
        else {
            throw NoLog()
        }
        name = id.folderName
        var random = SplitMix(seed: 20)
        writer = LogWriter(
            volume, from: LogWriter<MemoryVolume>.newState(logID: id, origin: origin, oldestLog: 0),
            keys: LogKeys(keyID: "audit-1", auditKey: TestKeys.secret(1), signer: TestKeys.signer), now: Self.start,
            random: { count in (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) } }, anchor: { _, _ in })
    }

    var files: LogFiles { LogFiles(name, volume.files) }

    /// A record without a payload. - Returns: its index.
    @discardableResult
    mutating func event(_ field: Int, _ body: @escaping (inout RecordWriter) -> Void) throws -> UInt64 {
        try append { _, record in
            record.message(field, body)
            record.data(31, [UInt8](repeating: 9, count: 32))
        }
    }

    /// A call with a payload under the payload key of this number.
    @discardableResult
    mutating func call(
        _ model: String, _ version: Int64, key: Int, verdict: Int = 1, clockError: Int = 0
    ) throws -> UInt64 {
        let (keyName, secret) = (TestKeys.payloads[key].name, TestKeys.payloads[key].key)
        return try append { place, record in
            record.message(2) {
                $0.fixed64(1, 0x0102_0304_0506_0708)
                $0.number(3, 7)
            }
            record.message(3) {
                $0.text(1, "vencejo.v1.PredictionService/Predict")
                $0.text(2, "desk-7")
                $0.number(5, verdict)
                $0.text(8, "\(model):stable")
                $0.text(9, model)
                $0.number(10, version)
                $0.data(12, [UInt8](repeating: UInt8(version), count: 32))
                $0.data(20, [UInt8](repeating: 0x11, count: 32))
                $0.number(36, clockError)
            }
            var payload = RecordWriter()
            payload.data(1, [UInt8](repeating: 7, count: 32))
            payload.text(2, "request-\(place.index)")
            payload.map(3, ["region": "eu", "channel": "web"])
            payload.text(4, "192.0.2.7")
            payload.data(7, [1, 2, 3])
            let data = Payload.seal(
                payload.bytes, key: secret, logID: place.logID, salt: place.salt, index: place.index)
            record.message(30) {
                $0.data(1, keyName)
                $0.data(2, data)
            }
        }
    }

    /// An order of two records; `phase`: 2 done, 3 failed, `nil`: without an outcome.
    mutating func order(
        _ verb: String, phase: Int?, principal: String = "ops", reason: String = "", maker: String? = nil,
        error: String = "", isAutomatic: Bool = false, files: Bool = false
    ) throws {
        let intent = try event(4) {
            $0.number(1, 1)
            $0.text(3, verb)
            $0.text(4, principal)
            $0.text(6, "key-3")
            $0.text(7, "maria")
            $0.text(8, reason)
            if let maker {
                $0.message(9) {
                    $0.text(1, "iris")
                    $0.number(2, 6)
                    $0.number(3, 7)
                    $0.data(4, [UInt8](repeating: 7, count: 32))
                    $0.text(5, maker)
                }
            }
            if files {
                $0.data(12, [UInt8](repeating: 0xb0, count: 32))
                $0.data(13, [UInt8](repeating: 0xa0, count: 32))
            }
            $0.flag(15, isAutomatic)
        }
        guard let phase else { return }
        try event(4) {
            $0.number(1, phase)
            $0.number(2, intent)
            if error.isEmpty { $0.delimited(10, Array("\(verb) is done".utf8)) }
            $0.text(14, error)
        }
    }

    mutating func clock(error: Int, status: Int = 0, step: Int = 0) throws {
        try event(10) {
            $0.number(1, status)
            $0.number(2, error)
            $0.number(3, 12)
            $0.number(4, step)
        }
    }

    mutating func server(_ instance: UInt8, phase: Int) throws {
        try event(8) {
            $0.number(1, phase)
            $0.data(2, [UInt8](repeating: instance, count: 16))
            $0.text(3, "0.1.0")
            $0.text(4, "onnxruntime 1.31.1")
            $0.delimited(5, Array("threads=2".utf8))
            $0.text(6, "pod-0")
        }
    }

    /// A record of these bytes, whatever they are.
    mutating func raw(_ bytes: [UInt8]) throws { _ = try writer.append([Draft(plaintext: bytes)], now: now) }

    /// The next segment says that those below `sequence` are pruned.
    mutating func retain(from sequence: UInt64) { writer.retain(from: sequence, oldestLog: 0, now: now) }

    mutating func roll(_ reason: SealReason) { writer.roll(reason, now: now) }

    private mutating func append(_ body: @escaping (RecordPlace, inout RecordWriter) -> Void) throws -> UInt64 {
        now += 1_000_000_000
        let time = now
        return try writer.append(1, isUrgent: false, now: now) { _, place, plaintext in
            var record = RecordWriter()
            record.fixed64(1, time)
            body(place, &record)
            plaintext += record.bytes
        }.lowerBound
    }
}

extension LogFiles {
    init(_ name: String, _ files: [String: [UInt8]]) {
        self.init(name: name, names: files.keys.sorted()) { (name, bytesMax) throws(UnreadableFile) in
            OwnedBytes(Array((files[name] ?? []).prefix(bytesMax)))
        }
    }
}
