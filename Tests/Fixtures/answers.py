"""The element types, what onnxruntime answers in Python, and the committed answers.

The committed answers hold to the bit on the machine that made them. On another CPU onnxruntime may use other vector
widths and round the last bit of a sum otherwise; so a test asks `answer` on the spot what the bits are, and `compare`
whether they are the committed ones, up to one part in 10^5.
"""
import functools
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

HERE = pathlib.Path(__file__).resolve().parent

ELEMENT = {  # name in the protocols -> (ONNX, numpy); BF16 travels through numpy as its bits
    "BOOL": (TensorProto.BOOL, np.bool_), "UINT8": (TensorProto.UINT8, np.uint8),
    "UINT16": (TensorProto.UINT16, np.uint16), "UINT32": (TensorProto.UINT32, np.uint32),
    "UINT64": (TensorProto.UINT64, np.uint64), "INT8": (TensorProto.INT8, np.int8),
    "INT16": (TensorProto.INT16, np.int16), "INT32": (TensorProto.INT32, np.int32),
    "INT64": (TensorProto.INT64, np.int64), "FP16": (TensorProto.FLOAT16, np.float16),
    "BF16": (TensorProto.BFLOAT16, np.uint16), "FP32": (TensorProto.FLOAT, np.float32),
    "FP64": (TensorProto.DOUBLE, np.float64), "BYTES": (TensorProto.STRING, np.bytes_),
}
NAME_OF = {  # onnxruntime's spelling -> the protocols'
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64", "int8": "INT8",
    "int16": "INT16", "int32": "INT32", "int64": "INT64", "float16": "FP16", "bfloat16": "BF16", "float": "FP32",
    "double": "FP64", "string": "BYTES",
}


def answer(model_bytes, inputs):
    """What onnxruntime answers with one thread and its default options: {output name: (TYPE, array)}."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(widened(model_bytes), options, providers=["CPUExecutionProvider"])
    kinds = {arg.name: NAME_OF[arg.type[7:-1]] for arg in session.get_inputs() + session.get_outputs()}
    given = {}
    for name, array in inputs.items():
        if kinds[name] == "BYTES":
            array = np.array([text.decode() for text in array.ravel()], object).reshape(array.shape)
        elif kinds[name] == "BF16":
            array = onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(array, TensorProto.BFLOAT16)
        given[name] = array
    answers = {}
    for arg, array in zip(session.get_outputs(), session.run(None, given)):
        name, kind = arg.name, kinds[arg.name]
        if name.endswith(WIDE):
            name, kind, array = name.removesuffix(WIDE), "BF16", (array.view(np.uint32) >> 16).astype(np.uint16)
        elif kind == "BYTES":
            array = np.array([text.encode() for text in array.ravel()], np.bytes_).reshape(array.shape)
        answers[name] = (kind, array)
    return answers


WIDE = "_as_fp32"


def widened(model_bytes):
    """onnxruntime gives Python no BF16: ask for those outputs as FP32, whose upper half they are."""
    model = onnx.load_from_string(model_bytes)
    for output in model.graph.output:
        if output.type.tensor_type.elem_type == TensorProto.BFLOAT16:
            model.graph.node.append(helper.make_node("Cast", [output.name], [output.name + WIDE],
                                                     to=TensorProto.FLOAT))
            output.name, output.type.tensor_type.elem_type = output.name + WIDE, TensorProto.FLOAT
    return model.SerializeToString()


def model_path(name, version):
    return HERE / "models" / name / str(version) / "model.onnx"


@functools.cache
def committed(name, version):
    """{batch: {"in" | "out": {name: (TYPE, array)}}}"""
    found = {}
    with np.load(HERE / "expected" / f"{name}.v{version}.npz", allow_pickle=False) as arrays:
        for key in arrays.files:
            batch, side, name, kind = key.split(".")
            found.setdefault(int(batch), {"in": {}, "out": {}})[side][name] = (kind, arrays[key])
    return found


@functools.cache
def asked_and_answered(name, version, batch):
    """Inputs and outputs of one batch, {name: (TYPE, array)} each; the outputs as onnxruntime gives them here."""
    asked = committed(name, version)[batch]["in"]
    model = model_path(name, version).read_bytes()
    return asked, answer(model, {key: array for key, (_, array) in asked.items()})


def compare(name, version, batch):
    """{output: "same" | "last bits differ" | "differs"}"""
    verdicts = {}
    _, now = asked_and_answered(name, version, batch)
    for key, (kind, array) in committed(name, version)[batch]["out"].items():
        got_kind, got = now[key]
        if (got_kind, got.shape, got.tobytes()) == (kind, array.shape, array.tobytes()):
            verdicts[key] = "same"
        else:
            close = got_kind == kind in ("FP32", "FP64") and np.allclose(got, array, 1e-5, 1e-6)
            verdicts[key] = "last bits differ" if close else "differs"
    return verdicts
