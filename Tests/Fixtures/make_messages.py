#!/usr/bin/env python3
"""Makes messages.json: messages of both dialects as google.protobuf writes them, beside this file.

    make_messages.py           write messages.json
    make_messages.py --check   write nothing: ask whether messages.json is what would be written

Needs protobuf and grpcio-tools; the stubs are generated from proto/ into a temporary folder.

Each row of `calls` is a request and the answer of a model that gives each input back, by ANSWERED below; `canonical` is
the request as protobuf writes it, where `request` is written otherwise. `others` are messages whose values stand in the
Swift tests. All bytes are in base64.
"""
import argparse
import base64
import json
import pathlib
import struct
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
PROTO = HERE.parent.parent / "proto"
MESSAGES = HERE / "messages.json"
#: Who answers in all rows; the Swift tests say the same.
ANSWERED = dict(version=12, digest=bytes(range(32)), epoch=300)

#: datatype: struct code, contents field, values
VALUES = {
    "BOOL": ("?", "bool_contents", [True, False, True]),
    "UINT8": ("B", "uint_contents", [0, 1, 255]),
    "UINT16": ("H", "uint_contents", [0, 1, 65535]),
    "UINT32": ("I", "uint_contents", [0, 1, 2**32 - 1]),
    "UINT64": ("Q", "uint64_contents", [0, 1, 2**64 - 1]),
    "INT8": ("b", "int_contents", [-128, -1, 127]),
    "INT16": ("h", "int_contents", [-32768, -1, 32767]),
    "INT32": ("i", "int_contents", [-(2**31), -1, 2**31 - 1]),
    "INT64": ("q", "int64_contents", [-(2**63), -1, 2**63 - 1]),
    "FP16": ("e", None, [0.0, -1.5, float("inf")]),
    "BF16": ("H", None, [0, 0x7FC0, 0x3F80]),
    "FP32": ("f", "fp32_contents", [0.0, -1.5, float("nan")]),
    "FP64": ("d", "fp64_contents", [0.0, -1.5, float("nan")]),
    "BYTES": (None, "bytes_contents", [b"", b"swift", "vencejo ñ\0".encode()]),
}


def raw(datatype):
    code, _, values = VALUES[datatype]
    if code is None:
        return b"".join(struct.pack("<I", len(value)) + value for value in values)
    return struct.pack(f"<{len(values)}{code}", *values)


def field(number, payload):
    """A length-delimited field, for what protobuf's own writer never writes."""
    def varint(value):
        out = b""
        while value > 127:
            out, value = out + bytes([value & 127 | 128]), value >> 7
        return out + bytes([value])
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def predict_calls(prediction):
    """name, request, and the request's bytes where they are not what protobuf writes"""
    whole = prediction.PredictRequest(request_id="call-1", labels={"tenant": "blue"}, outputs=["a", "b"])
    whole.model.name, whole.model.version = "rf", 3
    whole.inputs.add(name="a", type="FP32", shape=[1, 3], data=raw("FP32"))
    whole.inputs.add(name="b", type="BYTES", shape=[3], data=raw("BYTES"))
    yield "everything", whole, None
    for datatype in VALUES:
        request = prediction.PredictRequest()
        request.model.name = "rf"
        request.inputs.add(name="x", type=datatype, shape=[3], data=raw(datatype))
        yield datatype, request, None
    for name, choice in [("version 0", {"version": 0}), ("version -1", {"version": -1}), ("label", {"label": "stable"}),
                         ("slot", {"slot": "GREEN"})]:
        yield name, prediction.PredictRequest(model=dict(name="rf", **choice)), None
    scalar = prediction.PredictRequest(model=dict(name="rf"))
    scalar.inputs.add(name="x", type="UINT8", data=b"\7")
    yield "scalar", scalar, None
    empty = prediction.PredictRequest(model=dict(name="rf"))
    empty.inputs.add(name="x", type="INT64", shape=[0, 1 << 40])
    yield "no elements", empty, None
    large = prediction.PredictRequest(model=dict(name="rf"), request_id="large")
    large.inputs.add(name="x", type="UINT8", shape=[8200], data=bytes(8200))
    large.inputs.add(name="y", type="UINT8", shape=[200], data=bytes(200))
    yield "by reference", large, None

    unpacked = prediction.PredictRequest(model=dict(name="rf", version=3))
    unpacked.inputs.add(name="x", type="UINT8", shape=[1, 3], data=b"abc")
    tensor = field(4, b"abc") + b"\x18\x01\x18\x03" + b"\x10\x02" + field(1, b"y") + field(1, b"x")
    spoken = field(1, field(1, b"old") + field(3, b"stable")) + field(15, b"unknown") + field(4, tensor)
    yield "unpacked, merged, twice, unknown", unpacked, spoken + field(1, field(1, b"rf") + b"\x10\x03")


def infer_calls(inference):
    """name, request, form of the answer, and the request's bytes where they are not what protobuf writes"""
    for datatype, (_, contents, values) in VALUES.items():
        request = inference.ModelInferRequest(model_name="rf", model_version="12", id="call-1")
        request.inputs.add(name="x", datatype=datatype, shape=[1, 3])
        request.raw_input_contents.append(raw(datatype))
        yield f"{datatype} raw", request, "raw", None
        if contents is None:
            continue
        request = inference.ModelInferRequest(model_name="rf", id="call-1")
        getattr(request.inputs.add(name="x", datatype=datatype, shape=[3]).contents, contents).extend(values)
        yield f"{datatype} typed", request, "typed", None
    yield "no inputs", inference.ModelInferRequest(model_name="rf", model_version="stable"), "raw", None
    request = inference.ModelInferRequest(model_name="rf")
    for name in "ab":
        request.inputs.add(name=name, datatype="FP32", shape=[3])
        request.raw_input_contents.append(raw("FP32"))
    request.inputs.add(name="empty", datatype="FP16", shape=[0, 3])
    request.raw_input_contents.append(b"")
    request.inputs[0].parameters["binary_data"].bool_param = True
    request.outputs.add(name="a").parameters["classification"].int64_param = 0
    request.outputs.add(name="b")
    request.parameters["priority"].uint64_param = 1
    request.parameters["timeout"].int64_param = 1000
    yield "three inputs, hints", request, "raw", None
    request = inference.ModelInferRequest(model_name="rf")
    request.inputs.add(name="x", datatype="UINT8", shape=[8200])
    request.inputs.add(name="y", datatype="UINT8", shape=[200])
    request.raw_input_contents.extend([bytes(8200), bytes(200)])
    yield "by reference", request, "raw", None
    request = inference.ModelInferRequest(model_name="rf")
    request.inputs.add(name="x", datatype="FP32", shape=[2100]).contents.fp32_contents.extend([1.5] * 2100)
    yield "floats by reference", request, "typed", None

    request = inference.ModelInferRequest(model_name="rf")
    request.inputs.add(name="x", datatype="INT16", shape=[2, 2]).contents.int_contents.extend([1, -2, 3, 4])
    request.inputs.add(name="y", datatype="FP32", shape=[2]).contents.fp32_contents.extend([1.5, -2])
    minus_two = b"\xfe" + b"\xff" * 8 + b"\x01"
    x = field(5, b"\x10\x01\x10" + minus_two) + field(5, field(2, b"\3\4")) + field(1, b"x") + field(2, b"INT16")
    y = field(2, b"FP32") + field(1, b"y") + b"\x18\x02"
    y += field(5, b"\x35" + struct.pack("<f", 1.5)) + field(5, field(6, struct.pack("<f", -2)) + field(2, b""))
    spoken = field(15, b"unknown") + field(5, x + b"\x18\x02\x18\x02") + field(5, y) + field(1, b"rf")
    yield "unpacked, merged, unknown", request, "typed", spoken


def predict_answer(prediction, request):
    answer = prediction.PredictResponse(
        model=request.model.name, version=ANSWERED["version"], slot="GREEN", artifact_digest=ANSWERED["digest"],
        request_id=request.request_id, epoch=ANSWERED["epoch"])
    answer.outputs.extend(request.inputs)
    return answer


def infer_answer(inference, request, form):
    answer = inference.ModelInferResponse(
        model_name=request.model_name, model_version=str(ANSWERED["version"]), id=request.id)
    for tensor in request.inputs:
        output = answer.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if form == "typed":
            output.contents.CopyFrom(tensor.contents)
    if form == "raw":
        answer.raw_output_contents.extend(request.raw_input_contents)
    return answer


def others(prediction, inference, control):
    yield "predict stream answer", prediction.PredictStreamResponse(
        response=dict(model="rf", version=12, slot="GREEN", artifact_digest=ANSWERED["digest"], request_id="call-1",
                      epoch=ANSWERED["epoch"]))
    yield "predict stream error", prediction.PredictStreamResponse(
        error=dict(code=5, message="model \"x\" is not here", request_id="call-2"))
    many = prediction.PredictManyResponse()
    for result in [row for _, row in zip(range(2), others(prediction, inference, control))] * 40:
        many.results.add().CopyFrom(result[1])
    yield "predict many", many
    yield "infer stream error", inference.ModelStreamInferResponse(error_message="model \"x\" is not here")
    yield "infer stream answer", inference.ModelStreamInferResponse(
        infer_response=dict(model_name="rf", model_version="12", id="call-1",
                            parameters={"triton_final_response": dict(bool_param=True)}))
    yield "ready", inference.ModelReadyResponse(ready=True)
    yield "not ready", inference.ServerReadyResponse(ready=False)
    yield "server metadata", inference.ServerMetadataResponse(
        name="vencejo", version="1.2.3", extensions=["binary_tensor_data", "parameters"])
    metadata = inference.ModelMetadataResponse(name="rf", versions=["1", "12"], platform="onnxruntime_onnx")
    metadata.inputs.add(name="X", datatype="FP32", shape=[-1, 30])
    metadata.inputs.add(name="any", datatype="BYTES", shape=[-1])
    metadata.outputs.add(name="label", datatype="INT64", shape=[])
    yield "model metadata", metadata
    yield "model metadata request", inference.ModelMetadataRequest(name="rf", version="12")
    yield "control request", control.ControlRequest(
        model="rf", version=12, force=True, label="stable", author="maria", reason="ñ, the new one", dry_run=True,
        swaps=[dict(model="rf", version=2**63 - 1), dict(model="cats"), dict()])
    yield "traffic request", control.ControlRequest(
        model="rf", slot="shadow", shares=[control.Share(version=7, percent=10), control.Share(percent=-1), control.Share()],
        policy=control.RolloutPolicy(percents=[5, 25, 300], step_seconds=60, step_calls=500, hold_seconds=1800,
                                     decide_seconds=86_400, gates=["errors", ""], accepted=["answers"]))
    yield "experiment request", control.ControlRequest(
        model="rf", experiment=control.ExperimentPolicy(
            assignment=control.THOMPSON, baseline=6, seed=2**64 - 1, epsilon_percent=20, floor_percent=1, reward_min=-1.5,
            reward_max=100, smallest_effect=0.005, join_seconds=600, zero_unless_reported=True))
    yield "experiment status", control.StatusResponse(models=[control.ModelTraffic(model="rf", experiment=(
        control.ExperimentStatus(
            assignment=control.STICKY, baseline=6, seed=42, ratio_evidence=2.5, ratio_evidence_max=2000, calls=300,
            calls_without_id=4, calls_repeated_id=3, calls_forgotten=2, unknown_rewards=1,
            started_milliseconds=1_768_000_000_123,
            arms=[dict(version=6, percent=90, rewards=250, mean=0.125), dict()],
            comparisons=[
                dict(version=7, difference=-0.25, low=-0.5, high=0.125, p_value=0.75, needed=1840),
                dict(version=8, verdict=control.ArmComparison.ALIKE)])))])
    yield "feedback request", prediction.FeedbackRequest(rewards=[
        dict(model="rf", request_id="order-1017", value=1), dict(model="rf", request_id="ñ", value=-0.5)])
    yield "feedback response", prediction.FeedbackResponse(joined=300, unknown=2, repeated=1)
    yield "status response", control.StatusResponse(epoch=300, models=[
        control.ModelTraffic(
            model="rf", versions=[
                control.VersionTraffic(version=7, state="ready", slot="green", percent=5, calls=1000, failed=2, refused=3,
                                       p50_nanoseconds=1_200_000, p99_nanoseconds=9_000_000,
                                       failed_gates=["golden: 1 of 2 failed", ""]),
                control.VersionTraffic()],
            rollout=control.RolloutStatus(
                version=7, step=1, steps=3, verdict="it has just begun", evidence_max=1500, waiting=True,
                decide_until_milliseconds=1_768_000_000_123, accepted=["answers"],
                gates=[control.Gate(name="errors", evidence=12, finding="2 of 1000", worse=True), control.Gate()])),
        control.ModelTraffic()])
    yield "control response", control.ControlResponse(
        epoch=2**64 - 1, spread_nanoseconds=250_000, steps=["one", "", "three"],
        changes=[dict(model="rf", from_version=11, to_version=12), dict(model="cats", to_version=1), dict()])
    yield "history response", control.HistoryResponse(previous_version=11, events=[
        dict(time_milliseconds=1_768_000_000_123, verb="swap", from_version=11, to_version=12, epoch=300, author="maria",
             reason="because", steps=["one", ""], version=12, digest="9f86d081", forced=True),
        dict(time_milliseconds=-1), dict()])


def messages():
    from grpc_tools import protoc
    with tempfile.TemporaryDirectory() as folder:
        files = ["vencejo/v1/prediction.proto", "vencejo/v1/control.proto", "inference/inference.proto"]
        if protoc.main(["protoc", f"-I{PROTO}", f"--python_out={folder}", *files]):
            sys.exit("protoc failed")
        sys.path.insert(0, folder)
        from inference import inference_pb2 as inference
        from vencejo.v1 import control_pb2 as control, prediction_pb2 as prediction

    def text(message):
        bytes_ = message if isinstance(message, bytes) else message.SerializeToString(deterministic=True)
        return base64.b64encode(bytes_).decode()

    def call(dialect, name, request, spoken, answer):
        if spoken is not None:
            understood = type(request).FromString(spoken)
            understood.DiscardUnknownFields()
            assert understood == request, name
        row = dict(dialect=dialect, name=name, request=text(spoken or request), response=text(answer))
        return row | (dict(canonical=text(request)) if spoken else {})

    calls = [call("prediction", name, request, spoken, predict_answer(prediction, request))
             for name, request, spoken in predict_calls(prediction)]
    calls += [call("inference", name, request, spoken, infer_answer(inference, request, form))
              for name, request, form, spoken in infer_calls(inference)]
    rows = dict(calls=calls, others={name: text(message) for name, message in others(prediction, inference, control)})
    return json.dumps(rows, indent=1) + "\n"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--check", action="store_true")
    if not arguments.parse_args().check:
        MESSAGES.write_text(messages())
    elif MESSAGES.read_text() != messages():
        sys.exit(f"{MESSAGES.name} is not what make_messages.py writes")


if __name__ == "__main__":
    main()
