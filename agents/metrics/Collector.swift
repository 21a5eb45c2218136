// Enters: an ExportTraceServiceRequest. Leaves: a verdict, in time.
import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOPosix
import NIOSSL
import Telemetry

/// Where spans go. Each request has a connection of its own: one leaves every few seconds, and so there is none that has gone
/// stale, and nothing to close in the end.
struct Collector: Sendable {
    private let settings: ExportSettings
    private let tls: NIOSSLContext?
    private let group: any EventLoopGroup

    init(_ settings: ExportSettings, _ group: any EventLoopGroup) throws(Failure) {
        self.settings = settings
        self.group = group
        guard settings.target.isSecure else {
            tls = nil
            return
        }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = [settings.transport == .grpc ? "h2" : "http/1.1"]
        do {
            if let certificate = settings.certificate {
                configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(certificate))
            }
            tls = try NIOSSLContext(configuration: configuration)
        } catch {
            throw .usage(
                "OTEL_EXPORTER_OTLP_CERTIFICATE is \"\(settings.certificate ?? "")\", which cannot be read as PEM (\(error)): "
                    + "give the certificates that sign the collector's")
        }
    }

    /// Not later than the settings' timeout, or than its task is cancelled.
    func send(_ request: [UInt8]) async -> Verdict {
        let loop = group.next()
        let promise = loop.makePromise(of: Verdict.self)
        let connecting = ClientBootstrap(group: loop)
            .connectTimeout(.nanoseconds(settings.timeoutNanoseconds))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try configure(channel, request, promise) }
            }
            .connect(host: settings.target.host, port: settings.target.port)
        connecting.whenComplete { result in
            switch result {
            case .failure(let error): promise.fail(error)
            case .success(let channel): promise.futureResult.whenComplete { _ in channel.close(promise: nil) }
            }
        }
        let deadline = loop.scheduleTask(in: .nanoseconds(settings.timeoutNanoseconds)) {
            promise.fail(CollectorError.noAnswer(milliseconds: settings.timeoutNanoseconds / 1_000_000))
        }
        defer { deadline.cancel() }
        return await withTaskCancellationHandler {
            do { return try await promise.futureResult.get() } catch {
                let reason = Self.sentence(error)
                return .later(afterNanoseconds: nil, reason: "\(settings.target.url): \(reason)")
            }
        } onCancel: {
            promise.fail(CancellationError())
        }
    }

    /// The commonest mistake is the other transport's port.
    private static func sentence(_ error: any Error) -> String {
        switch error {
        case let error as CollectorError: error.sentence
        case let error as HTTPParserError:
            "no HTTP/1.1 comes from there (\(error)): for a port of gRPC, usually 4317, give --otlp-protocol grpc"
        case let error as any NIOHTTP2Error:
            "no HTTP/2 comes from there (\(error)): for a port of HTTP, usually 4318, give --otlp-protocol http/protobuf"
        default: "\(error)"
        }
    }

    private func configure(_ channel: any Channel, _ request: [UInt8], _ promise: EventLoopPromise<Verdict>) throws {
        let pipeline = channel.pipeline.syncOperations
        if let tls {
            let host = settings.target.host
            // A name for the server's certificate; an address is not sent as one.
            let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
            try pipeline.addHandler(NIOSSLClientHandler(context: tls, serverHostname: isAddress ? nil : host))
        }
        switch settings.transport {
        case .http: try PostHandler.add(to: channel, settings, request, promise)
        case .grpc: try CallHandler.add(to: channel, settings, request, promise)
        }
        try pipeline.addHandler(EndHandler(promise))
    }
}

enum CollectorError: Error {
    case noAnswer(milliseconds: Int64)
    case hungUp
    case tooLong(bytesMax: Int)

    var sentence: String {
        switch self {
        case .noAnswer(let milliseconds): "no answer in \(milliseconds) ms (OTEL_EXPORTER_OTLP_TIMEOUT)"
        case .hungUp: "it hung up before it answered"
        case .tooLong(let bytes): "its answer has more than \(bytes) bytes"
        }
    }
}

/// So much of an answer is read.
let answerBytesMax = 64 << 10
let userAgent = "vencejo-metrics/\(VencejoMetrics.version)"

/// Behind all others: what went wrong on the connection, or that it ended.
final class EndHandler: ChannelInboundHandler {
    typealias InboundIn = Any

    private let promise: EventLoopPromise<Verdict>

    init(_ promise: EventLoopPromise<Verdict>) { self.promise = promise }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {}

    func channelInactive(context: ChannelHandlerContext) {
        promise.fail(CollectorError.hungUp)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        promise.fail(error)
        context.close(promise: nil)
    }
}
