// Enters: errands, as messages. Leaves: orders carried out, and their answers as messages.
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
    private let control: ModelControl
    private let desk: Desk
    private let log: @Sendable (String) -> Void
    private let worksBeside: @Sendable (Int) -> Void
    private let replaced = Semaphore()
    private let rolling = Semaphore()

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
    }

    /// Rollouts are looked at often, so that a bad one is taken back after few answers: this thread gives way to nobody.
    private func judge() {
        while true {
            rolling.wait(until: .max)
            var isRunning = true
            while isRunning {
                Thread.rest(nanoseconds: Self.lookNanoseconds)
                let (goesOn, lines) = control.judge()
                for line in lines { log("rollout: \(line)") }
                isRunning = goesOn
            }
        }
    }

    private static let lookNanoseconds = 10_000_000

    /// What takes long gets a thread of its own.
    private func take(_ errand: Errand) {
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
                case .repositoryModelLoad: try repositoryLoad(message.view)
                case .repositoryModelUnload: try repositoryUnload(message.view)
                default: try answer(errand.purpose, message.view)
                }
            })
        // What was replaced is freed when callers have been told.
        replaced.post()
    }

    // MARK: - vencejo.v1.ModelControlService

    private func answer(_ purpose: Errand.Purpose, _ message: ByteView) throws(ErrandRefusal) -> [UInt8] {
        let request: ControlRequest
        do throws(PredictionDecodeError) { request = try ControlRequest.decode(message) } catch {
            throw ErrandRefusal(.badRequest, error.sentence)
        }
        if purpose == .status { return try status(request) }
        if purpose == .history {
            return encoded { (arena) throws(ArenaFull) in try history(request.model).encode(headroom: 0, in: &arena) }
        }
        let signed = Signed(
            author: String(request.author.prefix(128)), reason: String(request.reason.prefix(1024)),
            timeMilliseconds: Clock.wallMilliseconds(),
            isDryRun: request.isDryRun)
        let outcome: Outcome
        if purpose == .rollout {
            outcome = try told(signed, "rollout") { () throws(OrderError) in
                try control.rollout(
                    request.model, request.version == 0 ? nil : request.version, RolloutPolicy(request.policy),
                    isForced: request.isForced, signed)
            }
            rolling.post()
        } else {
            guard let order = Order(purpose, request) else { preconditionFailure("\(purpose) is no order") }
            outcome = try perform(order, signed)
        }
        return encoded { (arena) throws(ArenaFull) in try ControlResponse(outcome).encode(headroom: 0, in: &arena) }
    }

    private func perform(_ order: Order, _ signed: Signed) throws(ErrandRefusal) -> Outcome {
        try told(signed, order.verb) { () throws(OrderError) in try control.perform(order, signed) }
    }

    /// What was done is told in the log.
    private func told(
        _ signed: Signed, _ verb: String, _ carryOut: () throws(OrderError) -> Outcome
    ) throws(ErrandRefusal) -> Outcome {
        let outcome: Outcome
        do throws(OrderError) { outcome = try carryOut() } catch { throw ErrandRefusal(error.kind, error.sentence) }
        if !signed.isDryRun {
            let author = signed.author.isEmpty ? "somebody" : escaped(signed.author)
            for step in outcome.decision.steps { log("\(author), \(verb): \(step)") }
        }
        return outcome
    }

    private func status(_ request: ControlRequest) throws(ErrandRefusal) -> [UInt8] {
        var response = StatusResponse()
        response.epoch = control.epoch
        do throws(OrderError) {
            response.models = try control.traffic(of: request.model).map { StatusResponse.Model($0.entry, $0.rollout) }
        } catch {
            throw ErrandRefusal(error.kind, error.sentence)
        }
        let answer = response
        return encoded { (arena) throws(ArenaFull) in try answer.encode(headroom: 0, in: &arena) }
    }

    private func history(_ model: String) -> HistoryResponse {
        var response = HistoryResponse()
        for event in control.history(model) {
            var line = HistoryResponse.Event()
            line.timeMilliseconds = event.timeMilliseconds
            line.verb = event.verb
            line.from = event.from ?? 0
            line.to = event.to ?? 0
            line.epoch = event.epoch
            line.author = event.author
            line.reason = event.reason
            line.steps = event.steps
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

// MARK: - Triton's words

extension Clerk {
    /// Every model of the repository and of the catalog. As in Triton, a model of which nothing is loaded has no version.
    private func index(_ message: ByteView) throws(ErrandRefusal) -> [UInt8] {
        let isReadyWanted: Bool
        do throws(OpenInferenceError) { isReadyWanted = try RepositoryIndexRequest.decode(message) } catch {
            throw ErrandRefusal(.badRequest, error.sentence)
        }
        var lines: [RepositoryIndex.Line] = []
        let listed = control.listed
        for entry in listed {
            for standing in entry.standings.sorted(by: { $0.number < $1.number }) {
                var line = RepositoryIndex.Line(name: entry.name, version: "\(standing.number)")
                switch standing.state {
                case .ready, .live: line.state = "READY"
                case .absent, .draining: line.state = "UNLOADING"
                case .loading, .warming: line.state = "LOADING"
                case .failed(let reason), .quarantined(let reason):
                    line.state = "UNAVAILABLE"
                    line.reason = reason
                }
                lines.append(line)
            }
        }
        do throws(OrderError) {
            for name in try control.modelsOfRepository() where !listed.contains(where: { $0.name == name }) {
                lines.append(RepositoryIndex.Line(name: name))
            }
        } catch {
            throw ErrandRefusal(error.kind, error.sentence)
        }
        if isReadyWanted { lines.removeAll { $0.state != "READY" } }
        let index = RepositoryIndex(lines.sorted { ($0.name, $0.version) < ($1.name, $1.version) })
        return encoded { (arena) throws(ArenaFull) in try index.encode(headroom: 0, in: &arena) }
    }

    /// Loads, and makes live: with Triton's there is no other step. Which version its `config` may say, as
    /// `{"version_policy": {"specific": {"versions": [2]}}}`; else the highest.
    private func repositoryLoad(_ message: ByteView) throws(ErrandRefusal) -> [UInt8] {
        let request = try repositoryRequest(message)
        if let key = request.others.first {
            throw ErrandRefusal(
                .badRequest, "parameter '\(escaped(key))' is not supported: put the model's files into the repository")
        }
        var versions: [Int64?] = [nil]
        if let configuration = request.configuration {
            versions = try TritonConfiguration.versions(in: configuration)
        }
        let signed = Signed(author: "RepositoryModelLoad", reason: "", timeMilliseconds: Clock.wallMilliseconds())
        for version in versions {
            let number: Int64?
            if let version { number = version } else { number = try highestVersion(of: request.model) }
            _ = try perform(.load(model: request.model, version: number), signed)
            if let number, case let faults = control.faults(request.model, number), !faults.isEmpty {
                let error = OrderError.unfit(model: request.model, version: number, faults: faults)
                throw ErrandRefusal(error.kind, error.sentence)
            }
            _ = try perform(.swap([Order.Change(model: request.model, version: number)], isForced: true), signed)
        }
        return []
    }

    private func highestVersion(of model: String) throws(ErrandRefusal) -> Int64? {
        do throws(OrderError) { return try control.versionsOfRepository(model).max() } catch {
            throw ErrandRefusal(error.kind, error.sentence)
        }
    }

    private func repositoryUnload(_ message: ByteView) throws(ErrandRefusal) -> [UInt8] {
        let request = try repositoryRequest(message)
        _ = try perform(
            .unload(model: request.model, version: nil, isForced: true),
            Signed(author: "RepositoryModelUnload", reason: "", timeMilliseconds: Clock.wallMilliseconds()))
        return []
    }

    private func repositoryRequest(_ message: ByteView) throws(ErrandRefusal) -> RepositoryModelRequest {
        do throws(OpenInferenceError) { return try RepositoryModelRequest.decode(message) } catch {
            throw ErrandRefusal(.badRequest, error.sentence)
        }
    }
}

/// What we read of the configuration that a caller sends with RepositoryModelLoad.
private struct TritonConfiguration: Decodable {
    struct Policy: Decodable {
        struct Specific: Decodable { var versions: [Int64] }
        var specific: Specific?
    }

    var versionPolicy: Policy?

    /// The versions that it names, the one that is to be live last; one `nil`: the highest.
    static func versions(in text: String) throws(ErrandRefusal) -> [Int64?] {
        let decoder = JSONDecoder()
        // As protobuf's JSON, which knows its fields by both spellings.
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let configuration = try? decoder.decode(TritonConfiguration.self, from: Data(text.utf8)) else {
            throw ErrandRefusal(
                .badRequest,
                "parameter 'config' is not a model configuration in JSON, as {\"version_policy\": {\"specific\": {\"versions\": [2]}}}"
            )
        }
        guard let versions = configuration.versionPolicy?.specific?.versions, !versions.isEmpty else { return [nil] }
        guard versions.count <= 2 else {
            throw ErrandRefusal(
                .badRequest, "\(versions.count) versions are named; a model has two places, blue and green")
        }
        return versions.sorted()
    }
}

extension Order {
    /// `nil`: it is a question.
    fileprivate init?(_ purpose: Errand.Purpose, _ request: ControlRequest) {
        let version = request.version == 0 ? nil : request.version
        switch purpose {
        case .load: self = .load(model: request.model, version: version)
        case .unload: self = .unload(model: request.model, version: version, isForced: request.isForced)
        case .swap:
            var changes = request.swaps.map { Change(model: $0.model, version: $0.version == 0 ? nil : $0.version) }
            if !request.model.isEmpty { changes.append(Change(model: request.model, version: version)) }
            self = .swap(changes, isForced: request.isForced)
        case .rollback: self = .rollback(model: request.model)
        case .setLabel: self = .label(model: request.model, label: request.label, version: version)
        case .setWeights:
            self = .weights(
                model: request.model,
                request.shares.map { Share(version: $0.version, percent: Int(clamping: $0.percent)) },
                isForced: request.isForced)
        case .promote: self = .promote(model: request.model)
        case .shadow:
            self = .shadow(model: request.model, version: version, percent: Int(clamping: request.percent))
        case .abort: self = .abort(model: request.model)
        case .history, .status, .rollout, .repositoryIndex, .repositoryModelLoad, .repositoryModelUnload: return nil
        }
    }
}

extension ControlResponse {
    fileprivate init(_ outcome: Outcome) {
        self.init()
        epoch = outcome.epoch
        spreadNanoseconds = outcome.spreadNanoseconds
        changes = outcome.decision.changes.map { Change(model: $0.model, from: $0.from ?? 0, to: $0.to ?? 0) }
        steps = outcome.decision.steps
    }
}

extension OrderError {
    fileprivate var kind: ErrandRefusal.Kind {
        switch self {
        case .unknownModel, .unknownVersion, .noVersion, .notLoaded, .versionNotLoaded: .notFound
        case .badLabel, .twice, .noModel, .badShares, .badPolicy: .badRequest
        case .busy, .loadFailed, .incompatible, .unfit, .isLive, .nothingBeside, .nothingBefore, .noLive, .alreadyLive,
            .rolloutIsOn, .noRollout, .fixed:
            .wrongState
        case .notKept, .repository: .unavailable
        }
    }
}
