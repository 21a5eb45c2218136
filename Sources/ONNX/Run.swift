// Enters: checked tensors, where the request left them. Leaves: the model's answers, in the exchange's arena.
import COnnxRuntime
public import Memory
public import Tensors

extension Session {
    /// What a vector unit reads at once.
    private static var alignment: Int { 64 }
    /// Inputs up to this size are laid on `alignment`: the runtime's sums, and what it makes of NaN, depend on where vectors begin,
    /// and so on the length of what stands before a tensor in its message. A larger copy would cost more than its run's reading.
    static var alignedBytesMax: Int { 64 << 10 }

    /// The runtime reads the inputs where they lie and answers in memory of its own, which is copied and given back
    /// before this returns, whatever happens.
    public func run(_ work: Work, in arena: inout Arena) throws(RunError) -> List<Tensor> {
        var answers = List<Tensor>()
        try run(work, in: &arena) { (outputs, arena) throws(RunError) in
            do throws(ArenaFull) {
                for index in outputs.indices where outputs[index].type != .bytes {
                    outputs[index].content = try arena.copy(outputs[index].content, alignment: Self.alignment)
                }
            } catch {
                throw .arena(error)
            }
            answers = outputs
        }
        return answers
    }

    public func run(
        _ work: Work, in arena: inout Arena, lending take: (List<Tensor>, inout Arena) -> Void
    ) throws(RunError) {
        try run(work, in: &arena) { (outputs, arena) throws(RunError) in take(outputs, &arena) }
    }

    /// `take` gets the outputs where the runtime left them; texts lie in the arena already.
    private func run(
        _ work: Work, in arena: inout Arena, _ take: (inout List<Tensor>, inout Arena) throws(RunError) -> Void
    ) throws(RunError) {
        precondition(work.inputs.count == inputNames.count, "\(work.inputs.count) inputs of \(inputNames.count)")
        precondition(!work.outputs.isEmpty, "no output wanted")
        let (inputs, outputs) = (work.inputs.count, work.outputs.count)
        var values = unsafe List<OpaquePointer?>()
        var names = unsafe List<UnsafePointer<CChar>?>()
        do throws(ArenaFull) {
            unsafe try values.reserve(inputs + outputs, in: &arena)
            for _ in 0..<inputs + outputs { unsafe try values.append(nil, in: &arena) }
            unsafe try names.reserve(outputs, in: &arena)
            for index in work.outputs.indices {
                let position = work.outputs[index]
                precondition(
                    position >= 0 && position < outputNames.count, "output \(position) of \(outputNames.count)")
                unsafe try names.append(outputNames.pointers[position], in: &arena)
            }
        } catch {
            throw .arena(error)
        }
        defer {
            for index in unsafe values.indices {
                if let value = unsafe values[index] {
                    unsafe ort_release(runtime.table.slots, CInt(ORT_RELEASE_VALUE), value)
                }
            }
        }
        for index in work.inputs.indices {
            let input = work.inputs[index]
            unsafe values[index] = try unsafe value(of: input, in: &arena)
            if input.type == .bytes { try unsafe fill(values[index].unsafelyUnwrapped, with: input) }
        }
        try unsafe check(
            ort_run(
                runtime.table.slots, handle.pointer, inputNames.pointers, values.pointer, inputs, names.pointer,
                outputs, values.pointer.unsafelyUnwrapped + inputs))
        var answers = List<Tensor>()
        do throws(ArenaFull) { try answers.reserve(outputs, in: &arena) } catch { throw .arena(error) }
        for index in work.outputs.indices {
            guard let value = unsafe values[inputs + index] else { throw .failed(log: "an output without a value") }
            let answer = try unsafe tensor(of: value, position: work.outputs[index], in: &arena)
            do throws(ArenaFull) { try answers.append(answer, in: &arena) } catch { throw .arena(error) }
        }
        try take(&answers, &arena)
    }

    private func check(_ status: OpaquePointer?) throws(RunError) {
        do throws(RuntimeFailure) {
            try unsafe runtime.table.check(status)
        } catch {
            throw .failed(log: error.text)
        }
    }

    // Inputs

    private func value(of input: Tensor, in arena: inout Arena) throws(RunError) -> OpaquePointer? {
        let (shape, rank) = unsafe (input.shape.pointer, input.shape.count)
        let slots = unsafe runtime.table.slots
        var value: OpaquePointer? = nil
        if input.type == .bytes {
            try unsafe check(ort_create_tensor(slots, runtime.allocator, shape, rank, input.type.onnx, &value))
            return unsafe value
        }
        let content: ByteView
        do throws(ArenaFull) { content = try readable(input, in: &arena) } catch { throw .arena(error) }
        // A tensor without elements has no place; the runtime wants some address all the same.
        let place = unsafe content.pointer ?? UnsafeRawPointer(slots)
        try unsafe check(
            ort_create_tensor_over(
                slots, runtime.memory.pointer, place, content.count, shape, rank, input.type.onnx, &value))
        return unsafe value
    }

    /// The input's bytes as C++ may read them: on a multiple of the element's size, small ones of a vector's, and no `bool` but 0
    /// and 1.
    func readable(_ input: Tensor, in arena: inout Arena) throws(ArenaFull) -> ByteView {
        let content = input.content
        if input.type == .bool { return try booleans(content, in: &arena) }
        guard let size = input.type.byteCount else { return content }
        let wanted = content.count <= Self.alignedBytesMax ? Self.alignment : size
        guard !content.isAligned(to: wanted) else { return content }
        return try arena.copy(content, alignment: Self.alignment)
    }

    private func booleans(_ content: ByteView, in arena: inout Arena) throws(ArenaFull) -> ByteView {
        var all: UInt8 = 0
        for index in 0..<content.count { all |= content[index] }
        guard all > 1 else { return content }
        let copy = try unsafe arena.allocate(bytes: content.count, alignment: Self.alignment)
        for index in 0..<content.count {
            unsafe copy.storeBytes(of: content[index] == 0 ? 0 : 1, toByteOffset: index, as: UInt8.self)
        }
        return unsafe ByteView(start: copy, count: content.count)
    }

    /// Strings by length, so that one may hold NUL.
    private func fill(_ value: OpaquePointer, with input: Tensor) throws(RunError) {
        var elements = ByteElements(input.content)
        var index = 0
        while let element = elements.next() {
            var room: UnsafeMutablePointer<CChar>? = nil
            try unsafe check(ort_string_room(runtime.table.slots, value, index, element.count, &room))
            if let room = unsafe room, let bytes = unsafe element.pointer, element.count > 0 {
                unsafe UnsafeMutableRawPointer(room).copyMemory(from: bytes, byteCount: element.count)
            }
            index += 1
        }
    }

    // Outputs

    private func tensor(of value: OpaquePointer, position: Int, in arena: inout Arena) throws(RunError) -> Tensor {
        var (type, shape) = (Int32(0), List<Int64>())
        try unsafe readShape(of: value, &type, &shape, in: &arena)
        guard let type = ElementType(onnx: type) else {
            throw .unsupportedOutput(name: signature.outputs[position].name)
        }
        var tensor = Tensor(name: signature.outputName(position), type: type, shape: shape, content: .empty)
        let elements: Int
        do throws(TensorError) {
            elements = try tensor.elementCount()
        } catch {
            throw .failed(log: "output '\(signature.outputs[position].name)': \(error)")
        }
        if elements > 0 { tensor.content = try unsafe content(of: value, elements, of: type, in: &arena) }
        return tensor
    }

    private func readShape(
        of value: OpaquePointer, _ type: inout Int32, _ shape: inout List<Int64>, in arena: inout Arena
    ) throws(RunError) {
        let slots = unsafe runtime.table.slots
        var info: OpaquePointer? = nil
        try unsafe check(ort_shape_of_value(slots, value, &info))
        guard let info = unsafe info else { throw .failed(log: "an output without a shape") }
        defer { unsafe ort_release(slots, CInt(ORT_RELEASE_SHAPE), info) }
        var rank = 0
        try unsafe check(ort_element_type(slots, info, &type))
        try unsafe check(ort_rank(slots, info, &rank))
        do throws(ArenaFull) {
            try shape.reserve(rank, in: &arena)
            for _ in 0..<rank { try shape.append(0, in: &arena) }
        } catch {
            throw .arena(error)
        }
        try unsafe check(ort_dimensions(slots, info, shape.pointer, rank))
    }

    private func content(
        of value: OpaquePointer, _ elements: Int, of type: ElementType, in arena: inout Arena
    ) throws(RunError) -> ByteView {
        guard let size = type.byteCount else { return try unsafe strings(of: value, elements, in: &arena) }
        var start: UnsafeMutableRawPointer? = nil
        try unsafe check(ort_content(runtime.table.slots, value, &start))
        let (bytes, overflow) = elements.multipliedReportingOverflow(by: size)
        guard !overflow, let start = unsafe start else { throw .failed(log: "an output of \(elements) elements") }
        return unsafe ByteView(start: start, count: bytes)
    }

    /// The runtime writes all strings behind one another at the end of the room; then each is moved up to its length.
    private func strings(
        of value: OpaquePointer, _ elements: Int, in arena: inout Arena
    ) throws(RunError) -> ByteView {
        let slots = unsafe runtime.table.slots
        var bytes = 0
        try unsafe check(ort_strings_bytes(slots, value, &bytes))
        guard bytes <= UInt32.max, elements <= UInt32.max else {
            throw .failed(log: "an output of \(bytes) bytes of text")
        }
        let prefixes = 4 * elements
        let room: UnsafeMutableRawPointer
        let offsets: UnsafeMutablePointer<Int>
        do throws(ArenaFull) {
            unsafe room = try unsafe arena.allocate(bytes: prefixes + bytes, alignment: 4)
            let wide = try unsafe arena.allocate(bytes: 8 * elements, alignment: 8)
            unsafe offsets = unsafe wide.bindMemory(to: Int.self, capacity: elements)
        } catch {
            throw .arena(error)
        }
        try unsafe check(ort_strings(slots, value, room + prefixes, bytes, offsets, elements))
        for index in 0..<elements {
            let start = unsafe offsets[index]
            let end = unsafe index + 1 < elements ? offsets[index + 1] : bytes
            precondition(start >= 0 && start <= end && end <= bytes, "string \(index) at \(start)..<\(end) of \(bytes)")
            // What is written ends at or before what is still to be read.
            let target = unsafe room + 4 * index + start
            unsafe target.storeBytes(of: UInt32(end - start).littleEndian, as: UInt32.self)
            unsafe (target + 4).copyMemory(from: room + prefixes + start, byteCount: end - start)
        }
        return unsafe ByteView(start: room, count: prefixes + bytes)
    }
}
