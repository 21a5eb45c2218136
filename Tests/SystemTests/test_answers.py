"""Every sample model through every door: the answers are those of onnxruntime in Python, to the bit."""
import hashlib

import numpy as np
import pytest

import answers
from stubs import inference, prediction
from tensors import (BATCHES, CASES, CONTENTS, case, comparable, infer_request, predict_request, raw, read_infer,
                     read_predict)


def first(stub_call, request):
    return next(iter(stub_call(iter([request]))))


def by_predict(predictions, oip, model, inputs, version):
    return read_predict(predictions.Predict(predict_request(model, inputs, version)))


def by_predict_stream(predictions, oip, model, inputs, version):
    return read_predict(first(predictions.PredictStream, predict_request(model, inputs, version)).response)


def by_predict_many(predictions, oip, model, inputs, version):
    many = predictions.PredictMany(iter([predict_request(model, inputs, version)] * 2))
    assert many.results[0] == many.results[1]
    return read_predict(many.results[1].response)


def by_infer_raw(predictions, oip, model, inputs, version):
    return read_infer(oip.ModelInfer(infer_request(model, inputs, "raw", version)), "raw")


def by_infer_typed(predictions, oip, model, inputs, version):
    return read_infer(oip.ModelInfer(infer_request(model, inputs, "typed", version)), "typed")


def by_infer_stream_raw(predictions, oip, model, inputs, version):
    answer = first(oip.ModelStreamInfer, infer_request(model, inputs, "raw", version))
    assert answer.error_message == ""
    return read_infer(answer.infer_response, "raw")


def by_infer_stream_typed(predictions, oip, model, inputs, version):
    answer = first(oip.ModelStreamInfer, infer_request(model, inputs, "typed", version))
    assert answer.error_message == ""
    return read_infer(answer.infer_response, "typed")


WAYS = [by_predict, by_predict_stream, by_predict_many, by_infer_raw, by_infer_typed, by_infer_stream_raw,
        by_infer_stream_typed]


def goes(way, kinds):
    """FP16 and BF16 have no typed contents (that is what casts_typed is for)."""
    return "typed" not in way.__name__ or all(kind in CONTENTS for kind in kinds)


def kinds_of(name, version):
    return [kind for kind, _ in answers.committed(name, version)[1]["in"].values()]


def label(value):
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize("way,name,version,batch", [
    (way, *row) for row in CASES for way in WAYS if goes(way, kinds_of(*row[:2]))], ids=label)
def test_answer_is_onnxruntimes(predictions, oip, way, name, version, batch):
    inputs, expected = case(name, version, batch)
    assert way(predictions, oip, name, inputs, version) == expected


@pytest.mark.parametrize("name,version,batch", CASES, ids=label)
def test_committed_answers_hold_here(name, version, batch):
    assert "differs" not in answers.compare(name, version, batch).values()


@pytest.mark.parametrize("way,kind", [(way, kind) for kind in answers.ELEMENT for way in WAYS if goes(way, [kind])],
                         ids=label)
def test_identity_gives_back_every_type(predictions, oip, way, kind):
    array = answers.committed("casts", 1)[32]["in"][f"in_{kind}"][1]
    inputs = {"any name": (kind, array.reshape(4, 2, 16))}
    assert way(predictions, oip, "identity", inputs, None) == comparable(inputs)


STRINGS = {"empty": b"", "zero inside": b"a\0b", "only zero": b"\0", "not UTF-8": b"\xff\xfe\x80", "long": b"x" * 70000}
ODD = [(name, np.array([[text, b"after"]], object)) for name, text in STRINGS.items()]


@pytest.mark.parametrize("way", WAYS, ids=label)
@pytest.mark.parametrize("model", ["identity", "echo"])
@pytest.mark.parametrize("name,array", ODD, ids=[name for name, _ in ODD])
def test_strings_of_any_bytes(predictions, oip, way, model, name, array):
    inputs = {"x": ("FP32", np.ones((1, 1, 1), np.float32)), "text": ("BYTES", array)}
    got = way(predictions, oip, model, inputs, None)
    assert [data for _, _, _, data in got] == [data for _, _, _, data in comparable(inputs)]


@pytest.mark.parametrize("way", WAYS, ids=label)
@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 0, 5), (1, 1, 4097)], ids=str)
def test_shapes_without_elements_and_odd_ones(predictions, oip, way, shape):
    inputs = {"x": ("FP32", np.ones(shape, np.float32)), "text": ("BYTES", np.full((shape[0], 2), b""))}
    got = way(predictions, oip, "echo", inputs, None)
    assert [row[2:] for row in got] == [row[2:] for row in comparable(inputs)]


@pytest.mark.parametrize("model,output", [("echo", "y"), ("identity", "x")])
def test_nan_payloads_pass(predictions, oip, model, output):
    bits = np.array([0x7FC00001, 0xFFC12345, 0x7F800001, 0xFF800001, 0x7FFFFFFF, 1], np.uint32).reshape(1, 2, 3)
    inputs = {"x": ("FP32", bits.view(np.float32)), "text": ("BYTES", np.array([[b""]]))}
    for got in (read_predict(predictions.Predict(predict_request(model, inputs))),
                read_infer(oip.ModelInfer(infer_request(model, inputs)))):
        assert {name: data for name, _, _, data in got}[output] == bits.tobytes()


def test_the_highest_version_serves_and_each_can_be_asked_for(predictions, oip):
    inputs, first_version = case("breast_cancer", 1, 32)
    second_version = case("breast_cancer", 2, 32)[1]
    assert first_version != second_version
    rows = [(None, 2, second_version), (1, 1, first_version), (2, 2, second_version)]
    for asked, answered, expected in rows:
        own = predictions.Predict(predict_request("breast_cancer", inputs, asked))
        assert (own.version, read_predict(own)) == (answered, expected)
        other = oip.ModelInfer(infer_request("breast_cancer", inputs, version=asked))
        assert (other.model_version, read_infer(other)) == (str(answered), expected)
    for choice, value, version in [("slot", prediction.BLUE, 2), ("slot", prediction.GREEN, 1), ("label", "stable", 2),
                                   ("label", "previous", 1)]:
        request = predict_request("breast_cancer", inputs)
        setattr(request.model, choice, value)
        assert predictions.Predict(request).version == version
    assert oip.ModelInfer(infer_request("breast_cancer", inputs, version="previous")).model_version == "1"


@pytest.mark.parametrize("wanted", [["probabilities"], ["label"], ["probabilities", "label"]], ids=str)
@pytest.mark.parametrize("form", ["raw", "typed"])
def test_only_the_outputs_asked_for_in_their_order(predictions, oip, wanted, form):
    inputs, expected = case("digits", 1, 32)
    expected = sorted((row for row in expected if row[0] in wanted), key=lambda row: wanted.index(row[0]))
    assert read_predict(predictions.Predict(predict_request("digits", inputs, outputs=wanted))) == expected
    answer = oip.ModelInfer(infer_request("digits", inputs, form, outputs=wanted))
    assert read_infer(answer, form) == expected


@pytest.mark.parametrize("order", ["as declared", "turned"])
def test_inputs_are_found_by_name(predictions, oip, order):
    inputs, expected = case("casts", 1, 32)
    if order == "turned":
        inputs = dict(reversed(inputs.items()))
    assert read_predict(predictions.Predict(predict_request("casts", inputs))) == expected
    assert read_infer(oip.ModelInfer(infer_request("casts", inputs))) == expected


def test_the_answer_says_who_gave_it(predictions, oip):
    for name, version, _ in CASES[::len(BATCHES)]:
        inputs, _ = case(name, version, 1)
        answer = predictions.Predict(predict_request(name, inputs, version, request_id="call-7", labels={"a": "b"}))
        digest = hashlib.sha256(answers.model_path(name, version).read_bytes()).digest()
        assert (answer.model, answer.version, answer.artifact_digest) == (name, version, digest)
        assert answer.request_id == "call-7"
        assert version != 1 or name == "breast_cancer" or answer.slot == prediction.BLUE
        other = oip.ModelInfer(infer_request(name, inputs, version=version, id="call-8"))
        assert (other.model_name, other.model_version, other.id) == (name, str(version), "call-8")
    live = predictions.Predict(predict_request("breast_cancer", case("breast_cancer", 2, 1)[0]))
    assert (live.version, live.slot) == (2, prediction.BLUE)


def test_metadata_comes_from_the_model(oip):
    for name, version, _ in CASES[::len(BATCHES)]:
        inputs, expected = case(name, version, 1)
        told = oip.ModelMetadata(inference.ModelMetadataRequest(name=name, version=str(version)))
        assert told.name == name and str(version) in told.versions and "onnx" in told.platform.lower()
        assert [(each.name, each.datatype) for each in told.inputs] == \
            [(key, kind) for key, (kind, _) in inputs.items()]
        assert [(each.name, each.datatype) for each in told.outputs] == [row[:2] for row in expected]
        for each, (_, _, shape, _) in zip(told.outputs, expected):
            assert len(each.shape) == len(shape) and each.shape[0] == -1
    echo = oip.ModelMetadata(inference.ModelMetadataRequest(name="echo"))
    assert [list(each.shape) for each in echo.inputs] == [[-1, -1, -1], [-1, -1]]


def test_the_server_says_that_it_lives_and_what_is_ready(oip):
    assert oip.ServerLive(inference.ServerLiveRequest()).live
    assert oip.ServerReady(inference.ServerReadyRequest()).ready
    about = oip.ServerMetadata(inference.ServerMetadataRequest())
    assert about.name == "vencejo" and about.version
    for name, version, _ in CASES:
        assert oip.ModelReady(inference.ModelReadyRequest(name=name)).ready
        assert oip.ModelReady(inference.ModelReadyRequest(name=name, version=str(version))).ready


def test_raw_bytes_are_little_endian_and_bytes_are_counted():
    assert raw("INT32", np.array([1], np.int32)) == b"\1\0\0\0"
    assert raw("BYTES", np.array([b"ab"])) == b"\2\0\0\0ab"
