// Enters: two versions' answers to the same rows. Leaves: on how many they decide otherwise, and how far their numbers differ.
public import Memory
public import Tensors

/// Two versions on one set of rows, counted batch by batch.
public struct Evaluation: Sendable, Equatable {
    public private(set) var rows = 0
    /// Rows with another text, whole number or truth, another place of the largest number, or a number against none.
    public private(set) var disagreeing = 0
    /// Of floating-point numbers that both gave: |difference|, added up, and the largest.
    public private(set) var numbers = 0
    public private(set) var differenceSum = 0.0
    public private(set) var differenceMax = 0.0
    /// What was expected was held against the answers.
    public private(set) var score: Score?

    public init() {}

    /// `nil`: there were none.
    public var differenceMean: Double? { numbers > 0 ? differenceSum / Double(numbers) : nil }

    /// What both answered to `rows` rows. `expected`: what `output` should have said to them.
    /// The tensors' content was checked.
    public mutating func note(
        _ first: List<Tensor>, _ second: List<Tensor>, rows count: Int, expected: Tensor? = nil, output: String? = nil
    ) throws(EvaluationError) {
        var others = try second.array.map { tensor throws(EvaluationError) in try RowAnswers(tensor, rows: count) }
        var isOther = [Bool](repeating: false, count: count)
        for tensor in first.array {
            let answers = try RowAnswers(tensor, rows: count)
            guard let place = others.firstIndex(where: { $0.tensor.name == tensor.name }) else {
                throw EvaluationError(sentence: "only the first version has the output \(quoted(tensor.name.text))")
            }
            let other = others.remove(at: place)
            guard other.tensor.type == tensor.type else {
                throw EvaluationError(
                    sentence: "output \(quoted(tensor.name.text)) is \(tensor.type.name) of the first version and "
                        + "\(other.tensor.type.name) of the second: they cannot be compared")
            }
            for row in 0..<count {
                isOther[row] = isOther[row] || answers.decidesOtherwise(row, than: other)
                measure(answers, other, row)
            }
            if let expected, output == nil ? tensor.name == first[0].name : tensor.name.text == output {
                let truth = try RowAnswers(expected, rows: count)
                var score = self.score ?? Score()
                for row in 0..<count { try score.note(answers, other, truth, row) }
                self.score = score
            }
        }
        if let more = others.first {
            throw EvaluationError(sentence: "only the second version has the output \(quoted(more.tensor.name.text))")
        }
        rows += count
        disagreeing += isOther.count { $0 }
    }

    private mutating func measure(_ answers: RowAnswers, _ other: RowAnswers, _ row: Int) {
        guard answers.tensor.type.isReal, answers.width == other.width else { return }
        for element in 0..<answers.width {
            let difference = abs(answers.number(row, element) - other.number(row, element))
            guard difference.isFinite else { continue }
            numbers += 1
            differenceSum += difference
            differenceMax = max(differenceMax, difference)
        }
    }
}
