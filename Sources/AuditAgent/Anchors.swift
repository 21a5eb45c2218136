// Enters: lines of an anchor file, and the keys of checkpoints. Leaves: what was signed before this life; and lines of this one.
internal import Audit
public import Cryptography
internal import JSON
internal import Memory

/// The line of a checkpoint, on standard output and in the anchor file.
enum AnchorLine {
    /// Without its end.
    static func text(_ note: String, at unixNanoseconds: UInt64) -> String {
        // A note of ours has printable characters and line ends, and neither quotation marks nor backslashes.
        let escaped = note.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\\n")
        return "{\"time\":\(unixNanoseconds),\"checkpoint\":\"\(escaped)\"}"
    }

    /// The note; `nil`: it is no such line.
    static func note(_ line: some Collection<UInt8>) -> String? {
        do throws(JSONError) {
            let object = try JSONValue(reading: Array(line)).object("the line")
            try object.check(required: ["time", "checkpoint"])
            guard try object.integer("time") >= 0 else { return nil }
            return try object.string("checkpoint")
        } catch {
            return nil
        }
    }
}

/// The newest checkpoints that were kept away from the log. A line under a key that the ring no longer has is passed over.
public struct AnchoredCheckpoints: Sendable {
    /// Of one log so many are looked at, from the newest on: more than its last segment can have.
    private static let countMax = 20_000
    private var notes: [(note: SignedNote, checkpoint: Checkpoint)] = []
    private let signers: [Ed25519PublicKey]

    /// - Parameters:
    ///   - lines: the end of an anchor file; one that was cut at its beginning or end is passed over.
    ///   - isWhole: the file begins with them.
    /// Errors: another line is none.
    public init(_ lines: [UInt8], isWhole: Bool, signers: [Ed25519PublicKey]) throws(AgentError) {
        self.signers = signers
        for (number, line) in lines.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated() {
            guard line.last == 0x7d, isWhole || number > 0 else { continue }
            guard let text = AnchorLine.note(line), let note = SignedNote(text),
                let checkpoint = Checkpoint(text: note.text)
            else {
                throw AgentError(
                    sentence: "line \(number + 1)\(isWhole ? "" : " of its end") is not "
                        + #"{"time":<integer>,"checkpoint":"<note>"}: remove it, or give another --anchor"#)
            }
            notes.append((note, checkpoint))
        }
    }

    public static func none(signers: [Ed25519PublicKey]) -> AnchoredCheckpoints {
        AnchoredCheckpoints(signers: signers)
    }

    private init(signers: [Ed25519PublicKey]) { self.signers = signers }

    /// Those of the log with this id that a key of ours signed.
    func checkpoints(of idHex: String) -> [Checkpoint] {
        notes.reversed().lazy.filter { $0.checkpoint.origin.idHex == idHex }.prefix(Self.countMax).filter(isOurs)
            .map(\.checkpoint)
    }

    func sizeMax(of idHex: String) -> UInt64 {
        checkpoints(of: idHex).map(\.size).max() ?? 0
    }

    /// Of the log with the highest number among those of the deployment, the largest.
    func newest(of deployment: String) -> Checkpoint? {
        let ours = notes.filter { $0.checkpoint.origin.text.dropLast(33) == deployment[...] }
        let sorted = ours.sorted { left, right in
            (left.checkpoint.origin.number, left.checkpoint.size)
                > (right.checkpoint.origin.number, right.checkpoint.size)
        }
        return sorted.first(where: isOurs)?.checkpoint
    }

    private func isOurs(_ one: (note: SignedNote, checkpoint: Checkpoint)) -> Bool {
        signers.contains { one.note.isSigned(by: NoteKey(name: one.checkpoint.origin.text, $0)) }
    }
}
