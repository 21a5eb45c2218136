// Enters: what happens to the versions of one model. Leaves: where they stand then, and which is live. Values only.
public import Tensors

/// One model: its versions, where they stand, and which is live.
public struct ModelRecord<Model: AnyObject & Sendable>: Sendable {
    public let name: String
    public private(set) var standings: [Standing<Model>] = []
    public internal(set) var labels: [String: Int64]
    /// Which version was live before the one that is, for a rollback.
    public private(set) var previous: Int64?
    /// Which version becomes live as soon as it is ready, while none is.
    public private(set) var wanted: Int64?
    /// How calls that name no version are divided; `nil`: the live one gets all.
    public internal(set) var split: Split?
    /// Which version gets more and more of them, if one does.
    public internal(set) var rollout: Int64?
    /// Its calls are dealt out for an experiment. A rollout joins its calls with rewards as well, and is none.
    var hasExperiment: Bool { split?.experiment != nil && rollout == nil }
    /// So many percent of the live version's calls are repeated by the version in the slot shadow; its answers go nowhere.
    public internal(set) var mirrorPercent = 0
    /// What the live version's number stood for before it was loaded anew, in memory for a rollback.
    public private(set) var former: Version<Model>?

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

    /// A number may stand for other bytes tomorrow: the digest is said where it is known.
    func title(of number: Int64) -> String { standing(number)?.version?.title ?? "version \(number)" }

    public var live: Int64? { standings.first { $0.state == .live }?.number }

    /// Those that take calls, ascending.
    public var serving: [Int64] { standings.filter { $0.state.isServing }.map(\.number).sorted() }

    /// The place for the next version: the one of blue and green that is not live.
    public var idleSlot: Slot {
        if let taken = standings.first(where: { $0.state == .live || $0.number == wanted })?.slot {
            return taken == .blue ? .green : .blue
        }
        // What is ready does not go while there is another place.
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
        // To wait for what failed is in vain.
        if live == nil, !(wanted.flatMap(standing)?.state.isComing ?? false) { wanted = number }
    }

    /// What takes calls is loaded anew, from another file or by another configuration, and answers meanwhile.
    public mutating func beginRenewal(of number: Int64, load: UInt64) { change(number) { $0.renewal = load } }

    /// It is there, and takes the place of what its number stood for.
    public mutating func renewed(_ version: Version<Model>) {
        var before: Version<Model>?
        change(version.number) { before = $0.renew(version) }
        // As after a swap, one is kept to go back to; other bytes were never live.
        if live == version.number { former = before }
        if previous == version.number { previous = nil }
    }

    /// The live version's number stands for what it stood for before. - Returns: a sentence; `nil`: it always stood for that.
    mutating func restoreFormer() -> String? {
        guard let back = former, let live, back.number == live, let now = standing(live)?.version else { return nil }
        renewed(back)
        endSplit()
        return
            "\(back.title) of model '\(name)' answers again, instead of what was loaded anew, \(now.title); from memory: the next "
            + "start loads the file that lies there"
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
        /// Versions that would stand in none then.
        var displaced: [Int64]
        /// Versions that would go.
        public var gone: [Int64]
        /// Whether it was waited for: no version is live.
        public var isWanted: Bool
    }

    /// What would happen if it were ready now; the arguments are those of `arrived`. `nil`: it is not on its way.
    public func arrival(
        of number: Int64, keeping: Set<Int64> = [], takesSlot: Bool = true, isShadow: Bool = false
    ) -> Arrival? {
        guard let standing = standing(number), standing.state.isComing else { return nil }
        let place = standing.slot ?? (!takesSlot ? nil : isShadow ? .shadow : idleSlot)
        // A version with a share of the calls keeps its place: the newcomer then stands in none.
        let isTaken = standings.contains {
            $0.number != number && $0.slot == place && split?.shares[$0.number] != nil
        }
        let slot = isTaken ? nil : place
        let displaced = standings.filter {
            slot != nil && $0.number != number && $0.slot == slot && $0.state != .live
        }.map(\.number)
        // A label points to what callers get by it.
        let keeping = keeping.union(labels.values.filter { self.standing($0)?.state.isServing ?? false })
        return Arrival(
            slot: slot, displaced: displaced.filter(keeping.contains), gone: displaced.filter { !keeping.contains($0) },
            isWanted: live == nil && wanted == number)
    }

    /// It is ready. What stands in its slot and is not live leaves it; what is `keeping` stays, in no slot. `isShadow`: if it was
    /// given no slot, it takes the shadow, and repeats nothing yet.
    /// `takesSlot` false: if it was given no slot, it stands in none, as it did when it was kept. `mayGoLive`: whether it becomes live
    /// where none is and it was waited for; else `handOn` or `stopWaiting` says what becomes of that.
    /// - Returns: the numbers of versions that go.
    public mutating func arrived(
        _ version: Version<Model>, keeping: Set<Int64> = [], takesSlot: Bool = true, mayGoLive: Bool = true,
        isShadow: Bool = false
    ) -> [Int64] {
        guard
            let arrival = arrival(of: version.number, keeping: keeping, takesSlot: takesSlot, isShadow: isShadow)
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
            if mayGoLive { promote(version.number) }
        }
        return arrival.gone
    }

    /// It is there, or failed, and is not to become live by itself any more.
    public mutating func stopWaiting(for number: Int64) {
        if live == nil, wanted == number { wanted = nil }
    }

    /// What was to be live failed, itself or a gate, and no order wanted it: of `heirs` the highest that came with the start and is
    /// there and passed its gates, or is on its way, is to be live in its place.
    /// - Returns: its number; `nil`: there is none, or another version is waited for.
    public mutating func handOn(from number: Int64, among heirs: Set<Int64>) -> Int64? {
        guard live == nil, wanted == number else { return nil }
        wanted = nil
        // Loads of orders have numbers.
        let others = standings.filter {
            $0.slot != .shadow && $0.load == 0 && heirs.contains($0.number)
                && ($0.version?.faults.isEmpty ?? $0.state.isComing)
        }
        guard let next = others.max(by: { $0.number < $1.number }) else { return nil }
        wanted = next.number
        if split?.shares[next.number] == nil { endSplit() }
        if next.state.isServing { promote(next.number) }
        return next.number
    }

    /// What takes calls and could not be loaded anew goes on as it is.
    public mutating func failed(_ number: Int64, _ reason: String) {
        guard let standing = standing(number) else { return }
        if standing.state.isComing { change(number) { $0.note(.fail(reason)) } }
        change(number) { $0.renewal = nil }
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
            // The live version stands in blue or green.
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
        former = nil
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
        if former?.number == number { former = nil }
        if wanted == number { wanted = nil }
        if split?.shares[number] != nil { endSplit() }
    }

    /// It stands in the slot shadow from now on; what stood there stands in none.
    mutating func moveToShadow(_ number: Int64) {
        for index in standings.indices where standings[index].slot == .shadow { standings[index].slot = nil }
        change(number) { $0.slot = .shadow }
    }

    /// It repeats nothing any more, and stands where the next version would, if that is free. - Returns: a sentence.
    mutating func leaveShadow(_ number: Int64) -> String {
        mirrorPercent = 0
        let place = idleSlot
        if let other = standings.first(where: { $0.slot == place })?.number {
            return
                "version \(number) of model '\(name)' stays loaded in the slot shadow, because version \(other) stands in "
                + "\(place.name): unload it if it is not needed"
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
