// Enters: a schedule, requests, a server. Leaves: a tally. One event loop on one thread; it shares nothing.
import GRPC
import HTTP2
import Memory
import Reactor

/// One pass of the loop is a turn: read all answers that are there, send all requests that are due, one write for each
/// connection.
final class Generator {
    private let plan: Plan
    private let target: Target
    private let requests: Requests
    private let head: RequestHead
    private let poller: Poller
    private var connections: [Connection?] = []
    /// When to try again to connect, where a connection was lost.
    private var reconnects: [Int64] = []
    private var touched: [Int] = []
    private var again: [Int] = []
    private var schedule = Schedule(nil, begin: 0, end: 0)
    private(set) var tally = Tally(window: 0..<0)
    private var nextRequest: Int
    private var nextConnection = 0
    /// The last turn left requests that were due and found no room.
    private var isFull = false
    private var inFlight = 0

    /// The turn's time.
    private(set) var now = Clock.now()
    let exchanges = ExchangePool(arenaBytesMax: 1 << 20)
    /// By the exchange's seat, the intended time of its request; -1: it was told already.
    private var intended: [Int64] = []
    var inbox = ByteQueue()
    var plaintext = ByteQueue()

    init(
        _ plan: Plan, _ target: Target, _ requests: Requests, _ head: RequestHead, thread: Int
    ) throws(BenchError) {
        self.plan = plan
        self.target = target
        self.requests = requests
        self.head = head
        // Threads begin at different rows.
        nextRequest = requests.count * thread / plan.threads
        do throws(SystemError) { poller = try Poller() } catch { throw .system("\(error)") }
        let count = plan.connections / plan.threads + (thread < plan.connections % plan.threads ? 1 : 0)
        connections = Array(repeating: nil, count: count)
        reconnects = Array(repeating: 0, count: count)
    }

    /// Streams at a time that the server takes on each connection.
    private(set) var streamsMax = 0

    // MARK: - Connections

    /// Connects all; the clock of the run has not begun.
    func connect() throws(BenchError) {
        let deadline = now + plan.patienceNanoseconds
        do throws(Ending) {
            for index in connections.indices { try open(index) }
            while connections.contains(where: { !($0?.isReady ?? false) }) {
                guard now < deadline else { throw Ending(sentence: "it did not speak HTTP/2 within the timeout") }
                try turn(until: deadline) { (index, ending) throws(Ending) in throw ending }
            }
        } catch {
            throw .unreachable(error.sentence)
        }
        streamsMax = connections.reduce(.max) { min($0, $1?.streamsMax ?? .max) }
    }

    private func open(_ index: Int) throws(Ending) {
        let connection = try Connection(target, self, now: now)
        do throws(SystemError) { try poller.add(connection.descriptor, key: UInt64(index), write: true) } catch {
            throw Ending(sentence: "\(error)")
        }
        connections[index] = connection
    }

    /// A run goes on without the connection, and tries to get another one.
    private func lost(_ index: Int, _ ending: Ending) {
        tally.reconnects += 1
        reconnects[index] = now + Self.pauseNanoseconds
        guard let connection = connections[index] else { return }
        poller.remove(connection.descriptor)
        connection.abandon(ending.sentence)
        connections[index] = nil
    }

    private static let pauseNanoseconds: Int64 = 100_000_000

    private func reconnect() {
        for index in connections.indices {
            if let connection = connections[index], connection.isUsedUp {
                lost(index, Ending(sentence: "the server ended the connection"))
                reconnects[index] = now
            }
            guard connections[index] == nil, reconnects[index] <= now else { continue }
            do throws(Ending) { try open(index) } catch { reconnects[index] = now + Self.pauseNanoseconds }
        }
    }

    // MARK: - Turns

    /// Sends what is due from `begin` on until the end, and waits for the answers.
    func run(begin: Int64, arrivals: Arrivals?, progress: Progress) {
        let end = begin + plan.warmUpNanoseconds + plan.durationNanoseconds
        let last = end + plan.patienceNanoseconds
        schedule = Schedule(arrivals, begin: begin, end: end)
        tally = Tally(window: begin + plan.warmUpNanoseconds..<end)
        while schedule.nextDue(now: now) != nil || inFlight > 0 {
            guard now < last else { break }
            turn(until: last) { (index, ending) throws(Never) in lost(index, ending) }
            progress.tell(tally)
        }
        schedule.abandon { tally.abandoned(intended: $0) }
        for case let connection? in connections {
            if inFlight > 0 { connection.abandon("no answer came until the end of the run") }
            connection.close()
        }
        // Each of them refers to us.
        connections = []
    }

    private func turn<Failure: Error>(
        until deadline: Int64, _ lost: (Int, Ending) throws(Failure) -> Void
    ) throws(Failure) {
        let ready: Int
        do throws(SystemError) { ready = try poller.wait(nanoseconds: sleep(until: deadline)) } catch {
            fatalError("epoll_pwait2: \(error)")
        }
        now = Clock.now()
        swap(&touched, &again)
        for index in 0..<ready {
            let readiness = poller[index]
            let key = Int(readiness.key)
            guard let connection = connections[key] else { continue }
            touch(key, connection)
            guard readiness.canRead || readiness.hasFailed else { continue }
            do throws(Ending) { try connection.receive() } catch { try lost(key, error) }
        }
        if schedule.end > 0 {
            // Reading the answers took its time.
            now = Clock.now()
            reconnect()
            sendDue()
        }
        for key in touched {
            guard let connection = connections[key] else { continue }
            connection.isTouched = false
            do throws(Ending) {
                if try connection.send() {
                    connection.isTouched = true
                    again.append(key)
                }
                try wait(connection, key)
            } catch {
                try lost(key, error)
            }
        }
        touched.removeAll(keepingCapacity: true)
    }

    private func wait(_ connection: Connection, _ key: Int) throws(Ending) {
        do throws(SystemError) { try connection.wait(in: poller, key: UInt64(key)) } catch {
            throw Ending(sentence: "\(error)")
        }
    }

    private func touch(_ key: Int, _ connection: Connection) {
        guard !connection.isTouched else { return }
        connection.isTouched = true
        touched.append(key)
    }

    /// Until something is due, if there is room for it; a lost connection is tried again meanwhile.
    private func sleep(until deadline: Int64) -> Int64 {
        if !again.isEmpty { return 0 }
        let now = Clock.now()
        var wake = deadline
        if !isFull, let due = schedule.nextDue(now: now) { wake = min(wake, due) }
        for index in connections.indices where connections[index] == nil { wake = min(wake, reconnects[index]) }
        return max(0, wake - now)
    }

    // MARK: - Requests

    private func sendDue() {
        let hasWaited = isFull
        isFull = false
        while schedule.nextDue(now: now).map({ $0 <= now }) ?? false {
            guard let (index, connection) = room() else {
                isFull = true
                return
            }
            guard let time = schedule.take(now: now) else { return }
            if let deadline = plan.deadlineNanoseconds, now - time >= deadline {
                tally.answered(intended: time, now: now, .deadlineExceeded)
                tally.keep("waited for --in-flight until the deadline had passed; not sent", of: .deadlineExceeded)
                continue
            }
            tally.sent(intended: time, now: now, waited: hasWaited)
            connection.request(requests[nextRequest], head.fields, intended: time)
            nextRequest += 1
            inFlight += 1
            touch(index, connection)
        }
    }

    /// The next connection, in turn, on which another request may be on its way.
    private func room() -> (Int, Connection)? {
        for _ in connections.indices {
            let index = nextConnection
            nextConnection = index + 1 == connections.count ? 0 : index + 1
            guard let connection = connections[index], connection.isReady else { continue }
            if connection.inFlight < min(plan.inFlight, connection.streamsMax), connection.takesRequests {
                return (index, connection)
            }
        }
        return nil
    }

    func readClock() { now = Clock.now() }

    func began(_ seat: Int, intended time: Int64) {
        while intended.count <= seat { intended.append(-1) }
        intended[seat] = time
    }

    /// The exchange has its answer, or will never have one for the reason given. - Returns: whether that is new.
    func ended(_ exchange: Exchange, because reason: String?) -> Bool {
        let time = intended[exchange.seat]
        guard time >= 0 else { return false }
        intended[exchange.seat] = -1
        inFlight -= 1
        let outcome = Outcome(exchange)
        let status = reason == nil ? outcome.status : .unavailable
        tally.answered(intended: time, now: now, status)
        if tally.needsSentence(status) { tally.keep(reason ?? outcome.sentence, of: status) }
        return true
    }
}

/// The header of every request; it stays in place as long as there is one.
struct RequestHead: Sendable {
    let fields: [Field]
    private let texts: [OwnedBytes]

    init(_ target: Target, method: StaticString, deadlineNanoseconds: Int64?) {
        texts = [target.authority, deadlineNanoseconds.map(Self.timeout) ?? "", "vencejo-bench"].map { OwnedBytes($0) }
        fields =
            [
                Field(":method", "POST"), target.tls == nil ? Field(":scheme", "http") : Field(":scheme", "https"),
                Field(name: ByteView(":path"), value: ByteView(method)),
                Field(name: ByteView(":authority"), value: texts[0].view), Field("te", "trailers"),
                Field("content-type", "application/grpc"),
                Field(name: ByteView("user-agent"), value: texts[2].view),
            ] + (deadlineNanoseconds == nil ? [] : [Field(name: ByteView("grpc-timeout"), value: texts[1].view)])
    }

    /// At most eight digits, in the finest unit that they suffice for.
    private static func timeout(_ nanoseconds: Int64) -> String {
        for (unit, size) in [("u", 1000), ("m", 1_000_000)] as [(String, Int64)]
        where nanoseconds / size < 100_000_000 { return "\(max(1, nanoseconds / size))\(unit)" }
        return "\(nanoseconds / 1_000_000_000)S"
    }
}
