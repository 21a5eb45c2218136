// Enters: an HTTP request's line and headers. Leaves: the answer's. No I/O but what `render` does.
internal import GRPC
internal import Memory
public import ServerMetrics

/// What is asked of the agent.
public struct Question: Sendable {
    public let method: String
    /// Without its query.
    public let path: String
    public let accept: String?
    public let acceptEncoding: String?

    public init(method: String, path: String, accept: String?, acceptEncoding: String?) {
        self.method = method
        self.path = path
        self.accept = accept
        self.acceptEncoding = acceptEncoding
    }
}

public struct Reply: Sendable, Equatable {
    public var status: Int
    public var headers: [(name: String, value: String)]
    /// Of a HEAD what would have been sent: whoever sends it leaves it out, but tells its length.
    public var body: [UInt8]

    public static func == (left: Reply, right: Reply) -> Bool {
        left.status == right.status && left.body == right.body
            && left.headers.map(\.name) == right.headers.map(\.name)
            && left.headers.map(\.value) == right.headers.map(\.value)
    }
}

public enum Routes {
    /// Below so many bytes compression is not worth its header.
    public static let gzipBytesMin = 1024

    public static func reply(_ question: Question, render: (ExpositionFormat) -> [UInt8]) -> Reply {
        let format: ExpositionFormat? =
            switch question.path {
            case "/metrics": .negotiated(accept: question.accept)
            case "/metrics/triton": .triton
            default: nil
            }
        guard format != nil || question.path == "/healthz" else {
            return sentence(
                404, "there is no \(quoted(question.path)) here: ask for /metrics, /metrics/triton or /healthz")
        }
        guard question.method == "GET" || question.method == "HEAD" else {
            var reply = sentence(
                405, "\(quoted(question.method)) is not possible on \(question.path): ask with GET or HEAD")
            reply.headers.append(("Allow", "GET, HEAD"))
            return reply
        }
        guard let format else { return sentence(200, "ok") }
        var reply = Reply(
            status: 200,
            headers: [
                ("Content-Type", format.contentType), ("Cache-Control", "no-store"),
                ("Vary", "Accept, Accept-Encoding"),
            ], body: render(format))
        if reply.body.count >= gzipBytesMin, ContentCoding.isGzip(acceptEncoding: question.acceptEncoding),
            let compressed = Compression.gzip(reply.body)
        {
            reply.body = compressed
            reply.headers.append(("Content-Encoding", "gzip"))
        }
        return reply
    }

    private static func sentence(_ status: Int, _ text: String) -> Reply {
        Reply(
            status: status,
            headers: [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")],
            body: Array((text + "\n").utf8))
    }

    /// What a peer chose, as much of it as tells which it was.
    private static func quoted(_ text: String) -> String {
        let plain = text.unicodeScalars.prefix(128).map {
            $0.isASCII && $0.value >= 0x20 && $0.value != 0x7f ? $0 : "?"
        }
        return "\"" + String(String.UnicodeScalarView(plain)) + "\""
    }
}

public enum Compression {
    /// One gzip member; `nil`: it would be longer, or there is no memory for it now.
    public static func gzip(_ bytes: [UInt8]) -> [UInt8]? {
        // What comes out is shorter than what went in, and lies in chunks.
        var arena = Arena(firstChunkBytes: 64 << 10, bytesMax: 3 * bytes.count + (256 << 10))
        do throws(ArenaFull) {
            var pieces = List<ByteView>()
            try pieces.append(try arena.copy(bytes), in: &arena)
            return try Gzip.deflate(pieces, bytesMax: bytes.count, in: &arena)?.array.flatMap(\.array)
        } catch {
            return nil
        }
    }
}
