// Enters: the entries of a log as they pass. Leaves: what is worth a note, and whether expected checkpoints hold.
internal import Cryptography
internal import Memory
internal import Protobuf

/// Why one log's verification ends.
enum LogFault: Error {
    case fault(Finding)
    case unreadable(UnreadableFile)
}

/// What is looked at beside the tree.
struct Observations: Sendable {
    private static let notesMax = 100

    /// How many expected checkpoints were compared and hold.
    private(set) var found = 0
    /// The size of one that does not hold.
    private(set) var wrong: UInt64?
    private var notes: [Finding] = []
    private var more = 0
    private var expected: [UInt64: [Digest]]

    init(_ expected: [Checkpoint]) {
        self.expected = Dictionary(grouping: expected, by: \.size).mapValues { $0.map(\.root) }
    }

    /// The first notes, and how many there are besides.
    var findings: [Finding] {
        more == 0 ? notes : notes + [Finding("\(more) more records are odd in such a way")]
    }

    mutating func compare(_ tree: CompactRange) {
        guard let roots = expected[tree.size] else { return }
        let root = tree.root
        if roots.allSatisfy({ $0 == root }) { found += roots.count } else { wrong = wrong ?? tree.size }
    }

    /// Adds what was looked at in the segment behind.
    mutating func add(_ next: Observations) {
        found += next.found
        wrong = wrong ?? next.wrong
        let kept = next.notes.prefix(Self.notesMax - notes.count)
        notes += kept
        more += next.more + next.notes.count - kept.count
    }

    mutating func note(_ entry: LogEntry, _ file: String) {
        guard let plaintext = entry.plaintext, let sentence = RecordShape(plaintext).oddity else { return }
        if notes.count < Self.notesMax {
            notes.append(Finding("entry \(entry.index): \(sentence)", file: file))
        } else {
            more += 1
        }
    }
}

/// Of a record no more than what each must have: one event, and either a payload or bytes that cannot be guessed.
struct RecordShape {
    private static let call = 3
    private static let events = 3...15
    private static let sealed = 30
    private static let blind = 31

    /// The field number of the event; `nil`: none, or it is no record.
    private(set) var event: Int?
    private var isRecord = false
    private var hasSealed = false
    private var hasBlind = false

    init(_ plaintext: [UInt8]) {
        ByteView.lending(plaintext) { view in
            do throws(WireError) {
                var reader = WireReader(view)
                while let field = try reader.next() {
                    switch field.number {
                    case Self.events:
                        var message = try field.message()
                        while try message.next() != nil {}
                        event = field.number
                    case Self.sealed:
                        _ = try field.bytes()
                        hasSealed = true
                    case Self.blind:
                        _ = try field.bytes()
                        hasBlind = true
                    default: continue
                    }
                }
                isRecord = true
            } catch {}
        }
    }

    var oddity: String? {
        if !isRecord { return "its plaintext is no record" }
        if event == Self.call && !hasSealed { return "it is a call without a payload" }
        return hasSealed == hasBlind ? "it has \(hasSealed ? "both" : "neither") of payload and blind" : nil
    }
}
