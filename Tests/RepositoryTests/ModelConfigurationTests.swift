import Repository
import Testing

private typealias Pairs = [(key: String, value: String)]

@Test func anEmptyConfigurationHasTheDefaults() throws {
    let empty = try ModelConfiguration([], file: "m/model.yaml")
    #expect(empty == ModelConfiguration())
    #expect(empty.engine == .onnx && empty.graphOptimization == .all && empty.executionMode == .sequential)
    #expect(empty.intraOpThreads == nil && empty.interOpThreads == nil)
}

@Test func everyKeyIsSet() throws {
    let all: Pairs = [
        ("engine", "identity"), ("intra_op_threads", "1"), ("inter_op_threads", "256"),
        ("graph_optimization", "basic"), ("execution_mode", "parallel"),
    ]
    let configuration = try ModelConfiguration(all, file: "m/model.yaml")
    #expect(configuration.engine == .identity && configuration.graphOptimization == .basic)
    #expect(configuration.intraOpThreads == 1 && configuration.interOpThreads == 256)
    #expect(configuration.executionMode == .parallel)
}

@Test func budgetsAndTolerancesAreNumbers() throws {
    let all: Pairs = [
        ("golden_rtol", "0"), ("golden_atol", "1e-6"), ("latency_budget_milliseconds", "2.5"), ("memory_budget", "3M"),
    ]
    let configuration = try ModelConfiguration(all, file: "m/model.yaml")
    #expect(configuration.goldenRelativeTolerance == 0 && configuration.goldenAbsoluteTolerance == 1e-6)
    #expect(configuration.latencyBudgetMilliseconds == 2.5 && configuration.memoryBudgetBytes == 3 << 20)
}

@Test(arguments: [
    ("engine", "torch", "m/model.yaml: engine is 'torch'; allowed is onnx, identity"),
    ("engine", "ONNX", "m/model.yaml: engine is 'ONNX'; allowed is onnx, identity"),
    ("golden_rtol", "-1", "m/model.yaml: golden_rtol is '-1'; allowed is a number from 0 on"),
    ("golden_atol", "nan", "m/model.yaml: golden_atol is 'nan'; allowed is a number from 0 on"),
    (
        "latency_budget_milliseconds", "0",
        "m/model.yaml: latency_budget_milliseconds is '0'; allowed is a number of milliseconds from 0.001 on"
    ),
    ("memory_budget", "9G9", "m/model.yaml: memory_budget is '9G9'; allowed is bytes, as 536870912, 512M or 2G"),
    (
        "memory_budget", "8589934592G",
        "m/model.yaml: memory_budget is '8589934592G'; allowed is bytes, as 536870912, 512M or 2G"
    ),
    ("intra_op_threads", "0", "m/model.yaml: intra_op_threads is '0'; allowed is a whole number from 1 to 256"),
    ("inter_op_threads", "257", "m/model.yaml: inter_op_threads is '257'; allowed is a whole number from 1 to 256"),
    ("inter_op_threads", "4.0", "m/model.yaml: inter_op_threads is '4.0'; allowed is a whole number from 1 to 256"),
    (
        "intra_op_threads", "99999999999999999999",
        "m/model.yaml: intra_op_threads is '99999999999999999999'; allowed is a whole number from 1 to 256"
    ),
    ("graph_optimization", "", "m/model.yaml: graph_optimization is ''; allowed is disabled, basic, extended, all"),
    ("execution_mode", "a\nb", "m/model.yaml: execution_mode is 'a\\nb'; allowed is sequential, parallel"),
    (
        "intra_op_thread", "1",
        "m/model.yaml: there is no key 'intra_op_thread' (did you mean 'intra_op_threads'?); allowed are engine, "
            + "intra_op_threads, inter_op_threads, graph_optimization, execution_mode, batching, max_batch_size, "
            + "preferred_batch_size, max_queue_delay_microseconds, max_queue_size, instances, golden_rtol, golden_atol, "
            + "latency_budget_milliseconds, memory_budget, version_policy, keep, labels"
    ),
    (
        "backend", "onnx",
        "m/model.yaml: there is no key 'backend'; allowed are engine, intra_op_threads, inter_op_threads, "
            + "graph_optimization, execution_mode, batching, max_batch_size, preferred_batch_size, "
            + "max_queue_delay_microseconds, max_queue_size, instances, golden_rtol, golden_atol, "
            + "latency_budget_milliseconds, memory_budget, version_policy, keep, labels"
    ),
])
func whatIsNotAllowedIsNamed(key: String, value: String, sentence: String) {
    let error = #expect(throws: ConfigurationError.self) {
        try ModelConfiguration([(key, value)], file: "m/model.yaml")
    }
    #expect(error?.description == sentence)
}

@Test(arguments: [("label.stable", "labels"), ("lables.stable", "labels"), ("version_polici.latest", "version_policy")])
func aNestedKeyHasASuggestion(key: String, meant: String) {
    let error = #expect(throws: ConfigurationError.self) {
        try ModelConfiguration([(key, "2")], file: "m/model.yaml")
    }
    #expect(error?.description.contains("there is no key '\(key)' (did you mean '\(meant)'?)") == true)
}

@Test func aKeyTwice() {
    let error = #expect(throws: ConfigurationError.self) {
        try ModelConfiguration([("engine", "onnx"), ("engine", "onnx")], file: "m/model.yaml")
    }
    #expect(error?.description == "m/model.yaml: the key 'engine' is given more than once")
}

@Test func theEngineIdentityNeedsNoVersion() throws {
    let place = Place()
    defer { place.remove() }
    place.folder("m")
    let model = try #require(Repository(path: place.root).scan().models.first)
    let identity = try ModelConfiguration([("engine", "identity")], file: "m/model.yaml")
    #expect(try model.versions(with: identity) == [1])
    let error = #expect(throws: RepositoryError.self) { try model.versions(with: ModelConfiguration()) }
    #expect(
        error?.description
            == "the model 'm' has no version: put its file at 'm/1/model.onnx', or set 'engine: identity' in "
            + "'m/model.yaml'")
    place.folder("m/7")
    #expect(try Repository(path: place.root).scan().models.first?.versions(with: identity) == [7])
}

@Test func labelsNameVersions() throws {
    let pairs = [(key: "labels.stable", value: "2"), (key: "labels.canary", value: "3")]
    #expect(try ModelConfiguration(pairs, file: "m/model.yaml").labels == ["stable": 2, "canary": 3])
}

@Test(arguments: [
    ("labels.stable", "0"), ("labels.stable", "two"), ("labels.2", "2"), ("labels.", "2"), ("labels.a b", "2"),
])
func labelsThatAreRefused(key: String, value: String) {
    #expect(throws: ConfigurationError.self) {
        try ModelConfiguration([(key: key, value: value)], file: "m/model.yaml")
    }
}
