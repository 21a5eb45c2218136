"""Calls with tritonclient. Reads lines [ADDRESS, [STEP, ...]] and answers each with a line: a list of what the steps gave.

A step is a list of its name and its arguments (STEPS); one that the server refuses gives [STATUS, MESSAGE]. A program of its own
because tritonclient brings its own messages of the package `inference` (see stubs.py).
"""
import base64
import json
import pathlib
import queue
import sys
import traceback

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "Fixtures"))
from answers import HERE, asked_and_answered  # noqa: E402

TIMEOUT = 60


def give(name, kind, array):
    tensor = triton.InferInput(name, list(array.shape), kind)
    if kind == "BF16":  # tritonclient takes FP32 and sends its upper half
        array = (array.astype(np.uint32) << 16).view(np.float32)
    elif kind == "BYTES":
        array = np.array(array.tolist(), object).reshape(array.shape)
    tensor.set_data_from_numpy(array)
    return tensor


def take(result, name, kind):
    array = result.as_numpy(name)
    if kind == "BF16":
        return (np.ascontiguousarray(array).view(np.uint32) >> 16).astype(np.uint16)
    return array


def waited(start):
    """Runs a call that answers by callback; its result, or its error raised."""
    answers = queue.Queue()
    start(lambda result, error: answers.put((result, error)))
    result, error = answers.get(timeout=TIMEOUT)
    if error is not None:
        raise error
    return result


def streamed(client, **call):
    def start(callback):
        client.start_stream(callback)
        client.async_stream_infer(**call)
    try:
        return waited(start)
    finally:
        client.stop_stream()


MODES = {
    "infer": lambda client, **call: client.infer(**call),
    "infer gzip": lambda client, **call: client.infer(**call, compression_algorithm="gzip"),
    "async_infer": lambda client, **call: waited(lambda callback: client.async_infer(callback=callback, **call)),
    "stream": streamed,
}


def check(client, mode, name, version, batch):
    asked, answered = asked_and_answered(name, version, batch)
    inputs = [give(key, kind, array) for key, (kind, array) in asked.items()]
    outputs = [triton.InferRequestedOutput(key) for key in answered]
    result = MODES[mode](client, model_name=name, model_version=str(version), inputs=inputs, outputs=outputs,
                         request_id="7")
    response = result.get_response()
    assert (response.model_name, response.model_version, response.id) == (name, str(version), "7"), response
    assert [each.name for each in response.outputs] == list(answered)
    for key, (kind, array) in answered.items():
        assert result.get_output(key).datatype == kind
        got = take(result, key, kind)
        assert got.shape == array.shape, f"{key}: {got.shape}"
        same = got.tolist() == array.tolist() if kind == "BYTES" else got.tobytes() == array.tobytes()
        assert same, f"{key}: {got} is not {array}"


def check_about(client):
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("digits")
    assert not client.is_model_ready("digits", "9")
    assert client.get_server_metadata().name == "vencejo"
    assert [each.name for each in client.get_model_metadata("digits").inputs] == ["image"]


def every_case(client):
    """{case: "" or what was wrong with it}, each sample model in each mode."""
    cases = {"about": lambda: check_about(client)}
    for path in sorted(HERE.glob("models/*/*/model.onnx")):
        name, version = path.parent.parent.name, path.parent.name
        for batch in (1, 32):
            for mode in MODES:
                cases[f"{name} v{version} batch {batch} {mode}"] = (
                    lambda row=(mode, name, int(version), batch): check(client, *row))
    told = {}
    for title, call in cases.items():
        try:
            call()
            told[title] = ""
        except Exception:  # each case is told on its own
            told[title] = traceback.format_exc(limit=3)
    return told


def load(client, name, options):
    """`options`: config as JSON, and files in base64."""
    options["files"] = {key: base64.b64decode(text) for key, text in options.get("files", {}).items()}
    client.load_model(name, **options)


def infer(client, name, given, kind, shape, outputs, classes):
    """The shape of the first output, for an input of ones."""
    tensor = triton.InferInput(given, shape, kind)
    tensor.set_data_from_numpy(np.ones(shape, {"FP32": np.float32, "INT64": np.int64}[kind]))
    wanted = [triton.InferRequestedOutput(each, class_count=classes) for each in outputs]
    return client.infer(name, [tensor], outputs=wanted).as_numpy(outputs[0]).shape


STEPS = {
    "cases": every_case,
    "config": lambda client, *model: client.get_model_config(*model, as_json=True)["config"],
    "statistics": lambda client, *model: client.get_inference_statistics(*model, as_json=True).get("model_stats", []),
    "index": lambda client: client.get_model_repository_index(as_json=True).get("models", []),
    "load": load,
    "unload": lambda client, name: client.unload_model(name),
    "infer": infer,
}


def done(client, step, *arguments):
    try:
        return STEPS[step](client, *arguments)
    except InferenceServerException as error:
        return [str(error.status()).rpartition(".")[2], error.message()]


def main():
    for line in sys.stdin:
        address, steps = json.loads(line)
        with triton.InferenceServerClient(address) as client:
            print(json.dumps([done(client, *step) for step in steps]), flush=True)


if __name__ == "__main__":
    main()
