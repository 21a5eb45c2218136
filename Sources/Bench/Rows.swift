// Enters: tensors with many rows each. Leaves: the rows, dealt out to requests.
import Memory
public import Tensors

public struct RowsError: Error, Equatable {
    /// Which input, what is wrong with it, and what is allowed.
    public let sentence: String

    public init(sentence: String) { self.sentence = sentence }
}

/// The inputs of a run, cut along their first dimension into requests of so many rows.
public struct Rows: Sendable {
    /// The inputs of each request.
    public let requests: [[NamedTensor]]
    /// Rows of the input, and how many a request has; `nil`: the input goes whole, as the model has no rows.
    public let dealt: (rows: Int, each: Int)?

    /// Request by request `rowsPerRequest` rows further. What is left at the end and fills no request is left out, or with
    /// `keepsRest` is a smaller one.
    public init(_ inputs: [NamedTensor], rowsPerRequest: Int, keepsRest: Bool = false) throws(RowsError) {
        var rows: Int?
        var cut: [[ArraySlice<UInt8>]] = []
        for input in inputs {
            guard let first = input.shape.first.map(Int.init), first > 0 else {
                throw RowsError(
                    sentence: "input \(quoted(input.name)) has shape \(written(input.shape)), and so no rows; the "
                        + "first dimension counts the rows and is 1 or more")
            }
            guard rows == nil || rows == first else {
                throw RowsError(
                    sentence: "input \(quoted(input.name)) has \(first) rows, and \(quoted(inputs[0].name)) has "
                        + "\(inputs[0].shape[0]): all inputs need the same number")
            }
            rows = first
            cut.append(try Self.cut(input, rows: first))
        }
        let total = rows ?? 0
        guard keepsRest || rowsPerRequest <= total else {
            throw RowsError(
                sentence: "a request takes \(rowsPerRequest) rows and the input has \(total): give more rows, or a "
                    + "smaller --rows-per-request")
        }
        let requestCount = keepsRest ? (total + rowsPerRequest - 1) / rowsPerRequest : total / rowsPerRequest
        requests = (0..<requestCount).map { number in
            let range = number * rowsPerRequest..<min(total, (number + 1) * rowsPerRequest)
            return inputs.indices.map { index in
                NamedTensor(
                    name: inputs[index].name, type: inputs[index].type,
                    shape: [Int64(range.count)] + inputs[index].shape.dropFirst(),
                    content: Array(cut[index][range].joined()))
            }
        }
        dealt = (total, rowsPerRequest)
    }

    /// The content of each row.
    private static func cut(_ input: NamedTensor, rows: Int) throws(RowsError) -> [ArraySlice<UInt8>] {
        let content = input.content
        guard input.type == .bytes else {
            let bytes = content.count / rows
            return (0..<rows).map { content[$0 * bytes..<($0 + 1) * bytes] }
        }
        let elements = input.shape.dropFirst().reduce(1) { $0 * Int($1) }
        var offset = 0
        var slices: [ArraySlice<UInt8>] = []
        for _ in 0..<rows {
            let start = offset
            for _ in 0..<elements {
                guard content.count - offset >= 4 else { throw Self.damaged(input) }
                let length = (0..<4).reduce(0) { $0 | Int(content[offset + $1]) << (8 * $1) }
                guard content.count - offset - 4 >= length else { throw Self.damaged(input) }
                offset += 4 + length
            }
            slices.append(content[start..<offset])
        }
        return slices
    }

    private static func damaged(_ input: NamedTensor) -> RowsError {
        RowsError(sentence: "input \(quoted(input.name)) ends within its elements: it was cut or damaged")
    }

    // MARK: - Where nothing is given

    /// So many different requests are made at most, as far as they fit into this many bytes.
    private static let randomRequestsMax = 1024
    private static let randomBytesMax = 64 << 20

    /// Random values for what a model says that it takes. A first dimension that may have any size counts rows; any
    /// other one of any size is 1.
    public init(
        randomFor inputs: [TensorSpecification], rowsPerRequest: Int, seed: UInt64
    ) throws(RowsError) {
        var random = SplitMix(seed: seed)
        var shapes: [[Int64]] = []
        for input in inputs {
            var shape = input.shape ?? []
            if let first = shape.first {
                guard first < 0 || rowsPerRequest == 1 || first == rowsPerRequest else {
                    throw RowsError(
                        sentence: "input \(quoted(input.name)) takes \(written(shape)), which is not \(rowsPerRequest) "
                            + "rows: leave out --rows-per-request")
                }
                if first < 0 { shape[0] = Int64(rowsPerRequest) }
            }
            shapes.append(shape.map { $0 < 0 ? 1 : $0 })
        }
        let elements = shapes.map { $0.reduce(1) { $0 * Int($1) } }
        let bytes = zip(inputs, elements).reduce(1) { $0 + ($1.0.type.byteCount ?? Self.wordBytes + 4) * $1.1 }
        requests = (0..<min(Self.randomRequestsMax, max(1, Self.randomBytesMax / bytes))).map { _ in
            inputs.indices.map { index in
                NamedTensor(
                    name: inputs[index].name, type: inputs[index].type, shape: shapes[index],
                    content: Self.content(inputs[index].type, elements[index], &random))
            }
        }
        dealt = nil
    }

    private static let wordBytes = 8

    /// Real numbers from -1 to 1, whole numbers from 0 to 9 (small enough to be an index), words of eight letters.
    private static func content(_ type: ElementType, _ elements: Int, _ random: inout SplitMix) -> [UInt8] {
        var content: [UInt8] = []
        for _ in 0..<elements {
            let real = random.unit() * 2 - 1
            let whole = UInt64(random.next() % 10)
            switch type {
            case .bool: append(whole % 2, 1)
            case .float16: append(UInt64(Float16(real).bitPattern), 2)
            case .bfloat16: append(UInt64(Float(real).bitPattern >> 16), 2)
            case .float32: append(UInt64(Float(real).bitPattern), 4)
            case .float64: append(real.bitPattern, 8)
            case .bytes:
                append(UInt64(wordBytes), 4)
                for _ in 0..<wordBytes { append(UInt64(UInt8(ascii: "a")) + random.next() % 26, 1) }
            default: append(whole, type.byteCount ?? 0)
            }
        }
        func append(_ value: UInt64, _ bytes: Int) {
            for index in 0..<bytes { content.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
        }
        return content
    }
}
