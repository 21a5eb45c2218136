// Enters: an array of a file, or values that were written out. Leaves: a tensor in an arena.
public import Memory

/// A tensor that owns its bytes.
public struct NamedTensor: Sendable {
    public let name: String
    public let type: ElementType
    public let shape: [Int64]
    /// As on the wire.
    public let content: [UInt8]

    public init(name: String, type: ElementType, shape: [Int64], content: [UInt8]) {
        self.name = name
        self.type = type
        self.shape = shape
        self.content = content
    }

    /// The tensor, copied into `arena`.
    public func tensor(in arena: inout Arena) throws(ArenaFull) -> Tensor {
        var dimensions = List<Int64>()
        for dimension in shape { try dimensions.append(dimension, in: &arena) }
        return Tensor(
            name: try arena.copy(name), type: type, shape: dimensions, content: try arena.copy(content))
    }
}
