// Enters: a record that was read. Leaves: the call as a value, and the parts that its time divides into.
internal import Memory

/// A call that has ended.
public struct Span: Equatable, Sendable {
    public var context: SpanContext
    public var startUnixNanoseconds: UInt64
    public var stamps: SpanStamps
    public var method: String
    public var status: UInt8
    public var model: String
    public var version: Int64
    public var rows: Int
    public var peer: String
    public var traceState: String

    public init(
        context: SpanContext, startUnixNanoseconds: UInt64, stamps: SpanStamps, method: String, status: UInt8,
        model: String = "", version: Int64 = 0, rows: Int = 0, peer: String = "", traceState: String = ""
    ) {
        self.context = context
        self.startUnixNanoseconds = startUnixNanoseconds
        self.stamps = stamps
        self.method = method
        self.status = status
        self.model = model
        self.version = version
        self.rows = rows
        self.peer = peer
        self.traceState = traceState
    }

    /// A stretch of the call's time: a span of its own, beneath the call's.
    struct Part: Equatable {
        let name: StaticString
        let id: UInt64
        let began: UInt64
        let ended: UInt64

        static func == (left: Part, right: Part) -> Bool {
            ByteView(left.name) == ByteView(right.name) && left.id == right.id && left.began == right.began
                && left.ended == right.ended
        }
    }

    var endUnixNanoseconds: UInt64 { moment(stamps.left) }

    /// Those that the call came to. Their ids are made of the call's: the same record has the same, whoever reads it.
    var parts: [Part] {
        let stretches: [(StaticString, Int64?, Int64?)] = [
            ("input", stamps.read, stamps.gathered), ("queue", stamps.gathered, stamps.runBegan),
            ("infer", stamps.runBegan, stamps.runEnded), ("output", stamps.runEnded, stamps.left),
        ]
        return stretches.enumerated().compactMap { number, stretch in
            guard let began = stretch.1, let ended = stretch.2, began <= ended else { return nil }
            let id = SplitMix.mixed(context.spanID &+ UInt64(number + 1) &* SplitMix.step)
            return Part(name: stretch.0, id: max(1, id), began: moment(began), ended: moment(ended))
        }
    }

    /// How many spans of OTLP it is.
    public var count: Int { 1 + parts.count }

    private func moment(_ stamp: Int64) -> UInt64 {
        let (sum, overflow) = startUnixNanoseconds.addingReportingOverflow(UInt64(max(0, stamp)))
        return overflow ? .max : sum
    }
}

/// gRPC's statuses, by their codes.
public enum StatusName {
    static let all: [StaticString] = [
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
        "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
        "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
    ]

    static func of(_ code: UInt8) -> StaticString { all[Int(min(code, 16))] }

    /// UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS: the server's fault, not the caller's.
    public static func isError(_ code: UInt8) -> Bool { 0b1111_0000_0001_0100 >> UInt32(code) & 1 == 1 }
}
