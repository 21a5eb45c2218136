"""gRPC as calls see it: metadata, deadlines, cancellation, compression, streams, sizes, health, reflection."""
import gzip
import hashlib
import itertools
import pathlib
import queue
import time

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from h2raw import Connection, fields, message
from stubs import inference, prediction, prediction_grpc
from tensors import case, close, infer_request, predict_request, read_infer, read_predict

OK, CODE = grpc.StatusCode.OK, grpc.StatusCode
PREDICT = "/vencejo.v1.PredictionService/Predict"
STREAM = "/vencejo.v1.PredictionService/PredictStream"
SERVICES = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
            "inference.GRPCInferenceService", "vencejo.v1.ModelControlService", "vencejo.v1.PredictionService"]
INPUTS, EXPECTED = case("digits", 1, 32)
REQUEST = predict_request("digits", INPUTS)
BAD = predict_request("nosuch", INPUTS)
MODELS = pathlib.Path(__file__).resolve().parents[1] / "Fixtures" / "models"


def refusal(call, *arguments, **settings):
    with pytest.raises(grpc.RpcError) as caught:
        answer = call(*arguments, **settings)
        list(answer if hasattr(answer, "cancel") else [])
    return caught.value


def zeros(size):
    return predict_request("identity", {"x": ("UINT8", np.zeros(size, np.uint8))})


# Metadata

@pytest.mark.parametrize("metadata", [
    [("x-tenant", "a b, c=d")], [("x-twice", "1"), ("x-twice", "2")], [("x-trace-bin", bytes(range(256)))],
    [("x-empty-bin", b"")], [("x-one-bin", b"\0"), ("x-two-bin", b"\1\2")], [(f"x-{i}", "y" * 50) for i in range(60)],
], ids=lambda metadata: metadata[0][0])
def test_metadata_is_carried(predictions, metadata):
    answer, call = predictions.Predict.with_call(REQUEST, metadata=metadata)
    assert read_predict(answer) == EXPECTED and call.code() == OK
    assert all(isinstance(value, (str, bytes)) for _, value in [*call.initial_metadata(), *call.trailing_metadata()])


@pytest.mark.parametrize("text", ["AAECAw==", "AAECAw", "AAEC,AwQ=", ""])
def test_binary_metadata_with_and_without_padding(server, text):
    with Connection(server.address) as connection:
        answer = connection.call(fields(PREDICT, x_trace_bin=text), message(REQUEST.SerializeToString()))
    assert (answer.http, answer.status) == (200, 0)


def test_the_open_protocol_names_who_answered_when_asked(oip):
    """Its messages have no field for slot and digest: metadata carry them, for who asks."""
    request = infer_request("digits", INPUTS)
    _, call = oip.ModelInfer.with_call(request, metadata=[("vencejo-provenance", "1")])
    told = dict(call.initial_metadata())
    digest = hashlib.sha256((MODELS / "digits" / "1" / "model.onnx").read_bytes()).digest()
    assert (told["vencejo-slot"], told["vencejo-artifact-digest-bin"]) == ("blue", digest)
    _, call = oip.ModelInfer.with_call(request)
    assert "vencejo-slot" not in dict(call.initial_metadata())


# Deadlines and cancellation

@pytest.mark.parametrize("timeout,code", [("1n", 4), ("0S", 4), ("99999999H", 0), ("60S", 0), ("30000m", 0),
                                          ("30000000u", 0)])
def test_deadline_of_a_call(server, timeout, code):
    with Connection(server.address) as connection:
        answer = connection.call(fields(PREDICT, grpc_timeout=timeout), message(REQUEST.SerializeToString()))
    assert answer.status == code


def test_deadline_ends_a_stream_that_waits(server):
    began = time.monotonic()
    with Connection(server.address) as connection:
        answer = connection.call(fields(STREAM, grpc_timeout="200m"), message(REQUEST.SerializeToString()), end=False)
    assert answer.status == CODE.DEADLINE_EXCEEDED.value[0]
    assert answer.data and time.monotonic() - began >= 0.2


def test_deadline_of_grpcio(predictions):
    never = queue.Queue()
    stream = predictions.PredictStream(iter(never.get, None), timeout=0.2)
    assert refusal(lambda: stream).code() == CODE.DEADLINE_EXCEEDED
    never.put(None)


def test_cancelled_streams_leave_nothing_behind(predictions):
    for _ in range(100):
        requests = queue.Queue()
        requests.put(REQUEST)
        stream = predictions.PredictStream(iter(requests.get, None))
        assert read_predict(next(stream).response) == EXPECTED
        stream.cancel()
        requests.put(None)
    assert read_predict(predictions.Predict(REQUEST)) == EXPECTED


def test_resets_do_not_disturb_the_connection(server):
    body = message(REQUEST.SerializeToString())
    with Connection(server.address) as connection:
        for _ in range(50):
            connection.reset(connection.open(fields(PREDICT), body))
        assert connection.ping()
        assert connection.call(fields(PREDICT), body).status == 0


# Compression

def test_grpcio_compresses_both_ways(server):
    for compression in (grpc.Compression.Gzip, grpc.Compression.NoCompression):
        channel = server.channel()
        stub = prediction_grpc.PredictionServiceStub(channel)
        answer = stub.Predict(REQUEST, compression=compression)
        assert read_predict(answer) == EXPECTED
        stream = stub.PredictStream(iter([REQUEST] * 3), compression=compression)
        assert [read_predict(each.response) for each in stream] == [EXPECTED] * 3


@pytest.mark.parametrize("accepts,flag", [("gzip", 1), ("identity, gzip, deflate", 1), ("identity", 0), (None, 0)])
def test_a_compressed_request_is_answered_compressed_if_the_client_reads_it(server, accepts, flag):
    body = message(gzip.compress(zeros(100_000).SerializeToString()), flag=1)
    with Connection(server.address) as connection:
        answer = connection.call(fields(PREDICT, grpc_encoding="gzip", grpc_accept_encoding=accepts), body)
    assert answer.status == 0 and answer.data[0] == flag
    assert (answer.headers.get("grpc-encoding") == "gzip") == (flag == 1)
    payload = gzip.decompress(answer.data[5:]) if flag else answer.data[5:]
    assert prediction.PredictResponse.FromString(payload).outputs[0].data == bytes(100_000)
    assert len(answer.data) < 2000 or not flag


# Streams

def test_a_stream_answers_each_call_before_the_next(predictions, oip):
    """Nothing waits for the client's end of stream."""
    for stub, request, read in ((predictions.PredictStream, REQUEST, lambda each: read_predict(each.response)),
                                (oip.ModelStreamInfer, infer_request("digits", INPUTS),
                                 lambda each: read_infer(each.infer_response))):
        requests = queue.Queue()
        stream = stub(iter(requests.get, None))
        for _ in range(20):
            requests.put(request)
            assert read(next(stream)) == EXPECTED
        requests.put(None)
        assert list(stream) == [] and stream.code() == OK


def mixed(count=200):
    """Calls on models of different speed; every seventh is wrong."""
    for i in range(count):
        if i % 7 == 3:
            yield predict_request("nosuch", {}, request_id=str(i))
        else:
            name = ("digits", "echo", "tickets")[i % 3]
            yield predict_request(name, case(name, 1, (1, 32)[i % 2])[0], request_id=str(i))


def in_order(results, count=200):
    results = list(results)
    assert len(results) == count
    for i, each in enumerate(results):
        kind = each.WhichOneof("result")
        assert (kind, getattr(each, kind).request_id) == ("error" if i % 7 == 3 else "response", str(i))
        if kind == "error":
            assert each.error.code == CODE.NOT_FOUND.value[0] and "nosuch" in each.error.message
        else:
            name = ("digits", "echo", "tickets")[i % 3]
            assert close(read_predict(each.response), case(name, 1, (1, 32)[i % 2])[1])


def test_predict_stream_keeps_order_and_errors_stand_in_their_place(predictions):
    in_order(predictions.PredictStream(mixed()))


def test_predict_many_keeps_order_and_errors_stand_in_their_place(predictions):
    in_order(predictions.PredictMany(mixed()).results)
    assert not predictions.PredictMany(iter([])).results
    assert list(predictions.PredictStream(iter([]))) == []


def test_model_stream_infer_keeps_order_and_goes_on_after_an_error(oip):
    calls = [infer_request("nosuch" if i == 5 else "digits", INPUTS, ("raw", "typed")[i % 2], id=str(i))
             for i in range(20)]
    answers = list(oip.ModelStreamInfer(iter(calls)))
    assert len(answers) == 20
    for i, each in enumerate(answers):
        if i == 5:
            assert "nosuch" in each.error_message
        else:
            assert (each.error_message, each.infer_response.id) == ("", str(i))
            assert read_infer(each.infer_response, ("raw", "typed")[i % 2]) == EXPECTED


def test_many_calls_at_once_on_one_connection(predictions):
    calls = [predictions.Predict.future(REQUEST if i % 5 else BAD) for i in range(500)]
    for i, call in enumerate(calls):
        if i % 5:
            assert read_predict(call.result()) == EXPECTED
        else:
            assert call.code() == CODE.NOT_FOUND


# Sizes and names

@pytest.mark.parametrize("size,code", [(4 * 1024 * 1024 - 1024, OK), (5 * 1024 * 1024, CODE.RESOURCE_EXHAUSTED)])
def test_messages_up_to_4_mib(server, size, code):
    stub = prediction_grpc.PredictionServiceStub(server.channel())
    if code == OK:
        assert len(stub.Predict(zeros(size)).outputs[0].data) == size
        return
    error = refusal(stub.Predict, zeros(size))
    assert error.code() == code and str(4 * 1024 * 1024) in error.details()
    assert read_predict(stub.Predict(REQUEST)) == EXPECTED


def test_a_message_that_is_too_large_is_refused_by_its_prefix(server):
    with Connection(server.address) as connection:
        answer = connection.call(fields(PREDICT), message(b"", length=5 << 20), end=False)
        assert answer.status == CODE.RESOURCE_EXHAUSTED.value[0]
        assert connection.call(fields(PREDICT), message(REQUEST.SerializeToString())).status == 0


@pytest.mark.parametrize("path", ["/vencejo.v1.PredictionService/Nothing", "/vencejo.v1.Nothing/Predict", "/", "/a",
                                  "/vencejo.v1.PredictionService/", "/vencejo.v1.PredictionService/Predict/more",
                                  "/vencejo.v1.PredictionService/predict", "//", "/inference.GRPCInferenceService/X"])
def test_unknown_methods(channel, path):
    call = channel.unary_unary(path)
    assert refusal(call, b"").code() == CODE.UNIMPLEMENTED


# Health

@pytest.mark.parametrize("service", ["", *SERVICES, "digits", "breast_cancer", "identity", "tickets"])
def test_health(channel, service):
    health = health_pb2_grpc.HealthStub(channel)
    serving = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)
    request = health_pb2.HealthCheckRequest(service=service)
    assert health.Check(request) == serving
    watch = health.Watch(request)
    assert next(watch) == serving
    watch.cancel()


def test_health_of_the_unknown(channel):
    health, request = health_pb2_grpc.HealthStub(channel), health_pb2.HealthCheckRequest(service="nosuch")
    assert refusal(health.Check, request).code() == CODE.NOT_FOUND
    watch = health.Watch(request)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()


# Reflection

def test_reflection_v1alpha_gives_a_client_everything_it_needs(channel):
    database = ProtoReflectionDescriptorDatabase(channel)
    assert sorted(database.get_services()) == SERVICES
    pool = DescriptorPool(database)
    for ours in (prediction, inference):
        for service in ours.DESCRIPTOR.services_by_name.values():
            told = pool.FindServiceByName(service.full_name)
            assert [(each.name, each.input_type.full_name, each.output_type.full_name) for each in told.methods] == \
                [(each.name, each.input_type.full_name, each.output_type.full_name) for each in service.methods]
        for name, own in ours.DESCRIPTOR.message_types_by_name.items():
            told = pool.FindMessageTypeByName(own.full_name)
            assert [(each.name, each.number, each.type) for each in told.fields] == \
                [(each.name, each.number, each.type) for each in own.fields], name
    for name in SERVICES:
        assert pool.FindServiceByName(name).full_name == name


ASKED = [
    ({"list_services": "*"},
     lambda told: sorted(each.name for each in told.list_services_response.service) == SERVICES),
    ({"file_containing_symbol": "vencejo.v1.PredictionService.Predict"},
     lambda told: b"PredictRequest" in told.file_descriptor_response.file_descriptor_proto[0]),
    ({"file_containing_symbol": "inference.ModelInferRequest.InferInputTensor"},
     lambda told: b"ModelInferRequest" in told.file_descriptor_response.file_descriptor_proto[0]),
    ({"file_by_filename": "inference/inference.proto"},
     lambda told: b"ModelInferRequest" in told.file_descriptor_response.file_descriptor_proto[0]),
    ({"file_containing_symbol": "no.such.Symbol"}, lambda told: told.error_response.error_code == 5),
    ({"file_by_filename": "no/such.proto"}, lambda told: told.error_response.error_code == 5),
]


@pytest.mark.parametrize("package", ["grpc.reflection.v1", "grpc.reflection.v1alpha"])
def test_reflection_requests(channel, package):
    """v1 and v1alpha have the same messages, so v1alpha's classes speak both."""
    call = channel.stream_stream(f"/{package}.ServerReflection/ServerReflectionInfo",
                                 reflection_pb2.ServerReflectionRequest.SerializeToString,
                                 reflection_pb2.ServerReflectionResponse.FromString)
    requests = [reflection_pb2.ServerReflectionRequest(host="h", **asked) for asked, _ in ASKED]
    for told, request, (asked, holds) in itertools.zip_longest(call(iter(requests)), requests, ASKED):
        assert told.original_request == request
        assert holds(told), asked
