// Enters: how much a caller put into one call. Leaves: the bounds, and a refusal that names the value and its bound.

extension Call {
    /// Bounds that every dialect keeps; they also bound what stands in one audit record.
    public static let inputsMax = 256
    public static let outputsMax = 256
    public static let labelsMax = 16
    public static let idBytesMax = 128
    public static let labelBytesMax = 256
}

/// A call with more of something than one call may have.
public struct CallLimitError: Error, Equatable {
    public enum Subject: String, Sendable {
        case inputs
        case outputs = "requested outputs"
        case labels
        case id = "request id"
        case labelKey = "label key"
        case labelValue = "label value"

        fileprivate var isCounted: Bool { self == .inputs || self == .outputs || self == .labels }
    }

    public let subject: Subject
    public let value: Int
    public let max: Int

    public init(_ subject: Subject, _ value: Int, max: Int) {
        self.subject = subject
        self.value = value
        self.max = max
    }

    /// For the caller: what, how much of it, and how much is allowed.
    public var sentence: String {
        subject.isCounted
            ? "the call has \(value) \(subject.rawValue); at most \(max) are allowed"
            : "the \(subject.rawValue) is \(value) bytes long; at most \(max) are allowed"
    }

    /// Refuses `value` above `max`.
    public static func check(_ subject: Subject, _ value: Int, max: Int) throws(CallLimitError) {
        if value > max { throw CallLimitError(subject, value, max: max) }
    }
}
