// Enters: a model's versions as of one commit, and a caller's selector. Leaves: a lease of the version that is to answer.
public import Memory
public import Tensors

/// A model for the length of one call.
public struct Lease<Model: AnyObject & Sendable>: BitwiseCopyable, Sendable {
    /// Kept until every shard has ended the turn in which it was leased, and every call that holds it has been delivered.
    public let model: Pinned<Model>
    public let provenance: Provenance
    /// Whether the traffic is divided, and how this call was dealt out.
    public let draw: Draw
    /// What part of the divided traffic goes to this version, in millionths; 0: the traffic is not divided.
    public let shareMillionths: UInt32
    /// Who is to repeat the call when it was answered.
    public let mirror: Pinned<Model>?
    /// Where an experiment dealt it to; `nil`: there is none.
    public let arm: Arm?

    public enum Draw: BitwiseCopyable, Sendable {
        /// There was no choice.
        case none
        /// By the caller's key: all calls of one key go to the same version.
        case byKey
        case byChance
    }

    /// One version of an experiment, in a stretch of time.
    public struct Arm: BitwiseCopyable, Sendable, Equatable {
        public let experiment: UInt16
        public let period: UInt8
        /// Its place among the experiment's versions, ascending.
        public let number: UInt8
    }
}

/// What decides which version gets a call where traffic is divided.
public enum Lot: BitwiseCopyable, Sendable {
    /// The hash of a key that the caller gave.
    case key(UInt64)
    /// Any number, another one for each call.
    case chance(UInt64)
}

/// How the calls that name no version are divided.
public struct Split: Sendable, Equatable {
    /// Percent by version; 100 together.
    public var shares: [Int64: Int]
    /// So that the same keys are not the first to get every new version.
    public var salt: UInt64
    /// Where calls are joined with rewards: of an experiment, or of a rollout (`ModelRecord.rollout`).
    public var experiment: Experiment?

    /// An experiment, or what a rollout has of one, as far as dealing out goes.
    public struct Experiment: Sendable, Equatable {
        public var number: UInt16
        /// The shares are the same all through it.
        public var period: UInt8
        /// All calls of a routing key go the same way; else a call's own id says where it goes.
        public var isByKey: Bool

        public init(number: UInt16, period: UInt8, isByKey: Bool) {
            self.number = number
            self.period = period
            self.isByKey = isByKey
        }
    }

    public init(shares: [Int64: Int], salt: UInt64, experiment: Experiment? = nil) {
        self.shares = shares
        self.salt = salt
        self.experiment = experiment
    }

    /// Of 10,000 equally likely ones.
    static let buckets: UInt64 = 10_000

    static func bucket(_ lot: Lot, salt: UInt64) -> UInt32 {
        switch lot {
        // A key's hash says something of the key.
        case .key(let hash): return UInt32(SplitMix.mixed(hash ^ salt) % buckets)
        case .chance(let number): return UInt32(number % buckets)
        }
    }
}

/// Why no model can be leased.
public enum LeaseError: Error, Equatable {
    case unknownModel(String)
    case unknownVersion(model: String, version: Int64, loaded: [Int64])
    case unknownLabel(model: String, label: String, known: [String])
    case emptySlot(model: String, slot: Slot)
    case loading(model: String, version: Int64)
    /// `reason`: our own sentence.
    case failed(model: String, version: Int64, reason: String)
    /// It has versions, and none of them is live.
    case noLiveVersion(model: String, loaded: [Int64])
}

/// One model as of one commit. It never changes; a change makes another.
public final class Entry<Model: AnyObject & Sendable>: Sendable {
    public let name: String
    /// The one that is live first, then by number, the highest first.
    public let standings: [Standing<Model>]
    public let labels: [String: Int64]
    /// `nil`: the live version gets all calls that name none.
    public let split: Split?
    /// Percent of the live version's calls that the version in the slot shadow repeats.
    public let mirrorPercent: Int
    private let mirror: Pinned<Model>?
    private let nameBytes: OwnedBytes
    private let hasLive: Bool
    /// The positions of versions that calls are divided among, and the first bucket beyond each.
    private let arms: [(position: Int, begin: UInt32, end: UInt32, experiment: Lease<Model>.Arm?)]
    private let salt: UInt64
    /// An experiment deals out each call by its own id.
    private let isById: Bool
    /// What a lease needs of each standing, found without counting who looks.
    private let places: [Place]

    private struct Place: BitwiseCopyable {
        let number: Int64
        let slot: Slot?
        /// `nil`: it takes no calls.
        let version: Pinned<Version<Model>>?
    }

    public init(
        name: String, standings: [Standing<Model>], labels: [String: Int64], split: Split? = nil,
        mirrorPercent: Int = 0
    ) {
        precondition(standings.count { $0.state == .live } <= 1, "one version is live")
        self.name = name
        self.labels = labels
        nameBytes = OwnedBytes(name)
        self.standings = standings.sorted {
            ($0.state == .live ? 1 : 0, $0.number) > ($1.state == .live ? 1 : 0, $1.number)
        }
        places = self.standings.map { Place(number: $0.number, slot: $0.slot, version: $0.version.map { Pinned($0) }) }
        hasLive = self.standings.first?.state == .live
        self.split = split
        var arms: [(position: Int, begin: UInt32, end: UInt32, experiment: Lease<Model>.Arm?)] = []
        let ascending = split?.shares.keys.sorted() ?? []
        for (position, standing) in self.standings.enumerated() {
            guard let share = split?.shares[standing.number], share > 0 else { continue }
            precondition(
                standing.state.isServing, "version \(standing.number) of \(name) has a share and takes no calls")
            let experiment = split?.experiment.map { experiment in
                Lease<Model>.Arm(
                    experiment: experiment.number, period: experiment.period,
                    number: UInt8(ascending.firstIndex(of: standing.number) ?? 0))
            }
            let begin = arms.last?.end ?? 0
            arms.append((position, begin, begin + UInt32(share) * UInt32(Split.buckets / 100), experiment))
        }
        precondition(split == nil || arms.last?.end == UInt32(Split.buckets), "the shares of \(name) are not 100 %")
        self.arms = arms
        salt = split?.salt ?? 0
        isById = split?.experiment.map { !$0.isByKey } ?? false
        self.mirrorPercent = mirrorPercent
        mirror = mirrorPercent > 0 ? self.standings.first { $0.slot == .shadow }?.version?.pinned : nil
    }

    /// The name, for as long as the catalog is kept.
    public var nameView: ByteView { nameBytes.view }

    /// The number by which its calls are joined with rewards, for an experiment or a rollout.
    public var experiment: UInt16? { arms.first?.experiment?.experiment }

    /// The version that answers who names none.
    public var live: Standing<Model>? { hasLive ? standings[0] : nil }

    public func standing(_ number: Int64) -> Standing<Model>? { standings.first { $0.number == number } }
    public func standing(in slot: Slot) -> Standing<Model>? { standings.first { $0.slot == slot } }

    /// The standing that a caller asks for, whatever its state.
    public func standing(_ selector: VersionSelector) throws(LeaseError) -> Standing<Model> {
        standings[try position(selector)]
    }

    /// `lot`: what decides where traffic is divided. `id`: the caller's for the call.
    public func lease(
        _ selector: VersionSelector, epoch: UInt64, lot: Lot = .chance(0), id: ByteView = .empty
    ) throws(LeaseError) -> Lease<Model> {
        if !arms.isEmpty, case .live = selector {
            var number = 0
            var draw = Lease<Model>.Draw.byChance
            var bucket = Split.bucket(lot, salt: salt)
            if isById {
                // The same ids, seed and shares deal out the same way again.
                if !id.isEmpty { bucket = Split.bucket(.key(id.fnv1a), salt: salt) }
            } else if case .key = lot {
                draw = .byKey
            }
            while bucket >= arms[number].end { number += 1 }
            let arm = arms[number]
            return try lease(
                at: arm.position, epoch: epoch, draw: draw, mirror: arm.position == 0 ? mirror(selector, lot) : nil,
                arm: arm.experiment, shareMillionths: (arm.end - arm.begin) * UInt32(1_000_000 / Split.buckets))
        }
        return try lease(at: try position(selector), epoch: epoch, draw: .none, mirror: mirror(selector, lot))
    }

    private func mirror(_ selector: VersionSelector, _ lot: Lot) -> Pinned<Model>? {
        guard let mirror, hasLive, case .live = selector else { return nil }
        // Other digits than those that divide the calls.
        let number =
            switch lot {
            case .key(let number), .chance(let number): number
            }
        return number / Split.buckets % 100 < UInt64(mirrorPercent) ? mirror : nil
    }

    private func lease(
        at position: Int, epoch: UInt64, draw: Lease<Model>.Draw, mirror: Pinned<Model>? = nil,
        arm: Lease<Model>.Arm? = nil, shareMillionths: UInt32 = 0
    ) throws(LeaseError) -> Lease<Model> {
        guard let version = places[position].version?.object else { throw unavailable(standings[position]) }
        return Lease(
            model: version.pinned,
            provenance: Provenance(
                model: version.name, version: version.number, slot: places[position].slot,
                artifactDigest: version.digest, epoch: epoch),
            draw: draw, shareMillionths: shareMillionths, mirror: mirror, arm: arm)
    }

    private func position(_ selector: VersionSelector) throws(LeaseError) -> Int {
        switch selector {
        case .live:
            if hasLive { return 0 }
            // While the first versions load, who names none is told of the one that will be live.
            if let coming = standings.firstIndex(where: { $0.state.isComing }) { return coming }
            if let failed = standings.firstIndex(where: { !$0.state.isServing }) { return failed }
            throw .noLiveVersion(model: name, loaded: standings.map(\.number).sorted())
        case .number(let number):
            return try position(number)
        case .label(let label):
            let label = label.clippedText
            guard let number = labels[label] else {
                throw .unknownLabel(model: name, label: label, known: labels.keys.sorted())
            }
            return try position(number)
        case .slot(let slot):
            for position in places.indices where places[position].slot == slot { return position }
            throw .emptySlot(model: name, slot: slot)
        }
    }

    private func position(_ number: Int64) throws(LeaseError) -> Int {
        for position in places.indices where places[position].number == number { return position }
        throw .unknownVersion(model: name, version: number, loaded: standings.map(\.number).sorted())
    }

    private func unavailable(_ standing: Standing<Model>) -> LeaseError {
        switch standing.state {
        case .failed(let reason), .quarantined(let reason):
            .failed(model: name, version: standing.number, reason: reason)
        default: .loading(model: name, version: standing.number)
        }
    }
}
