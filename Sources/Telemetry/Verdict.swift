// Enters: how an export ended. Leaves: whether the same spans are sent again.
internal import Memory
internal import Spans

/// What became of a batch that was sent.
///
/// Source: OTLP 1.9, "Failures": what may be retried is listed, and nothing else is.
public enum Verdict: Equatable, Sendable {
    /// The collector has it, but for so many spans that it will never take; its words may also come without any.
    case taken(rejectedSpans: UInt64, message: String)
    /// It may take it later; not before so many nanoseconds, if it said so.
    case later(afterNanoseconds: Int64?, reason: String)
    /// It will never take it.
    case refused(reason: String)

    /// The answer of a collector that has taken the request.
    static func ofAnswer(_ bytes: [UInt8]) -> Verdict {
        let bytes = OwnedBytes(bytes)
        defer { withExtendedLifetime(bytes) {} }
        let answer = OTLPAnswer(bytes.view)
        return .taken(rejectedSpans: answer.rejectedSpans, message: answer.message)
    }

    /// - Parameter details: `grpc-status-details-bin`, if the status has it.
    static func ofGRPC(code: Int, message: String, details: [UInt8]?) -> Verdict {
        let bytes = details.map { OwnedBytes($0) }
        defer { withExtendedLifetime(bytes) {} }
        let retry = bytes.flatMap { RetryInfo.nanoseconds($0.view) }
        return ofGRPC(code: code, message: message, retryNanoseconds: retry)
    }

    /// - Parameter retryNanoseconds: of RetryInfo, if the status has one.
    static func ofGRPC(code: Int, message: String, retryNanoseconds: Int64?) -> Verdict {
        let reason = "gRPC status \(code)\(message.isEmpty ? "" : ": " + message)"
        switch code {
        // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS.
        case 1, 4, 10, 11, 14, 15: return .later(afterNanoseconds: retryNanoseconds, reason: reason)
        // RESOURCE_EXHAUSTED: only of who says when there will be more.
        case 8:
            guard let retryNanoseconds else { return .refused(reason: reason) }
            return .later(afterNanoseconds: retryNanoseconds, reason: reason)
        default: return .refused(reason: reason)
        }
    }

    /// - Parameter retryAfter: the header, in seconds or as a date; `now`: in seconds since 1970.
    public static func ofHTTP(
        status: Int, retryAfter: String?, reason: String, body: [UInt8], now: Double
    ) -> Verdict {
        let reason = "HTTP status \(status)\(reason.isEmpty ? "" : ": " + reason)"
        switch status {
        case 200..<300: return .ofAnswer(body)
        case 429, 502, 503, 504:
            return .later(
                afterNanoseconds: retryAfter.flatMap { RetryAfter.nanoseconds($0, now: now) }, reason: reason)
        default: return .refused(reason: reason)
        }
    }
}

enum RetryAfter {
    /// Seconds, or the date that RFC 9110 prefers (`Sun, 06 Nov 1994 08:49:37 GMT`). `nil`: it is neither.
    static func nanoseconds(_ value: String, now: Double) -> Int64? {
        if value.allSatisfy({ $0.isASCII && $0.isNumber }), let seconds = Int64(value) {
            return seconds.multipliedReportingOverflow(by: 1_000_000_000).overflow ? .max : seconds * 1_000_000_000
        }
        guard let date = date(value) else { return nil }
        return Int64(max(0, min(Double(Int32.max), date - now)) * 1e9)
    }

    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// In seconds since 1970.
    private static func date(_ text: String) -> Double? {
        let parts = text.split(separator: " ")
        guard parts.count == 6, parts[0].hasSuffix(","), parts[5] == "GMT", let day = Int(parts[1]),
            (1...31).contains(day), let month = months.firstIndex(of: String(parts[2])), let year = Int(parts[3]),
            (1970...9999).contains(year)
        else { return nil }
        let clock = parts[4].split(separator: ":").compactMap { Int($0) }
        guard clock.count == 3, (0..<24).contains(clock[0]), (0..<60).contains(clock[1]), (0...60).contains(clock[2])
        else { return nil }
        // Days in a calendar whose years begin in March, so that a leap day comes last.
        let years = month < 2 ? year - 1 : year
        let days = 365 * years + years / 4 - years / 100 + years / 400 + (153 * ((month + 10) % 12) + 2) / 5 + day - 1
        return Double((days - 719_468) * 86400 + clock[0] * 3600 + clock[1] * 60 + clock[2])
    }
}
