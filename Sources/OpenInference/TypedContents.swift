// Enters: an input with typed contents. Leaves: its elements as little-endian bytes.
import Memory
import Protobuf
import Tensors

/// Elements of one `InferInputTensor` as its `contents` fields have them.
///
/// Floats are referenced where they lie: packed, they are the raw bytes already. Other numbers are varints and are
/// unpacked into the arena. Source: the Open Inference Protocol's `InferTensorContents`.
struct TypedContents {
    /// Name, type and shape; the content is not yet known.
    private let tensor: Tensor
    /// The `InferInputTensor`.
    private let message: ByteView
    private let elementsExpected: Int

    init(of tensor: Tensor, in message: ByteView) throws(OpenInferenceError) {
        self.tensor = tensor
        self.message = message
        do throws(TensorError) {
            elementsExpected = try tensor.elementCount()
        } catch {
            throw .tensor(error)
        }
    }

    /// The elements as raw bytes, as many as the shape takes.
    func raw(in arena: inout Arena) throws(OpenInferenceError) -> ByteView {
        switch tensor.type {
        case .bool: try numbers(in: &arena) { $0 == 0 ? UInt8(0) : 1 }
        case .uint8: try numbers(in: &arena) { UInt8(exactly: UInt32(truncatingIfNeeded: $0)) }
        case .uint16: try numbers(in: &arena) { UInt16(exactly: UInt32(truncatingIfNeeded: $0)) }
        case .uint32: try numbers(in: &arena) { UInt32(truncatingIfNeeded: $0) }
        case .uint64: try numbers(in: &arena) { $0 }
        case .int8: try numbers(in: &arena) { Int8(exactly: Int32(truncatingIfNeeded: $0)) }
        case .int16: try numbers(in: &arena) { Int16(exactly: Int32(truncatingIfNeeded: $0)) }
        case .int32: try numbers(in: &arena) { Int32(truncatingIfNeeded: $0) }
        case .int64: try numbers(in: &arena) { Int64(bitPattern: $0) }
        case .float32: try floats(bytesEach: 4, in: &arena)
        case .float64: try floats(bytesEach: 8, in: &arena)
        case .bytes: try byteElements(in: &arena)
        case .float16, .bfloat16: throw .rawOnly(tensor: tensor.name.clippedText, type: tensor.type)
        }
    }

    private func checkCount(_ elements: Int) throws(OpenInferenceError) {
        guard elements == elementsExpected else {
            throw .elementCount(
                elements, tensor: tensor.name.clippedText, expected: elementsExpected, shape: tensor.shape.array)
        }
    }

    /// Varints, each through `element`, which has no answer for what the type does not hold.
    private func numbers<Element: FixedWidthInteger & BitwiseCopyable>(
        in arena: inout Arena, _ element: (UInt64) -> Element?
    ) throws(OpenInferenceError) -> ByteView {
        var elements = List<Element>()
        // A varint takes a byte or more: a shape that says more than the message holds takes no memory.
        let room = min(elementsExpected, message.count)
        try keeping { () throws(ArenaFull) in try elements.reserve(room, in: &arena) }
        var count = 0
        var fields = ContentsReader(of: tensor, in: message)
        while let field = try fields.next() {
            do throws(WireOrBody<OpenInferenceError>) {
                try field.eachVarint { (value) throws(OpenInferenceError) in
                    count += 1
                    // Beyond the shape they are counted only, for the refusal.
                    guard count <= elementsExpected else { return }
                    guard let element = element(value) else { throw rangeError(index: count - 1, value: value) }
                    try keeping { () throws(ArenaFull) in try elements.append(element, in: &arena) }
                }
            } catch {
                switch error {
                case .wire(let error): throw .wire(error)
                case .body(let error): throw error
                }
            }
        }
        try checkCount(count)
        return elements.bytes
    }

    private func rangeError(index: Int, value: UInt64) -> OpenInferenceError {
        let isUnsigned = tensor.type == .uint8 || tensor.type == .uint16
        let value = isUnsigned ? Int64(UInt32(truncatingIfNeeded: value)) : Int64(Int32(truncatingIfNeeded: value))
        return .elementRange(tensor: tensor.name.clippedText, index: index, value: value, type: tensor.type)
    }

    /// Packed in one piece, as writers do: a view of the message. In several pieces: joined in the arena.
    private func floats(bytesEach: Int, in arena: inout Arena) throws(OpenInferenceError) -> ByteView {
        var piece = ByteView.empty
        var joined = List<UInt8>()
        var fields = ContentsReader(of: tensor, in: message)
        while let field = try fields.next() {
            let next = try reading { () throws(WireError) in try field.fixedElements(bytesEach) }
            if piece.isEmpty {
                piece = next
            } else if !next.isEmpty {
                try keeping { () throws(ArenaFull) in
                    if joined.isEmpty { try joined.append(contentsOf: piece, in: &arena) }
                    try joined.append(contentsOf: next, in: &arena)
                }
            }
        }
        let content = joined.isEmpty ? piece : joined.bytes
        try checkCount(content.count / bytesEach)
        return content
    }

    /// Each element behind its length. A gRPC message is shorter than 4 GiB, and so is each element.
    private func byteElements(in arena: inout Arena) throws(OpenInferenceError) -> ByteView {
        var content = List<UInt8>()
        var count = 0
        var fields = ContentsReader(of: tensor, in: message)
        while let field = try fields.next() {
            let element = try reading { () throws(WireError) in try field.bytes() }
            count += 1
            guard count <= elementsExpected else { continue }
            try keeping { () throws(ArenaFull) in
                let length = UInt32(truncatingIfNeeded: element.count)
                for shift in stride(from: UInt32(0), to: 32, by: 8) {
                    try content.append(UInt8(truncatingIfNeeded: length >> shift), in: &arena)
                }
                try content.append(contentsOf: element, in: &arena)
            }
        }
        try checkCount(count)
        return content.bytes
    }
}

/// Walks the elements' fields through every `contents` of an `InferInputTensor`: given twice, they are merged.
private struct ContentsReader {
    private let tensor: Tensor
    private var outer: WireReader
    private var inner = WireReader(.empty)

    init(of tensor: Tensor, in message: ByteView) {
        self.tensor = tensor
        outer = WireReader(message)
    }

    /// The next field of the datatype's own number. Elements in another one are the caller's mistake.
    mutating func next() throws(OpenInferenceError) -> WireField? {
        while true {
            while let field = try reading({ () throws(WireError) in try inner.next() }) {
                guard let contents = ContentsField(rawValue: field.number) else { continue }
                if contents == ContentsField(of: tensor.type) { return field }
                if field.isEmptyPacked, contents != .bytes { continue }
                throw .contentsField(contents, tensor: tensor.name.clippedText, type: tensor.type)
            }
            guard let field = try reading({ () throws(WireError) in try outer.next() }) else { return nil }
            guard field.number == 5 else { continue }
            inner = try reading { () throws(WireError) in try field.message() }
        }
    }
}

extension WireField {
    /// A packed field without elements, which says nothing.
    fileprivate var isEmptyPacked: Bool {
        guard type == .bytes else { return false }
        do throws(WireError) { return try bytes().isEmpty } catch { return false }
    }
}
