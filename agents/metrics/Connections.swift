// Enters: what happens on connections, and time. Leaves: room for new ones; whoever takes too long is hung up on.
import Memory
import NIOCore

/// Those that are open, in the order of the last step on them.
final class Connections: Sendable {
    private struct Connection {
        let channel: any Channel
        /// There is no whole request whose answer is not taken.
        var isIdle = true
    }

    private let open = Lock<[Connection]>([])

    /// When there is no room, the connection that has been idle the longest is closed; if none is idle, the one that has been
    /// busy the longest. So whoever asks whether the agent lives gets an answer, however many stay.
    func add(_ channel: any Channel) {
        let closed: (any Channel)? = open.withLock { open in
            defer { open.append(Connection(channel: channel)) }
            guard open.count >= Exposition.connectionsMax else { return nil }
            return open.remove(at: open.firstIndex(where: \.isIdle) ?? 0).channel
        }
        closed?.hangUp()
        channel.closeFuture.whenComplete { _ in self.open.withLock { $0.removeAll { $0.channel === channel } } }
    }

    fileprivate func step(_ channel: any Channel, isIdle: Bool) {
        open.withLock { open in
            guard let index = open.firstIndex(where: { $0.channel === channel }) else { return }
            open.remove(at: index)
            open.append(Connection(channel: channel, isIdle: isIdle))
        }
    }
}

/// Before all others, TLS too: each step on a connection has its time.
final class TimeoutHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let channel: any Channel
    private let connections: Connections
    private var deadline: Scheduled<Void>?
    /// Nothing of a request has come.
    private var isIdle = true
    /// Those that are not taken yet: more than one where requests do not wait for answers.
    private var answers = 0

    init(_ channel: any Channel, _ connections: Connections) {
        self.channel = channel
        self.connections = connections
    }

    func handlerAdded(context: ChannelHandlerContext) { limit(Exposition.idleSecondsMax) }

    func handlerRemoved(context: ChannelHandlerContext) { deadline?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isIdle {
            isIdle = false
            limit(Exposition.requestSecondsMax)
        }
        context.fireChannelRead(data)
    }

    /// A whole one.
    func requestCame() {
        answers += 1
        guard answers == 1 else { return }
        connections.step(channel, isIdle: false)
        limit(Exposition.answerSecondsMax)
    }

    func answerWasTaken() {
        answers -= 1
        isIdle = answers == 0
        connections.step(channel, isIdle: isIdle)
        limit(isIdle ? Exposition.idleSecondsMax : Exposition.answerSecondsMax)
    }

    private func limit(_ seconds: Int64) {
        deadline?.cancel()
        deadline = channel.eventLoop.scheduleTask(in: .seconds(seconds)) { [channel] in channel.hangUp() }
    }
}

extension Channel {
    /// Closes it without TLS's goodbye, which would wait for an answer.
    fileprivate func hangUp() {
        eventLoop.execute {
            try? self.pipeline.syncOperations.context(handlerType: TimeoutHandler.self).close(promise: nil)
        }
    }
}
