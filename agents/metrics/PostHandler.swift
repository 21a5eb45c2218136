// Enters: an ExportTraceServiceRequest. Leaves: a POST over HTTP/1.1, and what its answer means.
import Foundation
import NIOCore
import NIOHTTP1
import Telemetry

/// OTLP over HTTP, `application/x-protobuf`: one request on one connection. Redirects are not followed: spans go to whom they
/// were meant for.
final class PostHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let settings: ExportSettings
    private let request: [UInt8]
    private let promise: EventLoopPromise<Verdict>
    private var head: HTTPResponseHead?
    private var body: [UInt8] = []

    static func add(
        to channel: any Channel, _ settings: ExportSettings, _ request: [UInt8], _ promise: EventLoopPromise<Verdict>
    ) throws {
        try channel.pipeline.syncOperations.addHTTPClientHandlers()
        try channel.pipeline.syncOperations.addHandler(PostHandler(settings, request, promise))
    }

    private init(_ settings: ExportSettings, _ request: [UInt8], _ promise: EventLoopPromise<Verdict>) {
        self.settings = settings
        self.request = request
        self.promise = promise
    }

    func channelActive(context: ChannelHandlerContext) {
        var headers = HTTPHeaders([
            ("Host", settings.target.authority), ("User-Agent", userAgent), ("Content-Type", "application/x-protobuf"),
            ("Connection", "close"),
        ])
        var body = request
        if settings.isCompressed, let compressed = Compression.gzip(request) {
            body = compressed
            headers.add(name: "Content-Encoding", value: "gzip")
        }
        headers.add(name: "Content-Length", value: "\(body.count)")
        for (name, value) in settings.headers { headers.replaceOrAdd(name: name, value: value) }
        let head = HTTPRequestHead(version: .http1_1, method: .POST, uri: settings.target.path, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body(let bytes):
            guard body.count + bytes.readableBytes <= answerBytesMax else {
                return promise.fail(CollectorError.tooLong(bytesMax: answerBytesMax))
            }
            body += bytes.readableBytesView
        case .end:
            guard let head else { return }
            promise.succeed(
                .ofHTTP(
                    status: Int(head.status.code), retryAfter: head.headers.first(name: "Retry-After"),
                    reason: head.status.reasonPhrase, body: body, now: Date().timeIntervalSince1970))
        }
    }
}
