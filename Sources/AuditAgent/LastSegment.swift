// Enters: the last segment of a log. Leaves: which records of which rings are in it, and which servers ended.
internal import Audit
internal import Cryptography
internal import Memory
internal import Protobuf

/// What a next life must not write again.
public struct LastSegment: Sendable {
    struct Ring: Hashable, Sendable {
        let instance: UInt64
        let ring: Int
    }

    /// The highest of each ring.
    private(set) var sequences: [Ring: UInt64] = [:]
    /// The instances of servers whose end is recorded.
    private(set) var ended: Set<UInt64> = []

    init() {}

    /// Of the log's folder, as far as its last segment holds. Errors: it cannot be read.
    init(of volume: some AuditVolume, folder: String, auditKeys: [String: Secret]) throws(VolumeError) {
        let names = try volume.names().filter { $0.hasPrefix("segment-") && $0.hasSuffix(".aud") }.sorted()
        guard let name = names.last else { return }
        let file = try volume.read(name)
        let files = LogFiles(name: folder, names: [name]) { (_, _) throws(UnreadableFile) in file }
        let pinboard = Pinboard()
        let verifier = Verifier(signers: nil, expected: nil, auditKeys: auditKeys)
        do throws(UnreadableFile) {
            _ = try verifier.read(files) { entry, _ in
                if let plaintext = entry.plaintext { pinboard.segment.note(plaintext) }
            }
        } catch {
            throw VolumeError(sentence: error.sentence)
        }
        self = pinboard.segment
    }

    private final class Pinboard {
        var segment = LastSegment()
    }

    /// A record that cannot be read names no ring.
    mutating func note(_ plaintext: [UInt8]) {
        let found = ByteView.lending(plaintext) { view -> Found? in
            do throws(WireError) { return try Found(view) } catch { return nil }
        }
        guard let found else { return }
        if let source = found.source {
            let ring = Ring(instance: source.instance, ring: source.ring)
            sequences[ring] = max(sequences[ring] ?? 0, source.sequence)
            if found.phase == ServerPhase.ended { ended.insert(source.instance) }
        }
        if found.phase == ServerPhase.lost, let instance = found.instance { ended.insert(instance) }
    }

    /// Of a record, what it says of its place and of a server.
    private struct Found {
        var source: RecordSource?
        var phase: UInt64?
        /// The first 8 bytes of the instance that message Server names.
        var instance: UInt64?

        init(_ record: ByteView) throws(WireError) {
            var reader = WireReader(record)
            while let field = try reader.next() {
                switch field.number {
                case 2: source = try Self.source(try field.message())
                case 8:
                    var server = try field.message()
                    while let part = try server.next() {
                        if part.number == 1 { phase = try part.unsigned() }
                        if part.number == 2 {
                            let bytes = try part.bytes()
                            if bytes.count >= 8 { instance = bytes.bigEndian(at: 0) }
                        }
                    }
                default: continue
                }
            }
        }

        private static func source(_ message: WireReader) throws(WireError) -> RecordSource? {
            var reader = message
            var (instance, ring, sequence): (UInt64, UInt64, UInt64) = (0, 0, 0)
            while let part = try reader.next() {
                switch part.number {
                case 1:
                    let bytes = try part.fixedElements(8)
                    if bytes.count == 8 { instance = bytes.littleEndian(at: 0) }
                case 2: ring = try part.unsigned()
                case 3: sequence = try part.unsigned()
                default: continue
                }
            }
            guard let ring = Int(exactly: ring) else { return nil }
            return RecordSource(instance: instance, ring: ring, sequence: sequence)
        }
    }
}
