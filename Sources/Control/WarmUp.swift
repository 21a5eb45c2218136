// Enters: a model that was just loaded, and calls that its configuration wants made. Leaves: the same, once they were answered.
import Memory
import Repository
import Serving
import Tensors

extension Servable {
    /// Elements of one input; a larger one is no warm-up.
    private static let elementsMax = 16 << 20

    /// Triton's `model_warmup`: it must be answered, or the version does not serve. `file`: the bytes of a file.
    func warmUp(
        _ sample: TritonModel.WarmUp, file: (String) throws(LoadError) -> [UInt8]
    ) throws(LoadError) {
        var arena = Arena(bytesMax: 512 << 20)
        var random = SplitMix(seed: 1)
        var call = Call()
        for input in sample.inputs {
            let shape = (sample.rows > 0 ? [Int64(sample.rows)] : []) + input.dimensions
            var bytes: [UInt8]
            switch input.source {
            case .file(let name): bytes = try file(name)
            case .zeros, .random:
                bytes = []
                for _ in 0..<(try elements(shape, sample)) {
                    let value = input.source == .zeros ? 0 : Double(random.next() % 1_000_000) / 1_000_000
                    append(value, as: input.type, to: &bytes)
                }
            }
            do throws(ArenaFull) {
                call.model = try arena.copy(name)
                var sizes = List<Int64>()
                for size in shape { try sizes.append(size, in: &arena) }
                let tensor = Tensor(
                    name: try arena.copy(input.name), type: input.type, shape: sizes, content: try arena.copy(bytes))
                try call.inputs.append(tensor, in: &arena)
            } catch {
                throw tooLarge(sample)
            }
        }
        try answer(call, sample, in: &arena)
    }

    private func answer(_ call: Call, _ sample: TritonModel.WarmUp, in arena: inout Arena) throws(LoadError) {
        let work: Work
        do throws(SignatureRefusal) {
            work = Work(
                inputs: try engine.signature.arrange(call, in: &arena),
                outputs: try engine.signature.outputPositions(call, in: &arena))
        } catch {
            guard case .signature(let error) = error else { throw tooLarge(sample) }
            throw failed(sample, "does not fit the model: \(error.sentence)", log: "")
        }
        for _ in 0..<sample.runs {
            do throws(RunError) { try engine.run(work, in: &arena) { (_, _) in } } catch {
                throw failed(sample, "was not answered; the server's log says why", log: "\(error)")
            }
        }
    }

    private func elements(_ shape: [Int64], _ sample: TritonModel.WarmUp) throws(LoadError) -> Int {
        var elements = 1
        for size in shape {
            let (next, overflow) = elements.multipliedReportingOverflow(by: Int(size))
            guard !overflow, next <= Self.elementsMax else { throw tooLarge(sample) }
            elements = next
        }
        return elements
    }

    private func tooLarge(_ sample: TritonModel.WarmUp) -> LoadError {
        failed(
            sample,
            "is larger than a warm-up may be (\(Self.elementsMax) elements an input, 512 MiB in all): make it smaller",
            log: "")
    }

    private func failed(_ sample: TritonModel.WarmUp, _ why: String, log: String) -> LoadError {
        let sentence = "its warm-up '\(sample.name)' \(why)"
        return LoadError(sentence: sentence, log: log.isEmpty ? sentence : "\(sentence): \(log)")
    }
}

/// One element, as on the wire.
func append(_ value: Double, as type: ElementType, to bytes: inout [UInt8]) {
    func add<Integer: FixedWidthInteger>(_ integer: Integer) {
        var rest = integer
        for _ in 0..<Integer.bitWidth / 8 {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest >>= 8
        }
    }
    // Whole numbers may be places in a table: they stay small.
    let small = Int(abs(value)) % 2 + (value > 0 ? 1 : 0)
    switch type {
    case .bool: add(UInt8(small > 0 ? 1 : 0))
    case .uint8, .int8: add(UInt8(small))
    case .uint16, .int16: add(UInt16(small))
    case .uint32, .int32: add(UInt32(small))
    case .uint64, .int64: add(UInt64(small))
    case .float16: add(Float16(value).bitPattern)
    case .bfloat16: add(UInt16(Float(value).bitPattern >> 16))
    case .float32: add(Float(value).bitPattern)
    case .float64: add(value.bitPattern)
    case .bytes:
        let text = value == 0 ? "" : "\(small) \(Int(value * 1000))"
        add(UInt32(text.utf8.count))
        bytes += text.utf8
    }
}
