// Enters: orders, what came of them, and histories. Leaves: the messages that google.protobuf writes of them, and the way
// back.
import Memory
import PredictionAPI
import Protobuf
import TestSupport
import Testing

private func request(_ change: (inout ControlRequest) -> Void) -> ControlRequest {
    var request = ControlRequest()
    change(&request)
    return request
}

private func response(_ change: (inout ControlResponse) -> Void) -> ControlResponse {
    var response = ControlResponse()
    change(&response)
    return response
}

private func history(_ change: (inout HistoryResponse) -> Void) -> HistoryResponse {
    var history = HistoryResponse()
    change(&history)
    return history
}

private func event(_ change: (inout HistoryResponse.Event) -> Void) -> HistoryResponse.Event {
    var event = HistoryResponse.Event()
    change(&event)
    return event
}

/// What make_messages.py says too.
private let goldenRequest = request {
    $0.model = "rf"
    $0.version = 12
    $0.isForced = true
    $0.label = "stable"
    $0.author = "maria"
    $0.reason = "ñ, the new one"
    $0.isDryRun = true
    $0.swaps = [
        ControlRequest.ModelVersion(model: "rf", version: .max), ControlRequest.ModelVersion(model: "cats"),
        ControlRequest.ModelVersion(),
    ]
}

private let goldenTraffic = request {
    $0.model = "rf"
    $0.shares = [
        ControlRequest.Share(version: 7, percent: 10), ControlRequest.Share(percent: -1), ControlRequest.Share(),
    ]
    $0.policy.percents = [5, 25, 300]
    $0.policy.stepSeconds = 60
    $0.policy.stepCalls = 500
    $0.policy.holdSeconds = 1800
    $0.policy.decideSeconds = 86_400
    $0.policy.gates = ["errors", ""]
    $0.policy.accepted = ["answers"]
    $0.slot = "shadow"
}

private let goldenStatus: StatusResponse = {
    var version = StatusResponse.Version()
    (version.number, version.state, version.slot, version.percent) = (7, "ready", "green", 5)
    (version.calls, version.failed, version.refused) = (1000, 2, 3)
    (version.p50Nanoseconds, version.p99Nanoseconds) = (1_200_000, 9_000_000)
    version.failedGates = ["golden: 1 of 2 failed", ""]
    var gate = StatusResponse.Gate()
    (gate.name, gate.evidence, gate.finding, gate.isWorse) = ("errors", 12, "2 of 1000", true)
    var rollout = StatusResponse.Rollout()
    (rollout.version, rollout.step, rollout.steps, rollout.verdict) = (7, 1, 3, "it has just begun")
    (rollout.evidenceMax, rollout.gates) = (1500, [gate, StatusResponse.Gate()])
    (rollout.isWaiting, rollout.decideUntilMilliseconds, rollout.accepted) = (true, 1_768_000_000_123, ["answers"])
    var model = StatusResponse.Model()
    (model.name, model.versions, model.rollout) = ("rf", [version, StatusResponse.Version()], rollout)
    var status = StatusResponse()
    (status.epoch, status.models) = (300, [model, StatusResponse.Model()])
    return status
}()

private let goldenResponse = response {
    $0.epoch = .max
    $0.spreadNanoseconds = 250_000
    $0.changes = [
        ControlResponse.Change(model: "rf", from: 11, to: 12), ControlResponse.Change(model: "cats", to: 1),
        ControlResponse.Change(),
    ]
    $0.steps = ["one", "", "three"]
}

private let goldenHistory = history {
    $0.previous = 11
    $0.events = [
        event {
            $0.timeMilliseconds = 1_768_000_000_123
            $0.verb = "swap"
            $0.from = 11
            $0.to = 12
            $0.epoch = 300
            $0.author = "maria"
            $0.reason = "because"
            $0.steps = ["one", ""]
            $0.version = 12
            $0.digest = "9f86d081"
            $0.isForced = true
        },
        event { $0.timeMilliseconds = -1 }, event { _ in },
    ]
}

private let goldenExperiment = request {
    $0.model = "rf"
    $0.experiment.assignment = .thompson
    ($0.experiment.baseline, $0.experiment.seed) = (6, .max)
    ($0.experiment.epsilonPercent, $0.experiment.floorPercent) = (20, 1)
    ($0.experiment.rewardMin, $0.experiment.rewardMax, $0.experiment.smallestEffect) = (-1.5, 100, 0.005)
    ($0.experiment.joinSeconds, $0.experiment.isZeroUnlessReported) = (600, true)
}

private let goldenExperimentStatus: StatusResponse = {
    var arm = StatusResponse.Arm()
    (arm.version, arm.percent, arm.rewards, arm.mean) = (6, 90, 250, 0.125)
    var first = StatusResponse.Comparison()
    (first.version, first.difference, first.low, first.high) = (7, -0.25, -0.5, 0.125)
    (first.pValue, first.needed) = (0.75, 1840)
    var second = StatusResponse.Comparison()
    (second.version, second.verdict) = (8, .alike)
    var experiment = StatusResponse.Experiment()
    (experiment.assignment, experiment.baseline, experiment.seed) = (.sticky, 6, 42)
    (experiment.ratioEvidence, experiment.ratioEvidenceMax) = (2.5, 2000)
    (experiment.calls, experiment.callsWithoutId, experiment.callsRepeatedId) = (300, 4, 3)
    (experiment.callsForgotten, experiment.unknownRewards) = (2, 1)
    experiment.startedMilliseconds = 1_768_000_000_123
    (experiment.arms, experiment.comparisons) = ([arm, StatusResponse.Arm()], [first, second])
    var model = StatusResponse.Model()
    (model.name, model.experiment) = ("rf", experiment)
    var status = StatusResponse()
    status.models = [model]
    return status
}()

@Test func whatProtobufWritesOfExperiments() throws {
    var arena = Arena(bytesMax: 1 << 20)
    for headroom in [0, 5] {
        let request = try message(
            goldenExperiment.encode(headroom: headroom, in: &arena), headroom: headroom, in: &arena)
        #expect(request == Golden.other("experiment request"))
        let status = try message(
            goldenExperimentStatus.encode(headroom: headroom, in: &arena), headroom: headroom, in: &arena)
        #expect(status == Golden.other("experiment status"))
    }
    #expect(try ControlRequest.decode(arena.copy(Golden.other("experiment request"))) == goldenExperiment)
    #expect(try StatusResponse.decode(arena.copy(Golden.other("experiment status"))) == goldenExperimentStatus)
}

@Test func whatProtobufWritesOfFeedback() throws {
    var arena = Arena(bytesMax: 1 << 20)
    let pairs = [("order-1017", 1.0), ("ñ", -0.5)]
    let request = try message(
        Feedback.encode(pairs.map { (id: $0.0, value: $0.1) }, of: "rf", headroom: 5, in: &arena), headroom: 5,
        in: &arena)
    #expect(request == Golden.other("feedback request"))
    let rewards = try Feedback.decode(arena.copy(Golden.other("feedback request")), in: &arena)
    #expect(rewards.indices.map { rewards[$0].id.text } == pairs.map(\.0))
    #expect(rewards.indices.map { rewards[$0].value } == pairs.map(\.1))
    #expect(rewards.indices.allSatisfy { rewards[$0].model == "rf" })
    var answer = Feedback()
    (answer.joined, answer.unknown, answer.repeated) = (300, 2, 1)
    let response = try message(answer.encode(headroom: 5, in: &arena), headroom: 5, in: &arena)
    #expect(response == Golden.other("feedback response"))
    #expect(try Feedback.decode(response: arena.copy(Golden.other("feedback response"))) == answer)
}

@Test func whatProtobufWritesOfThem() throws {
    var arena = Arena(bytesMax: 1 << 20)
    for headroom in [0, 5] {
        let request = try message(goldenRequest.encode(headroom: headroom, in: &arena), headroom: headroom, in: &arena)
        #expect(request == Golden.other("control request"))
        let response = try message(
            goldenResponse.encode(headroom: headroom, in: &arena), headroom: headroom, in: &arena)
        #expect(response == Golden.other("control response"))
        let history = try message(goldenHistory.encode(headroom: headroom, in: &arena), headroom: headroom, in: &arena)
        #expect(history == Golden.other("history response"))
        let traffic = try message(goldenTraffic.encode(headroom: headroom, in: &arena), headroom: headroom, in: &arena)
        #expect(traffic == Golden.other("traffic request"))
        let status = try message(goldenStatus.encode(headroom: headroom, in: &arena), headroom: headroom, in: &arena)
        #expect(status == Golden.other("status response"))
    }
    #expect(try ControlRequest.decode(arena.copy(Golden.other("control request"))) == goldenRequest)
    #expect(try ControlResponse.decode(arena.copy(Golden.other("control response"))) == goldenResponse)
    #expect(try HistoryResponse.decode(arena.copy(Golden.other("history response"))) == goldenHistory)
    #expect(try ControlRequest.decode(arena.copy(Golden.other("traffic request"))) == goldenTraffic)
    #expect(try StatusResponse.decode(arena.copy(Golden.other("status response"))) == goldenStatus)
}

@Test(arguments: [
    ControlRequest(), request { $0.model = "m" }, request { $0.version = -1 }, request { $0.version = .min },
    request { $0.isForced = true }, request { $0.isDryRun = true }, request { $0.label = "l" },
    request { $0.author = "a\0b" }, request { $0.reason = String(repeating: "é", count: Outbox.referenceBytesMin) },
    request { $0.swaps = [ControlRequest.ModelVersion()] },
    request { $0.swaps = (0..<1000).map { ControlRequest.ModelVersion(model: "m\($0)", version: $0) } },
])
func requestsComeBack(request: ControlRequest) throws {
    var arena = Arena(bytesMax: 1 << 20)
    let bytes = try message(request.encode(headroom: 5, in: &arena), headroom: 5, in: &arena)
    #expect(try ControlRequest.decode(arena.copy(bytes)) == request)
}

@Test(arguments: [
    ControlResponse(), response { $0.epoch = 1 }, response { $0.spreadNanoseconds = -1 },
    response { $0.changes = [ControlResponse.Change(model: "m", from: .min, to: .max)] },
    response { $0.steps = [String(repeating: "s", count: Outbox.referenceBytesMin), ""] },
])
func responsesComeBack(response: ControlResponse) throws {
    var arena = Arena(bytesMax: 1 << 20)
    let bytes = try message(response.encode(headroom: 5, in: &arena), headroom: 5, in: &arena)
    #expect(try ControlResponse.decode(arena.copy(bytes)) == response)
}

@Test(arguments: [
    HistoryResponse(), history { $0.previous = 7 },
    history { $0.events = (0..<100).map { number in event { $0.epoch = UInt64(number) } } },
    history {
        $0.events = [event { $0.reason = String(repeating: "r", count: Outbox.referenceBytesMin) }, event { _ in }]
    },
])
func historiesComeBack(history: HistoryResponse) throws {
    var arena = Arena(bytesMax: 1 << 20)
    let bytes = try message(history.encode(headroom: 5, in: &arena), headroom: 5, in: &arena)
    #expect(try HistoryResponse.decode(arena.copy(bytes)) == history)
}

/// The last of several wins, and what a later protocol adds is passed over.
@Test func whatALaterClientSaysIsPassedOver() throws {
    var arena = Arena(bytesMax: 1 << 16)
    let later: [UInt8] = [0xa0, 6, 1]
    let swap: [UInt8] = [5 << 3 | 2, 6, 1 << 3 | 2, 1, 0x6d] + later
    let decoded = try ControlRequest.decode(
        arena.copy([2 << 3, 9, 3 << 3, 1] + later + swap + [2 << 3, 7, 3 << 3, 0]))
    #expect(decoded == request { ($0.version, $0.swaps) = (7, [ControlRequest.ModelVersion(model: "m")]) })
    #expect(try ControlResponse.decode(arena.copy(later + [1 << 3, 4])) == response { $0.epoch = 4 })
    #expect(try HistoryResponse.decode(arena.copy(later + [2 << 3, 4])) == history { $0.previous = 4 })
}

@Test(
    arguments: [
        ([1 << 3 | 2], .wire(.truncated)), ([1 << 3 | 2, 5, 0x6d], .wire(.truncated)), ([2 << 3], .wire(.truncated)),
        ([2 << 3, 0x80], .wire(.truncated)), ([0x80], .wire(.truncated)),
        ([1 << 3 | 2, 1, 0xff], .wire(.notUTF8(field: 1))), ([6 << 3 | 2, 2, 0xc0, 0x80], .wire(.notUTF8(field: 6))),
        ([5 << 3 | 2, 2, 1 << 3 | 2, 9], .wire(.truncated)),
        ([5 << 3 | 2, 3, 1 << 3 | 2, 1, 0xff], .wire(.notUTF8(field: 1))),
    ] as [([UInt8], PredictionDecodeError)])
func requestsThatCannotBe(bytes: [UInt8], error: PredictionDecodeError) throws {
    var arena = Arena(bytesMax: 1 << 16)
    let view = try arena.copy(bytes)
    #expect(throws: error) { try ControlRequest.decode(view) }
}

/// Cut at each byte, and spoiled: an error with a sentence or a value, never a crash; and a value is written again.
@Test func spoiledControlMessagesAreErrorsOrValues() throws {
    var arena = Arena(bytesMax: 1 << 20)
    var (errors, values) = (0, 0)
    func each(_ name: String, _ decode: (ByteView, inout Arena) throws -> Void) throws {
        try spoiled(Golden.other(name), seed: 11) { bytes in
            arena.reset()
            let view = try arena.copy(bytes)
            do {
                try decode(view, &arena)
                values += 1
            } catch let error as PredictionDecodeError {
                #expect(!error.sentence.isEmpty && error.sentence.utf8.count < 1500, "\(bytes)")
                errors += 1
            }
        }
    }
    try each("control request") { (view, arena) in
        _ = try ControlRequest.decode(view).encode(headroom: 5, in: &arena)
    }
    try each("control response") { (view, arena) in
        _ = try ControlResponse.decode(view).encode(headroom: 5, in: &arena)
    }
    try each("history response") { (view, arena) in
        _ = try HistoryResponse.decode(view).encode(headroom: 5, in: &arena)
    }
    try each("traffic request") { (view, arena) in
        _ = try ControlRequest.decode(view).encode(headroom: 5, in: &arena)
    }
    try each("status response") { (view, arena) in
        _ = try StatusResponse.decode(view).encode(headroom: 5, in: &arena)
    }
    #expect(errors > 500 && values > 500)
}

/// The arena fails at the first byte, then a little later, …: always an error with a type.
@Test func anArenaThatIsFullForControlMessages() throws {
    var (errors, written) = (0, 0)
    for bytes in stride(from: 1, to: 8192, by: 97) {
        var arena = Arena(firstChunkBytes: 1, bytesMax: bytes)
        do throws(ArenaFull) {
            _ = try goldenRequest.encode(headroom: 5, in: &arena)
            _ = try goldenResponse.encode(headroom: 5, in: &arena)
            _ = try goldenHistory.encode(headroom: 5, in: &arena)
            _ = try goldenTraffic.encode(headroom: 5, in: &arena)
            _ = try goldenStatus.encode(headroom: 5, in: &arena)
            written += 1
        } catch {
            #expect(error == ArenaFull(bytesMax: bytes))
            errors += 1
        }
    }
    #expect(errors > 3 && written > 3)
}
