"""What users of inference servers have reported, tried against the built server: each a fault of its own once."""
import json

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from onnx import TensorProto, helper, numpy_helper

from batch_cases import node
from models import put
from server import Server
from stubs import control as control_messages
from stubs import control_grpc, inference, inference_grpc, prediction, prediction_grpc
from tensors import infer_request

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


def model(nodes, inputs, outputs, constants=(), opset=17):
    """The bytes of a model; `inputs` and `outputs`: {name: (type, shape)}."""
    infos = [[helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in side.items()] for side in (inputs, outputs)]
    made = helper.make_graph(nodes, "g", *infos, [numpy_helper.from_array(np.asarray(value), name) for name, value in dict(constants).items()])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString()


def times(factor):
    """y = x * factor, rows of two."""
    rows = {"x": (TensorProto.FLOAT, ["n", 2])}
    return model([node("Mul", "x k")], rows, {"y": rows["x"]}, {"k": np.float32(factor)})


def write(folder, name, version, content, configuration=None):
    put(folder, name, version, content)
    if configuration is not None:
        (folder / name / "config.pbtxt").write_text(configuration)


def infer(server):
    return inference_grpc.GRPCInferenceServiceStub(server.channel())


def floats(response, index=0):
    return np.frombuffer(response.raw_output_contents[index], np.float32).tolist()


def fails(call, code, *words):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() == code
    for word in words:
        assert word in caught.value.details()


ONES = {"x": ("FP32", np.ones((1, 2), np.float32))}


def test_a_model_that_looks_at_its_largest_value(serve, tmp_path):
    """Two kinds of clients, and one graph that scales what is large: no answer depends on another client's value."""
    width, dice = 64, np.random.default_rng(3)
    weights = dice.standard_normal((width, width)).astype(np.float32)
    rows = {"x": (TensorProto.FLOAT, ["n", width])}
    nodes = [node("ReduceMax", "x", "m", keepdims=0), node("Greater", "m limit", "big"), node("Div", "x k", "small"),
             node("Where", "big small x", "v"), node("MatMul", "v w")]
    put(tmp_path, "scale", 1, model(nodes, rows, {"y": rows["x"]}, {"limit": np.float32(2), "k": np.float32(255), "w": weights}))
    server = serve(repository=tmp_path)
    usual = [dice.random((1, width)).astype(np.float32) for _ in range(16)]
    odd = [(dice.random((1, width)) * 255).astype(np.float32) for _ in range(4)]
    wanted = [(x / 255 if x.max() > 2 else x) @ weights for x in usual + odd]
    stub, order = infer(server), dice.integers(0, 20, 2000)
    futures = [stub.ModelInfer.future(infer_request("scale", {"x": ("FP32", (usual + odd)[each])})) for each in order]
    for future, each in zip(futures, order):
        assert np.allclose(floats(future.result()), wanted[each][0], rtol=1e-3, atol=1e-3)


def test_a_typed_request_gets_a_raw_answer(serve, tmp_path):
    put(tmp_path, "a", 1, times(2))
    request = inference.ModelInferRequest(model_name="a")
    request.inputs.add(name="x", datatype="FP32", shape=[1, 2]).contents.fp32_contents.extend([1, 2])
    stub = infer(serve(repository=tmp_path))
    assert floats(stub.ModelInfer(request)) == [2, 4]
    assert floats(next(iter(stub.ModelStreamInfer(iter([request])))).infer_response) == [2, 4]
    request.parameters["vencejo_answers"].string_param = "as-asked"
    answer = stub.ModelInfer(request)
    assert list(answer.outputs[0].contents.fp32_contents) == [2, 4] and not answer.raw_output_contents
    request.parameters["vencejo_answers"].string_param = "typed"
    fails(lambda: stub.ModelInfer(request), grpc.StatusCode.INVALID_ARGUMENT, "vencejo_answers", '"typed"', "raw or as-asked")


def test_a_server_that_answers_as_asked(serve, tmp_path):
    put(tmp_path, "a", 1, times(2))
    request = inference.ModelInferRequest(model_name="a")
    request.inputs.add(name="x", datatype="FP32", shape=[1, 2]).contents.fp32_contents.extend([1, 2])
    stub = infer(serve("--answers", "as-asked", repository=tmp_path))
    assert list(stub.ModelInfer(request).outputs[0].contents.fp32_contents) == [2, 4]
    request.parameters["vencejo_answers"].string_param = "raw"
    assert floats(stub.ModelInfer(request)) == [2, 4]


def test_the_final_response_of_a_stream(serve, tmp_path):
    put(tmp_path, "a", 1, times(2))
    stub = infer(serve(repository=tmp_path))
    request = infer_request("a", ONES)
    request.parameters["triton_enable_empty_final_response"].bool_param = True
    answer = stub.ModelInfer(request)
    assert floats(answer) == [2, 2] and "triton_final_response" not in answer.parameters
    streamed = [each.infer_response for each in stub.ModelStreamInfer(iter([request] * 3))]
    assert [floats(each) for each in streamed] == [[2, 2]] * 3
    assert all(each.parameters["triton_final_response"].bool_param for each in streamed)


def test_versions_that_are_times(serve, tmp_path):
    for version, factor in ((1_700_000_000, 2), (1_764_518_400_123, 3)):
        put(tmp_path, "a", version, times(factor))
    (tmp_path / "a" / "v3").mkdir()
    server = serve(repository=tmp_path)
    assert floats(infer(server).ModelInfer(infer_request("a", ONES))) == [3, 3]
    assert floats(infer(server).ModelInfer(infer_request("a", ONES, version=1_700_000_000))) == [2, 2]
    assert "'a/v3' is passed over" in server.log()


FIELDS = ['runtime: ""', 'model_metrics { metric_control { metric_identifier { family: "f" } } }', 'response_cache { enable: false }',
          'input { name: "x" data_type: TYPE_FP32 dims: [ -1, 2 ] is_non_linear_format_io: false optional: false allow_ragged_batch: false }',
          'output { name: "y" data_type: TYPE_FP32 dims: [ -1, 2 ] is_non_linear_format_io: false is_shape_tensor: false }']


def test_fields_of_todays_configuration(serve, tmp_path):
    for number, field in enumerate(FIELDS):
        write(tmp_path, f"m{number}", 1, times(2), f'backend: "onnxruntime"\n{field}\n')
    stub = infer(serve(repository=tmp_path))
    for number in range(len(FIELDS)):
        assert floats(stub.ModelInfer(infer_request(f"m{number}", ONES))) == [2, 2], FIELDS[number]


def test_only_declared_outputs_are_answered(serve, tmp_path):
    nodes = [node("Neg", "x"), node("Expand", "x s", "features")]
    write(tmp_path, "net", 1, model(nodes, {"x": (TensorProto.FLOAT, ["n", 2])},
                                    {"y": (TensorProto.FLOAT, ["n", 2]), "features": (TensorProto.FLOAT, ["k", "n", 2])},
                                    {"s": np.int64([1000, 1, 1])}),
          'backend: "onnxruntime"\ninput { name: "x" data_type: TYPE_FP32 dims: [ -1, 2 ] }\n'
          'output { name: "y" data_type: TYPE_FP32 dims: [ -1, 2 ] }\n')
    server = serve(repository=tmp_path)
    assert [each.name for each in infer(server).ModelInfer(infer_request("net", ONES)).outputs] == ["y"]
    assert [each.name for each in infer(server).ModelMetadata(inference.ModelMetadataRequest(name="net")).outputs] == ["y"]
    fails(lambda: infer(server).ModelInfer(infer_request("net", ONES, outputs=["features"])), grpc.StatusCode.INVALID_ARGUMENT,
          "features")
    # What is not answered does not keep the rest from running together.
    versions = prediction_grpc.PredictionServiceStub(server.channel()).ListModels(prediction.ListModelsRequest())
    assert versions.models[0].versions[0].batching == prediction.PROVEN


@pytest.mark.parametrize("configuration", ["yaml", "triton"])
def test_a_call_above_the_maximum(serve, tmp_path, configuration):
    if configuration == "yaml":
        put(tmp_path, "a", 1, times(2), yaml="max_batch_size: 4\n")
    else:
        write(tmp_path, "a", 1, times(2), 'platform: "onnxruntime_onnx"\nmax_batch_size: 4\n')
    stub = infer(serve(repository=tmp_path))
    assert floats(stub.ModelInfer(infer_request("a", {"x": ("FP32", np.ones((4, 2), np.float32))}))) == [2] * 8
    fails(lambda: stub.ModelInfer(infer_request("a", {"x": ("FP32", np.ones((5, 2), np.float32))})),
          grpc.StatusCode.INVALID_ARGUMENT, "5 rows", '"a"', "at most 4 (max_batch_size)")


def test_inputs_that_disagree_in_a_dimension_of_one_name(serve, tmp_path):
    kinds = {"x": (TensorProto.FLOAT, ["n", "m"]), "z": (TensorProto.FLOAT, ["n", "m"])}
    put(tmp_path, "a", 1, model([node("Add", "x z")], kinds, {"y": kinds["x"]}))
    stub = infer(serve(repository=tmp_path))

    def call(*shapes):
        return stub.ModelInfer(infer_request("a", {name: ("FP32", np.ones(shape, np.float32)) for name, shape in zip("xz", shapes)}))
    assert floats(call((2, 3), (2, 3))) == [2] * 6
    fails(lambda: call((2, 3), (3, 3)), grpc.StatusCode.INVALID_ARGUMENT, 'dimension "n"', '2 in input "x"', '3 in input "z"')
    fails(lambda: call((2, 3), (2, 4)), grpc.StatusCode.INVALID_ARGUMENT, 'dimension "m"')


def test_a_model_without_a_batch_dimension_counts_calls(serve, tmp_path):
    fixed = {"x": (TensorProto.FLOAT, [16, 2])}
    put(tmp_path, "a", 1, model([node("Neg", "x")], fixed, {"y": fixed["x"]}))
    stub = infer(serve(repository=tmp_path))
    for _ in range(5):
        stub.ModelInfer(infer_request("a", {"x": ("FP32", np.ones((16, 2), np.float32))}))
    stats = stub.ModelStatistics(inference.ModelStatisticsRequest(name="a")).model_stats[0]
    assert stats.inference_count == 5 and stats.execution_count == 5


def health(server, name=""):
    return health_pb2_grpc.HealthStub(server.channel()).Check(health_pb2.HealthCheckRequest(service=name)).status


def is_ready(server):
    ready = infer(server).ServerReady(inference.ServerReadyRequest()).ready
    assert health(server) == health(server, "readiness") == (SERVING if ready else NOT_SERVING)
    assert health(server, "liveness") == health(server, "startup") == SERVING
    assert infer(server).ServerLive(inference.ServerLiveRequest()).live
    return ready


def load(server, name):
    stub = control_grpc.ModelControlServiceStub(server.channel(server.control))
    return stub.Load(control_messages.ControlRequest(model=name))


def test_a_server_without_a_model_that_answers_is_not_ready(serve, tmp_path):
    put(tmp_path, "good", 1, times(2))
    put(tmp_path, "bad", 1, b"this is no model")
    server = serve(repository=tmp_path, control="127.0.0.1:0")
    assert not is_ready(server) and health(server, "good") == SERVING and health(server, "bad") == NOT_SERVING
    put(tmp_path, "bad", 2, times(3))
    load(server, "bad")
    assert is_ready(server)
    # What fails later changes nothing.
    put(tmp_path, "worse", 1, b"nor is this")
    with pytest.raises(grpc.RpcError):
        load(server, "worse")
    assert is_ready(server) and health(server, "worse") == NOT_SERVING


@pytest.mark.parametrize("arguments, ready", [
    (("--ready", "any"), True), (("--ready", "all"), False), (("--repository-mode", "watch"), False),
    (("--repository-mode", "none"), False), (("--repository-mode", "explicit"), True),
    (("--repository-mode", "explicit", "--load-model", "good"), True),
    (("--repository-mode", "explicit", "--load-model", "bad"), False)], ids=lambda value: " ".join(value) if isinstance(value, tuple) else None)
def test_when_a_server_is_ready(serve, tmp_path, arguments, ready):
    put(tmp_path, "good", 1, times(2))
    put(tmp_path, "bad", 1, b"this is no model")
    control = None if "none" in arguments else "127.0.0.1:0"
    assert is_ready(serve(*arguments, repository=tmp_path, control=control)) == ready


def test_an_empty_repository(serve, tmp_path):
    server = serve("--repository-mode", "watch", "--repository-poll-seconds", "1", repository=tmp_path)
    assert not is_ready(server)
    assert "has no model: the server is not ready until a version is live" in server.log()
    assert is_ready(serve("--repository-mode", "explicit", repository=tmp_path, control="127.0.0.1:0"))


def test_models_are_there_before_the_first_port(tmp_path):
    """While they load they are UNAVAILABLE, never NOT_FOUND."""
    put(tmp_path, "a", 1, times(2))
    for _ in range(8):
        server = Server(repository=tmp_path, wait=False)
        try:
            stub = infer(server)
            while True:
                listed = prediction_grpc.PredictionServiceStub(server.channel()).ListModels(
                    prediction.ListModelsRequest(), wait_for_ready=True, timeout=60)
                assert [each.name for each in listed.models] == ["a"]
                try:
                    assert floats(stub.ModelInfer(infer_request("a", ONES))) == [2, 2]
                    break
                except grpc.RpcError as error:
                    assert error.code() == grpc.StatusCode.UNAVAILABLE, error
        finally:
            server.stop()


def test_what_an_operator_reads_of_batching(serve, tmp_path):
    put(tmp_path, "off", 1, times(2), yaml="batching: off\n")
    put(tmp_path, "on", 1, times(2), yaml="batching: on\n")
    put(tmp_path, "auto", 1, times(2))
    put(tmp_path, "one", 1, times(2), yaml="max_batch_size: 1\n")
    write(tmp_path, "triton", 1, times(2), 'backend: "onnxruntime"\nmax_batch_size: 8\n')
    write(tmp_path, "dynamic", 1, times(2), 'backend: "onnxruntime"\nmax_batch_size: 8\ndynamic_batching { }\n')
    write(tmp_path, "none", 1, times(2), 'backend: "onnxruntime"\nmax_batch_size: 0\n')
    server = serve(repository=tmp_path)
    listed = prediction_grpc.PredictionServiceStub(server.channel()).ListModels(prediction.ListModelsRequest())
    said = {each.name: prediction.Batching.Name(each.versions[0].batching) for each in listed.models}
    assert said == {"off": "OFF", "on": "PROMISED", "auto": "PROVEN", "one": "OFF", "triton": "PROVEN", "dynamic": "PROMISED",
                    "none": "OFF"}, json.dumps(said)
