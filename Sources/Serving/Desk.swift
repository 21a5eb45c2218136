// Enters: calls about which models are served. Leaves: the same, answered by somebody with time.
import GRPC
import HTTP2
public import Memory
import Protobuf
import Reactor
import Synchronization

/// A call that takes somebody else's time, on its way between a shard and the desk. Belongs to one thread at a time.
public final class Errand: Parcel, @unchecked Sendable {
    /// What is asked for.
    public enum Purpose: UInt8, Sendable, BitwiseCopyable {
        case load, unload, swap, rollback, setLabel, history
        case setWeights, rollout, promote, abort, shadow, experiment, status
        /// The same errand comes again and again: after each answer, as soon as that has left.
        case watch
        /// Triton's words for the first two, and for what there is.
        case repositoryIndex, repositoryModelLoad, repositoryModelUnload
    }

    public let purpose: Purpose
    /// As it came: the message of its dialect.
    public let message: [UInt8]
    /// It came from vencejo's own command line, as far as its user-agent says so.
    public let isByCommand: Bool
    /// The last one, of an errand that comes again; and when it was given, on the shards' clock.
    public private(set) var answer: Result<[UInt8], ErrandRefusal>?
    public private(set) var answeredNanoseconds: Int64 = 0
    /// The client, for the audit log; `nil`: there is none.
    public let caller: OrderCaller?
    /// What it asked for is recorded by the one that answers it.
    public var isRecorded = false
    fileprivate let exchange: Pinned<Exchange>
    /// The shard's key of the connection.
    fileprivate let connection: UInt64
    private let door: ShardDoor

    fileprivate init(
        _ purpose: Purpose, message: [UInt8], of exchange: Exchange, connection: UInt64, from door: ShardDoor,
        caller: OrderCaller?
    ) {
        self.caller = caller
        self.purpose = purpose
        self.message = message
        isByCommand = exchange.head.isByCommand
        self.exchange = Pinned(exchange)
        self.connection = connection
        self.door = door
    }

    /// To be called once each time that it comes, with the message of the answer.
    public func reply(_ answer: Result<[UInt8], ErrandRefusal>) {
        self.answer = answer
        answeredNanoseconds = Clock.now()
        door.put(self)
    }

    /// Nobody waits for an answer any more, of an errand that comes again. It is to be given back all the same: `reply` with
    /// anything. (The exchange cannot be asked: it goes with its shard.)
    public var isAbandoned: Bool { abandoned.load(ordering: .relaxed) }
    private let abandoned = Atomic<Bool>(false)

    fileprivate func abandon() { abandoned.store(true, ordering: .relaxed) }
}

/// Why an errand was not done; one sentence of ours.
public struct ErrandRefusal: Error, Sendable, Equatable {
    public enum Kind: Sendable {
        case badRequest, notFound, wrongState, unavailable
    }

    public let kind: Kind
    public let sentence: String

    public init(_ kind: Kind, _ sentence: String) {
        self.kind = kind
        self.sentence = sentence
    }
}

/// Where shards leave errands, without a lock, and threads that may take long fetch them.
public final class Desk: Sendable {
    private let mailbox = Mailbox()
    private let semaphore = Semaphore()
    private let waiting = Lock<[Errand]>([])
    private let isClosed = Atomic<Bool>(false)

    public init() {}

    func put(_ errand: Errand) {
        _ = mailbox.put(errand)
        semaphore.post()
    }

    /// The next errand; waits for one. `nil`: the desk is closed.
    public func next() -> Errand? {
        while !isClosed.load(ordering: .acquiring) {
            semaphore.wait(until: .max)
            let errand = waiting.withLock { waiting -> Errand? in
                mailbox.take { parcel in
                    guard let errand = parcel as? Errand else { preconditionFailure("a parcel that is no errand") }
                    waiting.append(errand)
                }
                return waiting.isEmpty ? nil : waiting.removeFirst()
            }
            if let errand { return errand }
        }
        return nil
    }

    /// Nobody fetches any more; `threads`: how many may be waiting.
    public func close(threads: Int) {
        isClosed.store(true, ordering: .releasing)
        for _ in 0..<threads { semaphore.post() }
    }
}

extension Head {
    fileprivate var isByCommand: Bool {
        for index in fields.indices where fields[index].name == "user-agent" {
            return fields[index].value.prefix(8) == "vencejo/"
        }
        return false
    }
}

extension Connection {
    /// A call that somebody else answers, as far as the desk.
    func send(_ purpose: Errand.Purpose, _ exchange: Exchange) throws(Refusal) {
        guard mayControl, let desk = shard.server.configuration.desk else { throw .notHere }
        guard let message = try message(of: exchange) else { return }
        guard shard.errands < Self.errandsMax else { throw .tooManyErrands(max: Self.errandsMax) }
        shard.errands += 1
        shard.beginAudit(message, of: exchange, isStreamed: false)
        exchange.hold()
        desk.put(
            Errand(
                purpose, message: message.array, of: exchange, connection: key, from: shard.door,
                caller: shard.audit == nil ? nil : OrderCaller(caller)))
    }

    private static let errandsMax = 64

    func deliver(_ errand: Errand) {
        let exchange = errand.exchange.object
        guard !shard.rpcs[exchange.seat].isOver, !exchange.isClosed, let answer = errand.answer else { return }
        do throws(Refusal) {
            let bytes: [UInt8]
            do throws(ErrandRefusal) { bytes = try answer.get() } catch { throw Refusal.errand(error) }
            let message = try encoding(in: &exchange.arena) { (arena) throws(ArenaFull) in
                try WireWriter(copying: bytes, headroom: headroomBytes, in: &arena)
            }
            if errand.isRecorded { return leaveRecorded(exchange, .success(message)) }
            guard errand.purpose == .watch else { return reply(exchange, with: message) }
            begin(exchange)
            send(exchange, message)
        } catch {
            if errand.isRecorded { return leaveRecorded(exchange, .failure(error)) }
            refuse(exchange, error)
        }
    }

    // MARK: - Errands that come again

    /// ModelControlService.Watch: an answer leaves, then the errand goes to the desk again, and waits there until there is news.
    /// Who does not read his answers is not asked for: nothing gathers here.
    func follow(_ exchange: Exchange, wasSent: Bool) throws(Refusal) {
        guard mayControl, let desk = shard.server.configuration.desk else { throw .notHere }
        if shard.rpcs[exchange.seat].isFollowed {
            guard wasSent, exchange.isDrained, !exchange.isHeld,
                let errand = shard.following.first(where: { $0.exchange.object === exchange })
            else { return }
            exchange.arena.reset()
            exchange.hold()
            return desk.put(errand)
        }
        guard let message = try message(of: exchange) else { return }
        guard shard.following.count < Self.followedMax else { throw .tooManyErrands(max: Self.followedMax) }
        if shard.state.isDraining { throw .draining }
        let errand = Errand(
            .watch, message: message.array, of: exchange, connection: key, from: shard.door, caller: nil)
        shard.rpcs[exchange.seat].isFollowed = true
        shard.following.append(errand)
        shard.watchers.append(Shard.Watcher(connection: key, seat: exchange.seat))
        exchange.hold()
        desk.put(errand)
    }

    private static let followedMax = 64

    /// The stream is gone; the desk gives back what it has of it.
    func unfollow(_ exchange: Exchange) {
        shard.watchers.removeAll { $0.seat == exchange.seat }
        guard let place = shard.following.firstIndex(where: { $0.exchange.object === exchange }) else { return }
        shard.following.remove(at: place).abandon()
    }
}

extension Shard {
    func deliver(_ errand: Errand) {
        if errand.purpose != .watch { errands -= 1 }
        let exchange = errand.exchange.object
        guard let connection = connection(errand.connection) else { return exchanges.release(orphan: exchange) }
        connection.session.release(exchange)
        touch(connection)
        connection.deliver(errand)
    }
}
