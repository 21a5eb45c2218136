// Enters: what an auditor asks for. Leaves: it as values.
public import Audit
public import Cryptography
internal import Memory

/// What a report is about.
public struct ReportRequest: Sendable {
    public enum Rows: String, CaseIterable, Sendable {
        /// At most 1000 rows a section; calls are grouped.
        case summary
        /// Each one, which takes memory for each one.
        case all
    }

    /// Rows of a section in a summary.
    static let rowsMax = 1000

    public let profile: ReportProfile
    /// Nanoseconds since 1970; the end does not belong to it.
    public let since: UInt64
    public let until: UInt64
    /// The name of a subject, as the server derives it from calls.
    public let subject: String?
    public let isHighFrequency: Bool
    public let rows: Rows

    public init(
        profile: ReportProfile, since: UInt64, until: UInt64, subject: String? = nil, isHighFrequency: Bool = false,
        rows: Rows = .summary
    ) {
        precondition(since < until, "a period from \(since) to \(until)")
        (self.profile, self.since, self.until, self.subject) = (profile, since, until, subject)
        (self.isHighFrequency, self.rows) = (isHighFrequency, rows)
    }

    var clockMicrosecondsMax: UInt64? {
        let description = profile.description
        return isHighFrequency
            ? description.clockHighFrequencyMicrosecondsMax ?? description.clockMicrosecondsMax
            : description.clockMicrosecondsMax
    }

    func contains(_ item: EvidenceItem) -> Bool { item.from < until && item.until ?? .max >= since }
    func contains(_ time: UInt64) -> Bool { (since..<until).contains(time) }
}

/// The keys of what a report reads.
public struct ReportKeys: Sendable {
    /// By key id.
    public let audit: [String: Secret]
    /// Those of the subject-index ring, of any state.
    public let index: [Secret]
    /// Those of the file of payload keys; `nil`: there is no such file.
    public let payloads: [PayloadKey]?

    public init(audit: [String: Secret], index: [Secret] = [], payloads: [PayloadKey]? = nil) {
        (self.audit, self.index, self.payloads) = (audit, index, payloads)
    }
}

/// Whose records a report of one subject finds.
struct SubjectKeys {
    /// The subject under each index key.
    let pseudonyms: Set<[UInt8]>
    /// By the name that records have for it.
    private let keys: [[UInt8]: Secret]

    init(_ subject: String, _ keys: ReportKeys) {
        let message = Array("audsub-v1".utf8) + [0] + Array(subject.utf8)
        let pseudonyms = Set(
            keys.index.map { key in
                let code = HMACSHA256(key: key).code(of: message.raw)
                return (0..<16).map { code[$0] }
            })
        let own = (keys.payloads ?? []).filter { pseudonyms.contains($0.subject) }
        self.pseudonyms = pseudonyms
        self.keys = Dictionary(own.map { ($0.name, $0.key) }) { first, _ in first }
    }

    func match(_ plaintext: [UInt8], index: UInt64, _ header: SegmentHeader) -> SubjectMatch {
        guard let sealed = Payload.sealed(inRecord: plaintext), let key = keys[sealed.key] else { return .none }
        let payload = Payload.open(sealed.data, key: key, logID: header.logID, salt: header.salt, index: index)
        return payload.map { .open(OpenedPayload($0)) } ?? .closed
    }
}
