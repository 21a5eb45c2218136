// Enters: Triton's configurations. Leaves: ours, or the sentence with the line that is wrong.
import Tensors
import Testing

@testable import Repository

private func read(_ text: String) throws -> ModelConfiguration {
    try ModelConfiguration(triton: Array(text.utf8), model: "m", file: "m/config.pbtxt")
}

private let everyday = """
    name: "m"
    platform: "onnxruntime_onnx"
    max_batch_size: 8
    input [
      { name: "x" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 4 ] }
    ]
    output [
      { name: "y" data_type: TYPE_STRING dims: [ -1 ] label_filename: "labels.txt" }
    ]
    """

@Test func theEverydayFields() throws {
    let configuration = try read(
        everyday
            + """

            dynamic_batching {
              preferred_batch_size: [ 8, 4 ]
              max_queue_delay_microseconds: 100
              default_queue_policy { max_queue_size: 50 }
            }
            instance_group [ { count: 2 kind: KIND_CPU }, { kind: KIND_GPU gpus: [ 0 ] } ]
            version_policy: { specific: { versions: [ 1, 3 ] } }
            default_model_filename: "net.onnx"
            optimization { graph { level: 1 } execution_accelerators { gpu_execution_accelerator: [ { name: "tensorrt" } ] } }
            parameters { key: "intra_op_thread_count" value: { string_value: "2" } }
            parameters { key: "inter_op_thread_count" value: { string_value: "0" } }
            parameters { key: "execution_mode" value: { string_value: "1" } }
            """)
    #expect(configuration.batchRowsMax == 8 && configuration.batchRowsPreferred == 4)
    #expect(configuration.queueDelayMicroseconds == 100 && configuration.queueCallsMax == 50)
    #expect(configuration.concurrency == 3 && configuration.versionPolicy == .specific([1, 3]))
    #expect(configuration.graphOptimization == .extended && configuration.executionMode == .parallel)
    #expect(configuration.intraOpThreads == 2 && configuration.interOpThreads == nil)
    let triton = try #require(configuration.triton)
    #expect(triton.rowsMax == 8 && triton.hasDynamicBatching && triton.modelFile == "net.onnx")
    #expect(triton.inputs == [TritonModel.Tensor(name: "x", type: .float32, dimensions: [4], line: 5)])
    #expect(triton.outputs == [TritonModel.Tensor(name: "y", type: .bytes, dimensions: [-1], line: 8)])
    #expect(
        triton.warning
            == "m/config.pbtxt: passed over, and no answer depends on it: input.format, output.label_filename, "
            + "instance_group.kind KIND_GPU (it runs on the CPU), instance_group.gpus, "
            + "optimization.execution_accelerators (it runs on the CPU)")
}

@Test func whatIsNotSaidIsOurs() throws {
    let configuration = try read("backend: \"onnxruntime\"")
    #expect(
        configuration.batchRowsMax == nil && configuration.versionPolicy == .latest(2)
            && configuration.concurrency == nil)
    #expect(configuration.triton?.warning == nil && configuration.triton?.modelFile == "model.onnx")
    // 0 is said: there are no rows, so that no call has too many of them, and calls do not run together.
    let without = try read("max_batch_size: 0 dynamic_batching { }")
    #expect(without.batchRowsMax == nil && without.batching == .off)
    // A promise is what dynamic_batching is, and nothing else.
    #expect(try read("dynamic_batching { }").batching == .on)
    #expect(try read("max_batch_size: 8").batching == .auto)
    #expect(try read("max_batch_size: 8 dynamic_batching { preferred_batch_size: 4 }").batching == .on)
    #expect(try read("max_batch_size: 100000").batchRowsMax == ModelConfiguration.batchRows.upperBound)
}

@Test(
    arguments: [
        ("latest { num_versions: 3 }", .latest(3)), ("latest {}", .latest(1)), ("all {}", .all), ("all: {}", .all),
        ("specific { versions: 2 versions: 5 }", .specific([2, 5])),
    ] as [(String, VersionPolicy)])
func versionPolicies(text: String, policy: VersionPolicy) throws {
    #expect(try read("version_policy { \(text) }").versionPolicy == policy)
}

@Test(
    arguments: [(.latest(2), [3, 7]), (.specific([1, 7, 9]), [1, 7]), (.all, [1, 3, 7])]
        as [(VersionPolicy, [Int64])])
func whichVersionsAPolicyWants(policy: VersionPolicy, chosen: [Int64]) {
    #expect(policy.choose(from: [1, 3, 7]) == chosen.reversed())
}

@Test(
    arguments: [(-1, .basic), (0, .all), (1, .extended), (2, .disabled)]
        as [(Int, ModelConfiguration.GraphOptimization)])
func graphLevels(level: Int, optimization: ModelConfiguration.GraphOptimization) throws {
    #expect(try read("optimization { graph: { level: \(level) } }").graphOptimization == optimization)
}

@Test func warmUps() throws {
    let text = """
        model_warmup: [ {
          name: "first" batch_size: 2 count: 3
          inputs { key: "x" value: { data_type: TYPE_FP32 dims: [ 4 ] zero_data: true } }
          inputs { key: "t" value: { data_type: TYPE_STRING dims: 1 input_data_file: "raw" } }
        }, { inputs { key: "x" value: { data_type: TYPE_INT64 dims: [ 2, 2 ] random_data: true } } } ]
        """
    let samples = try #require(try read(text).triton).warmUps
    #expect(samples.map(\.name) == ["first", ""] && samples.map(\.rows) == [2, 0] && samples.map(\.runs) == [3, 1])
    #expect(
        samples[0].inputs == [
            TritonModel.WarmUp.Input(name: "x", type: .float32, dimensions: [4], source: .zeros),
            TritonModel.WarmUp.Input(name: "t", type: .bytes, dimensions: [1], source: .file("raw")),
        ])
    #expect(samples[1].inputs.map(\.source) == [.random])
}

@Test(arguments: [
    ("name: \"other\"", "m/config.pbtxt:1: name is 'other', but the model's folder is 'm': make them equal"),
    (
        "\nplatform: \"tensorrt_plan\"",
        "m/config.pbtxt:2: platform 'tensorrt_plan' is not served here; 'onnxruntime_onnx' is: export the model to ONNX"
    ),
    (
        "backend: \"python\"",
        "m/config.pbtxt:1: backend 'python' is not served here; 'onnxruntime' is: export the model to ONNX"
    ),
    (
        "max_batch_size: \"8\"",
        "m/config.pbtxt:1: max_batch_size is the string '8'; allowed is a whole number from 0 to 2147483647"
    ),
    ("max_batch_size: -1", "m/config.pbtxt:1: max_batch_size is '-1'; allowed is a whole number from 0 to 2147483647"),
    ("max_batchsize: 1", "m/config.pbtxt:1: there is no field 'max_batchsize' in a Triton model configuration"),
    (
        "ensemble_scheduling {}",
        "m/config.pbtxt:1: 'ensemble_scheduling' is not supported: call the models one after the other"
    ),
    ("sequence_batching {}", "m/config.pbtxt:1: 'sequence_batching' is not supported: each call stands alone"),
    (
        "model_transaction_policy { decoupled: true }",
        "m/config.pbtxt:1: 'decoupled' is not supported: each call has exactly one answer"
    ),
    ("input { data_type: TYPE_FP32 }", "m/config.pbtxt:1: an input has no name: add it"),
    ("input { name: 'x' dims: 0 }", "m/config.pbtxt:1: dims is '0'; allowed is a size above 0, or -1 for any"),
    (
        "input { name: 'x' reshape { shape: [] } }",
        "m/config.pbtxt:1: 'reshape' is not supported: declare the dims that the model itself has"
    ),
    (
        "version_policy { all {} latest {} }",
        "m/config.pbtxt:1: version_policy takes exactly one of latest, all and specific"
    ),
    ("version_policy { specific {} }", "m/config.pbtxt:1: specific names no version: add one"),
    (
        "default_model_filename: \"../x\"",
        "m/config.pbtxt:1: default_model_filename is '../x'; allowed is the plain name of a file"
    ),
    (
        "parameters { key: \"intra_op_thread_count\" value { string_value: \"999\" } }",
        "m/config.pbtxt: intra_op_threads is '999'; allowed is a whole number from 1 to 256"
    ),
    ("model_warmup { name: \"w\" }", "m/config.pbtxt:1: the warm-up 'w' has no inputs: add them"),
    ("a b", "m/config.pbtxt:1: ':' or '{' is expected after 'a', not 'b'"),
])
func whatCannotBeServed(text: String, sentence: String) {
    let error = #expect(throws: ConfigurationError.self) { try read(text) }
    #expect(error?.description == sentence)
}

@Test(arguments: [
    (everyday, nil),
    ("max_batch_size: 0 input { name: 'x' data_type: TYPE_FP32 dims: [-1, 4] }", nil),
    ("max_batch_size: 0 input { name: 'x' data_type: TYPE_FP32 dims: [2, 4] }", nil),
    ("output { name: 'y' }", "m/config.pbtxt:1: output \"y\" is declared with dims []; the model has [-1, -1]"),
    ("input { name: 'z' }", "m/config.pbtxt:1: input \"z\" is not in the model, whose inputs are: \"x\""),
    ("output { name: 'z' }", "m/config.pbtxt:1: output \"z\" is not in the model, whose outputs are: \"y\""),
    (
        "input { name: 'x' data_type: TYPE_FP64 }",
        "m/config.pbtxt:1: input \"x\" is declared as FP64; the model has FP32"
    ),
    (
        "max_batch_size: 8 input { name: 'x' dims: 5 }",
        "m/config.pbtxt:1: input \"x\" is declared with dims [5] behind the batch dimension; the model has [-1, 4]"
    ),
    (
        "max_batch_size: 0 input { name: 'x' dims: 4 }",
        "m/config.pbtxt:1: input \"x\" is declared with dims [4]; the model has [-1, 4]"
    ),
])
func whatIsDeclaredIsCompared(text: String, difference: String?) throws {
    let signature = Signature(
        inputs: [TensorSpecification(name: "x", type: .float32, shape: [-1, 4])],
        outputs: [TensorSpecification(name: "y", type: .bytes, shape: [-1, -1])])
    #expect(try #require(try read(text).triton).difference(from: signature) == difference)
}

@Test func aModelWithoutABatchDimensionTakesNoBatches() throws {
    let signature = Signature(
        inputs: [
            TensorSpecification(name: "x", type: .float32, shape: [1, 4]),
            TensorSpecification(name: "w", type: .float32, shape: nil),
        ], outputs: [])
    let triton = try #require(try read("max_batch_size: 8 input { name: 'x' dims: 4 }").triton)
    #expect(
        triton.difference(from: signature)
            == "m/config.pbtxt:1: input \"x\": max_batch_size is 8, but the model's shape [1, 4] has no free first "
            + "dimension: set max_batch_size to 0")
    let other = try #require(try read("input { name: 'w' }").triton)
    #expect(other.difference(from: signature) == "m/config.pbtxt: the model's input \"x\" is not declared: add it")
}

@Test func oneModelHasOneConfiguration() throws {
    let place = Place()
    defer { place.remove() }
    place.file("m/1/model.onnx")
    place.file("m/config.pbtxt", "name: \"m\"")
    let model = try #require(try Repository(path: place.root).scan().models.first)
    #expect(
        model.tritonConfiguration == Array("name: \"m\"".utf8) && model.failure == nil && model.configuration == nil)
    place.file("m/model.yaml", "engine: onnx")
    let both = try #require(try Repository(path: place.root).scan().models.first)
    #expect(
        both.failure?.description == "'m/model.yaml' and 'm/config.pbtxt' are both there, and one model has one "
            + "configuration: remove one of them")
}
