// Enters: what an operator says of a rollout. Leaves: the policy, or what is wrong with it.
import Testing

@testable import Rollout

private let allowed = "must be of errors, refusals, latency, answers, shapes, labels"

@Test(
    arguments: [
        ([], [.errors, .refusals, .latency, .answers, .shapes, .labels], nil),
        (["labels", "shapes"], [.labels, .shapes], nil),
        (["latency", "errors", "latency"], [.latency, .errors], nil),
        (["latncy"], [], "'latncy' is no gate of a rollout: \(allowed)"),
        ([""], [], "'' is no gate of a rollout: \(allowed)"),
    ] as [([String], [Gate.Name], String?)])
func namesOfGates(names: [String], gates: [Gate.Name], problem: String?) {
    do throws(GateNameError) {
        let found = try Gate.Name.judged(names)
        #expect(found == gates && problem == nil)
    } catch {
        #expect(error.sentence == problem)
    }
}

@Test func namesOfWhatCanBeAccepted() throws {
    #expect(try Gate.Name.accepted([]) == [] && Gate.Name.accepted(["answers"]) == [.answers])
    #expect(throws: GateNameError(sentence: "'errors' cannot be accepted: only answers can")) {
        try Gate.Name.accepted(["answers", "errors"])
    }
    var policy = RolloutPolicy()
    policy.accepted = [.answers]
    #expect(policy.isAcceptance)
    policy.stepCalls = 20
    #expect(!policy.isAcceptance && !RolloutPolicy().isAcceptance)
}

@Test func policiesThatCannotBe() {
    func problem(_ change: (inout RolloutPolicy) -> Void) -> String? {
        var policy = RolloutPolicy()
        change(&policy)
        return policy.problem
    }
    #expect(problem { _ in } == nil)
    #expect(problem { $0.percents = [] }?.contains("no step is named") ?? false)
    #expect(problem { $0.percents = [5, 100] }?.contains("a step of 100 %") ?? false)
    #expect(problem { $0.percents = [0] }?.contains("a step of 0 %") ?? false)
    #expect(problem { $0.percents = [25, 5] }?.contains("do not ascend") ?? false)
    #expect(problem { $0.stepSeconds = -1 }?.contains("a step of -1 s") ?? false)
    #expect(problem { $0.stepCalls = 0 }?.contains("0 calls a step") ?? false)
    #expect(problem { $0.holdSeconds = 0 }?.contains("a hold of 0 s") ?? false)
    #expect(problem { $0.holdSeconds = 10 }?.contains("is held for 10 s at most") ?? false)
    #expect(problem { $0.decideSeconds = 0 }?.contains("0 s to decide") ?? false)
    #expect(problem { $0.decideSeconds = 2_592_001 }?.contains("between 1 and 2592000") ?? false)
}
