// Enters: scrapes over HTTP/1.1. Leaves: what the routes answer.
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Telemetry

/// The HTTP server. Its clients are few and their requests small: whoever takes his time, or does not read, is hung up on.
struct Exposition {
    private let channel: any Channel

    static let connectionsMax = 256
    /// Its TLS handshake too, from the first byte on.
    static let requestSecondsMax: Int64 = 10
    /// Until it is taken.
    static let answerSecondsMax: Int64 = 10
    /// Without a byte of a request.
    static let idleSecondsMax: Int64 = 120
    /// Of an answer the kernel takes no more: by itself it would keep megabytes for each client that does not read.
    static let sendBufferBytes: ChannelOptions.Types.SocketOption.Value = 64 << 10

    init(
        _ address: HostAndPort, _ tls: NIOSSLContext?, _ page: ServerPage, _ group: any EventLoopGroup
    ) async throws(Failure) {
        let connections = Connections()
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 128)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.so_sndbuf), value: Self.sendBufferBytes)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    let timeout = TimeoutHandler(channel, connections)
                    try pipeline.addHandler(timeout)
                    connections.add(channel)
                    if let tls { try pipeline.addHandler(NIOSSLServerHandler(context: tls)) }
                    try pipeline.configureHTTPServerPipeline(
                        withPipeliningAssistance: true, withErrorHandling: true)
                    try pipeline.addHandler(ScrapeHandler(page, timeout))
                }
            }
        do { channel = try await bootstrap.bind(host: address.host, port: address.port).get() } catch {
            let reason = (error as? IOError).map { unsafe String(cString: strerror($0.errnoCode)) } ?? "\(error)"
            throw Failure(
                code: 1,
                sentence:
                    "--listen: cannot listen on \(address.host) port \(address.port): \(reason); give another address")
        }
    }

    /// The one that was taken, where any was asked for.
    var port: Int? { channel.localAddress?.port }

    func close() async { try? await channel.close() }

    static func tls(_ certificate: String?, _ key: String?) throws(Failure) -> NIOSSLContext? {
        guard certificate != nil || key != nil else { return nil }
        guard let certificate, let key else {
            throw .usage("--tls-certificate and --tls-key belong together: give both, or none for plain HTTP")
        }
        do {
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: try NIOSSLCertificate.fromPEMFile(certificate).map { .certificate($0) },
                privateKey: .privateKey(try NIOSSLPrivateKey(file: key, format: .pem)))
            configuration.minimumTLSVersion = .tlsv12
            configuration.applicationProtocols = ["http/1.1"]
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw .usage(
                "--tls-certificate \(certificate) and --tls-key \(key) cannot be used: give a certificate and its own key, "
                    + "both in PEM (\(error))")
        }
    }
}

/// One connection: a request, its answer, the next one.
private final class ScrapeHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let page: ServerPage
    private let timeout: TimeoutHandler
    private var head: HTTPRequestHead?

    init(_ page: ServerPage, _ timeout: TimeoutHandler) {
        self.page = page
        self.timeout = timeout
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        // Of what a question says besides its head nothing is kept.
        case .body: break
        case .end:
            guard let head else { return }
            self.head = nil
            // He asks on without reading what he asked for.
            guard context.channel.isWritable else { return context.close(promise: nil) }
            timeout.requestCame()
            answer(head, context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func answer(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        func joined(_ name: String) -> String? {
            let values = head.headers[canonicalForm: name]
            return values.isEmpty ? nil : values.joined(separator: ",")
        }
        let reply = page.reply(
            Question(
                method: head.method.rawValue, path: String(head.uri.prefix { $0 != "?" }), accept: joined("accept"),
                acceptEncoding: joined("accept-encoding")))
        var headers = HTTPHeaders(reply.headers.map { ($0.name, $0.value) })
        headers.add(name: "Content-Length", value: "\(reply.body.count)")
        if !head.isKeepAlive { headers.add(name: "Connection", value: "close") }
        let status = HTTPResponseStatus(statusCode: reply.status)
        context.write(
            wrapOutboundOut(.head(.init(version: head.version, status: status, headers: headers))), promise: nil)
        if head.method != .HEAD, !reply.body.isEmpty {
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: reply.body)))), promise: nil)
        }
        let sent = context.eventLoop.makePromise(of: Void.self)
        sent.futureResult.assumeIsolated().whenSuccess { self.timeout.answerWasTaken() }
        if !head.isKeepAlive {
            let channel = context.channel
            sent.futureResult.whenComplete { _ in channel.close(promise: nil) }
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: sent)
    }
}
