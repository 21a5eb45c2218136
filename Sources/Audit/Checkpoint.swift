// Enters: a log's size and root. Leaves: a note that says so, signed; and back.
public import Cryptography
internal import Memory

/// What a log was at one moment: a C2SP tlog-checkpoint of exactly three lines.
public struct Checkpoint: Equatable, Sendable {
    public let origin: Origin
    public let size: UInt64
    public let root: Digest

    public init(origin: Origin, size: UInt64, root: Digest) {
        (self.origin, self.size, self.root) = (origin, size, root)
    }

    /// `nil`: the text has another form.
    public init?(text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count == 4, lines[3].isEmpty, let origin = Origin(String(lines[0])),
            let size = parseDecimal(lines[1]), let root = Base64.decode(String(lines[2])),
            let digest = Digest(bytes: root.raw)
        else { return nil }
        self.init(origin: origin, size: size, root: digest)
    }

    public var text: String {
        "\(origin)\n\(size)\n\(root.withBytes { Base64.encode($0) })\n"
    }

    public func signed(by key: Ed25519PrivateKey) -> String {
        SignedNote(text, signedBy: key, name: origin.text).note
    }

    /// One of a segment: it is good under the key that the segment's header names, whose name is the origin, and has no other
    /// signature.
    /// - Returns: `nil`: it is not good.
    static func good(_ note: String, _ key: NoteKey) -> Checkpoint? {
        guard let note = SignedNote(note), note.signatures.count == 1, note.isSigned(by: key),
            let checkpoint = Checkpoint(text: note.text), checkpoint.origin.text == key.name
        else { return nil }
        return checkpoint
    }
}
