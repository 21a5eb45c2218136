"""Arrays to and from both protocols.

A tensor is compared as (TYPE, shape, bytes), the bytes being what the raw form carries: equal means to the bit.
"""
import struct

import numpy as np

from answers import ELEMENT, HERE, asked_and_answered
from stubs import inference, prediction

BATCHES = (1, 32)
CASES = [(path.parent.parent.name, int(path.parent.name), batch)
         for path in sorted(HERE.glob("models/*/*/model.onnx")) for batch in BATCHES]
CONTENTS = {
    "BOOL": "bool_contents", "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}


def raw(kind, array):
    if kind == "BYTES":
        return b"".join(struct.pack("<I", len(each)) + each for each in array.ravel().tolist())
    return np.ascontiguousarray(array).tobytes()


def comparable(tensors):
    return [(name, kind, tuple(array.shape), raw(kind, array)) for name, (kind, array) in tensors.items()]


def close(got, expected):
    """The same tensors; floating-point numbers up to their last bits: rows that ran together may differ there."""
    return len(got) == len(expected) and all(
        a[:3] == b[:3] and (a[3] == b[3] or a[1] == "FP32" and np.allclose(
            np.frombuffer(a[3], np.float32), np.frombuffer(b[3], np.float32), 1e-4, 1e-5))
        for a, b in zip(got, expected))


def case(name, version, batch):
    """The inputs to send and what must come back, in the model's order."""
    asked, answered = asked_and_answered(name, version, batch)
    return asked, comparable(answered)


def predict_request(model, inputs, version=None, outputs=(), **fields):
    selector = prediction.ModelSelector(name=model, version=version)
    tensors = [prediction.Tensor(name=name, type=prediction.ElementType.Value(kind), shape=array.shape,
                                 data=raw(kind, array)) for name, (kind, array) in inputs.items()]
    return prediction.PredictRequest(model=selector, inputs=tensors, outputs=outputs, **fields)


def read_predict(response):
    return [(each.name, prediction.ElementType.Name(each.type), tuple(each.shape), each.data)
            for each in response.outputs]


def infer_request(model, inputs, form="raw", version=None, outputs=(), **fields):
    request = inference.ModelInferRequest(model_name=model, model_version="" if version is None else str(version),
                                          **fields)
    if form == "typed":
        request.parameters["vencejo_answers"].string_param = "as-asked"
    for name, (kind, array) in inputs.items():
        tensor = request.inputs.add(name=name, datatype=kind, shape=array.shape)
        if form == "raw":
            request.raw_input_contents.append(raw(kind, array))
        else:
            getattr(tensor.contents, CONTENTS[kind]).extend(array.ravel().tolist())
    for name in outputs:
        request.outputs.add(name=name)
    return request


def read_infer(response, form="raw"):
    """The answer must have the form of the request: all raw, or all typed."""
    tensors = response.outputs
    if form == "raw":
        assert len(response.raw_output_contents) == len(tensors)
        assert not any(each.HasField("contents") for each in tensors)
        return [(each.name, each.datatype, tuple(each.shape), data)
                for each, data in zip(tensors, response.raw_output_contents)]
    assert not response.raw_output_contents
    found = []
    for each in tensors:
        filled = [field.name for field, _ in each.contents.ListFields()]
        assert filled in ([CONTENTS[each.datatype]], [])
        values = list(getattr(each.contents, CONTENTS[each.datatype]))
        array = np.empty(len(values), object) if each.datatype == "BYTES" else None
        if array is None:
            array = np.array(values, ELEMENT[each.datatype][1])
        else:
            array[:] = values
        found.append((each.name, each.datatype, tuple(each.shape), raw(each.datatype, array)))
    return found
