// Enters: an output of several rows. Leaves: what each row says.
import Memory
import Tensors

/// Why answers cannot be taken row by row, or held against what was expected.
public struct EvaluationError: Error, Equatable {
    /// What is wrong, and what to do.
    public let sentence: String
}

/// An output whose content was checked, cut into the rows of the call.
struct RowAnswers {
    let tensor: Tensor
    private let rows: Int
    /// Elements of each row.
    let width: Int
    /// Elements of which the largest is what a row says: the last dimension; 1: each number stands for itself.
    let columns: Int
    /// Of a BYTES tensor.
    private let texts: [ByteView]

    init(_ tensor: Tensor, rows: Int) throws(EvaluationError) {
        let shape = tensor.shape.array
        let own: ArraySlice<Int64>
        if shape.first == Int64(rows) {
            own = shape.dropFirst()
        } else {
            guard rows == 1 else {
                throw EvaluationError(
                    sentence: "output \(quoted(tensor.name.text)) has shape \(written(shape)) for \(rows) rows, so "
                        + "nobody can tell whose it is: send one row at a time with --rows-per-request 1")
            }
            own = shape[...]
        }
        self.tensor = tensor
        self.rows = rows
        width = own.reduce(1) { $0 * Int($1) }
        columns = tensor.type.isReal ? own.last.map { Int($0) } ?? 1 : 1
        var texts: [ByteView] = []
        if tensor.type == .bytes {
            var walk = ByteElements(tensor.content)
            while let text = walk.next() { texts.append(text) }
        }
        self.texts = texts
    }

    func number(_ row: Int, _ element: Int) -> Double { tensor.number(at: row * width + element) }

    func text(_ row: Int, _ element: Int) -> ByteView { texts[row * width + element] }

    /// So many decisions has a row, each the place of the largest of its columns.
    var lines: Int { columns > 0 ? width / columns : 0 }

    func largest(_ row: Int, _ line: Int) -> Int {
        var best = 0
        for column in 1..<max(1, columns)
        where number(row, line * columns + column) > number(row, line * columns + best) {
            best = column
        }
        return best
    }

    /// Another text, another whole number or truth, another place of the largest number; or a number against none.
    func decidesOtherwise(_ row: Int, than other: RowAnswers) -> Bool {
        guard width == other.width, columns == other.columns else { return true }
        if tensor.type == .bytes { return (0..<width).contains { text(row, $0) != other.text(row, $0) } }
        guard tensor.type.isReal else {
            let bytes = width * (tensor.type.byteCount ?? 0)
            let place = row * bytes..<(row + 1) * bytes
            return tensor.content[place] != other.tensor.content[place]
        }
        if (0..<width).contains(where: { number(row, $0).isFinite != other.number(row, $0).isFinite }) { return true }
        return columns > 1 && (0..<lines).contains { largest(row, $0) != other.largest(row, $0) }
    }
}

extension ElementType {
    /// Its numbers are measured: nearly the same is the same. Others decide.
    var isReal: Bool {
        switch self {
        case .float16, .bfloat16, .float32, .float64: true
        default: false
        }
    }
}
