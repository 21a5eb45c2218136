// Enters: what a dialect decoded, or an engine computed. Leaves: one named, typed, shaped view of bytes.
public import Memory

/// What a peer said of a tensor that cannot be.
public enum TensorError: Error, Equatable {
    case negativeDimension(tensor: String, dimension: Int64)
    /// The product of the dimensions, or of it and the element's size, is not a 63-bit number.
    case shapeOverflows(tensor: String, shape: [Int64])
    case rankAbove(Int, tensor: String, rank: Int)
    /// The content is not shape × element size long.
    case byteCount(tensor: String, bytes: Int, expected: Int, shape: [Int64], type: ElementType)
    /// Element `index` of a BYTES tensor runs past the content's end, or bytes are left behind the last one.
    case byteElements(tensor: String, index: Int, elements: Int)
}

/// A named, typed, shaped view of bytes: row-major, little-endian, without padding.
public struct Tensor: BitwiseCopyable, Sendable {
    /// Dimensions of one tensor; the runtimes behind us stop far below.
    public static let rankMax = 32

    public var name: ByteView
    public var type: ElementType
    /// Dimensions, each zero or more. Empty: a scalar.
    public var shape: List<Int64>
    /// Elements as on the wire: BOOL one byte of 0 or 1; BYTES with a 32-bit length before each.
    public var content: ByteView

    public init(name: ByteView, type: ElementType, shape: List<Int64>, content: ByteView) {
        self.name = name
        self.type = type
        self.shape = shape
        self.content = content
    }

    /// The number of elements that the shape stands for; 1 for a scalar.
    public func elementCount() throws(TensorError) -> Int {
        guard shape.count <= Self.rankMax else {
            throw .rankAbove(Self.rankMax, tensor: name.clippedText, rank: shape.count)
        }
        var product: Int64 = 1
        var overflows = false
        var empty = false
        for index in shape.indices {
            let dimension = shape[index]
            if dimension < 0 { throw .negativeDimension(tensor: name.clippedText, dimension: dimension) }
            if dimension == 0 { empty = true }
            let (next, overflow) = product.multipliedReportingOverflow(by: dimension)
            product = next
            overflows = overflows || overflow
        }
        if empty { return 0 }
        if overflows { throw .shapeOverflows(tensor: name.clippedText, shape: shape.array) }
        return Int(product)
    }

    /// Checks the content's length against shape × type, before anything is computed; returns the number of elements.
    @discardableResult
    public func check() throws(TensorError) -> Int {
        let elements = try elementCount()
        guard let size = type.byteCount else {
            try checkByteElements(elements)
            return elements
        }
        let (expected, overflow) = elements.multipliedReportingOverflow(by: size)
        if overflow { throw .shapeOverflows(tensor: name.clippedText, shape: shape.array) }
        guard content.count == expected else {
            throw .byteCount(
                tensor: name.clippedText, bytes: content.count, expected: expected, shape: shape.array, type: type)
        }
        return elements
    }

    private func checkByteElements(_ elements: Int) throws(TensorError) {
        var offset = 0
        for index in 0..<elements {
            guard content.count - offset >= 4 else {
                throw .byteElements(tensor: name.clippedText, index: index, elements: elements)
            }
            let length = Int(content.littleEndian(at: offset, as: UInt32.self))
            guard length <= content.count - offset - 4 else {
                throw .byteElements(tensor: name.clippedText, index: index, elements: elements)
            }
            offset += 4 + length
        }
        guard offset == content.count else {
            throw .byteElements(tensor: name.clippedText, index: elements, elements: elements)
        }
    }
}

/// Walks the elements of a BYTES tensor whose content was checked.
public struct ByteElements {
    private let content: ByteView
    private var offset = 0

    public init(_ content: ByteView) { self.content = content }

    public mutating func next() -> ByteView? {
        guard content.count - offset >= 4 else { return nil }
        let length = Int(content.littleEndian(at: offset, as: UInt32.self))
        guard length <= content.count - offset - 4 else { return nil }
        defer { offset += 4 + length }
        return content[offset + 4..<offset + 4 + length]
    }
}
