// Enters: flags about how long the log is kept. Leaves: a policy that no profile of a report contradicts.
import ArgumentParser
import AuditAgent
import AuditReports

struct RetentionOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Records stay for so many days, in whole segments. Default: for ever.", valueName: "days"))
    var keep: UInt32?
    @Option(help: ArgumentHelp("Of finished logs so many stay. Default: all.", valueName: "number")) var keepLogs:
        UInt32?
    @Option(
        help: ArgumentHelp(
            "Payloads stay readable for so many months after that of the call. Default: for ever.", valueName: "months")
    )
    var keepPayloads: UInt32?
    @Option(
        help: ArgumentHelp(
            "What the audit folder may have, as 200G: 80 % is an alarm. Default: its volume.", valueName: "bytes"))
    var bytesMax: String?
    @Option(
        help: ArgumentHelp(
            "A report that the log is kept for, as of report --profile; may be given several times: --keep must be long enough.",
            valueName: "profile"))
    var profile: [String] = []

    func policy() throws(AgentError) -> RetentionPolicy {
        for name in profile {
            guard let profile = ReportProfile(rawValue: name) else {
                let known = ReportProfile.allCases.map(\.rawValue).joined(separator: ", ")
                throw AgentError(sentence: "--profile \(name): allowed are \(known)")
            }
            guard let least = profile.daysMin, let keep, keep < least else { continue }
            throw AgentError(
                sentence:
                    "--keep \(keep) is too short for --profile \(name), which needs \(least) days: keep more, or leave it out"
            )
        }
        return RetentionPolicy(days: keep, logs: keepLogs, payloadMonths: keepPayloads)
    }

    /// K, M, G and T stand for 1024, 1024², 1024³ and 1024⁴ bytes.
    func bytes() throws(AgentError) -> UInt64? {
        guard let text = bytesMax else { return nil }
        let units: [Character: UInt64] = ["K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40]
        let unit = text.last.flatMap { units[$0] }
        let number = UInt64(unit == nil ? text[...] : text.dropLast())
        guard let number, case (let bytes, let overflow) = number.multipliedReportingOverflow(by: unit ?? 1), !overflow,
            bytes >= 1 << 20
        else {
            throw AgentError(sentence: "--bytes-max \(text): allowed are 1M and more, as 500M or 200G")
        }
        return bytes
    }
}
