// Enters: an entry, its place in a log, and a checkpoint. Leaves: a text that proves it under the checkpoint's key; and back.
public import Cryptography
internal import Memory

/// c2sp.org/tlog-proof@v1 for one entry of an audit log; its extra data is the whole entry.
public struct InclusionProof: Equatable, Sendable {
    private static let firstLine = "c2sp.org/tlog-proof@v1"

    public let entry: [UInt8]
    public let index: UInt64
    /// From the leaf up.
    public let hashes: [Digest]
    /// The note of the checkpoint.
    public let note: String

    public init(entry: [UInt8], index: UInt64, hashes: [Digest], note: String) {
        (self.entry, self.index, self.hashes, self.note) = (entry, index, hashes, note)
    }

    /// `nil`: the text has another form.
    public init?(_ text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count > 4, lines[0] == Self.firstLine, lines[1].hasPrefix("extra "), lines[2].hasPrefix("index "),
            let entry = Base64.decode(String(lines[1].dropFirst(6))), let index = parseDecimal(lines[2].dropFirst(6)),
            let end = lines.firstIndex(where: \.isEmpty), end >= 3
        else { return nil }
        var hashes: [Digest] = []
        for line in lines[3..<end] {
            guard let bytes = Base64.decode(String(line)), let hash = Digest(bytes: bytes.raw) else { return nil }
            hashes.append(hash)
        }
        self.init(entry: entry, index: index, hashes: hashes, note: lines[(end + 1)...].joined(separator: "\n"))
    }

    public var text: String {
        var lines = [Self.firstLine, "extra \(Base64.encode(entry.raw))", "index \(index)"]
        lines += hashes.map { $0.withBytes { Base64.encode($0) } }
        return lines.joined(separator: "\n") + "\n\n" + note
    }

    /// Whether a key of `signers` signed a log that has the entry at this index.
    public func isGood(_ signers: TrustedSigners) -> Bool {
        guard let signed = SignedNote(note), let checkpoint = Checkpoint(text: signed.text),
            signers.keys(for: checkpoint.origin).contains(where: { signed.isSigned(by: $0) })
        else { return false }
        let leaf = MerkleTree.leafHash(SHA256.digest(of: entry.raw))
        return MerkleTree.includes(leaf, at: index, size: checkpoint.size, root: checkpoint.root, proof: hashes)
    }

    /// Whether the entry is a record with this plaintext.
    public func isOpened(by plaintext: [UInt8]) -> Bool {
        ByteView.lending(entry) { entry in
            guard let frame = try? Frame(entry), frame.kind == .record, frame.bytes.count == entry.count,
                frame.index == index, frame.body.count >= Frame.recordBodyBytesMin
            else { return false }
            return SHA256.digest(of: plaintext.raw).bytes == frame.body.prefix(32).array
        }
    }
}
