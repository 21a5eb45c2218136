// Enters: answers that left, by their request ids, and rewards, by the same ids. Leaves: sums of rewards. Shards and
// whoever brings rewards write without a lock; one thread reads now and then.
public import Memory

/// Which answers of a server's experiments still wait for their rewards: a million of them, 8 MiB, whatever is asked. Ids are
/// kept as hashes; that a reward finds another's answer happens once in 2^41 rewards of ids that nobody gave.
public final class Exposures: Sendable {
    public static let experimentsMax = 16
    public static let armsMax = 8
    /// Period numbers that may be in use at the same time; they go round.
    public static let periodsMax = 255

    private static let ways = 8
    private let bucketBits: UInt64
    private let table: AtomicWords
    private let totals = AtomicWords(count: experimentsMax * periodsMax * armsMax * 4)
    private let facts = AtomicWords(count: experimentsMax * Fact.allCases.count)
    private let doors = InlineArray<16, RewardDoor> { _ in RewardDoor() }

    private enum Fact: Int, CaseIterable {
        /// The number of the experiment, from 1 on; 0: there is none.
        case number
        /// How many experiments had this place.
        case begun
        case salt, keySalt, rewardMin, rewardMax, isLenient
        case calls, withoutId, repeatedIds, forgotten, unknownRewards, refusedRewards
    }

    /// `bucketBits`: 2^bucketBits times 8 answers are kept.
    public init(bucketBits: Int = 17) {
        self.bucketBits = UInt64(bucketBits)
        table = AtomicWords(count: Self.ways << bucketBits)
    }

    private func fact(_ slot: Int, _ fact: Fact) -> Int { slot * Fact.allCases.count + fact.rawValue }

    private func slot(of experiment: UInt16) -> Int? {
        let slot = Int(experiment) % Self.experimentsMax
        return facts.load(fact(slot, .number)) == UInt64(experiment) + 1 ? slot : nil
    }

    // MARK: - Experiments

    /// `salt`: another one for each experiment. `isLenient`: other rewards are unknown, and not refused: callers were not told that
    /// it goes on; and where the table is full its answers give way to those of experiments.
    /// - Returns: the experiment's number; `nil`: there are as many as can be.
    public func begin(salt: UInt64, rewards: ClosedRange<Double>, isLenient: Bool = false) -> UInt16? {
        for slot in 0..<Self.experimentsMax where facts.load(fact(slot, .number)) == 0 {
            clear { $0.slot == slot }
            for index in total(slot, 0, 0)..<total(slot, 0, 0) + Self.periodsMax * Self.armsMax * 4 {
                totals.store(index, 0)
            }
            for each in Fact.allCases where each != .begun { facts.store(fact(slot, each), 0) }
            facts.store(fact(slot, .salt), salt)
            facts.store(fact(slot, .keySalt), ~salt)
            facts.store(fact(slot, .rewardMin), rewards.lowerBound.bitPattern)
            facts.store(fact(slot, .rewardMax), rewards.upperBound.bitPattern)
            facts.store(fact(slot, .isLenient), isLenient ? 1 : 0)
            // Another number each time: what was dealt out by an experiment that is over belongs to none.
            let begun = facts.load(fact(slot, .begun))
            facts.add(fact(slot, .begun))
            let number = UInt16(truncatingIfNeeded: Int(begun) * Self.experimentsMax + slot)
            facts.store(fact(slot, .number), UInt64(number) + 1)
            doors[slot].open()
            return number
        }
        return nil
    }

    /// Its rewards are unknown from now on. When this returns `totals` has all that were joined: what is added up then is what
    /// callers were told.
    public func close(_ experiment: UInt16) {
        if let slot = slot(of: experiment) { doors[slot].close() }
    }

    /// It goes on after all. A reward that was unknown meanwhile may come again.
    public func reopen(_ experiment: UInt16) {
        if let slot = slot(of: experiment) { doors[slot].open() }
    }

    /// Its answers are forgotten, and its rewards are unknown from now on.
    public func end(_ experiment: UInt16) {
        guard let slot = slot(of: experiment) else { return }
        // Before the next experiment clears the sums, the last reward of this one has left them.
        doors[slot].close()
        facts.store(fact(slot, .number), 0)
        clear { $0.slot == slot }
    }

    /// What rewards of it must be. `nil`: whatever they are, none is refused.
    public func rewards(of experiment: UInt16) -> ClosedRange<Double>? {
        guard let slot = slot(of: experiment), facts.load(fact(slot, .isLenient)) == 0 else { return nil }
        return range(slot)
    }

    private func range(_ slot: Int) -> ClosedRange<Double>? {
        let low = Double(bitPattern: facts.load(fact(slot, .rewardMin)))
        let high = Double(bitPattern: facts.load(fact(slot, .rewardMax)))
        return low <= high ? low...high : nil
    }

    // MARK: - Answers and rewards

    /// An answer left. `id`: the caller's, which the reward will name. `key`: the hash of the caller's key, where all its calls
    /// go the same way: of those only the first is evidence.
    public func answered(_ id: ByteView, _ exposure: Exposure, key: UInt64? = nil) {
        guard let slot = slot(of: exposure.experiment) else { return }
        facts.add(fact(slot, .calls))
        guard !id.isEmpty else { return facts.add(fact(slot, .withoutId)) }
        let salt = facts.load(fact(slot, .salt))
        var word = Word(
            slot: slot, period: exposure.period, arm: exposure.arm,
            isLenient: facts.load(fact(slot, .isLenient)) != 0, tag: SplitMix.mixed(id.fnv1a ^ salt))
        if let key {
            var owner = word
            owner.isKey = true
            owner.hash = SplitMix.mixed(key ^ facts.load(fact(slot, .keySalt)))
            word.isRepeat = !insert(owner)
        }
        guard insert(word) else { return facts.add(fact(slot, .repeatedIds)) }
        if !word.isRepeat { totals.add(total(slot, exposure.period, exposure.arm)) }
    }

    /// What an answer brought. `value` is one that `rewards` allows.
    public func reward(_ id: ByteView, _ experiment: UInt16, _ value: Double) -> RewardOutcome {
        let place = Int(experiment) % Self.experimentsMax
        guard doors[place].enter() else {
            if slot(of: experiment) != nil { facts.add(fact(place, .unknownRewards)) }
            return .unknown
        }
        defer { doors[place].leave() }
        guard let slot = slot(of: experiment) else { return .unknown }
        let hash = SplitMix.mixed(id.fnv1a ^ facts.load(fact(slot, .salt)))
        guard !id.isEmpty, let (index, found) = find(hash, slot, isKey: false) else {
            facts.add(fact(slot, .unknownRewards))
            return .unknown
        }
        guard range(slot)?.contains(value) ?? false else {
            facts.add(fact(slot, .refusedRewards))
            facts.add(fact(slot, .unknownRewards))
            return .unknown
        }
        var settled = found
        settled.isSettled = true
        guard !found.isSettled, table.exchange(index, expected: found.raw, desired: settled.raw) else {
            return .repeated
        }
        guard !found.isRepeat else { return .joined }
        let first = total(slot, found.period, found.arm)
        totals.add(first + 2, value)
        totals.add(first + 3, value * value)
        // Last, so that a look never finds a reward without its value. The other way round is found at the next look.
        totals.addReleasing(first + 1)
        return .joined
    }

    // MARK: - For who reads

    public func totals(_ experiment: UInt16, period: UInt8, arm: Int) -> Totals {
        var totals = Totals()
        guard let slot = slot(of: experiment) else { return totals }
        let first = total(slot, period, UInt8(arm))
        totals.rewarded = Int(self.totals.loadAcquiring(first + 1))
        totals.units = Int(self.totals.load(first))
        totals.sum = Double(bitPattern: self.totals.load(first + 2))
        totals.squares = Double(bitPattern: self.totals.load(first + 3))
        return totals
    }

    /// What went past the joining.
    public func losses(_ experiment: UInt16) -> Losses {
        guard let slot = slot(of: experiment) else { return Losses() }
        func count(_ each: Fact) -> Int { Int(facts.load(fact(slot, each))) }
        return Losses(
            calls: count(.calls), withoutId: count(.withoutId), repeatedIds: count(.repeatedIds),
            forgotten: count(.forgotten), unknownRewards: count(.unknownRewards),
            refusedRewards: count(.refusedRewards))
    }

    /// Rewards of that period come too late from now on.
    public func expire(_ experiment: UInt16, period: UInt8) {
        guard let slot = slot(of: experiment) else { return }
        clear { $0.slot == slot && $0.period == period && !$0.isKey }
    }

    /// From now on the first answer of each key counts again.
    public func forgetKeys(_ experiment: UInt16) {
        guard let slot = slot(of: experiment) else { return }
        // A key that a shard puts there meanwhile is another one by the new salt.
        facts.add(fact(slot, .keySalt))
        clear { $0.slot == slot && $0.isKey }
    }

    /// Rewards of all answers of before are unknown from now on, and the first answer of each key counts again.
    public func forgetAnswers(_ experiment: UInt16) {
        guard let slot = slot(of: experiment) else { return }
        facts.add(fact(slot, .keySalt))
        clear { $0.slot == slot }
    }

    private func clear(_ isGone: (Word) -> Bool) {
        for index in 0..<table.count {
            // Somebody may put another in its place meanwhile, or a reward.
            while true {
                let raw = table.load(index)
                if raw == 0 || !isGone(Word(raw: raw)) || table.exchange(index, expected: raw, desired: 0) { break }
            }
        }
    }

    // MARK: - The table

    private func total(_ slot: Int, _ period: UInt8, _ arm: UInt8) -> Int {
        precondition(period < Self.periodsMax && arm < Self.armsMax, "no such period or arm")
        return ((slot * Self.periodsMax + Int(period)) * Self.armsMax + Int(arm)) * 4
    }

    private func bucket(_ hash: UInt64) -> Range<Int> {
        let first = Int(hash >> (64 - bucketBits)) * Self.ways
        return first..<first + Self.ways
    }

    private func find(_ hash: UInt64, _ slot: Int, isKey: Bool) -> (index: Int, word: Word)? {
        for index in bucket(hash) {
            let word = Word(raw: table.load(index))
            if word.isUsed, word.tag == hash & Word.tagMask, word.slot == slot, word.isKey == isKey {
                return (index, word)
            }
        }
        return nil
    }

    /// - Returns: `false`: it is there already.
    private func insert(_ word: Word) -> Bool {
        // Whoever loses a race looks again; after some of them the newcomer gives way.
        for _ in 0..<4 {
            if find(word.hash, word.slot, isKey: word.isKey) != nil { return false }
            // What was judged is what is replaced, and nothing that was put there since. Where words tie, the newcomer's own hash
            // says which of them goes: always the same one would keep the others for ever.
            let first = bucket(word.hash).lowerBound
            var victim = (index: 0, raw: UInt64(0), dispensability: -1)
            for way in 0..<Self.ways {
                let index = first + ((way + Int(word.tag & 7)) & (Self.ways - 1))
                let raw = table.load(index)
                let dispensability = Word(raw: raw).dispensability(for: word)
                if dispensability > victim.dispensability { victim = (index, raw, dispensability) }
            }
            if word.isLenient && victim.dispensability <= Word.neededMax { break }
            guard table.exchange(victim.index, expected: victim.raw, desired: word.raw) else { continue }
            let old = Word(raw: victim.raw)
            if old.isUsed && !old.isSettled && !old.isKey { facts.add(fact(old.slot, .forgotten)) }
            return true
        }
        facts.add(fact(word.slot, .forgotten))
        return true
    }
}
