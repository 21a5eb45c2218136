// Enters: what a scan of a repository found, made by hand. Leaves: what is to be loaded, and how.
import Models
import ONNX
import Tensors
import Testing

@testable import Control
@testable import Repository

private func plan(_ folder: ModelFolder) throws -> ModelPlan {
    try VersionLoader(repository: Repository(path: "/"), pairs: pairs) { () throws(LoadError) in try Opened.runtime() }
        .plan(folder)
}

/// `["2 blue"]`, by number.
private func places(_ plan: ModelPlan) -> [String] {
    let record: ModelRecord<Thing> = plan.record()
    return record.standings.map { "\($0.number) \($0.slot.map { "\($0.name)" } ?? "-")" }.sorted()
}

private final class Thing: Sendable {}

@Test(
    arguments: [
        ([1], ["1 blue"], 1), ([1, 2], ["1 green", "2 blue"], 2), ([1, 5, 7, 12], ["12 blue", "7 green"], 12),
    ] as [([Int64], [String], Int64)])
func theTwoHighestVersionsAreLoaded(found: [Int64], placed: [String], live: Int64) throws {
    let plan = try plan(folder("m", found))
    #expect(plan.name == "m" && plan.versions == found)
    #expect(plan.configuration == ModelConfiguration() && plan.failure == nil && plan.needsRuntime)
    #expect(places(plan) == placed)
    let record: ModelRecord<Thing> = plan.record()
    #expect(record.wanted == live && record.live == nil && record.previous == nil)
    #expect(record.standings.allSatisfy { $0.state == .loading })
}

@Test(arguments: [([], [1]), ([4], [4]), ([2, 3], [2, 3])] as [([Int64], [Int64])])
func identityNeedsNoFileAndNoRuntime(found: [Int64], versions: [Int64]) throws {
    let plan = try plan(folder("same", found, yaml: "engine=identity"))
    #expect(plan.versions == versions && plan.configuration.engine == .identity)
    #expect(plan.failure == nil && !plan.needsRuntime)
}

@Test func theConfigurationIsRead() throws {
    let yaml =
        "engine=onnx\nintra_op_threads=3\ninter_op_threads=2\ngraph_optimization=basic\nexecution_mode=parallel\n"
        + "labels.stable=1"
    let plan = try plan(folder("m", [1], yaml: yaml))
    #expect(plan.configuration.intraOpThreads == 3 && plan.configuration.interOpThreads == 2)
    let options = plan.configuration.session
    #expect(options.intraOpThreads == 3 && options.interOpThreads == 2)
    #expect(options.graphOptimization == .basic && options.executionMode == .parallel)
    let record: ModelRecord<Thing> = plan.record()
    #expect(record.labels == ["stable": 1])
}

@Test func threadsAreThoseOfWhoWantsMost() throws {
    let plans = try [
        plan(folder("a", [1], yaml: "intra_op_threads=3")), plan(folder("b", [1], yaml: "inter_op_threads=2")),
        plan(folder("c", [1], yaml: "intra_op_threads=2")),
    ]
    #expect(plans.threads.intraOp == 3 && plans.threads.interOp == 2)
    #expect([ModelPlan]().threads.intraOp == Runtime.Threads().intraOp)
}

@Test(arguments: ModelConfiguration.GraphOptimization.allCases)
func everyGraphOptimizationIsTold(level: ModelConfiguration.GraphOptimization) throws {
    let plan = try plan(folder("m", [1], yaml: "graph_optimization=\(level.rawValue)"))
    #expect("\(plan.configuration.session.graphOptimization)" == level.rawValue)
}

@Test(arguments: [
    ("engine=tensorflow", "m/model.yaml: engine is 'tensorflow'; allowed is onnx, identity"),
    ("intra_op_threads=0", "m/model.yaml: intra_op_threads is '0'; allowed is a whole number from 1 to 256"),
    ("engine=onnx\nengine=onnx", "m/model.yaml: the key 'engine' is given more than once"),
    ("what is this", "m/model.yaml: a line is no pair"),
])
func aConfigurationThatIsWrongFailsItsModel(yaml: String, sentence: String) throws {
    let plan = try plan(folder("m", [1, 2], yaml: yaml))
    #expect(plan.failure == sentence && plan.versions == [1, 2] && !plan.needsRuntime)
    #expect(places(plan) == ["1 green", "2 blue"])
}

@Test func aFolderThatCannotBeReadFails() throws {
    let failure = RepositoryError.symbolicLink(path: "m/model.yaml")
    let plan = try plan(folder("m", [1], failure: failure))
    #expect(plan.failure == failure.description && !plan.needsRuntime)
}

/// Somebody meant it as a model: it is listed.
@Test(arguments: [
    (nil, RepositoryError.noVersion(model: "hollow").description),
    ("engine=none", "hollow/model.yaml: engine is 'none'; allowed is onnx, identity"),
])
func aFolderWithoutVersionsIsAModelThatFailed(yaml: String?, sentence: String) throws {
    let plan = try plan(folder("hollow", [], yaml: yaml))
    #expect(plan.versions.isEmpty && !plan.needsRuntime && plan.failure == sentence)
    #expect(places(plan) == ["0 blue"])
}
