// Enters: a connection's clocks. Leaves: what is to be done about it, and when to look again. Pure: no socket, no clock.
import HTTP2
import Memory
import ServerMetrics

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
    /// The look that is asked for, and one behind it that was asked for before.
    private(set) var nextLook = Int64.max
    private var laterLook = Int64.max
    /// When the first GOAWAY is followed by the second, should the peer's answer to our ping not come before.
    private static let noticeNanoseconds: Int64 = 1_000_000_000
    private static let lingerNanoseconds: Int64 = 1_000_000_000

    init(opened: Int64, age: Int64) {
        openedNanoseconds = opened
        leaveNanoseconds = opened.addingReportingOverflow(age).partialValue
    }

    /// - Returns: whether the wheel must be told: a look at or before `time` is not asked for yet.
    mutating func ask(for time: Int64) -> Bool {
        guard time < nextLook else { return false }
        laterLook = min(laterLook, nextLook)
        nextLook = time
        return true
    }

    /// The wheel has told. - Returns: whether it is time; what was asked for and then moved forward tells for nothing.
    mutating func isTime(_ now: Int64) -> Bool {
        guard now >= nextLook else { return false }
        nextLook = laterLook > now ? laterLook : .max
        laterLook = .max
        return true
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
        // Who has not said a word has nothing to finish.
        case .noticed where !facts.isGreeted, .leaving where !facts.isGreeted: return (.drop, now)
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
    /// Looks at the connection's clocks.
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
        case .notice: leave(now >= life.leaveNanoseconds ? .maxAge : .idle)
        case .leave: session.goAway(final: true)
        case .refuse: refuseAll()
        case .close: close()
        }
        // A connection without a call keeps no buffers.
        if session.openExchanges == 0 && isFlushed { shrink() }
        shard.lookAgain(self, at: next)
    }

    private func refuseAll() {
        for position in 0..<session.openExchanges { refuse(session.openExchange(position), .draining) }
    }

    /// First half of a polite close: the peer learns that it is to open no more streams here.
    func leave(_ reason: GoawayReason) {
        guard !session.isGoingAway else { return }
        shard.recorder.count(.goaways, point: reason.index)
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
            let due = due(exchange)
            guard now >= due else {
                next = min(next, due)
                continue
            }
            if !shard.rpcs[exchange.seat].isOver && now >= shard.rpcs[exchange.seat].deadline {
                refuse(exchange, .deadlinePassed)
            } else {
                // A reply that the peer does not take cannot end in words.
                let cannotBeTold = !exchange.isDrained || exchange.hasReplied
                refuse(exchange, .noProgress(seconds: shard.limits.progressNanoseconds / 1_000_000_000))
                if cannotBeTold { session.reset(exchange, code: .cancel) }
            }
        }
        return next
    }

    /// When the calls that stay open after a turn must be looked at; asked for once, at the earliest of them. Without any
    /// the connection is idle from its last request on.
    func planLook() {
        var next = session.openExchanges == 0 ? session.lastRequestNanoseconds + shard.limits.idleNanoseconds : .max
        for position in 0..<session.openExchanges { next = min(next, due(session.openExchange(position))) }
        shard.lookAgain(self, at: next)
    }

    /// When a call must have moved on: its deadline, and the time by which a peer that owes something must have done some
    /// of it. It owes bytes of a message, or the end of a call that has one answer; or to take what it was answered.
    private func due(_ exchange: Exchange) -> Int64 {
        let rpc = shard.rpcs[exchange.seat]
        let owesMore = rpc.method.shape == .unary || rpc.method.shape == .clientStreaming || !exchange.body.isEmpty
        let owes = rpc.isOver || !exchange.isDrained || !exchange.hasEnded && owesMore
        let progress = owes ? exchange.lastProgressNanoseconds + shard.limits.progressNanoseconds : .max
        return min(progress, rpc.isOver ? .max : rpc.deadline)
    }
}
