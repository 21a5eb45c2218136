// Enters: errands, as messages. Leaves: orders carried out, and their answers as messages.
import Experiments
import Foundation
import Memory
import Models
import OpenInference
import PredictionAPI
import Protobuf
public import Reactor
import Rollout
public import Serving
import Tensors

/// Does what comes to the desk, on threads of its own.
public final class Clerk: Sendable {
    let control: ModelControl
    private let desk: Desk
    let log: @Sendable (String) -> Void
    private let worksBeside: @Sendable (Int) -> Void
    private let replaced = Semaphore()
    private let rolling = Semaphore()
    private let experimenting = Semaphore()
    private let news = NewsBoard()

    /// `worksBeside`: see `Server.worksBeside`.
    public init(
        _ control: ModelControl, at desk: Desk, worksBeside: @escaping @Sendable (Int) -> Void,
        log: @escaping @Sendable (String) -> Void
    ) {
        self.worksBeside = worksBeside
        self.control = control
        self.desk = desk
        self.log = log
    }

    /// Returns at once.
    public func start() throws(SystemError) {
        try Thread.start("control") { [self] in
            // Who is served comes first, here and below.
            Thread.giveWay()
            while let errand = desk.next() { take(errand) }
        }.detach()
        try Thread.start("freeing") { [self] in
            Thread.giveWay()
            while true {
                replaced.wait(until: .max)
                control.free()
            }
        }.detach()
        try Thread.start("rollouts") { [self] in judge() }.detach()
        try Thread.start("experiments") { [self] in experiment() }.detach()
        try Thread.start("news") { [self] in
            Thread.giveWay()
            news.run { (message) throws(ErrandRefusal) in try status(message) }
        }.detach()
    }

    /// Rollouts are looked at often, so that a bad one is taken back after few answers: this thread gives way to nobody.
    private func judge() {
        while true {
            rolling.wait(until: .max)
            var isRunning = true
            while isRunning {
                Thread.rest(nanoseconds: Self.lookNanoseconds)
                let (goesOn, hasCommitted, lines) = control.judge()
                for line in lines { log("rollout: \(line)") }
                if hasCommitted { replaced.post() }
                isRunning = goesOn
            }
        }
    }

    /// Rewards are added up once a second.
    private func experiment() {
        var looks = 0
        var told: String?
        while true {
            if !control.hasExperiments { experimenting.wait(until: .max) }
            Thread.rest(nanoseconds: 1_000_000_000)
            let (hasCommitted, lines) = control.lookAtExperiments()
            for line in lines { log("experiment: \(line)") }
            if hasCommitted { replaced.post() }
            looks += 1
            guard looks % Self.looksPerKeeping == 0 else { continue }
            let problem = control.keepExperiments()
            defer { told = problem }
            // Once, and not every ten seconds.
            guard let problem, problem != told else { continue }
            log("experiment: what is known cannot be kept for the next start: \(problem)")
        }
    }

    private static let looksPerKeeping = 10
    private static let lookNanoseconds = 10_000_000

    /// What takes long gets a thread of its own.
    private func take(_ errand: Errand) {
        if errand.purpose == .watch { return news.post(errand) }
        guard errand.purpose == .load || errand.purpose == .repositoryModelLoad else { return run(errand) }
        do throws(SystemError) {
            try Thread.start("loader") { [self] in
                Thread.giveWay()
                run(errand)
            }.detach()
        } catch {
            errand.reply(.failure(ErrandRefusal(.unavailable, "the server has no thread left to load it: try later")))
        }
    }

    private func run(_ errand: Errand) {
        worksBeside(1)
        defer { worksBeside(-1) }
        errand.reply(
            Result { () throws(ErrandRefusal) in
                let message = OwnedBytes(errand.message)
                return switch errand.purpose {
                case .repositoryIndex: try index(message.view)
                case .repositoryModelLoad: try repositoryLoad(message.view, errand)
                case .repositoryModelUnload: try repositoryUnload(message.view, errand)
                default: try answer(errand, message.view)
                }
            })
        // What was replaced is freed when callers have been told.
        replaced.post()
    }

    // MARK: - vencejo.v1.ModelControlService

    private func answer(_ errand: Errand, _ message: ByteView) throws(ErrandRefusal) -> [UInt8] {
        let (purpose, request) = (errand.purpose, try request(message))
        if purpose == .status { return try status(request).encoded }
        if purpose == .history {
            return encoded { (arena) throws(ArenaFull) in try history(request.model).encode(headroom: 0, in: &arena) }
        }
        var signed = Signed(
            // Scalars: one character may have any number of them.
            author: String(request.author.unicodeScalars.prefix(128)),
            reason: String(request.reason.unicodeScalars.prefix(1024)),
            timeMilliseconds: Clock.wallMilliseconds(),
            isDryRun: request.isDryRun)
        signed.caller = errand.caller
        signed.trigger = errand.isByCommand ? .cli : .api
        signed.isForced = request.isForced
        let outcome: Outcome
        if purpose == .rollout {
            let wanted = [Ordered(request.model, request.version == 0 ? nil : request.version)]
            outcome = try told(signed, .rollout, wanted, errand) { () throws(OrderError) in
                try control.rollout(
                    request.model, request.version == 0 ? nil : request.version, try RolloutPolicy(request.policy),
                    isForced: request.isForced, signed)
            }
            rolling.post()
        } else if purpose == .experiment {
            guard let policy = ExperimentPolicy(request.experiment, request.shares) else {
                throw ErrandRefusal(.badRequest, "an assignment that is not known: name another")
            }
            outcome = try told(signed, .experiment, [Ordered(request.model)], errand) { () throws(OrderError) in
                try control.experiment(request.model, policy, isForced: request.isForced, signed)
            }
            experimenting.post()
        } else {
            // Blue and green take turns: nobody chooses between them.
            guard ["", "shadow"].contains(request.slot) else {
                throw ErrandRefusal(
                    .badRequest,
                    "slot '\(escaped(request.slot))': allowed is shadow, or none for the one that is not live")
            }
            guard let order = Order(purpose, request) else { preconditionFailure("\(purpose) is no order") }
            outcome = try perform(order, signed, errand)
        }
        return encoded { (arena) throws(ArenaFull) in try ControlResponse(outcome).encode(headroom: 0, in: &arena) }
    }

    func perform(_ order: Order, _ signed: Signed, _ errand: Errand) throws(ErrandRefusal) -> Outcome {
        try told(signed, order.action, order.wanted, errand) { () throws(OrderError) in
            try control.perform(order, signed)
        }
    }

    /// What was done is told in the log; and in the audit log what is to be done, and then what came of it.
    func told(
        _ signed: Signed, _ action: OrderAction, _ wanted: [Ordered], _ errand: Errand,
        _ carryOut: () throws(OrderError) -> Outcome
    ) throws(ErrandRefusal) -> Outcome {
        let intent = try control.journal?.intend(action, signed, wanted, of: errand)
        let outcome: Outcome
        do throws(OrderError) { outcome = try carryOut() } catch {
            let refusal = refusal(error)
            try intent?.failed(refusal.sentence)
            throw refusal
        }
        try intent?.done(outcome)
        if !signed.isDryRun {
            let author = signed.author.isEmpty ? "somebody" : escaped(signed.author)
            for step in outcome.decision.steps { log("\(author), \(action.rawValue): \(step)") }
        }
        return outcome
    }

    func refusal(_ error: OrderError) -> ErrandRefusal {
        let error = control.advised(error)
        return ErrandRefusal(error.kind, error.sentence)
    }

    private func status(_ message: ByteView) throws(ErrandRefusal) -> StatusResponse {
        try status(try request(message))
    }

    private func request(_ message: ByteView) throws(ErrandRefusal) -> ControlRequest {
        do throws(PredictionDecodeError) { return try ControlRequest.decode(message) } catch {
            throw ErrandRefusal(.badRequest, error.sentence)
        }
    }

    private func status(_ request: ControlRequest) throws(ErrandRefusal) -> StatusResponse {
        var response = StatusResponse()
        do throws(OrderError) {
            let traffic = try control.traffic(of: request.model)
            response.epoch = traffic.epoch
            response.models = traffic.models.map { model in
                StatusResponse.Model(model.entry, model.rollout, control.experiment(of: model.entry.name))
            }
        } catch {
            throw refusal(error)
        }
        return response
    }

    private func history(_ model: String) -> HistoryResponse {
        var response = HistoryResponse()
        for event in control.history(model) {
            var line = HistoryResponse.Event()
            line.timeMilliseconds = event.timeMilliseconds
            line.verb = event.action.rawValue
            line.from = event.from ?? 0
            line.to = event.to ?? 0
            line.epoch = event.epoch
            line.author = event.author
            line.reason = event.reason
            line.steps = event.steps
            line.version = event.version ?? 0
            line.digest = event.digest ?? ""
            line.isForced = event.isForced ?? false
            response.events.append(line)
        }
        response.previous = control.previous(model) ?? 0
        return response
    }
}

/// A message of ours as bytes.
func encoded(_ encode: (inout Arena) throws(ArenaFull) -> WireWriter) -> [UInt8] {
    var arena = Arena(bytesMax: 64 << 20)
    do throws(ArenaFull) {
        var writer = try encode(&arena)
        return try writer.finish(in: &arena) { (_, _) in }.array.flatMap(\.array)
    } catch {
        preconditionFailure("a message of more than 64 MiB about models")
    }
}
