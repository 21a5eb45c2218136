// Enters: which versions are to be served, and bytes. Leaves: bytes, and which versions are to be served.
public import Experiments
import Foundation
import Memory
public import Models
public import Repository
import Tensors

/// What every start is to bring back: which versions of which models are loaded, where they stand, and which is live.
public struct Desired: Codable, Sendable, Equatable {
    public struct Model: Codable, Sendable, Equatable {
        /// By the names of slots.
        public var slots: [String: Int64] = [:]
        /// Loaded, and in no slot.
        public var others: [Int64] = []
        public var live: Int64?
        /// Which was live before, for who rolls back.
        public var previous: Int64?
        public var labels: [String: Int64] = [:]
        /// Percent by version, where calls are divided.
        public var shares: [String: Int]?
        public var salt: UInt64?
        /// So many percent are repeated by the shadow.
        public var mirrorPercent: Int?
        /// The experiment that the shares are of, and what it knew when this was written.
        public var experiment: Experiment?
        /// The version that was being rolled out: that ends with the server.
        public var rollout: Int64?
        /// What was done, the latest last.
        public var history: [Event] = []
        /// SHA-256 by version, of those that are loaded from a file.
        public var digests: [String: String]?
        /// What gates found that a start does not look at, by version: times, memory, answers to inputs of ours.
        public var faults: [String: [String]]?
        /// An order decided which version is live, or that none is: so it is again, whatever its gates say. `nil`: it was written
        /// before that was kept, or nothing was decided; see `wasOrdered`.
        public var isByOrder: Bool?
        /// It was to be so although a gate failed; `nil`: no.
        public var isForced: Bool?
        /// An order made another version live than the policy of the repository would; `nil`: no.
        public var isPinned: Bool?
        /// What an order unloaded, or unloaded to load another: watching the repository leaves it so; `nil`: nothing.
        public var aside: [Int64]?
    }

    /// One thing that was done to a model.
    public struct Event: Codable, Sendable, Equatable {
        /// Since 1970, UTC.
        public var timeMilliseconds: Int64
        public var action: OrderAction
        /// Which version was live before, and which was then.
        public var from: Int64?
        public var to: Int64?
        public var epoch: UInt64
        /// Who did it and why, in the caller's words; nothing proves them.
        public var author: String
        public var reason: String
        /// What was done, one sentence each.
        public var steps: [String]
        /// The version that it was about, where it was about one.
        public var version: Int64?
        /// What began it; `nil`: it was written before that was kept.
        public var trigger: Trigger?
        /// Whatever gates and differences said; `nil`: no.
        public var isForced: Bool?
        /// SHA-256 of `version`'s file; `nil`: there is none, or it is not loaded any more.
        public var digest: String?
    }

    public var schema = 1
    public var models: [String: Model] = [:]

    static let historyMax = 100
    /// Of one event: a swap may name a thousand models.
    static let stepsMax = 32

    public init() {}

    /// What `record` is now, and what made it that.
    mutating func note<Loaded>(_ record: ModelRecord<Loaded>, _ event: Event) {
        var model = models[record.name] ?? Model()
        // What stands in none and is on its way since the start is not lost by an order that comes meanwhile.
        let comingOthers = Set(model.others)
        model.slots = [:]
        model.others = []
        for standing in record.standings {
            if let slot = standing.slot {
                model.slots["\(slot.name)"] = standing.number
            } else if standing.state.isServing || standing.state.isComing && comingOthers.contains(standing.number) {
                model.others.append(standing.number)
            }
        }
        // While the first version is on its way nothing is live, and it is to be at the next start as well.
        model.live = record.live ?? record.wanted
        model.previous = record.previous
        model.labels = record.labels
        model.shares = record.split.map { split in
            Dictionary(uniqueKeysWithValues: split.shares.map { ("\($0.key)", $0.value) })
        }
        model.salt = record.split?.salt
        if record.split?.experiment == nil { model.experiment = nil }
        model.rollout = record.rollout
        model.mirrorPercent = record.mirrorPercent > 0 ? record.mirrorPercent : nil
        let known = record.standings.compactMap(\.version).filter { $0.digest.count > 0 }
        let digests = Dictionary(
            known.map { ("\($0.number)", $0.digest.array.hex) }, uniquingKeysWith: { first, _ in first })
        // What is on its way since the start was other bytes perhaps.
        let coming = record.standings.filter(\.state.isComing).map { "\($0.number)" }
        let kept = digests.merging((model.digests ?? [:]).filter { coming.contains($0.key) }) { now, _ in now }
        model.digests = kept.isEmpty ? nil : kept
        let faults = record.standings.compactMap(\.version).filter { !$0.faults.isEmpty }
        model.faults =
            faults.isEmpty
            ? nil : Dictionary(faults.map { ("\($0.number)", $0.faults) }, uniquingKeysWith: { first, _ in first })
        var event = event
        event.digest = event.version.flatMap { digests["\($0)"] }
        if event.steps.count > Self.stepsMax {
            event.steps = event.steps.prefix(Self.stepsMax) + ["and \(event.steps.count - Self.stepsMax) more"]
        }
        model.history.append(event)
        model.history.removeFirst(max(0, model.history.count - Self.historyMax))
        models[record.name] = model
    }
}

extension Desired.Model {
    /// An order decided what is live.
    var wasOrdered: Bool {
        isByOrder ?? history.last { $0.from != $0.to }.map { $0.trigger != .watch } ?? false
    }

    /// What was found of a version that a start does not look at. `digest`: of the file that lies there now.
    func keptFaults(_ version: Int64, digest: String) -> [String] {
        guard (digests?["\(version)"] ?? "") == digest else { return [] }
        let unseen: [Gate.Name] = [.latency, .memory, .answers, .finite]
        return (faults?["\(version)"] ?? []).filter { fault in
            unseen.contains { fault.hasPrefix("\($0.rawValue): ") }
        }
    }

    /// Its versions, all of them on their way.
    func record<Loaded>(_ name: String) -> ModelRecord<Loaded> {
        var places: [Slot: Int64] = [:]
        for slot in Slot.allCases {
            // No version stands in two places.
            guard let number = slots["\(slot.name)"], !places.values.contains(number) else { continue }
            places[slot] = number
        }
        let others = Set(others).subtracting(places.values).sorted()
        var split: Split?
        if let shares, rollout == nil {
            let known = shares.compactMap { (version, percent) in Int64(version).map { ($0, percent) } }
            // Who edits the file by hand is not to stop the server.
            if known.allSatisfy({ 1...100 ~= $0.1 }), known.map(\.1).reduce(0, +) == 100 {
                split = Split(shares: Dictionary(known) { first, _ in first }, salt: salt ?? 0)
            }
        }
        // Where none was live and no order wanted that, the highest that passes is to be.
        let highest = wasOrdered ? nil : (places.filter { $0.key != .shadow }.map(\.value) + others).max()
        return ModelRecord(
            name: name, slots: places, others: others, live: live ?? highest, previous: previous, labels: labels,
            split: split,
            mirrorPercent: min(100, max(0, mirrorPercent ?? 0)))
    }
}

/// A state file that is there and cannot be used, or one that cannot be written.
public struct StateFileError: Error {
    public let sentence: String
}

extension Desired {
    /// `nil`: nothing was ever kept there.
    public static func read(_ file: KeptFile) throws(StateFileError) -> Desired? {
        let bytes: [UInt8]?
        do throws(RepositoryError) { bytes = try file.read() } catch {
            throw StateFileError(sentence: error.description)
        }
        guard let bytes, !bytes.isEmpty else { return nil }
        struct Header: Decodable { var schema: Int }
        let unusable = StateFileError(
            sentence: "'\(file.path)' is not a state file of this server: move it away to start from the repository")
        guard let schema = try? JSONDecoder().decode(Header.self, from: Data(bytes)).schema else { throw unusable }
        guard schema == 1 else {
            throw StateFileError(
                sentence: "'\(file.path)' was written by another version (schema \(schema), known is 1): move it away "
                    + "to start from the repository")
        }
        guard let desired = try? JSONDecoder().decode(Desired.self, from: Data(bytes)) else { throw unusable }
        return desired
    }

    /// What a start can read: of histories that are too long the beginnings go.
    mutating func write(to file: KeptFile) throws(StateFileError) {
        guard let bytes = encoded(within: KeptFile.bytesMax / 4) else {
            throw StateFileError(
                sentence:
                    "'\(file.path)' would have more than \(KeptFile.bytesMax / 4) bytes: take labels away, or unload models"
            )
        }
        do throws(RepositoryError) { try file.write(bytes) } catch {
            throw StateFileError(sentence: error.description)
        }
    }

    /// `nil`: even without its histories it is larger.
    mutating func encoded(within bytesMax: Int) -> [UInt8]? {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        var eventsMax = Self.historyMax
        while true {
            guard let data = try? encoder.encode(self) else { preconditionFailure("a state that cannot be encoded") }
            if data.count <= bytesMax { return Array(data) }
            if eventsMax == 0 { return nil }
            eventsMax /= 2
            for name in models.keys {
                let history = models[name]?.history ?? []
                models[name]?.history = Array(history.suffix(eventsMax))
            }
        }
    }
}

/// What begins a change of the models.
public enum Trigger: String, Codable, Sendable {
    /// An order from our own command line, as far as it says so; another order.
    case cli, api
    /// The server itself: a rollout that takes itself back.
    case server
    /// What was put into the repository.
    case watch

    var isOrder: Bool { self == .cli || self == .api }
}

extension Desired.Event {
    private enum CodingKeys: String, CodingKey {
        case timeMilliseconds, from, to, epoch, author, reason, steps, version, trigger, isForced, digest
        case action = "verb"
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        from = try values.decodeIfPresent(Int64.self, forKey: .from)
        to = try values.decodeIfPresent(Int64.self, forKey: .to)
        trigger = try values.decodeIfPresent(Trigger.self, forKey: .trigger)
        let word = try values.decode(String.self, forKey: .action)
        if let known = OrderAction(rawValue: word) {
            action = known
        } else {
            // "watch", as all was called that was done for the repository's sake.
            action = from == to ? .load : .swap
            trigger = .watch
        }
        timeMilliseconds = try values.decode(Int64.self, forKey: .timeMilliseconds)
        epoch = try values.decode(UInt64.self, forKey: .epoch)
        author = try values.decode(String.self, forKey: .author)
        reason = try values.decode(String.self, forKey: .reason)
        steps = try values.decode([String].self, forKey: .steps)
        version = try values.decodeIfPresent(Int64.self, forKey: .version)
        isForced = try values.decodeIfPresent(Bool.self, forKey: .isForced)
        digest = try values.decodeIfPresent(String.self, forKey: .digest)
    }
}
