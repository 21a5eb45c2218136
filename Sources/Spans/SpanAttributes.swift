// Enters: a call, and which conventions its names follow. Leaves: its attributes, by name.

/// Which names of attributes are written. The RPC conventions are a release candidate, and differ from those before.
public enum SpanConventions: Sendable, Equatable {
    case new, old, both

    /// By the words of OTEL_SEMCONV_STABILITY_OPT_IN, a list: `rpc` and `rpc/dup`, and `rpc/old`, which is ours because `new`
    /// is what nobody has to ask for here.
    public init(optIn: String) {
        let words = optIn.split(separator: ",").map { $0.trimming(" ") }
        self = words.contains("rpc/dup") ? .both : words.contains("rpc/old") ? .old : .new
    }
}

extension Substring {
    fileprivate func trimming(_ character: Character) -> Substring {
        var rest = self
        while rest.first == character { rest.removeFirst() }
        while rest.last == character { rest.removeLast() }
        return rest
    }
}

/// What is said of the call as a whole. Nothing of what was asked or answered is.
struct SpanAttribute: Sendable {
    enum Value: Equatable, Sendable {
        case text(String)
        case number(Int64)
    }

    let new: StaticString?
    let old: StaticString?
    /// `nil`: it does not apply.
    let value: @Sendable (Span, ServerAddress?) -> Value?

    /// Source: OpenTelemetry's semantic conventions for gRPC, release candidate, and 1.37 for the old names.
    static let all: [SpanAttribute] = [
        new("rpc.system.name") { _, _ in .text("grpc") },
        old("rpc.system") { _, _ in .text("grpc") },
        new("rpc.method") { span, _ in .text(span.method.isEmpty ? other : span.method) },
        old("rpc.service") { span, _ in span.method.isEmpty ? nil : .text(span.halves.service) },
        old("rpc.method") { span, _ in .text(span.method.isEmpty ? other : span.halves.method) },
        new("rpc.response.status_code") { span, _ in .text(StatusName.of(span.status).description) },
        old("rpc.grpc.status_code") { span, _ in .number(Int64(span.status)) },
        same("error.type") { span, _ in
            StatusName.isError(span.status) ? .text(StatusName.of(span.status).description) : nil
        },
        same("server.address") { _, server in server.map { .text($0.host) } },
        same("server.port") { _, server in server.flatMap(\.port).map { .number($0) } },
        same("network.peer.address") { span, _ in ServerAddress(span.peer).map { .text($0.host) } },
        same("network.peer.port") { span, _ in ServerAddress(span.peer)?.port.map { .number($0) } },
        same("vencejo.model") { span, _ in span.model.isEmpty ? nil : .text(span.model) },
        same("vencejo.version") { span, _ in span.model.isEmpty || span.version == 0 ? nil : .number(span.version) },
        same("vencejo.batch_size") { span, _ in span.rows == 0 ? nil : .number(Int64(span.rows)) },
    ]

    /// How a method is called that nobody serves: what callers make up is no name.
    static let other = "_OTHER"

    static func of(
        _ span: Span, _ conventions: SpanConventions, server: ServerAddress?
    ) -> [(name: StaticString, value: Value)] {
        all.compactMap { attribute in
            guard let name = attribute.name(conventions), let value = attribute.value(span, server) else { return nil }
            return (name, value)
        }
    }

    /// Where both are written, an old name that means something else by now stays away.
    private func name(_ conventions: SpanConventions) -> StaticString? {
        switch conventions {
        case .new: return new
        case .old: return old
        case .both:
            if let new { return new }
            return Self.all.contains { $0.new?.description == old?.description } ? nil : old
        }
    }
}

extension SpanAttribute {
    fileprivate typealias Reading = @Sendable (Span, ServerAddress?) -> Value?

    fileprivate static func same(_ name: StaticString, _ value: @escaping Reading) -> SpanAttribute {
        SpanAttribute(new: name, old: name, value: value)
    }

    fileprivate static func new(_ name: StaticString, _ value: @escaping Reading) -> SpanAttribute {
        SpanAttribute(new: name, old: nil, value: value)
    }

    fileprivate static func old(_ name: StaticString, _ value: @escaping Reading) -> SpanAttribute {
        SpanAttribute(new: nil, old: name, value: value)
    }
}

/// One end of a connection, as spans tell it.
public struct ServerAddress: Sendable, Equatable {
    public let host: String
    /// `nil`: a Unix socket.
    public let port: Int64?

    /// `HOST:PORT`, `[IPV6]:PORT`, `unix:PATH`; `nil` where there is nothing.
    public init?(_ text: String) {
        guard !text.isEmpty else { return nil }
        guard !text.hasPrefix("unix:"), let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...])
        else {
            host = text.hasPrefix("unix:") ? String(text.dropFirst(5)) : text
            self.port = nil
            return
        }
        let name = text[..<colon]
        host = String(name.hasPrefix("[") && name.hasSuffix("]") ? name.dropFirst().dropLast() : name)
        self.port = Int64(port)
    }
}

extension Span {
    fileprivate var halves: (service: String, method: String) {
        guard let slash = method.lastIndex(of: "/") else { return ("", method) }
        return (String(method[..<slash]), String(method[method.index(after: slash)...]))
    }
}
