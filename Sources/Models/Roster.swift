// Enters: orders. Leaves: which versions of which models are to be served then. Decisions only: nothing is loaded here.
import Tensors

/// All models of a server, and what orders come to. A value: who decides takes a copy and keeps it or not.
public struct Roster<Model: AnyObject & Sendable>: Sendable {
    public var models: [String: ModelRecord<Model>] = [:]
    /// How `next` fails those who call `live` today; one phrase each.
    private let differences: @Sendable (_ live: Model, _ next: Model) -> [String]

    public init(differences: @escaping @Sendable (_ live: Model, _ next: Model) -> [String]) {
        self.differences = differences
    }

    /// All that are in memory.
    public var versions: [Version<Model>] {
        models.values.flatMap { $0.standings.compactMap(\.version) + [$0.former].compactMap(\.self) }
    }

    public var entries: [Entry<Model>] { models.values.filter { !$0.standings.isEmpty }.map(\.entry) }

    func record(_ model: String) throws(OrderError) -> ModelRecord<Model> {
        guard let record = models[model], !record.standings.isEmpty else {
            throw .notLoaded(model: model, known: models.values.filter { !$0.standings.isEmpty }.map(\.name).sorted())
        }
        return record
    }

    public mutating func swap(_ changes: [Order.Change], isForced: Bool) throws(OrderError) -> Decision {
        if changes.isEmpty { throw .noModel }
        var decision = Decision(changes: [], steps: [])
        // All of them or none.
        var models = models
        for change in changes {
            guard changes.count(where: { $0.model == change.model }) == 1 else { throw .twice(model: change.model) }
            var record = try record(change.model)
            let target = try target(of: change, in: record)
            let from = record.live
            if from == target.number, record.hasExperiment {
                // Of an experiment it is the one that was chosen.
                record.endSplit()
                models[change.model] = record
                decision.changes.append(Decision.Change(model: change.model, from: from, to: from))
                decision.steps.append(
                    "version \(target.number) of model '\(change.model)' stays live, and gets all calls")
                continue
            }
            if from == target.number {
                decision.steps.append("version \(target.number) of model '\(change.model)' is live already")
                continue
            }
            if !isForced { try check(target, against: from, in: record) }
            record.promote(target.number)
            record.endSplit()
            models[change.model] = record
            decision.changes.append(Decision.Change(model: change.model, from: from, to: target.number))
            decision.steps.append(
                "version \(target.number) of model '\(change.model)' answers"
                    + (from.map { " instead of version \($0), which stays loaded" } ?? ""))
        }
        self.models = models
        return decision
    }

    /// Whether it passed its gates, and callers of the live version would not notice.
    func check(_ next: Standing<Model>, against live: Int64?, in record: ModelRecord<Model>) throws(OrderError) {
        guard let version = next.version else { return }
        try check(version, against: live.flatMap({ record.standing($0) })?.version?.model, in: record)
    }

    private func check(
        _ next: Version<Model>, against other: Model?, in record: ModelRecord<Model>
    ) throws(OrderError) {
        if !next.faults.isEmpty { throw .unfit(model: record.name, version: next.number, faults: next.faults) }
        let found = other.map { differences($0, next.model) } ?? []
        guard found.isEmpty else { throw .incompatible(model: record.name, version: next.number, differences: found) }
    }

    func target(of change: Order.Change, in record: ModelRecord<Model>) throws(OrderError) -> Standing<Model> {
        let number: Int64
        if let version = change.version {
            number = version
        } else {
            // The one beside the live one; of several nobody guesses.
            let beside = record.standings.filter { $0.state == .ready && ($0.slot == .blue || $0.slot == .green) }
            guard beside.count == 1 else { throw .nothingBeside(model: change.model) }
            number = beside[0].number
        }
        return try serving(number, in: record)
    }

    func serving(_ number: Int64, in record: ModelRecord<Model>) throws(OrderError) -> Standing<Model> {
        let standing = record.standing(number)
        if standing?.state.isComing ?? false { throw .busy(model: record.name, version: number) }
        guard let standing, standing.state.isServing else {
            throw .versionNotLoaded(model: record.name, version: number, loaded: record.serving)
        }
        return standing
    }

    /// Whether its number may stand for something else: not where calls are compared by it.
    public func checkRenewal(_ model: String, _ version: Int64) throws(OrderError) {
        let record = try record(model)
        if record.rollout == version { throw .rolloutIsOn(model: model, version: version) }
        if record.hasExperiment, record.split?.shares[version] != nil { throw .experimentIsOn(model: model) }
    }

    /// `version` takes the place of what its number stands for. `isForced`: whatever its gates say, and also if callers would notice.
    public mutating func renew(
        _ model: String, _ version: Version<Model>, isForced: Bool
    ) throws(OrderError) -> Decision {
        try checkRenewal(model, version.number)
        var record = try record(model)
        let before = try serving(version.number, in: record)
        guard let old = before.version else { throw .notLoaded(model: model, known: []) }
        if !isForced { try check(version, against: old.model, in: record) }
        let live = record.live
        record.renewed(version)
        // It was waited for, and is what it has to be now.
        if live == nil, version.faults.isEmpty, before.slot != .shadow { record.promote(version.number) }
        models[model] = record
        let state = record.live == version.number ? "answers" : "is ready"
        return Decision(
            changes: [Decision.Change(model: model, from: live, to: record.live)],
            steps: ["\(version.title) of model '\(model)' \(state) instead of \(old.title): it was loaded anew"],
            version: version.number)
    }

    /// Back to what was live before, or to what the live one's number stood for; its callers knew it, so nothing is compared.
    public mutating func rollback(_ model: String) throws(OrderError) -> Decision {
        var record = try record(model)
        if let step = record.restoreFormer() {
            models[model] = record
            return Decision(
                changes: [Decision.Change(model: model, from: record.live, to: record.live)], steps: [step],
                version: record.live)
        }
        guard let previous = record.previous, record.standing(previous)?.state == .ready else {
            throw .nothingBefore(model: model)
        }
        var decision = try swap([Order.Change(model: model, version: previous)], isForced: true)
        decision.steps = [
            "\(record.title(of: previous)) of model '\(model)' answers again"
                + (record.live.map { " instead of \(record.title(of: $0)), which stays loaded" } ?? "")
        ]
        return decision
    }

    public mutating func unload(_ model: String, _ version: Int64?, isForced: Bool) throws(OrderError) -> Decision {
        var record = try record(model)
        let live = record.live
        guard let version else {
            if !isForced, let live { throw .isServed(model: model, live: live) }
            let numbers = record.standings.map(\.number).sorted()
            for number in numbers { record.remove(number) }
            models[model] = record
            return Decision(
                changes: [Decision.Change(model: model, from: live, to: nil)],
                steps: numbers.map { "version \($0) of model '\(model)' goes" })
        }
        guard record.standing(version) != nil else {
            throw .versionNotLoaded(model: model, version: version, loaded: record.serving)
        }
        if live == version && !isForced { throw .isLive(model: model, version: version) }
        if !isForced, record.rollout == version { throw .rolloutIsOn(model: model, version: version) }
        if !isForced, let percent = record.split?.shares[version] {
            throw .badShares(
                "version \(version) of model '\(model)' gets \(percent) % of the calls: change that first, or say force"
            )
        }
        record.remove(version)
        models[model] = record
        return Decision(
            changes: [Decision.Change(model: model, from: live, to: record.live)],
            steps: ["version \(version) of model '\(model)' goes"], version: version)
    }

    public mutating func label(_ model: String, _ label: String, _ version: Int64?) throws(OrderError) -> Decision {
        guard Self.isLabel(label) else { throw .badLabel(label) }
        var record = try record(model)
        if let version, record.standing(version) == nil {
            throw .versionNotLoaded(model: model, version: version, loaded: record.serving)
        }
        record.labels[label] = version
        models[model] = record
        return Decision(
            changes: [Decision.Change(model: model, from: record.live, to: record.live)],
            steps: [
                version.map { "label '\(label)' of model '\(model)' points to \(record.title(of: $0))" }
                    ?? "label '\(label)' of model '\(model)' is gone"
            ], version: version)
    }

    /// `[A-Za-z0-9._-]{1,64}`, and not a number, which would look like a version.
    private static func isLabel(_ label: String) -> Bool {
        let bytes = label.utf8
        guard 1...64 ~= bytes.count, !bytes.allSatisfy({ 0x30...0x39 ~= $0 }) else { return false }
        return bytes.allSatisfy {
            0x30...0x39 ~= $0 || 0x41...0x5a ~= $0 || 0x61...0x7a ~= $0 || $0 == 0x2d || $0 == 0x2e || $0 == 0x5f
        }
    }
}
