// Enters: what two versions answered to a row, and what was expected. Leaves: which of them is better, and whether that is chance.
import Memory
import Tensors

/// Two versions against what was expected, row by row.
public struct Score: Sendable, Equatable {
    /// How a row is held against what was expected.
    public enum Kind: Sendable, Equatable {
        /// It is right or wrong.
        case decisions
        /// It is so far off.
        case numbers
    }

    /// The sums of one version over all rows.
    public struct Sums: Sendable, Equatable {
        public internal(set) var right = 0
        /// Right where the other was wrong.
        public internal(set) var onlyRight = 0
        /// |answer - expected|, a row's mean; and its squares.
        public internal(set) var absoluteError = 0.0
        public internal(set) var squaredError = 0.0
    }

    public private(set) var kind: Kind?
    public private(set) var first = Sums()
    public private(set) var second = Sums()
    /// By how much the second is better, row by row: 1, 0 and -1; or what it is less off.
    public private(set) var gains: [Double] = []

    public var rows: Int { gains.count }

    /// Of the second over the first, in the mean.
    public var gain: Double { rows > 0 ? gains.reduce(0, +) / Double(rows) : 0 }

    /// `nil`: nothing is right or wrong.
    public var mcNemar: Double? {
        kind == .decisions ? McNemar.p(onlyFirst: first.onlyRight, onlySecond: second.onlyRight) : nil
    }

    init() {}

    mutating func note(
        _ one: RowAnswers, _ other: RowAnswers, _ expected: RowAnswers, _ row: Int
    ) throws(EvaluationError) {
        if let isRight = try Self.isRight(one, expected, row) {
            guard let isOtherRight = try Self.isRight(other, expected, row) else { throw Self.unlike(other, expected) }
            try be(.decisions, one, expected)
            first.right += isRight ? 1 : 0
            second.right += isOtherRight ? 1 : 0
            first.onlyRight += isRight && !isOtherRight ? 1 : 0
            second.onlyRight += isOtherRight && !isRight ? 1 : 0
            gains.append((isOtherRight ? 1 : 0) - (isRight ? 1 : 0))
        } else {
            try be(.numbers, one, expected)
            let (absolute, squared) = try Self.error(one, expected, row)
            let (otherAbsolute, otherSquared) = try Self.error(other, expected, row)
            first.absoluteError += absolute
            first.squaredError += squared
            second.absoluteError += otherAbsolute
            second.squaredError += otherSquared
            gains.append(absolute - otherAbsolute)
        }
    }

    private mutating func be(_ kind: Kind, _ answers: RowAnswers, _ expected: RowAnswers) throws(EvaluationError) {
        guard self.kind == nil || self.kind == kind else { throw Self.unlike(answers, expected) }
        self.kind = kind
    }

    /// `nil`: it is a matter of how far off it is.
    private static func isRight(
        _ answers: RowAnswers, _ expected: RowAnswers, _ row: Int
    ) throws(EvaluationError) -> Bool? {
        let (type, wanted) = (answers.tensor.type, expected.tensor.type)
        guard (type == .bytes) == (wanted == .bytes) else { throw unlike(answers, expected) }
        if !type.isReal {
            guard answers.width == expected.width else { throw unlike(answers, expected) }
            if type == .bytes {
                return (0..<expected.width).allSatisfy { answers.text(row, $0) == expected.text(row, $0) }
            }
            return (0..<expected.width).allSatisfy { answers.number(row, $0) == expected.number(row, $0) }
        }
        // The place of the largest number against the number of a class.
        if !wanted.isReal, answers.columns > 1, expected.width == answers.lines {
            return (0..<expected.width).allSatisfy {
                Double(answers.largest(row, $0)) == expected.number(row, $0)
            }
        }
        guard answers.width == expected.width else { throw unlike(answers, expected) }
        return nil
    }

    /// Means of a row.
    private static func error(
        _ answers: RowAnswers, _ expected: RowAnswers, _ row: Int
    ) throws(EvaluationError) -> (absolute: Double, squared: Double) {
        guard answers.width == expected.width else { throw unlike(answers, expected) }
        var (absolute, squared) = (0.0, 0.0)
        for element in 0..<expected.width {
            let difference = answers.number(row, element) - expected.number(row, element)
            guard difference.isFinite else {
                throw EvaluationError(
                    sentence: "output \(quoted(answers.tensor.name.text)), or what is expected of it, holds a number "
                        + "that is not finite, from which nothing has a distance: leave such rows out")
            }
            absolute += abs(difference)
            squared += difference * difference
        }
        let width = Double(max(1, expected.width))
        return (absolute / width, squared / width)
    }

    private static func unlike(_ answers: RowAnswers, _ expected: RowAnswers) -> EvaluationError {
        let given = "\(answers.width) \(answers.tensor.type.name)"
        let wanted = "\(expected.width) \(expected.tensor.type.name)"
        return EvaluationError(
            sentence: "output \(quoted(answers.tensor.name.text)) gives \(given) for a row, and what is expected has "
                + "\(wanted): give as many values of the same kind, or for classes the place of the right one as a whole "
                + "number; --output-name names another output")
    }
}
