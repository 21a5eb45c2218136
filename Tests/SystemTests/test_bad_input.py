"""Bad input gets a clear error, and nothing else is lost: after every row the same server answers a good call.

Rows: name, what is sent, the status codes that are right, words that the message must hold.
"""
import grpc
import numpy as np
import pytest

from stubs import inference, prediction
from tensors import case, infer_request, predict_request, raw, read_predict

NOT_FOUND, INVALID, OK = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OK
INPUTS, EXPECTED = case("digits", 1, 1)
IMAGE = INPUTS["image"][1]
HUGE = 1 << 62


@pytest.fixture(autouse=True)
def a_good_call_still_works(predictions):
    yield
    assert read_predict(predictions.Predict(predict_request("digits", INPUTS))) == EXPECTED


def check(call, request, codes, words):
    codes = codes if isinstance(codes, tuple) else (codes,)
    try:
        call(request)
    except grpc.RpcError as error:
        assert error.code() in codes, f"{error.code()}: {error.details()}"
        assert all(word in error.details() for word in words), error.details()
        assert len(error.details()) < 1500
    else:
        assert OK in codes, "was answered as if it were right"


# Calls that both protocols can say. `image` is the tensor to spoil: name, type, shape, bytes.

def tensors(*rows):
    return [("image", "FP32", (1, 1, 8, 8), IMAGE.tobytes()) if row is None else row for row in rows]


def image(name="image", kind="FP32", shape=(1, 1, 8, 8), data=IMAGE.tobytes()):
    return [(name, kind, shape, data)]


def texts(data, shape=(2, 1)):
    return [("text", "BYTES", shape, data)]


BOTH = [  # name, model, version, tensors, outputs, codes, words
    ("unknown model", "nosuch", None, image(), [], NOT_FOUND, ["nosuch"]),
    ("unknown version", "digits", 9, image(), [], NOT_FOUND, ["digits", "9"]),
    ("a path for a model", "../models/digits", None, image(), [], (NOT_FOUND, INVALID), []),
    ("a model's name with odd letters", "mödel 100%\n", None, image(), [], NOT_FOUND, ["mödel 100%"]),
    ("a model's name of a million letters", "m" * 1_000_000, None, image(), [], (NOT_FOUND, INVALID), []),
    ("no model", "", None, image(), [], (NOT_FOUND, INVALID), []),
    ("wrong input name", "digits", None, image(name="picture"), [], INVALID, ["picture"]),
    ("no input name", "digits", None, image(name=""), [], INVALID, []),
    ("wrong type", "digits", None, image(kind="FP64", data=bytes(512)), [], INVALID, ["image", "FP64", "FP32"]),
    ("wrong type of the same size", "digits", None, image(kind="INT32"), [], INVALID, ["image", "INT32", "FP32"]),
    ("strings for numbers", "digits", None, image(kind="BYTES", data=bytes(256)), [], INVALID, ["image", "BYTES"]),
    ("wrong rank", "digits", None, image(shape=(1, 64)), [], INVALID, ["image"]),
    ("a scalar", "digits", None, image(shape=(), data=bytes(4)), [], INVALID, ["image"]),
    ("wrong dimension", "digits", None, image(shape=(1, 1, 4, 16)), [], INVALID, ["image", "4"]),
    ("one byte short", "digits", None, image(data=bytes(255)), [], INVALID, ["image", "255", "256"]),
    ("one byte more", "digits", None, image(data=bytes(257)), [], INVALID, ["image", "257", "256"]),
    ("no bytes", "digits", None, image(data=b""), [], INVALID, ["image", "256"]),
    ("no inputs", "digits", None, [], [], INVALID, ["image"]),
    ("one of two inputs", "echo", None, [("x", "FP32", (1, 1, 1), bytes(4))], [], INVALID, ["text"]),
    ("input twice", "digits", None, tensors(None, None), [], INVALID, ["image"]),
    ("input too many", "digits", None, tensors(None, ("more", "FP32", (1,), bytes(4))), [], INVALID, ["more"]),
    ("a dimension of -1", "digits", None, image(shape=(-1, 1, 8, 8)), [], INVALID, ["image", "-1"]),
    ("least dimension", "digits", None, image(shape=(-1 << 63, 1, 8, 8)), [], INVALID, ["image"]),
    ("overflow", "identity", None, [("x", "FP32", (HUGE, 4), b"")], [], INVALID, ["x"]),
    ("overflow to the same bytes", "identity", None, [("x", "FP32", (HUGE, 4), bytes(16))], [], INVALID, ["x"]),
    ("overflow in a model", "echo", None, [("x", "FP32", (HUGE, 4, 1), b""), *texts(b"", (0, 1))], [], INVALID, ["x"]),
    ("bytes overflow", "identity", None, [("x", "FP64", (1 << 61,), b"")], [], INVALID, ["x"]),
    ("nothing times too much", "identity", None, [("x", "FP32", (0, HUGE, HUGE), b"")], [], (OK, INVALID), []),
    ("more than it brings", "identity", None, [("x", "UINT8", (1 << 40,), bytes(8))], [], INVALID, ["x"]),
    ("a thousand dimensions", "identity", None, [("x", "UINT8", (1,) * 1000, b"\1")], [], INVALID, ["x"]),
    ("truth of 2", "identity", None, [("x", "BOOL", (1,), b"\2")], [], (OK, INVALID), []),
    ("string longer than its bytes", "tickets", None, texts(b"\11\0\0\0ab", (1, 1)), [], INVALID, ["text"]),
    ("string of 4 GiB", "tickets", None, texts(b"\xff\xff\xff\xff", (1, 1)), [], INVALID, ["text"]),
    ("half a length", "tickets", None, texts(b"\1\0", (1, 1)), [], INVALID, ["text"]),
    ("too few strings", "tickets", None, texts(raw("BYTES", np.array([b"a"]))), [], INVALID, ["text"]),
    ("too many strings", "tickets", None, texts(raw("BYTES", np.array([b"a"] * 3))), [], INVALID, ["text"]),
    ("unknown output", "digits", None, image(), ["label", "nothing"], INVALID, ["nothing"]),
    ("output twice", "digits", None, image(), ["label", "label"], (OK, INVALID), []),
    ("a thousand outputs", "digits", None, image(), [f"o{i}" for i in range(1000)], INVALID, []),
    ("a thousand inputs", "digits", None, image() * 1000, [], INVALID, []),
]


@pytest.mark.parametrize("name,model,version,inputs,outputs,codes,words", BOTH, ids=[row[0] for row in BOTH])
@pytest.mark.parametrize("dialect", ["prediction", "inference"])
def test_both_dialects(predictions, oip, dialect, name, model, version, inputs, outputs, codes, words):
    if dialect == "prediction":
        request = predict_request(model, {}, version, outputs)
        for key, kind, shape, data in inputs:
            request.inputs.add(name=key, type=prediction.ElementType.Value(kind), shape=shape, data=data)
        check(predictions.Predict, request, codes, words)
        return
    request = infer_request(model, {}, "raw", version, outputs)
    for key, kind, shape, data in inputs:
        request.inputs.add(name=key, datatype=kind, shape=shape)
        request.raw_input_contents.append(data)
    check(oip.ModelInfer, request, codes, words)


# What only our own protocol can say

def own(change):
    request = predict_request("digits", INPUTS)
    change(request)
    return request


PREDICT = [
    ("unknown label", lambda each: setattr(each.model, "label", "stable"), NOT_FOUND, ["stable"]),
    ("empty slot", lambda each: setattr(each.model, "slot", prediction.GREEN), NOT_FOUND, ["GREEN"]),
    ("no such slot", lambda each: setattr(each.model, "slot", 77), (INVALID, NOT_FOUND), []),
    ("negative version", lambda each: setattr(each.model, "version", -1), (INVALID, NOT_FOUND), ["-1"]),
    ("type not given", lambda each: setattr(each.inputs[0], "type", 0), INVALID, ["image"]),
    ("no such type", lambda each: setattr(each.inputs[0], "type", 99), INVALID, ["image"]),
    ("request id too long", lambda each: setattr(each, "request_id", "x" * 129), INVALID, ["128"]),
    ("too many labels", lambda each: each.labels.update({f"l{i}": "x" for i in range(17)}), INVALID, ["16"]),
    ("no model field", lambda each: each.ClearField("model"), (INVALID, NOT_FOUND), []),
]


@pytest.mark.parametrize("name,change,codes,words", PREDICT, ids=[row[0] for row in PREDICT])
def test_predict(predictions, name, change, codes, words):
    check(predictions.Predict, own(change), codes, words)


# What only the Open Inference Protocol can say

def typed(kind, field, values, shape=None, model="identity"):
    request = inference.ModelInferRequest(model_name=model)
    tensor = request.inputs.add(name="x", datatype=kind, shape=shape or [len(values)])
    getattr(tensor.contents, field).extend(values)
    return request


def both_forms():
    request = infer_request("digits", INPUTS)
    request.inputs[0].contents.fp32_contents.extend(IMAGE.ravel().tolist())
    return request


def raw_count(count):
    request = infer_request("digits", INPUTS)
    del request.raw_input_contents[:]
    request.raw_input_contents.extend([IMAGE.tobytes()] * count)
    return request


def one_raw_one_typed():
    request = infer_request("echo", {"x": ("FP32", np.ones((1, 1, 1), np.float32))})
    request.inputs.add(name="text", datatype="BYTES", shape=[1, 1]).contents.bytes_contents.append(b"a")
    return request


def two_contents():
    request = typed("FP32", "fp32_contents", [1.0])
    request.inputs[0].contents.int_contents.append(1)
    return request


INFER = [
    ("raw and typed for one input", both_forms(), INVALID, ["raw"]),
    ("raw for one input, typed for another", one_raw_one_typed(), INVALID, ["raw"]),
    ("two raw for one input", raw_count(2), INVALID, ["raw", "2", "1"]),
    ("neither raw nor typed", raw_count(0), INVALID, ["image"]),
    ("unknown datatype", typed("FLOAT", "fp32_contents", [1.0]), INVALID, ["x", "FLOAT"]),
    ("no datatype", typed("", "fp32_contents", [1.0]), INVALID, ["x"]),
    ("too few elements", typed("FP32", "fp32_contents", [1.0], [2]), INVALID, ["x", "2", "1"]),
    ("too many elements", typed("FP32", "fp32_contents", [1.0] * 3, [2]), INVALID, ["x", "2", "3"]),
    ("another type's contents", typed("FP32", "int_contents", [1]), INVALID, ["x"]),
    ("two types' contents", two_contents(), INVALID, ["x"]),
    ("typed FP16", typed("FP16", "fp32_contents", [1.0]), INVALID, ["x", "FP16"]),
    ("typed BF16", typed("BF16", "fp32_contents", [1.0]), INVALID, ["x", "BF16"]),
    ("128 for INT8", typed("INT8", "int_contents", [128]), INVALID, ["x", "INT8"]),
    ("-129 for INT8", typed("INT8", "int_contents", [-129]), INVALID, ["x", "INT8"]),
    ("32768 for INT16", typed("INT16", "int_contents", [32768]), INVALID, ["x", "INT16"]),
    ("256 for UINT8", typed("UINT8", "uint_contents", [256]), INVALID, ["x", "UINT8"]),
    ("65536 for UINT16", typed("UINT16", "uint_contents", [65536]), INVALID, ["x", "UINT16"]),
    ("version in words", infer_request("digits", INPUTS, version="newest"), (INVALID, NOT_FOUND), ["newest"]),
    ("version with a sign", infer_request("digits", INPUTS, version="+1"), (INVALID, NOT_FOUND), ["+1"]),
    ("version too large", infer_request("digits", INPUTS, version="9" * 30), (INVALID, NOT_FOUND), ["9"]),
    ("typed overflow", typed("FP32", "fp32_contents", [1.0], [HUGE, 4]), INVALID, ["x"]),
]


@pytest.mark.parametrize("name,request_,codes,words", INFER, ids=[row[0] for row in INFER])
def test_model_infer(oip, name, request_, codes, words):
    check(oip.ModelInfer, request_, codes, words)


@pytest.mark.parametrize("method,kind", [("ModelMetadata", inference.ModelMetadataRequest)])
@pytest.mark.parametrize("name,version,words", [("nosuch", "", ["nosuch"]), ("digits", "9", ["digits", "9"])])
def test_questions_about_the_unknown(oip, method, kind, name, version, words):
    check(getattr(oip, method), kind(name=name, version=version), NOT_FOUND, words)


# Bytes that are no message, or not the message's

PREDICTED = predict_request("digits", INPUTS).SerializeToString()
INFERRED = infer_request("digits", INPUTS).SerializeToString()
BYTES = [
    ("no UTF-8 in the model's name", lambda whole: whole.replace(b"digits", b"dig\xffts")),
    ("no UTF-8 in a tensor's name", lambda whole: whole.replace(b"image", b"im\xc0\x80e")),
    ("half a letter", lambda whole: whole.replace(b"image", b"imag\xc3")),
    ("a surrogate", lambda whole: whole.replace(b"image", b"im\xed\xa0\x80")),
    ("cut in the last field", lambda whole: whole[:-5]),
    ("cut in the first", lambda whole: whole[:3]),
    ("one byte", lambda whole: whole[:1]),
    ("only 0xff", lambda whole: b"\xff" * 100),
    ("a field numbered 0", lambda whole: b"\x02\x00" + whole),
    ("a field longer than the message", lambda whole: b"\x0a\xff\xff\xff\xff\x0f"),
    ("an endless number", lambda whole: b"\x08" + b"\x80" * 20),
    ("an open group", lambda whole: whole + b"\xfb\x07"),
    ("the wrong wire type", lambda whole: b"\x0d\0\0\0\0"),
]
DIALECTS = {"prediction": ("/vencejo.v1.PredictionService/Predict", PREDICTED),
            "inference": ("/inference.GRPCInferenceService/ModelInfer", INFERRED)}


@pytest.mark.parametrize("name,spoil", BYTES, ids=[row[0] for row in BYTES])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_bytes(channel, dialect, name, spoil):
    path, whole = DIALECTS[dialect]
    codes = (INVALID, NOT_FOUND) if name == "the wrong wire type" else INVALID  # an unknown field: no model is named
    check(channel.unary_unary(path), spoil(whole), codes, [])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_cut_and_many_flipped_bytes(channel, dialect):
    """Whatever comes back, the server lives: the good call afterwards tells."""
    path, whole = DIALECTS[dialect]
    call, random = channel.unary_unary(path), np.random.default_rng(7)
    spoiled = [whole[:cut] for cut in range(0, len(whole), 3)]
    for _ in range(300):
        flipped = bytearray(whole)
        for place in random.integers(0, min(len(whole), 60), 3):
            flipped[place] = int(random.integers(256))
        spoiled.append(bytes(flipped))
    for each in spoiled:
        error = call.future(each).exception()
        assert error is None or error.code() in (INVALID, NOT_FOUND), error
    # Unknown fields are another version's: they pass.
    assert call(whole + b"\xf8\x07\x01")
