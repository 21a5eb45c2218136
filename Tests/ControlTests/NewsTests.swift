// Enters: what somebody was told, what there is now, and the time between. Leaves: whether that is news for him.
import PredictionAPI
import Testing

@testable import Control

private func status(_ change: (inout StatusResponse) -> Void = { _ in }) -> StatusResponse {
    var version = StatusResponse.Version()
    (version.number, version.state, version.slot, version.percent, version.calls) = (7, "ready", "green", 5, 100)
    var rollout = StatusResponse.Rollout()
    (rollout.version, rollout.step, rollout.steps, rollout.verdict) = (7, 1, 3, "10 of 500 calls")
    var shadow = StatusResponse.Shadow()
    (shadow.version, shadow.percent, shadow.calls) = (8, 10, 3)
    var model = StatusResponse.Model()
    (model.name, model.versions, model.rollout, model.shadow) = ("m", [version], rollout, shadow)
    var status = StatusResponse()
    (status.epoch, status.models) = (4, [model])
    change(&status)
    return status
}

private struct Row: CustomTestStringConvertible {
    let testDescription: String
    /// Told at once; else when counts are.
    let isAtOnce: Bool
    let now: StatusResponse

    init(_ testDescription: String, atOnce: Bool, _ change: (inout StatusResponse) -> Void) {
        (self.testDescription, isAtOnce, now) = (testDescription, atOnce, status(change))
    }
}

@Test(arguments: [
    Row("a state", atOnce: true) { $0.models[0].versions[0].state = "live" },
    Row("a slot", atOnce: true) { $0.models[0].versions[0].slot = "blue" },
    Row("a share", atOnce: true) { $0.models[0].versions[0].percent = 25 },
    Row("a version that went", atOnce: true) { $0.models[0].versions = [] },
    Row("a model that came", atOnce: true) { $0.models.append(StatusResponse.Model()) },
    Row("a step", atOnce: true) { $0.models[0].rollout?.step = 2 },
    Row("a rollout that waits", atOnce: true) { $0.models[0].rollout?.isWaiting = true },
    Row("a rollout's end", atOnce: true) { $0.models[0].rollout = nil },
    Row("a shadow's share", atOnce: true) { $0.models[0].shadow?.percent = 20 },
    Row("calls", atOnce: false) { $0.models[0].versions[0].calls += 1 },
    Row("latency", atOnce: false) { $0.models[0].versions[0].p99Nanoseconds = 1 },
    Row("a verdict, which counts", atOnce: false) { $0.models[0].rollout?.verdict = "11 of 500 calls" },
    Row("evidence", atOnce: false) { $0.models[0].rollout?.gates = [StatusResponse.Gate()] },
    Row("a shadow's calls", atOnce: false) { $0.models[0].shadow?.calls += 1 },
    Row("another model's commit", atOnce: false) { $0.epoch += 1 },
])
private func news(_ row: Row) {
    func isNews(_ milliseconds: Int64) -> Bool {
        NewsBoard.isNews(row.now, told: status(), sinceNanoseconds: milliseconds * 1_000_000)
    }
    #expect(!isNews(0) && !isNews(99))
    #expect(isNews(100) == row.isAtOnce && isNews(499) == row.isAtOnce)
    #expect(isNews(500))
}

@Test func whoWasToldNothingIsToldAtOnce() {
    #expect(NewsBoard.isNews(status(), told: nil, sinceNanoseconds: 0))
    #expect(NewsBoard.isNews(StatusResponse(), told: nil, sinceNanoseconds: 0))
}

@Test func whatIsAsItWasIsNoNews() {
    #expect(!NewsBoard.isNews(status(), told: status(), sinceNanoseconds: .max))
}
