// Enters: what a judge found. Leaves: the words for it: gates, and what is to be done.

/// One thing that is compared.
public struct Gate: Sendable, Equatable {
    public enum Name: String, Sendable, CaseIterable {
        case errors, refusals, latency, answers, shapes
        /// Rewards that callers told by Feedback, where there are some.
        case labels

        /// Those that compare what the server itself counts.
        public static let counted = [errors, refusals, latency, answers, shapes]
        /// Those whose difference is evidence of change and not of harm; an operator may accept it.
        public static let acceptable = [answers]
    }

    public var name: Name
    /// 1 : so much against that the two are alike; from `Judge.evidenceMax` on that is settled.
    public var evidence: Double
    /// What was found, with its numbers.
    public var finding: String
    /// The difference is one that matters.
    public var isWorse: Bool
}

/// What is to be done with the version that is rolled out.
public enum Verdict: Sendable, Equatable {
    /// Why it goes on as it is.
    case hold(String)
    /// Its answers differ, and whether that is harm an operator has to say, or labels; what was found.
    case wait(String)
    /// From now on it gets this share, in percent.
    case advance(percent: Int)
    /// It becomes live.
    case succeed
    /// It gets nothing any more; why.
    case fail(String)
}

/// What is known of harm beside what the server counts.
public struct Harm: Sendable, Equatable {
    /// Rewards of the version against the live one's.
    public struct Labels: Sendable, Equatable {
        /// 1 : so much against that both are rewarded alike.
        public var evidence: Double
        /// All of the interval of the difference is below zero.
        public var isWorse: Bool
        /// None of it is below what matters.
        public var isFine: Bool
        /// Means, numbers of labels, the interval.
        public var finding: String

        public init(evidence: Double, isWorse: Bool, isFine: Bool, finding: String) {
            self.evidence = evidence
            self.isWorse = isWorse
            self.isFine = isFine
            self.finding = finding
        }
    }

    /// `nil`: no labels came, or only of one version.
    public var labels: Labels?
    /// Why a difference of the answers is no harm, one phrase each: golden cases, a shadow's comparison.
    public var absences: [String] = []
    /// What was found that settles nothing, one phrase each.
    public var hints: [String] = []

    public init() {}

    /// Why a difference of the answers is no harm; `nil`: nothing says so. Labels that speak of harm outweigh all else.
    var absence: String? {
        guard let labels else { return absences.first }
        if labels.isWorse { return nil }
        return labels.isFine ? labels.finding : absences.first
    }

    /// Labels as a gate.
    var gate: Gate? {
        labels.map { Gate(name: .labels, evidence: $0.evidence, finding: $0.finding, isWorse: $0.isWorse) }
    }
}
