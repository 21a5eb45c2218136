// Enters: what a scan of a repository found, made by hand. Leaves: what is to be loaded, and how.
import Models
import ONNX
import Testing

@testable import Control
@testable import Repository

/// `engine=identity` for `engine: identity`: YAML is read at the street.
func pairs(_ bytes: [UInt8], _ file: String) throws(ConfigurationError) -> [(key: String, value: String)] {
    var pairs: [(key: String, value: String)] = []
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
        let parts = line.split(separator: "=", maxSplits: 1)
        guard parts.count == 2 else { throw .notYAML(file: file, reason: "a line is no pair") }
        pairs.append((String(parts[0]), String(parts[1])))
    }
    return pairs
}

func folder(
    _ name: String, _ versions: [Int64], yaml: String? = nil, failure: RepositoryError? = nil, problems: [String] = []
) -> ModelFolder {
    ModelFolder(
        name: name, versions: versions, configuration: yaml.map { Array($0.utf8) }, failure: failure, problems: problems
    )
}

private func plan(_ folders: [ModelFolder], problems: [String] = []) -> Plan {
    Plan(Scan(models: folders, problems: problems), pairs: pairs)
}

@Test(arguments: [([1], [1]), ([1, 2], [2, 1]), ([1, 5, 7, 12], [12, 7])] as [([Int64], [Int64])])
func theTwoHighestVersionsAreLoaded(found: [Int64], planned: [Int64]) {
    let plan = plan([folder("m", found)])
    #expect(plan.models.map(\.name) == ["m"])
    #expect(plan.models.first?.versions == planned)
    #expect(plan.models.first?.configuration == ModelConfiguration())
    #expect(plan.models.first?.failure == nil && plan.problems.isEmpty)
    #expect(plan.descriptions == [ModelDescription(name: "m", versions: planned)])
    #expect(plan.needsRuntime && plan.models.first?.needsRuntime == true)
}

@Test func identityNeedsNoFileAndNoRuntime() {
    let plan = plan([folder("same", [], yaml: "engine=identity"), folder("numbered", [4], yaml: "engine=identity")])
    #expect(plan.models.map(\.versions) == [[1], [4]])
    #expect(plan.models.allSatisfy { $0.configuration.engine == .identity && $0.failure == nil })
    #expect(!plan.needsRuntime && plan.problems.isEmpty)
}

@Test func theConfigurationIsRead() {
    let yaml = "engine=onnx\nintra_op_threads=3\ninter_op_threads=2\ngraph_optimization=basic\nexecution_mode=parallel"
    let plan = plan([folder("m", [1], yaml: yaml)])
    let configuration = plan.models.first?.configuration
    #expect(configuration?.intraOpThreads == 3 && configuration?.interOpThreads == 2)
    let options = configuration?.session
    #expect(options?.intraOpThreads == 3 && options?.interOpThreads == 2)
    #expect(options?.graphOptimization == .basic && options?.executionMode == .parallel)
}

@Test(arguments: ModelConfiguration.GraphOptimization.allCases)
func everyGraphOptimizationIsTold(level: ModelConfiguration.GraphOptimization) {
    let plan = plan([folder("m", [1], yaml: "graph_optimization=\(level.rawValue)")])
    let told = plan.models.first.map { "\($0.configuration.session.graphOptimization)" }
    #expect(told == level.rawValue)
}

@Test(arguments: [
    ("engine=tensorflow", "m/model.yaml: engine is 'tensorflow'; allowed is onnx, identity"),
    ("intra_op_threads=0", "m/model.yaml: intra_op_threads is '0'; allowed is a whole number from 1 to 256"),
    ("engine=onnx\nengine=onnx", "m/model.yaml: the key 'engine' is given more than once"),
    ("what is this", "m/model.yaml: a line is no pair"),
])
func aConfigurationThatIsWrongFailsItsModelOnly(yaml: String, sentence: String) {
    let plan = plan([folder("m", [1, 2], yaml: yaml), folder("n", [3])])
    #expect(plan.models.map(\.name) == ["m", "n"])
    #expect(plan.models[0].failure == sentence && plan.models[0].versions == [2, 1])
    #expect(!plan.models[0].needsRuntime)
    #expect(plan.models[1].failure == nil && plan.models[1].needsRuntime)
    #expect(plan.needsRuntime)
}

@Test func aFolderThatCannotBeReadFails() {
    let failure = RepositoryError.symbolicLink(path: "m/model.yaml")
    let plan = plan([folder("m", [1], failure: failure)])
    #expect(plan.models.first?.failure == failure.description)
    #expect(!plan.needsRuntime)
}

@Test func aFolderWithoutVersionsIsAModelThatFailed() {
    let plan = plan([folder("hollow", []), folder("odd", [], yaml: "engine=none")], problems: ["first"])
    #expect(plan.models.map(\.versions) == [[0], [0]] && !plan.needsRuntime)
    #expect(
        plan.models.map(\.failure) == [
            RepositoryError.noVersion(model: "hollow").description,
            "odd/model.yaml: engine is 'none'; allowed is onnx, identity",
        ])
    #expect(plan.problems == ["first"])
}

@Test func problemsNameTheirModel() {
    let plan = plan([folder("m", [1], problems: ["a", "b"]), folder("n", [1], problems: ["c"])], problems: ["z"])
    #expect(plan.problems == ["z", "model m: a", "model m: b", "model n: c"])
    #expect(plan.models.count == 2)
}
