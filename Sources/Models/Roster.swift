// Enters: orders. Leaves: which versions of which models are to be served then. Decisions only: nothing is loaded here.
public import Tensors

/// One model: its versions, where they stand, and which is live.
public struct ModelRecord<Model: AnyObject & Sendable>: Sendable {
    public let name: String
    public private(set) var standings: [Standing<Model>] = []
    public internal(set) var labels: [String: Int64]
    /// Which version was live before the one that is, for who rolls back.
    public private(set) var previous: Int64?
    /// Which version becomes live as soon as it is ready, while none is.
    public private(set) var wanted: Int64?
    /// How calls that name no version are divided; `nil`: the live one gets all.
    public internal(set) var split: Split?
    /// Which version gets more and more of them, if one does.
    public internal(set) var rollout: Int64?
    /// So many percent of the live version's calls are repeated by the version in the slot shadow; its answers go nowhere.
    public internal(set) var mirrorPercent = 0

    public init(name: String, labels: [String: Int64] = [:]) {
        self.name = name
        self.labels = labels
    }

    /// As it was kept: versions on their way, one of which is to be live.
    public init(
        name: String, slots: [Slot: Int64], others: [Int64], live: Int64?, previous: Int64?,
        labels: [String: Int64], split: Split? = nil,
        mirrorPercent: Int = 0
    ) {
        self.init(name: name, labels: labels)
        self.split = split
        self.mirrorPercent = mirrorPercent
        for (slot, number) in slots { standings.append(Standing<Model>(loading: number, slot: slot)) }
        for number in others { standings.append(Standing<Model>(loading: number, slot: nil)) }
        self.previous = previous
        wanted = live
    }

    public var entry: Entry<Model> {
        // After a start the shares hold from when all of their versions are there.
        let isWhole = split?.shares.keys.allSatisfy { standing($0)?.state.isServing ?? false } ?? false
        return Entry(
            name: name, standings: standings, labels: labels, split: isWhole ? split : nil, mirrorPercent: mirrorPercent
        )
    }

    public func standing(_ number: Int64) -> Standing<Model>? { standings.first { $0.number == number } }

    public var live: Int64? { standings.first { $0.state == .live }?.number }

    /// Those that take calls, ascending.
    public var serving: [Int64] { standings.filter { $0.state.isServing }.map(\.number).sorted() }

    /// The place for the next version: the one of blue and green that is not live.
    public var idleSlot: Slot {
        if let taken = standings.first(where: { $0.state == .live || $0.number == wanted })?.slot {
            return taken == .blue ? .green : .blue
        }
        // Who is ready does not go while there is another place.
        func isFree(_ slot: Slot) -> Bool {
            !standings.contains { $0.slot == slot && ($0.state.isServing || $0.state.isComing) }
        }
        return isFree(.green) && !isFree(.blue) ? .green : .blue
    }

    // MARK: - What happens to versions

    /// It is on its way, without a slot; `arrived` gives it one.
    public mutating func begin(_ number: Int64, load: UInt64 = 0) {
        standings.removeAll { $0.number == number }
        standings.append(Standing<Model>(loading: number, slot: nil, load: load))
        // Who waits for what failed waits in vain.
        if live == nil, !(wanted.flatMap(standing)?.state.isComing ?? false) { wanted = number }
    }

    /// It is in memory, and its warm-up begins.
    public mutating func warming(_ number: Int64) {
        guard standing(number)?.state == .loading else { return }
        change(number) { $0.note(.loaded) }
    }

    /// What the arrival of a version would do.
    public struct Arrival: Equatable {
        /// Where it would stand.
        public var slot: Slot?
        /// Who would stand in none then.
        var displaced: [Int64]
        /// Who would go.
        public var gone: [Int64]
        /// Whether it was waited for: no version is live.
        public var isWanted: Bool
    }

    /// What would happen if it were ready now; the arguments are those of `arrived`. `nil`: it is not on its way.
    public func arrival(
        of number: Int64, keeping: Set<Int64> = [], displaces: Bool = true, isShadow: Bool = false
    ) -> Arrival? {
        guard let standing = standing(number), standing.state.isComing else { return nil }
        let place = standing.slot ?? (isShadow ? .shadow : idleSlot)
        // Who has a share of the calls keeps its place: the newcomer then stands in none.
        let isTaken = standings.contains {
            $0.number != number && $0.slot == place
                && (split?.shares[$0.number] != nil || standing.slot == nil && !displaces)
        }
        let slot = isTaken ? nil : place
        let displaced = standings.filter {
            slot != nil && $0.number != number && $0.slot == slot && $0.state != .live
        }.map(\.number)
        // Who asks by a label gets what it points to.
        let keeping = keeping.union(labels.values.filter { self.standing($0)?.state.isServing ?? false })
        return Arrival(
            slot: slot, displaced: displaced.filter(keeping.contains), gone: displaced.filter { !keeping.contains($0) },
            isWanted: live == nil && wanted == number)
    }

    /// It is ready. What stands in its slot and is not live leaves it; what is `keeping` stays, in no slot. `isShadow`: if it was
    /// given no slot, it takes the shadow, and repeats nothing yet.
    /// `displaces` false: if it was given no slot, it takes one only where nobody stands. `mayGoLive`: whether it becomes live
    /// where none is and it was waited for.
    /// - Returns: the numbers of versions that go.
    public mutating func arrived(
        _ version: Version<Model>, keeping: Set<Int64> = [], displaces: Bool = true, mayGoLive: Bool = true,
        isShadow: Bool = false
    ) -> [Int64] {
        guard
            let arrival = arrival(of: version.number, keeping: keeping, displaces: displaces, isShadow: isShadow)
        else { return [] }
        for number in arrival.displaced { change(number) { $0.slot = nil } }
        standings.removeAll { arrival.gone.contains($0.number) }
        change(version.number) {
            $0.slot = arrival.slot
            $0.becomeReady(version)
        }
        if previous.map(arrival.gone.contains) ?? false { previous = nil }
        if isShadow && arrival.slot == .shadow { mirrorPercent = 0 }
        if arrival.isWanted {
            if split?.shares[version.number] == nil { endSplit() }
            if mayGoLive { promote(version.number) } else { wanted = nil }
        }
        return arrival.gone
    }

    /// What was to be live failed, and no order wanted it: the highest that is there, or on its way, is to be live in its place.
    /// - Returns: its number; `nil`: there is none, or it is not waited for.
    public mutating func handOn(from number: Int64) -> Int64? {
        guard live == nil, wanted == number else { return nil }
        let others = standings.filter { $0.slot != .shadow && ($0.state.isServing || $0.state.isComing) }
        guard let next = others.max(by: { $0.number < $1.number }) else { return nil }
        wanted = next.number
        if next.state.isServing { promote(next.number) }
        return next.number
    }

    public mutating func failed(_ number: Int64, _ reason: String) {
        guard standing(number)?.state.isComing ?? false else { return }
        change(number) { $0.note(.fail(reason)) }
    }

    /// It failed so often, or so badly, that it is left alone.
    public mutating func gaveUp(_ number: Int64) {
        guard case .failed = standing(number)?.state else { return }
        change(number) { $0.note(.gaveUp) }
    }

    /// It becomes live; what was live stays ready beside it.
    mutating func promote(_ number: Int64) {
        guard live != number else { return }
        if standing(number)?.slot == .shadow {
            // Who answers stands in blue or green.
            mirrorPercent = 0
            let place = idleSlot
            change(number) { $0.slot = nil }
            for index in standings.indices where standings[index].slot == place { standings[index].slot = nil }
            change(number) { $0.slot = place }
        }
        if let old = live {
            change(old) { $0.note(.demoted) }
            previous = old
            endSplit()
        }
        change(number) { $0.note(.promoted) }
        wanted = number
    }

    /// All calls that name no version go to the live one again.
    mutating func endSplit() {
        split = nil
        rollout = nil
    }

    mutating func remove(_ number: Int64) {
        if standing(number)?.slot == .shadow { mirrorPercent = 0 }
        standings.removeAll { $0.number == number }
        if previous == number { previous = nil }
        if wanted == number { wanted = nil }
        if split?.shares[number] != nil { endSplit() }
    }

    /// It stands in the slot shadow from now on; who stood there stands in none.
    mutating func moveToShadow(_ number: Int64) {
        for index in standings.indices where standings[index].slot == .shadow { standings[index].slot = nil }
        change(number) { $0.slot = .shadow }
    }

    /// It repeats nothing any more, and stands where the next version would, if nobody stands there. - Returns: a sentence.
    mutating func leaveShadow(_ number: Int64) -> String {
        mirrorPercent = 0
        let place = idleSlot
        if let other = standings.first(where: { $0.slot == place })?.number {
            return
                "version \(number) of model '\(name)' stays loaded in the slot shadow, because version \(other) stands in "
                + "\(place.name): unload it if nobody needs it"
        }
        change(number) { $0.slot = place }
        return "version \(number) of model '\(name)' stands in \(place.name) again"
    }

    private mutating func change(_ number: Int64, _ body: (inout Standing<Model>) -> Void) {
        guard let index = standings.firstIndex(where: { $0.number == number }) else {
            preconditionFailure("version \(number) of \(name) is not there")
        }
        body(&standings[index])
    }
}

/// All models of a server, and what orders come to. A value: who decides takes a copy and keeps it or not.
public struct Roster<Model: AnyObject & Sendable>: Sendable {
    public var models: [String: ModelRecord<Model>] = [:]
    /// How `next` fails those who call `live` today; one phrase each.
    private let differences: @Sendable (_ live: Model, _ next: Model) -> [String]

    public init(differences: @escaping @Sendable (_ live: Model, _ next: Model) -> [String]) {
        self.differences = differences
    }

    /// All that are in memory.
    public var versions: [Version<Model>] { models.values.flatMap { $0.standings.compactMap(\.version) } }

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
            if from == target.number, record.split?.experiment != nil {
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
        if !version.faults.isEmpty { throw .unfit(model: record.name, version: next.number, faults: version.faults) }
        guard let live = live.flatMap({ record.standing($0) })?.version?.model else { return }
        let found = differences(live, version.model)
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

    /// Back to what was live before; its callers knew it, so nothing is compared.
    public mutating func rollback(_ model: String) throws(OrderError) -> Decision {
        let record = try record(model)
        guard let previous = record.previous, record.standing(previous)?.state == .ready else {
            throw .nothingBefore(model: model)
        }
        return try swap([Order.Change(model: model, version: previous)], isForced: true)
    }

    public mutating func unload(_ model: String, _ version: Int64?, isForced: Bool) throws(OrderError) -> Decision {
        var record = try record(model)
        let live = record.live
        guard let version else {
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
                version.map { "label '\(label)' of model '\(model)' points to version \($0)" }
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
