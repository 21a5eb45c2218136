// Enters: orders that divide the calls among versions. Leaves: what they come to. Decisions only.
import Tensors

/// A version's part of the calls that name none.
public struct Share: Sendable, Equatable {
    public var version: Int64
    public var percent: Int

    public init(version: Int64, percent: Int) {
        self.version = version
        self.percent = percent
    }
}

extension Roster {
    /// What an order comes to that needs nothing but what is in memory.
    public mutating func decide(_ order: Order, salt: UInt64 = .random(in: .min ... .max)) throws(OrderError)
        -> Decision
    {
        switch order {
        case .load(let model, _, _, _): throw .notLoaded(model: model, known: [])
        case .unload(let model, let version, let isForced): try unload(model, version, isForced: isForced)
        case .swap(let changes, let isForced): try swap(changes, isForced: isForced)
        case .rollback(let model): try rollback(model)
        case .label(let model, let label, let version): try self.label(model, label, version)
        case .weights(let model, let shares, let isForced):
            try weights(model, shares, isForced: isForced, salt: salt)
        case .shadow(let model, let version, let percent):
            try shadow(model, version, percent: percent)
        case .promote(let model): try promote(model)
        case .abort(let model): try abort(model)
        }
    }

    /// `shares`: 100 % together. All of it for the live version ends the division. `salt`: any number, for a new division.
    public mutating func weights(
        _ model: String, _ shares: [Share], isForced: Bool, salt: UInt64
    ) throws(OrderError) -> Decision {
        var record = try record(model)
        guard let live = record.live else { throw .noLive(model: model) }
        if let rollout = record.rollout { throw .rolloutIsOn(model: model, version: rollout) }
        if record.hasExperiment { throw .experimentIsOn(model: model) }
        var parts: [Int64: Int] = [:]
        for share in shares {
            guard 0...100 ~= share.percent else {
                throw .badShares("version \(share.version) is given \(share.percent) %; allowed are 0 to 100")
            }
            guard parts[share.version] == nil else { throw .badShares("version \(share.version) is named twice") }
            parts[share.version] = share.percent
            let standing = try serving(share.version, in: record)
            if !isForced, share.percent > 0, share.version != live { try check(standing, against: live, in: record) }
        }
        let sum = parts.values.reduce(0, +)
        guard sum == 100 else { throw .badShares("the shares are \(sum) % together; they must be 100 %") }
        parts = parts.filter { $0.value > 0 }
        if parts == [live: 100] {
            record.endSplit()
        } else {
            record.split = Split(shares: parts, salt: record.split?.salt ?? salt)
        }
        models[model] = record
        return decision(
            record, parts.sorted { $0.key > $1.key }.map { "version \($0.key) of model '\(model)' gets \($0.value) %" })
    }

    /// `version` gets `percent` of the calls, the live one the rest; more with each step, until it is promoted or aborted. `labels`:
    /// where its calls are joined with rewards.
    public mutating func rollout(
        _ model: String, _ version: Int64?, percent: Int, isForced: Bool, salt: UInt64, labels: Split.Experiment? = nil
    ) throws(OrderError) -> Decision {
        var record = try record(model)
        guard let live = record.live else { throw .noLive(model: model) }
        let target = try target(of: Order.Change(model: model, version: version), in: record)
        if let rollout = record.rollout, rollout != target.number {
            throw .rolloutIsOn(model: model, version: rollout)
        }
        if record.hasExperiment { throw .experimentIsOn(model: model) }
        guard target.number != live else { throw .alreadyLive(model: model, version: live) }
        if !isForced { try check(target, against: live, in: record) }
        record.split = Split(
            shares: [target.number: percent, live: 100 - percent], salt: record.split?.salt ?? salt, experiment: labels)
        record.rollout = target.number
        models[model] = record
        return decision(
            record,
            ["version \(target.number) of model '\(model)' gets \(percent) %, version \(live) \(100 - percent) %"],
            about: target.number)
    }

    /// The history is told something of a rollout; what is served stays as it is.
    public func remark(_ model: String, _ sentence: String) throws(OrderError) -> Decision {
        let record = try record(model)
        guard let version = record.rollout else { throw .noRollout(model: model) }
        return decision(record, [sentence], about: version)
    }

    /// Deals out all calls that name no version for an experiment. `shares`: percent by version, 100 together.
    public mutating func experiment(
        _ model: String, _ shares: [Int64: Int], _ experiment: Split.Experiment, isForced: Bool, salt: UInt64
    ) throws(OrderError) -> Decision {
        var record = try record(model)
        guard let live = record.live else { throw .noLive(model: model) }
        if let rollout = record.rollout { throw .rolloutIsOn(model: model, version: rollout) }
        if record.hasExperiment { throw .experimentIsOn(model: model) }
        for version in shares.keys.sorted() {
            let standing = try serving(version, in: record)
            if !isForced, version != live { try check(standing, against: live, in: record) }
        }
        record.split = Split(shares: shares, salt: salt, experiment: experiment)
        models[model] = record
        return decision(
            record, shares.sorted { $0.key < $1.key }.map { "version \($0.key) of model '\(model)' gets \($0.value) %" }
        )
    }

    /// As it was kept.
    public mutating func resume(_ model: String, _ split: Split) { models[model]?.split = split }

    /// An experiment goes on by these shares. Nothing happens if it is over.
    public mutating func goOn(_ model: String, _ shares: [Int64: Int], _ experiment: Split.Experiment) {
        guard models[model]?.split?.experiment?.number == experiment.number else { return }
        models[model]?.split?.shares = shares
        models[model]?.split?.experiment = experiment
    }

    /// `version` repeats `percent` of the live version's calls, in the slot shadow; 0 ends that.
    public mutating func shadow(_ model: String, _ version: Int64?, percent: Int) throws(OrderError) -> Decision {
        var record = try record(model)
        guard 0...100 ~= percent else { throw .badShares("a share of \(percent) %; allowed are 0 to 100") }
        guard let live = record.live else { throw .noLive(model: model) }
        if percent == 0 {
            var steps = ["no call of model '\(model)' is repeated"]
            let shadow = record.standings.first { $0.slot == .shadow }?.number
            if let shadow { steps.append(record.leaveShadow(shadow)) }
            models[model] = record
            return decision(record, steps, about: shadow)
        }
        let number: Int64
        if let there = record.standings.first(where: { $0.slot == .shadow })?.number, version == nil || version == there
        {
            number = there
        } else {
            number = try target(of: Order.Change(model: model, version: version), in: record).number
            guard number != live else { throw .alreadyLive(model: model, version: live) }
            if record.split?.shares[number] != nil { throw .rolloutIsOn(model: model, version: number) }
            record.moveToShadow(number)
        }
        _ = try serving(number, in: record)
        record.mirrorPercent = percent
        models[model] = record
        return decision(
            record, ["version \(number) of model '\(model)' repeats \(percent) % of version \(live)'s calls"],
            about: number)
    }

    /// What is rolled out becomes live.
    public mutating func promote(_ model: String) throws(OrderError) -> Decision {
        guard let version = try record(model).rollout else { throw .noRollout(model: model) }
        return try swap([Order.Change(model: model, version: version)], isForced: true)
    }

    /// The live version gets all calls again.
    public mutating func abort(_ model: String) throws(OrderError) -> Decision {
        var record = try record(model)
        guard let live = record.live, record.split != nil else { throw .noRollout(model: model) }
        let rollout = record.rollout
        record.endSplit()
        models[model] = record
        return decision(record, ["version \(live) of model '\(model)' gets all calls again"], about: rollout)
    }

    private func decision(_ record: ModelRecord<Model>, _ steps: [String], about version: Int64? = nil) -> Decision {
        Decision(
            changes: [Decision.Change(model: record.name, from: record.live, to: record.live)], steps: steps,
            version: version)
    }
}
