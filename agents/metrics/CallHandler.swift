// Enters: an ExportTraceServiceRequest. Leaves: a call of TraceService/Export over HTTP/2, and what its status means.
import NIOCore
import NIOHPACK
import NIOHTTP2
import Telemetry

/// OTLP over gRPC: one call on one connection.
final class CallHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let settings: ExportSettings
    private let request: [UInt8]
    private let promise: EventLoopPromise<Verdict>
    private var answer = GRPCAnswer()

    static func add(
        to channel: any Channel, _ settings: ExportSettings, _ request: [UInt8], _ promise: EventLoopPromise<Verdict>
    ) throws {
        let streams = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
            mode: .client, connectionConfiguration: .init(), streamConfiguration: .init()
        ) { $0.close() }
        let created = channel.eventLoop.makePromise(of: (any Channel).self)
        created.futureResult.whenFailure { promise.fail($0) }
        streams.createStreamChannel(promise: created) { stream in
            stream.eventLoop.makeCompletedFuture {
                let pipeline = stream.pipeline.syncOperations
                try pipeline.addHandler(CallHandler(settings, request, promise))
                try pipeline.addHandler(EndHandler(promise))
            }
        }
    }

    private init(_ settings: ExportSettings, _ request: [UInt8], _ promise: EventLoopPromise<Verdict>) {
        self.settings = settings
        self.request = request
        self.promise = promise
    }

    func channelActive(context: ChannelHandlerContext) {
        let call = GRPCRequest(request, isCompressed: settings.isCompressed)
        var headers = HPACKHeaders([
            (":method", "POST"), (":scheme", settings.target.isSecure ? "https" : "http"), (":path", Self.path),
            (":authority", settings.target.authority), ("content-type", "application/grpc+proto"), ("te", "trailers"),
            ("grpc-timeout", "\(min(settings.timeoutNanoseconds / 1_000_000, 99_999_999))m"), ("user-agent", userAgent),
        ])
        if call.isCompressed { headers.add(name: "grpc-encoding", value: "gzip") }
        for (name, value) in settings.headers { headers.add(name: name, value: value) }
        context.write(wrapOutboundOut(.headers(.init(headers: headers))), promise: nil)
        let body = IOData.byteBuffer(ByteBuffer(bytes: call.bytes))
        context.writeAndFlush(wrapOutboundOut(.data(.init(data: body, endStream: true))), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .headers(let frame):
            answer.httpStatus = frame.headers.first(name: ":status") ?? answer.httpStatus
            answer.status = frame.headers.first(name: "grpc-status") ?? answer.status
            answer.message = frame.headers.first(name: "grpc-message") ?? answer.message
            answer.details = frame.headers.first(name: "grpc-status-details-bin") ?? answer.details
            if frame.endStream { promise.succeed(answer.verdict) }
        case .data(let frame):
            if case .byteBuffer(let bytes) = frame.data {
                guard answer.body.count + bytes.readableBytes <= answerBytesMax else {
                    return promise.fail(CollectorError.tooLong(bytesMax: answerBytesMax))
                }
                answer.body += bytes.readableBytesView
            }
            if frame.endStream { promise.succeed(answer.verdict) }
        default: break
        }
    }

    private static let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
}
