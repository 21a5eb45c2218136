// Enters: names and values. Leaves: one run of bytes that a record holds, and the pairs again.
public import Memory

/// A label of a call.
public struct RecordLabel: BitwiseCopyable, Equatable, Sendable {
    public let name: ByteView
    public let value: ByteView

    public init(name: ByteView, value: ByteView) {
        self.name = name
        self.value = value
    }
}

/// A call's labels, encoded: for each u16 bytes of its name, u16 bytes of its value, both. Iterating cannot fail.
public struct RecordLabels: BitwiseCopyable, Equatable, Sendable, Sequence {
    /// At most `RecordLayout.labelsBytesMax`.
    public let bytes: ByteView
    public let count: Int

    public static let empty = RecordLabels()

    private init() {
        bytes = .empty
        count = 0
    }

    /// Encodes `count` labels, which the API's limits bound (`RecordLayout.labelsMax` of 256 bytes each part).
    public init(_ count: Int, in arena: inout Arena, _ label: (Int) -> RecordLabel) throws(ArenaFull) {
        var total = 0
        for index in 0..<count { total += 4 + label(index).name.count + label(index).value.count }
        precondition(
            count <= RecordLayout.labelsMax && total <= RecordLayout.labelsBytesMax,
            "\(count) labels of \(total) bytes, at most \(RecordLayout.labelsMax) of \(RecordLayout.labelsBytesMax) are kept"
        )
        do throws(ArenaWriteError<Never>) {
            bytes = try arena.write(total) { span in
                for index in 0..<count {
                    let label = label(index)
                    Self.append(length: label.name.count, &span)
                    Self.append(length: label.value.count, &span)
                    for place in 0..<label.name.count { span.append(label.name[place]) }
                    for place in 0..<label.value.count { span.append(label.value[place]) }
                }
            }
        } catch {
            switch error {
            case .full(let full): throw full
            }
        }
        self.count = count
    }

    private static func append(length: Int, _ span: inout OutputRawSpan) {
        span.append(UInt8(truncatingIfNeeded: length))
        span.append(UInt8(truncatingIfNeeded: length >> 8))
    }

    /// `nil`: `bytes` are not exactly `count` labels.
    init?(checking bytes: ByteView, count: Int) {
        guard count <= RecordLayout.labelsMax, bytes.count <= RecordLayout.labelsBytesMax else { return nil }
        self.bytes = bytes
        self.count = count
        var iterator = makeIterator()
        var found = 0
        while iterator.next() != nil { found += 1 }
        guard found == count, iterator.rest.isEmpty else { return nil }
    }

    public func makeIterator() -> Iterator { Iterator(rest: bytes) }

    public struct Iterator: IteratorProtocol {
        fileprivate var rest: ByteView

        public mutating func next() -> RecordLabel? {
            guard rest.count >= 4 else { return nil }
            let name = Int(rest.littleEndian(at: 0, as: UInt16.self))
            let value = Int(rest.littleEndian(at: 2, as: UInt16.self))
            guard rest.count - 4 >= name + value else { return nil }
            let label = RecordLabel(name: rest[4..<4 + name], value: rest[4 + name..<4 + name + value])
            rest = rest.dropFirst(4 + name + value)
            return label
        }
    }
}
