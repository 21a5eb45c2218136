// Enters: a connection's clocks. Leaves: what is to be done about it, and when to look again. Pure: no socket, no clock.
import HTTP2
import Memory

/// The times by which a connection must have done something.
struct Life {
    enum Stage: Equatable {
        case serving
        /// GOAWAY without a last stream was sent; calls on their way still come in.
        case noticed(at: Int64)
        /// The final GOAWAY was sent; what is open may end.
        case leaving(since: Int64)
        /// Our side is closed; the peer's has until then.
        case lingering(until: Int64)
    }

    enum Verdict: Equatable {
        case nothing
        /// Too slow to go on: drop it.
        case drop
        /// Ask it to leave (first GOAWAY).
        case notice
        /// Tell it the last stream that is served (second GOAWAY).
        case leave
        /// What is still open has had its time: refuse it.
        case refuse
        /// All is said: close our side.
        case close
    }

    let openedNanoseconds: Int64
    /// When it is asked to leave.
    let leaveNanoseconds: Int64
    var stage = Stage.serving
    /// Since when the socket takes nothing, while something waits.
    var blockedSince: Int64?
    /// The look that is already asked for.
    var nextLook = Int64.max
    /// When the first GOAWAY is followed by the second, should the peer's answer to our ping not come before.
    private static let noticeNanoseconds: Int64 = 1_000_000_000
    private static let lingerNanoseconds: Int64 = 1_000_000_000

    init(opened: Int64, age: Int64) {
        openedNanoseconds = opened
        leaveNanoseconds = opened.addingReportingOverflow(age).partialValue
    }

    /// What a connection is like now.
    struct Facts {
        /// TLS is up and an HTTP/2 frame has come.
        var isGreeted: Bool
        var headBegan: Int64?
        /// The earliest time at which one of its calls must be looked at; `.max`: none.
        var earliestCall = Int64.max
        var openCalls: Int
        var lastRequest: Int64
        var pingAnswered: Bool
        var isFlushed: Bool
    }

    /// - Returns: what to do, and when to look again at the latest.
    mutating func judge(_ facts: Facts, now: Int64, limits: ServerLimits) -> (Verdict, Int64) {
        var next = facts.earliestCall
        func isPast(_ time: Int64) -> Bool {
            if now >= time { return true }
            next = min(next, time)
            return false
        }
        if let blockedSince, isPast(blockedSince + limits.progressNanoseconds) { return (.drop, now) }
        switch stage {
        case .lingering(let until): return isPast(until) ? (.drop, now) : (.nothing, next)
        case .noticed(let at):
            if facts.pingAnswered || isPast(at + Self.noticeNanoseconds) {
                stage = .leaving(since: now)
                return (.leave, now)
            }
            return (.nothing, next)
        case .leaving(let since):
            let end = since + limits.ageGraceNanoseconds
            if facts.openCalls == 0 && facts.isFlushed || isPast(end + Self.lingerNanoseconds) {
                stage = .lingering(until: now + Self.lingerNanoseconds)
                return (.close, now + Self.lingerNanoseconds)
            }
            return isPast(end) ? (.refuse, next) : (.nothing, next)
        case .serving: break
        }
        if !facts.isGreeted, isPast(openedNanoseconds + limits.handshakeNanoseconds) { return (.drop, now) }
        if let began = facts.headBegan, isPast(began + limits.headNanoseconds) { return (.drop, now) }
        let isIdle = facts.openCalls == 0 && isPast(facts.lastRequest + limits.idleNanoseconds)
        if isIdle || isPast(leaveNanoseconds) {
            stage = .noticed(at: now)
            return (.notice, now + Self.noticeNanoseconds)
        }
        return (.nothing, next)
    }

    mutating func notice(now: Int64) { stage = .noticed(at: now) }

    mutating func linger(now: Int64) { stage = .lingering(until: now + Self.lingerNanoseconds) }
}

extension Connection {
    /// Looks at the connection's clocks. - Returns: `false` when it is to be dropped.
    func look() throws(Ending) {
        let now = shard.now
        session.now = now
        var facts = Life.Facts(
            isGreeted: session.framesReceived > 0, headBegan: session.headBeganNanoseconds,
            openCalls: session.openExchanges, lastRequest: session.lastRequestNanoseconds,
            pingAnswered: session.isPingAnswered, isFlushed: isFlushed && !session.hasFrames)
        facts.earliestCall = lookAtCalls(now)
        let (verdict, next) = life.judge(facts, now: now, limits: shard.limits)
        switch verdict {
        case .nothing: break
        case .drop: throw .tooSlow
        case .notice: leave()
        case .leave: session.goAway(final: true)
        case .refuse: refuseAll()
        case .close: close()
        }
        // A connection without a call keeps no buffers.
        if session.openExchanges == 0 && isFlushed { shrink() }
        life.nextLook = .max
        shard.lookAgain(self, at: next)
    }

    private func refuseAll() {
        for position in 0..<session.openExchanges { refuse(session.openExchange(position), .draining) }
    }

    /// First half of a polite close: the peer learns that it is to open no more streams here.
    func leave() {
        guard !session.isGoingAway else { return }
        session.goAway(final: false)
        session.ping()
        life.notice(now: shard.now)
        shard.lookAgain(self, at: shard.now + 1_000_000_000)
    }

    /// Ends calls whose deadline has passed, or whose peer makes no progress. - Returns: when the next may.
    private func lookAtCalls(_ now: Int64) -> Int64 {
        var next = Int64.max
        for position in 0..<session.openExchanges {
            let exchange = session.openExchange(position)
            let rpc = shard.rpcs[exchange.seat]
            if !rpc.isOver && now >= rpc.deadline {
                refuse(exchange, .deadlinePassed)
                continue
            }
            // The peer owes bytes of a message, or takes none of an answer.
            let owes = !exchange.hasEnded && (rpc.method.shape == .unary || !exchange.body.isEmpty || rpc.isOver)
            if owes || !exchange.isDrained {
                let limit = exchange.lastProgressNanoseconds + shard.limits.progressNanoseconds
                if now >= limit {
                    refuse(exchange, .noProgress(seconds: shard.limits.progressNanoseconds / 1_000_000_000))
                    // A reply that the peer does not take cannot end in words.
                    if !exchange.isDrained { session.reset(exchange, code: .cancel) }
                    continue
                }
                next = min(next, limit)
            }
            if !rpc.isOver { next = min(next, rpc.deadline) }
        }
        return next
    }

    /// When the calls that stay open after a turn must be looked at; asked for once, at the earliest of them.
    func planLook() {
        var next = Int64.max
        for position in 0..<session.openExchanges {
            let exchange = session.openExchange(position)
            next = min(
                next, shard.rpcs[exchange.seat].deadline,
                exchange.lastProgressNanoseconds + shard.limits.progressNanoseconds)
        }
        if next < life.nextLook { shard.lookAgain(self, at: next) }
    }
}
