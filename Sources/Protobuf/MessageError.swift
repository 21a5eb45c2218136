// Enters: a repeated field. Leaves: its numbers in an arena, or a dialect's own error.
public import Memory

/// The error of a dialect's decoder, which carries the errors of what it reads from and writes to.
public protocol MessageError: Error {
    static func wire(_ error: WireError) -> Self
    static func arena(_ error: ArenaFull) -> Self
}

extension WireField {
    /// Appends the numbers of a repeated int64 field, packed or not, until `list` has `countMax` elements. Returns how many
    /// the field has: those above the bound are counted and take no memory.
    public func append<Failure: MessageError>(
        to list: inout List<Int64>, countMax: Int, in arena: inout Arena, throwing: Failure.Type
    ) throws(Failure) -> Int {
        var count = 0
        do throws(WireOrBody<ArenaFull>) {
            try eachVarint { (value) throws(ArenaFull) in
                count += 1
                if list.count < countMax { try list.append(Int64(bitPattern: value), in: &arena) }
            }
        } catch {
            switch error {
            case .wire(let error): throw Failure.wire(error)
            case .body(let error): throw Failure.arena(error)
            }
        }
        return count
    }
}
