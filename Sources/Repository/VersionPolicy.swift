// Enters: which versions a folder holds. Leaves: which of them are to be served.

/// Which versions of a model are served, in Triton's words.
public enum VersionPolicy: Sendable, Equatable {
    case latest(Int)
    case specific([Int64])
    case all

    /// Those of `versions` (ascending) that it wants, ascending.
    public func chosen(of versions: [Int64]) -> [Int64] {
        switch self {
        case .latest(let count): versions.suffix(count)
        case .specific(let wanted): versions.filter(wanted.contains)
        case .all: versions
        }
    }
}
