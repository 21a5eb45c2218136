// Enters: which versions of a model there are. Leaves: which of them are to be loaded.

/// Which versions of a model are loaded without an order: `version_policy` of its `model.yaml`, in Triton's words.
public enum VersionPolicy: Sendable, Equatable {
    /// The highest so many.
    case latest(Int)
    /// These, if they are there.
    case specific([Int64])
    case all

    public static let latestMax = 64

    /// Which of `versions`, the highest first. The highest is to be live.
    public func choose(from versions: some Sequence<Int64>) -> [Int64] {
        let highestFirst = versions.sorted(by: >)
        return switch self {
        case .latest(let count): Array(highestFirst.prefix(count))
        case .specific(let wanted): highestFirst.filter(wanted.contains)
        case .all: highestFirst
        }
    }

    /// `key`: what follows `version_policy`, as `.latest`; `value`: lists arrive joined by ", ".
    init?(key: Substring, value: String) {
        switch key {
        case "" where value == "all", ".all" where value.isEmpty: self = .all
        case ".latest":
            guard let count = Int(value), 1...Self.latestMax ~= count else { return nil }
            self = .latest(count)
        case ".specific":
            var numbers: [Int64] = []
            for text in value.split(separator: ", ", omittingEmptySubsequences: false) {
                guard let number = Layout.version(String(text)), !numbers.contains(number) else { return nil }
                numbers.append(number)
            }
            self = .specific(numbers)
        default: return nil
        }
    }

    static let allowed =
        "all, or one of latest: a whole number from 1 to \(latestMax), and specific: a list of versions, each once"
}
