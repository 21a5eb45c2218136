// Enters: arrays and texts. Leaves: tensors of them, their bytes, and views that outlive the test.
public import Memory
public import Tensors

/// The elements as they lie in memory, which is little-endian.
public func raw<Element: BitwiseCopyable>(_ elements: [Element]) -> [UInt8] {
    unsafe elements.withUnsafeBytes { unsafe Array($0) }
}

/// BYTES elements as on the wire.
public func raw(texts: [String]) -> [UInt8] { texts.flatMap { raw([UInt32($0.utf8.count)]) + Array($0.utf8) } }

/// Bytes that tell a wrong offset: neither equal neighbours nor a period of 256.
public func pattern(_ count: Int, _ salt: Int = 0) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &+ salt) &* 31 &+ $0 >> 8) }
}

/// A tensor as arrays.
public struct Value: Equatable, Sendable {
    public var name: String
    public var type: ElementType
    public var shape: [Int64]
    public var bytes: [UInt8]

    public init(_ name: String, _ type: ElementType, _ shape: [Int64], _ bytes: [UInt8]) {
        (self.name, self.type, self.shape, self.bytes) = (name, type, shape, bytes)
    }

    public init(_ name: String, _ shape: [Int64], floats: [Float]) { self.init(name, .float32, shape, raw(floats)) }

    public init(_ tensor: Tensor) {
        self.init(tensor.name.text, tensor.type, tensor.shape.array, tensor.content.array)
    }

    public func tensor(in arena: inout Arena) throws(ArenaFull) -> Tensor {
        try NamedTensor(name: name, type: type, shape: shape, content: bytes).tensor(in: &arena)
    }

    public var floats: [Float] {
        stride(from: 0, to: bytes.count, by: 4).map { start in
            Float(bitPattern: (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << (8 * UInt32($1)) })
        }
    }
}

private let kept = Lock<[OwnedBytes]>([])

/// A view that lives as long as the process.
public func view(_ text: String) -> ByteView {
    let bytes = OwnedBytes(text)
    kept.withLock { $0.append(bytes) }
    return bytes.view
}
