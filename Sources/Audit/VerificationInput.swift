// Enters: what an auditor brings: public keys, checkpoints from elsewhere, audit keys. Leaves: them, checked line by line.
internal import Cryptography
internal import JSON
internal import Memory

/// A line that an auditor brought and that is not good. The exit status is 4.
public struct BadLine: Error, Equatable, Sendable {
    /// From 1.
    public let line: Int
    public let reason: String
}

/// The keys that may have signed checkpoints.
public struct TrustedSigners: Sendable {
    /// A public key for every origin, or a verifier key for its own.
    private enum Line: Sendable {
        case key(Ed25519PublicKey)
        case vkey(NoteKey)
    }

    private let lines: [Line]

    /// Lines of base64 (32 bytes) or C2SP verifier keys; blank ones are passed over.
    public init(_ text: String) throws(BadLine) {
        var lines: [Line] = []
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = line.trimmed
            guard !line.isEmpty else { continue }
            if let bytes = Base64.decode(line), bytes.count == 32, let key = Ed25519PublicKey(bytes.raw) {
                lines.append(.key(key))
            } else if let key = NoteKey(vkey: line) {
                lines.append(.vkey(key))
            } else {
                throw BadLine(
                    line: number + 1,
                    reason: "it is neither 32 bytes in canonical base64 nor a C2SP verifier key (name+id+base64)")
            }
        }
        self.lines = lines
    }

    /// The keys that may sign in the name of `origin`.
    func keys(for origin: Origin) -> [NoteKey] {
        lines.compactMap { line in
            switch line {
            case .key(let key): NoteKey(name: origin.text, key)
            case .vkey(let key): key.name == origin.text ? key : nil
            }
        }
    }

    func trusts(_ publicKey: [UInt8], for origin: Origin) -> Bool {
        keys(for: origin).contains { $0.publicKey.bytes == publicKey }
    }
}

/// Checkpoints that were kept away from the log: a note, or lines of an anchor file.
public struct ExpectedCheckpoints: Sendable {
    public let checkpoints: [Checkpoint]

    /// Each is good under a key of `signers`. Lines of an anchor file that do not end in `}` were cut and are passed over.
    public init(_ text: String, signers: TrustedSigners) throws(BadLine) {
        // A file of lines begins with one, which may have been cut at any byte but the first.
        guard text.utf8.first == 0x7b || text.allSatisfy(\.isWhitespace) else {
            checkpoints = [try Self.good(text, signers, line: 1)]
            return
        }
        var checkpoints: [Checkpoint] = []
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            guard line.utf8.last == 0x7d else { continue }
            guard let note = Self.note(ofLine: String(line)) else {
                throw BadLine(line: number + 1, reason: #"it is not {"time":<integer>,"checkpoint":"<note>"}"#)
            }
            checkpoints.append(try Self.good(note, signers, line: number + 1))
        }
        self.checkpoints = checkpoints
    }

    private static func note(ofLine line: String) -> String? {
        do throws(JSONError) {
            let object = try JSONValue(reading: Array(line.utf8)).object("the line")
            try object.check(required: ["time", "checkpoint"])
            guard try object.integer("time") >= 0 else { return nil }
            return try object.string("checkpoint")
        } catch {
            return nil
        }
    }

    private static func good(_ text: String, _ signers: TrustedSigners, line: Int) throws(BadLine) -> Checkpoint {
        guard let note = SignedNote(text), let checkpoint = Checkpoint(text: note.text) else {
            throw BadLine(line: line, reason: "it is no checkpoint: three lines (origin, size, root) in a signed note")
        }
        guard signers.keys(for: checkpoint.origin).contains(where: { note.isSigned(by: $0) }) else {
            throw BadLine(line: line, reason: "no key of --pubkey signed it in the name of \(checkpoint.origin)")
        }
        return checkpoint
    }
}

extension Substring {
    fileprivate var trimmed: String {
        var text = self
        while let last = text.last, last == " " || last == "\t" || last == "\r" { text.removeLast() }
        while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
        return String(text)
    }
}
