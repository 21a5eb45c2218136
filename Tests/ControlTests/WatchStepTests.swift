// Enters: what is loaded of a model and what its folder holds. Leaves: the steps that follow, one after the other.
import Models
import Repository
import Tensors
import Testing

@testable import Control

/// What the steps do to a model, as far as the next step cares.
private func steps(_ model: WatchedModel, _ folder: WatchedFolder) -> [WatchStep] {
    var model = model
    var steps: [WatchStep] = []
    var tried: Set<WatchStep> = []
    while let step = model.next(folder, tried: tried) {
        steps.append(step)
        tried.insert(step)
        switch step {
        case .load(let number):
            model.standings[number] = model.live == nil ? .live : .ready
            model.live = model.live ?? number
        case .makeLive(let number):
            if let live = model.live { model.standings[live] = .ready }
            model.standings[number] = .live
            model.live = number
        case .unload(let number): model.standings[number] = nil
        }
        guard steps.count < 20 else { break }
    }
    return steps
}

private func model(_ live: Int64?, _ ready: [Int64] = [], failed: [Int64] = []) -> WatchedModel {
    var model = WatchedModel()
    model.live = live
    if let live { model.standings[live] = .live }
    for number in ready { model.standings[number] = .ready }
    for number in failed { model.standings[number] = .failed("no") }
    return model
}

private func folder(
    _ complete: Set<Int64>, _ policy: VersionPolicy = .latest(2), partial: Set<Int64> = [], gone: Set<Int64> = []
) -> WatchedFolder {
    WatchedFolder(policy: policy, present: complete.union(partial), complete: complete, gone: gone)
}

struct WatchRow: Sendable {
    let what: String
    var model: WatchedModel
    let folder: WatchedFolder
    let steps: [WatchStep]
}

private func row(
    _ what: String, _ model: WatchedModel, _ folder: WatchedFolder, _ steps: [WatchStep],
    _ change: (inout WatchedModel) -> Void = { _ in }
) -> WatchRow {
    var model = model
    change(&model)
    return WatchRow(what: what, model: model, folder: folder, steps: steps)
}

private let rows = [
    row("nothing changes", model(2, [1]), folder([1, 2]), []),
    row("a new model", model(nil), folder([1, 2]), [.load(2), .load(1)]),
    row("a new version", model(2, [1]), folder([1, 2, 3]), [.load(3), .makeLive(3), .unload(1)]),
    row(
        "several at once, the highest first", model(2, [1]), folder([1, 2, 3, 4]),
        [.load(4), .makeLive(4), .load(3), .unload(1), .unload(2)]),
    row("a copy under way is not seen", model(2, [1]), folder([1, 2], partial: [3]), []),
    row("one only", model(2), folder([1, 2, 3], .latest(1)), [.load(3), .makeLive(3), .unload(2)]),
    row("three", model(3, [2, 1]), folder([1, 2, 3, 4], .latest(3)), [.load(4), .makeLive(4), .unload(1)]),
    row("all", model(3, [2, 1]), folder([1, 2, 3, 4], .all), [.load(4), .makeLive(4)]),
    row("not one of those", model(2, [1]), folder([1, 2, 3], .specific([1, 2])), []),
    row("one of those", model(1), folder([1, 2, 3], .specific([1, 3])), [.load(3), .makeLive(3)]),
    row(
        "the policy does not want the live one any more", model(3, [2]), folder([1, 2, 3], .specific([1, 2])),
        [.makeLive(2), .load(1), .unload(3)]),
    row("an order made another one live", model(1, [2]), folder([1, 2, 3]), [.load(3), .unload(2)]) {
        $0.isPinned = true
    },
    row("a label holds", model(2, [1]), folder([1, 2, 3]), [.load(3), .makeLive(3)]) { $0.labelled = [1] },
    row("an order unloaded it", model(2), folder([1, 2]), []) { $0.aside = [1] },
    row("an order loaded an older one", model(4, [1]), folder([1, 2, 3, 4]), []) { $0.aside = [3] },
    row("an order unloaded all", model(nil), folder([1, 2]), []) { $0.isLeftAlone = true },
    row("another load is under way", model(2), folder([1, 2, 3]), []) { $0.standings[9] = .loading },
    row("one beside the live one is gone", model(2, [1]), folder([2], gone: [1]), [.unload(1)]),
    row("the live one is gone", model(2, [1]), folder([1], gone: [2]), []),
    row(
        "the live one is gone, and a newer one comes", model(2, [1]), folder([1, 3], gone: [2]),
        [.load(3), .makeLive(3), .unload(2)]),
    row("the live one is gone, and two are left", model(3, [2]), folder([1, 2], gone: [3]), []),
    row("one that failed before and is gone", model(2, failed: [3]), folder([2], gone: [3]), [.unload(3)]),
    row("one that failed and changed", model(2, failed: [3]), folder([2, 3]), [.load(3), .makeLive(3)]),
    row("one that failed and did not change", model(2, failed: [3]), folder([2], partial: [3]), []),
    row("none is live", model(nil, [1, 2]), folder([1, 2]), [.makeLive(2)]),
]

@Test(arguments: rows) func whatFollows(row: WatchRow) {
    #expect(steps(row.model, row.folder) == row.steps, "\(row.what)")
}

/// What was refused is not asked for again.
@Test func aRefusalIsTheEndOfIt() {
    let model = model(2, [3])
    #expect(model.next(folder([2, 3]), tried: []) == .makeLive(3))
    #expect(model.next(folder([2, 3]), tried: [.makeLive(3)]) == nil)
    #expect(model.next(folder([2, 3, 4]), tried: [.load(4)]) == nil)
}

/// The way back from a live version stays open while a newer one cannot become live.
@Test(arguments: [(.latest(2), nil), (.latest(1), .unload(1)), (.all, nil)] as [(VersionPolicy, WatchStep?)])
func aWayBackStays(policy: VersionPolicy, step: WatchStep?) {
    var model = model(2, [1, 3])
    let folder = folder([1, 2, 3], policy)
    let tried: Set<WatchStep> = [.load(3), .makeLive(3)]
    model.previous = 1
    #expect(model.next(folder, tried: tried) == step)
    model.previous = nil
    #expect(model.next(folder, tried: tried) == (policy == .all ? nil : .unload(1)))
}

@Test(
    arguments: [
        (1, [3, 2, 1]), (3, [3, 2, 1]), (4, [2, 1]), (6, []),
    ] as [(Int, [Int64])])
func whatIsKept(count: Int, removed: [Int64]) {
    var model = model(6, [5])
    let disk = folder([1, 2, 3, 4, 5, 6])
    model.labelled = [4]
    #expect(model.superfluous([1, 2, 3, 4, 5, 6], keep: count, disk) == removed)
    model.previous = 2
    #expect(!model.superfluous([1, 2, 3, 4, 5, 6], keep: count, disk).contains(2))
    // Copies under way, and what nobody serves.
    #expect(model.superfluous([5, 6], keep: 1, disk) == [])
    #expect(Control.WatchedModel().superfluous([1, 2, 3, 4, 5, 6], keep: count, disk) == [])
}
