// Enters: the names in a log's folder. Leaves: its segments in order, or the name that should not be there.
public import Memory

/// The files of one log; the reading is the caller's, and several threads may read at once.
public struct LogFiles: Sendable {
    /// The folder's own name.
    public let name: String
    /// The names in it.
    public let names: [String]
    /// The beginning of a file of this name, at most so many bytes.
    public let read: @Sendable (_ name: String, _ bytesMax: Int) throws(UnreadableFile) -> OwnedBytes

    public init(
        name: String, names: [String],
        read: @escaping @Sendable (_ name: String, _ bytesMax: Int) throws(UnreadableFile) -> OwnedBytes
    ) {
        (self.name, self.names, self.read) = (name, names, read)
    }

    static let prefix = "segment-"

    /// Whether a folder with these names is a log's.
    public var isLog: Bool { names.contains { $0.hasPrefix(Self.prefix) } }

    static func name(of sequence: UInt64) -> String { "\(prefix)\(decimal(sequence, digits: 12)).aud" }

    /// What a segment that was torn at its birth is called from then on: `.torn`, or, where that is taken, `.torn.1` and so on.
    static func nameAside(_ name: String, among names: [String]) -> String {
        var (aside, number) = (name + ".torn", 0)
        while names.contains(aside) {
            number += 1
            aside = "\(name).torn.\(number)"
        }
        return aside
    }

    /// The numbers of the segments in order. Errors: a name that is neither a segment's nor that of one torn at birth.
    func sequences() throws(ForeignName) -> [UInt64] {
        var sequences: [UInt64] = []
        for name in names where name.hasPrefix(Self.prefix) {
            guard let (sequence, isTorn) = Self.parse(name) else { throw ForeignName(name: name) }
            if !isTorn { sequences.append(sequence) }
        }
        return sequences.sorted()
    }

    /// `segment-<12 digits>.aud`, with `.torn` or `.torn.<n>` behind it for one that was torn at birth.
    private static func parse(_ name: String) -> (UInt64, isTorn: Bool)? {
        let digits = name.dropFirst(prefix.count).prefix(12)
        guard digits.utf8.count == 12, digits.utf8.allSatisfy(isDigit), let sequence = UInt64(digits) else {
            return nil
        }
        let rest = name.dropFirst(prefix.count + 12)
        guard rest.hasPrefix(".aud") else { return nil }
        switch rest.dropFirst(4) {
        case "": return (sequence, false)
        case ".torn": return (sequence, true)
        case let rest where rest.hasPrefix(".torn."):
            guard let number = parseDecimal(rest.dropFirst(6)), number > 0 else { return nil }
            return (sequence, true)
        default: return nil
        }
    }
}

/// A file that cannot be read. The exit status is 4.
public struct UnreadableFile: Error, Equatable, Sendable {
    public let sentence: String
    public init(sentence: String) { self.sentence = sentence }
}

/// A name like a segment's that none has.
struct ForeignName: Error {
    let name: String
}
