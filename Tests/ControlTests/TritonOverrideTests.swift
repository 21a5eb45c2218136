// Enters: a configuration as JSON. Leaves: the settings of one load, or why it cannot be honoured.
import Tensors
import Testing

@testable import Control
@testable import Repository

private func override(_ json: String) throws -> TritonOverride {
    try TritonOverride(try #require(TextMessage(json: json)), model: "m")
}

private let base = "max_batch_size: 8 dynamic_batching { preferred_batch_size: 4 } instance_group { count: 2 }"

@Test(
    arguments: [
        ("{}", 8, 4, 2), ("{\"max_batch_size\": 16}", 16, 4, 2), ("{\"maxBatchSize\": \"16\"}", 16, 4, 2),
        ("{\"instanceGroup\": [{\"count\": 3, \"kind\": \"KIND_CPU\"}], \"name\": \"m\", \"platform\": null}", 8, 4, 3),
        // A field is taken as a whole.
        ("{\"dynamic_batching\": {}}", 8, nil, 2),
        (
            "{\"dynamic_batching\": {\"preferred_batch_size\": [2, 6]}, \"optimization\": {\"graph\": {\"level\": 1}}}",
            8, 2, 2
        ),
    ] as [(String, Int, Int?, Int)])
func whatIsSaidGoesBefore(json: String, rows: Int, preferred: Int?, instances: Int) throws {
    let configuration = try ModelConfiguration(
        triton: Array(base.utf8), model: "m", file: "m/config.pbtxt", override: try override(json))
    #expect(configuration.batchRowsMax == rows && configuration.batchRowsPreferred == preferred)
    #expect(configuration.concurrency == instances)
}

@Test func aModelYAMLStaysButForWhatIsSaid() throws {
    let pairs = [("max_batch_size", "8"), ("latency_budget_milliseconds", "5"), ("intra_op_threads", "2")]
    let json = """
        {"max_batch_size": 4, "parameters": {"intra_op_thread_count": {"string_value": "3"}},
         "version_policy": {"specific": {"versions": ["2", 1]}}}
        """
    let override = try override(json)
    let configuration = try ModelConfiguration(pairs, file: "m/model.yaml", of: "m", override: override)
    #expect(configuration.batchRowsMax == 4 && configuration.intraOpThreads == 3)
    #expect(configuration.latencyBudgetMilliseconds == 5)
    // What is loaded now is another thing than what is loaded without an order.
    #expect(override.versionPolicy == .specific([2, 1]) && configuration.versionPolicy == .latest(2))
}

@Test(arguments: [
    ("{\"sequenceBatching\": {}}", "'sequence_batching' is not supported"),
    ("{\"max_batch_size\": -1}", "max_batch_size is '-1'; allowed is a whole number from 0"),
    ("{\"max_batch_size\": 1.5}", "max_batch_size is '1.5'"),
    ("{\"max_batch_size\": {}}", "max_batch_size is a message"),
    ("{\"nothing\": 1}", "there is no field 'nothing'"), ("{\"name\": \"n\"}", "name is 'n'"),
    ("{\"instance_group\": [{\"kind\": \"KIND_TPU\"}]}", "kind is 'KIND_TPU'"),
    ("{\"default_model_filename\": \"x\"}", "'default_model_filename' is the repository's"),
])
func whatCannotBeHonouredIsNamed(json: String, words: String) throws {
    let message = try #require(TextMessage(json: json))
    let error = #expect(throws: ConfigurationError.self) { try TritonOverride(message, model: "m") }
    #expect(error?.description.hasPrefix("parameter 'config': ") == true)
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
}

@Test(arguments: ["", "[]", "3", "\"{}\"", "{", "{\"a\": }"])
func whatIsNoObject(json: String) { #expect(TextMessage(json: json) == nil) }

@Test(arguments: [
    ("{}", false), ("{\"name\": \"m\", \"backend\": \"onnxruntime\"}", false),
    ("{\"version_policy\": {\"all\": {}}}", false), ("{\"max_batch_size\": 1}", true),
])
func whetherItChangesRuns(json: String, changes: Bool) throws { #expect(try override(json).changesRuns == changes) }
