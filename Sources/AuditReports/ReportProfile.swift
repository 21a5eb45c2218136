// Enters: nothing. Leaves: the regimes that a report can be evidence for, declared: what each asks for, and how long it is kept.

/// A regime that a report is evidence for (TRUST 4.6).
public enum ReportProfile: String, CaseIterable, Sendable {
    case gdpr
    case aiAct = "ai-act"
    case mifid2
    case sox
    case basel

    /// How many days the regime wants the records kept; `nil`: as long as was set.
    public var daysMin: UInt32? { description.retention.map { UInt32(($0.months * 366 + 11) / 12) } }

    var description: ProfileDescription {
        switch self {
        case .gdpr: .gdpr
        case .aiAct: .aiAct
        case .mifid2: .mifid2
        case .sox: .sox
        case .basel: .basel
        }
    }
}

/// What a report of a profile holds beside the sections that all have.
struct ProfileDescription: Sendable {
    let regime: String
    /// How long the regime wants the records kept; `nil`: as long as was set.
    let retention: Retention?
    /// Within how many microseconds of UTC the clock must be; `nil`: the regime does not say.
    var clockMicrosecondsMax: UInt64?
    /// The same for high-frequency trading.
    var clockHighFrequencyMicrosecondsMax: UInt64?
    let sections: [SectionDescription]

    struct Retention: Sendable {
        let months: UInt64
        let words: String
    }
}
