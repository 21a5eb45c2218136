// Enters: what a collector answered. Leaves: how many spans it did not take, and when it wants to be asked again.
public import Memory
internal import Protobuf

/// An ExportTraceServiceResponse. What is no such message says nothing: the collector has taken the spans, or has not said
/// otherwise.
public struct OTLPAnswer: Equatable, Sendable {
    public var rejectedSpans: UInt64 = 0
    /// The collector's words.
    public var message = ""

    public init(_ bytes: ByteView) {
        for field in fields(bytes) where field.number == 1 {
            guard let success = try? field.bytes() else { continue }
            for field in fields(success) {
                if field.number == 1, let count = try? field.signed() { rejectedSpans = UInt64(max(0, count)) }
                if field.number == 2, let text = try? field.bytes() { message = text.clippedText }
            }
        }
    }
}

public enum RetryInfo {
    /// How long a google.rpc.Status (`grpc-status-details-bin`, or the body of an HTTP answer) asks to wait; `nil`: it asks for
    /// nothing.
    public static func nanoseconds(_ status: ByteView) -> Int64? {
        for detail in fields(status) where detail.number == 3 {
            guard let any = try? detail.bytes() else { continue }
            var type = ByteView.empty
            var content = ByteView.empty
            for field in fields(any) {
                if field.number == 1, let bytes = try? field.bytes() { type = bytes }
                if field.number == 2, let bytes = try? field.bytes() { content = bytes }
            }
            guard type == "type.googleapis.com/google.rpc.RetryInfo" else { continue }
            var delay: Int64 = 0
            for field in fields(content) where field.number == 1 {
                guard let duration = try? field.bytes() else { continue }
                delay = self.duration(duration)
            }
            return delay
        }
        return nil
    }

    /// A google.protobuf.Duration. What is negative has passed; what is too long is as long as can be.
    private static func duration(_ bytes: ByteView) -> Int64 {
        var seconds: Int64 = 0
        var rest: Int64 = 0
        for field in fields(bytes) {
            if field.number == 1, let value = try? field.signed() { seconds = value }
            if field.number == 2, let value = try? field.signed() { rest = value }
        }
        let (nanoseconds, tooLong) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !tooLong else { return seconds < 0 ? 0 : .max }
        let (sum, overflow) = nanoseconds.addingReportingOverflow(rest)
        return overflow ? .max : max(0, sum)
    }
}

/// A message's fields, up to where it stops to be one.
private func fields(_ message: ByteView) -> [WireField] {
    var reader = WireReader(message)
    var fields: [WireField] = []
    while let field = try? reader.next() { fields.append(field) }
    return fields
}
