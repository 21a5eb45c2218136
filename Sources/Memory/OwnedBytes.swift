// Enters: bytes of the control plane. Leaves: a view of them that lives as long as their owner.

/// Bytes that stay where they are: a model's name, a digest, a header that is written once and sent often.
@safe public final class OwnedBytes: @unchecked Sendable {
    private let start: UnsafeMutableRawPointer
    private let count: Int

    public init(_ bytes: [UInt8]) {
        count = bytes.count
        unsafe start = .allocate(byteCount: max(1, count), alignment: 1)
        for index in 0..<count { unsafe start.storeBytes(of: bytes[index], toByteOffset: index, as: UInt8.self) }
    }

    public convenience init(_ text: String) { self.init(Array(text.utf8)) }

    deinit { unsafe start.deallocate() }

    public var view: ByteView { unsafe ByteView(start: UnsafeRawPointer(start), count: count) }
}
