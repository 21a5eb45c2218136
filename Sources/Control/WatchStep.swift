// Enters: what is loaded of a model, and what its folder holds. Leaves: what watching does to it next. No I/O.
import Models
import Repository
import Tensors

/// What is loaded of a model, as far as watching cares.
struct WatchedModel: Sendable {
    var standings: [Int64: VersionState] = [:]
    var live: Int64?
    var previous: Int64?
    var labelled: Set<Int64> = []
    /// An order made another version live than the policy would.
    var isPinned = false
    /// Unloaded by an order, or in favour of what an order loaded: not loaded again without one.
    var aside: Set<Int64> = []
    /// Versions with a share of the calls, or that repeat them: an order wants them, and no other live.
    var shared: Set<Int64> = []
    var isDivided = false
    /// An order unloaded all of it.
    var isLeftAlone = false
}

/// What lies in a model's folder.
struct WatchedFolder: Sendable {
    var policy = VersionPolicy.latest(2)
    /// There, whole or not.
    var present: Set<Int64> = []
    /// There, whole, and not known to fail.
    var complete: Set<Int64> = []
    /// Loaded, and not there any more for long enough.
    var gone: Set<Int64> = []
}

enum WatchStep: Hashable, Sendable {
    case load(Int64)
    case makeLive(Int64)
    case unload(Int64)
}

extension WatchedModel {
    private func isServing(_ number: Int64) -> Bool { standings[number]?.isServing ?? false }

    /// The versions that are to be loaded, the highest first.
    func chosen(_ folder: WatchedFolder) -> [Int64] {
        let known = folder.complete.union(folder.present.filter(isServing))
        let chosen = folder.policy.choose(from: known).filter { !aside.contains($0) }
        // Of two places the live one has one: what it shares the other with would come and go by turns.
        if let live, chosen.count == 2, !chosen.contains(live) { return [chosen[0]] }
        return chosen
    }

    /// `nil`: nothing is to be done. `tried`: what was done or refused since the repository was looked at.
    func next(_ folder: WatchedFolder, tried: Set<WatchStep>) -> WatchStep? {
        // While something is on its way there is no saying where it will stand.
        if isLeftAlone || standings.values.contains(where: \.isComing) { return nil }
        func untried(_ step: WatchStep) -> WatchStep? { tried.contains(step) ? nil : step }
        let chosen = chosen(folder)
        for number in chosen where !isServing(number) {
            if let step = untried(.load(number)) { return step }
        }
        // A live version stays although its files are gone, or lower ones remain.
        if let target = chosen.first(where: isServing), target != live, !isPinned, !isDivided,
            live.map({ target > $0 || folder.present.contains($0) }) ?? true,
            let step = untried(.makeLive(target))
        {
            return step
        }
        let hasChanged = tried.contains { step in
            switch step {
            case .load(let number): isServing(number)
            case .makeLive(let number): live == number
            case .unload: false
            }
        }
        for number in standings.keys.sorted() where number != live && !shared.contains(number) {
            let isOutside =
                hasChanged && !chosen.contains(number) && !labelled.contains(number)
                && !isWayBack(number, folder.policy)
            guard isOutside || folder.gone.contains(number) else { continue }
            if let step = untried(.unload(number)) { return step }
        }
        return nil
    }

    /// What was live before stays where the policy has room beside the live one, although a higher one that cannot become live
    /// has taken that room.
    private func isWayBack(_ number: Int64, _ policy: VersionPolicy) -> Bool {
        guard case .latest(let count) = policy else { return false }
        return number == previous && count > 1
    }

    /// Which of `settled`, the versions whose folders are at rest, nobody needs if `count` of the highest are kept.
    func superfluous(_ settled: some Sequence<Int64>, keep count: Int, _ folder: WatchedFolder) -> [Int64] {
        // Of what nobody serves everything may still be needed.
        guard live != nil else { return [] }
        let needed = labelled.union(shared).union(standings.keys).union(chosen(folder)).union(
            [previous].compactMap(\.self))
        return settled.sorted(by: >).dropFirst(count).filter { !needed.contains($0) }
    }
}
