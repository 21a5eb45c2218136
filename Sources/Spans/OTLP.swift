// Enters: calls. Leaves: an ExportTraceServiceRequest, the same bytes for gRPC and for HTTP.
public import Memory
internal import Protobuf

/// Spans as OpenTelemetry's collector takes them.
///
/// Source: opentelemetry-proto 1.9, collector/trace/v1 and trace/v1. Fields are written in the order of their numbers.
public struct OTLP: Sendable {
    /// What is said of the server as a whole, name and value.
    public let resource: [(name: String, value: String)]
    public let conventions: SpanConventions
    /// What callers call; each span says it.
    public let server: ServerAddress?
    /// Of the program that encodes.
    public let version: String

    public init(
        resource: [(name: String, value: String)], conventions: SpanConventions = .new, server: ServerAddress? = nil,
        version: String
    ) {
        self.resource = resource
        self.conventions = conventions
        self.server = server
        self.version = version
    }

    /// Throws when there is no memory.
    public func request(_ spans: [Span]) throws(ArenaFull) -> [UInt8] {
        var encoding = try OTLPEncoding()
        try encoding.message(1) { (encoding) throws(ArenaFull) in
            try encoding.message(1) { (encoding) throws(ArenaFull) in
                for (name, value) in resource { try encoding.attribute(1, name, .text(value)) }
            }
            try encoding.message(2) { (encoding) throws(ArenaFull) in
                try encoding.message(1) { (encoding) throws(ArenaFull) in
                    try encoding.text(1, "vencejo")
                    try encoding.text(2, version)
                }
                for span in spans {
                    try call(span, &encoding)
                    for part in span.parts { try self.part(part, of: span, &encoding) }
                }
            }
        }
        return try encoding.finish()
    }

    private func call(_ span: Span, _ encoding: inout OTLPEncoding) throws(ArenaFull) {
        try encoding.message(2) { (encoding) throws(ArenaFull) in
            try encoding.ids(span, span.context.spanID, parent: span.context.parentID)
            try encoding.text(5, span.method.isEmpty ? SpanAttribute.other : span.method)
            try encoding.number(6, Kind.server)
            try encoding.fixed64(7, span.startUnixNanoseconds)
            try encoding.fixed64(8, span.endUnixNanoseconds)
            for (name, value) in SpanAttribute.of(span, conventions, server: server) {
                try encoding.attribute(9, name.description, value)
            }
            if StatusName.isError(span.status) {
                try encoding.message(15) { (encoding) throws(ArenaFull) in try encoding.number(3, statusError) }
            }
            try encoding.fixed32(16, Flags.of(span, isParentRemote: span.context.parentID != 0))
        }
    }

    private func part(_ part: Span.Part, of span: Span, _ encoding: inout OTLPEncoding) throws(ArenaFull) {
        try encoding.message(2) { (encoding) throws(ArenaFull) in
            try encoding.ids(span, part.id, parent: span.context.spanID)
            try encoding.text(5, part.name.description)
            try encoding.number(6, Kind.internal)
            try encoding.fixed64(7, part.began)
            try encoding.fixed64(8, part.ended)
            try encoding.fixed32(16, Flags.of(span, isParentRemote: false))
        }
    }

    private enum Kind {
        static let `internal`: UInt64 = 1
        static let server: UInt64 = 2
    }

    private let statusError: UInt64 = 2

    private enum Flags {
        /// The trace's flags; whether the parent is in another process is known, and said.
        static func of(_ span: Span, isParentRemote: Bool) -> UInt32 {
            UInt32(span.context.flags & 3) | 0x100 | (isParentRemote ? 0x200 : 0)
        }
    }
}

/// A message that is being written, and the memory that it is written into.
private struct OTLPEncoding: ~Copyable {
    private var arena = Arena(firstChunkBytes: 64 << 10, bytesMax: 1 << 30)
    private var writer: WireWriter

    init() throws(ArenaFull) {
        // Nothing is referenced: what is written is copied out at the end, in one piece.
        writer = try WireWriter(headroom: 0, expectedBytes: 64 << 10, referenceBytesMin: .max, in: &arena)
    }

    mutating func message(
        _ field: Int, _ body: (inout OTLPEncoding) throws(ArenaFull) -> Void
    ) throws(ArenaFull) {
        let mark = try writer.begin(field, in: &arena)
        try body(&self)
        try writer.end(mark, in: &arena)
    }

    mutating func text(_ field: Int, _ text: String) throws(ArenaFull) {
        try writer.string(field, try arena.copy(text), in: &arena)
    }

    mutating func number(_ field: Int, _ value: UInt64) throws(ArenaFull) {
        try writer.number(field, value, in: &arena)
    }

    mutating func fixed64(_ field: Int, _ value: UInt64) throws(ArenaFull) {
        try writer.fixed64(field, value, in: &arena)
    }

    mutating func fixed32(_ field: Int, _ value: UInt32) throws(ArenaFull) {
        try writer.fixed32(field, value, in: &arena)
    }

    private mutating func bytes(_ field: Int, _ words: [UInt64]) throws(ArenaFull) {
        let bytes = words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) } }
        try writer.string(field, try arena.copy(bytes), in: &arena)
    }

    /// Fields 1 to 4 of a span.
    mutating func ids(_ span: Span, _ id: UInt64, parent: UInt64) throws(ArenaFull) {
        try bytes(1, [span.context.traceID.high, span.context.traceID.low])
        try bytes(2, [id])
        try text(3, span.traceState)
        if parent != 0 { try bytes(4, [parent]) }
    }

    /// A KeyValue. Its value is one of several, so that zero and the empty text are written too.
    mutating func attribute(_ field: Int, _ name: String, _ value: SpanAttribute.Value) throws(ArenaFull) {
        try message(field) { (encoding) throws(ArenaFull) in
            try encoding.text(1, name)
            try encoding.message(2) { (encoding) throws(ArenaFull) in try encoding.value(value) }
        }
    }

    private mutating func value(_ value: SpanAttribute.Value) throws(ArenaFull) {
        switch value {
        case .text(let text): try writer.element(1, try arena.copy(text), in: &arena)
        case .number(let number):
            try writer.varint(3 << 3, in: &arena)
            try writer.varint(UInt64(bitPattern: number), in: &arena)
        }
    }

    consuming func finish() throws(ArenaFull) -> [UInt8] {
        try writer.finish(in: &arena) { _, _ in }.array.flatMap(\.array)
    }
}
