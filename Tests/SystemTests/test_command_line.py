"""The client commands of the binary: predict, models, status; what they print, their exit codes, their sentences."""
import hashlib
import json
import re
import shutil
import threading
import time

import numpy as np
import pytest

from answers import ELEMENT
from command_line import DONE, FAILED, UNREACHABLE, USAGE, command
from ports import free_address
from server import FIXTURES, MODELS, Server
from tensors import raw


@pytest.fixture
def vencejo(server):
    """Runs a command against the sample server, or the one at `endpoint`."""
    def run(*arguments, endpoint=server.address, **environment):
        return command(*arguments, VENCEJO_ENDPOINT=endpoint, **environment)
    return run


def outputs(result):
    """{name: (TYPE, shape, nested data)} of a prediction in JSON."""
    assert result[0] == DONE, result[2]
    answer = json.loads(result[1])
    assert answer["schema"] == 1
    return {each["name"]: (each["type"], each["shape"], each["data"]) for each in answer["outputs"]}


VALUES = [  # by the identity model, which takes and gives anything: what is written, and (type, shape, data) answered
    ("[1, -2]", ("INT64", [2], [1, -2])), ("[[1.5], [2]]", ("FP64", [2, 1], [[1.5], [2.0]])), ("7", ("INT64", [], 7)),
    ('["a", "ä\\u00e4\\ud83d\\ude00\\n"]', ("BYTES", [2], ["a", "ää😀\n"])), ("[true, false]", ("BOOL", [2], [True, False])),
    ('[0.1, "NaN", "Infinity", -Infinity]', ("FP64", [4], [0.1, "NaN", "Infinity", "-Infinity"])),
    ('[{"base64": "/wA="}]', ("BYTES", [1], [{"base64": "/wA="}])), ("[[], []]", ("FP64", [2, 0], [])),
]


@pytest.mark.parametrize("text, expected", VALUES, ids=[text for text, _ in VALUES])
def test_json_values(vencejo, text, expected):
    assert outputs(vencejo("predict", "identity", "--input", f"x={text}", "-o", "json")) == {"x": expected}


def test_json_takes_its_types_from_the_model(vencejo):
    values = {f"in_{kind}": [[0, 1, 1, 0]] for kind in ELEMENT if kind != "BYTES"}
    values["in_BOOL"], values["in_BYTES"] = [[False, True, True, False]], [["a", "", "b", "c"]]
    answer = outputs(vencejo("predict", "casts", "--input", json.dumps(values), "-o", "json"))
    assert answer.pop("out_BYTES")[2] == [values.pop("in_BYTES")[0][::-1]]
    assert {name: data for name, (_, _, data) in answer.items()} == {
        name.replace("in_", "out_"): rows for name, rows in values.items()}


ARRAYS = {kind: np.array([[0, 1], [1, 0]]).astype(dtype) for kind, (_, dtype) in ELEMENT.items()
          if kind not in ("BF16", "BYTES")}
ARRAYS |= {"BYTES": np.array([["a", "äö😀"], ["", "xyz"]]), "BF16": np.array([1.5, -2, 3], "<f4").view("V2")[1::2]}


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)], ids=str)
@pytest.mark.parametrize("kind", ARRAYS)
def test_npy_files_of_every_type(vencejo, tmp_path, kind, version):
    array = np.ascontiguousarray(ARRAYS[kind])
    with open(tmp_path / "x.npy", "wb") as file:
        np.lib.format.write_array(file, array, version)
    name, shape, data = outputs(vencejo("predict", "identity", "--input", f"x={tmp_path}/x.npy", "-o", "json"))["x"]
    assert (name, shape) == (kind, list(array.shape))
    assert data == ([1.5, -2.0, 3.0] if kind == "BF16" else array.tolist())


@pytest.mark.parametrize("array, words", [
    (np.array([1.0], ">f4"), "big-endian"), (np.asfortranarray(np.ones((2, 3))), "ascontiguousarray"),
    (np.array([1j]), '"<c16"'), (np.array([{}], object), "Python objects"), (np.zeros(1, [("a", "i4")]), "fields"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_npy_files_that_are_refused(vencejo, tmp_path, array, words):
    np.save(tmp_path / "x.npy", array)
    code, _, error = vencejo("predict", "identity", "--input", f"x={tmp_path}/x.npy")
    assert code == USAGE and words in error and "x.npy" in error


def test_damaged_npy_files(vencejo, tmp_path):
    np.save(tmp_path / "whole.npy", np.ones((2, 3)))
    whole = (tmp_path / "whole.npy").read_bytes()
    for cut in (0, 6, 9, 11, 60, 128, len(whole) - 1):
        (tmp_path / "x.npy").write_bytes(whole[:cut])
        assert vencejo("predict", "identity", "--input", f"x={tmp_path}/x.npy")[0] == USAGE


def test_the_ways_to_say_an_input(vencejo, tmp_path):
    rows = np.linspace(-1, 1, 40).reshape(4, 10).astype(np.float32)
    np.save(tmp_path / "rows.npy", rows)
    (tmp_path / "rows.json").write_text(json.dumps(rows.tolist()))
    (tmp_path / "all.json").write_text(json.dumps({"X": rows.tolist()}))
    said = [f"X={tmp_path}/rows.npy", f"{tmp_path}/rows.npy", f"@{tmp_path}/rows.json", f"X=@{tmp_path}/rows.json",
            f"@{tmp_path}/all.json", json.dumps(rows.tolist()), f"X={json.dumps(rows.tolist())}"]
    answers = [outputs(vencejo("predict", "diabetes", "--input", each, "-o", "json")) for each in said]
    assert answers[0]["variable"][:2] == ("FP32", [4, 1]) and answers == answers[:1] * len(said)


def test_a_large_input_comes_back_to_the_bit(vencejo, tmp_path):
    array = np.random.default_rng(7).normal(size=(1, 3, 400, 400)).astype(np.float32)
    np.save(tmp_path / "x.npy", array)
    kind, shape, data = outputs(vencejo("predict", "identity", "--input", f"x={tmp_path}/x.npy", "-o", "json"))["x"]
    assert (kind, shape) == ("FP32", [1, 3, 400, 400]) and raw(kind, np.array(data, np.float32)) == array.tobytes()
    np.save(tmp_path / "x.npy", np.zeros(5 << 20, np.uint8))
    code, _, error = vencejo("predict", "identity", "--input", f"x={tmp_path}/x.npy")
    assert code == FAILED and "RESOURCE_EXHAUSTED" in error


def test_the_table_names_who_answered(vencejo):
    row = json.dumps([[0.5] * 30] * 40)
    lines = vencejo("predict", "breast_cancer", "--input", row, "--request-id", "r-1", COLUMNS="80")[1].splitlines()
    assert lines[0].split() == ["OUTPUT", "TYPE", "SHAPE", "VALUES"] and max(map(len, lines[:3])) == 80
    assert lines[1].split()[:3] == ["label", "INT64", "[40]"] and all(line.endswith("…") for line in lines[1:3])
    assert re.match(r"model breast_cancer, version 2, slot blue, epoch \d+, sha256 \w{12}, request r-1, ", lines[4])


@pytest.mark.parametrize("choice, version, slot", [
    ([], 2, "blue"), (["--version", 1], 1, "green"), (["--slot", "green"], 1, "green")])
def test_the_json_names_who_answered(vencejo, choice, version, slot):
    digest = hashlib.sha256((MODELS / f"breast_cancer/{version}/model.onnx").read_bytes()).hexdigest()
    code, text, _ = vencejo("predict", "breast_cancer", "--input", json.dumps([[1] * 30]), "-o", "json", *choice,
                            "--output-name", "label", "--request-id", "r-2")
    answer = json.loads(text)
    assert code == DONE and answer["request_id"] == "r-2" and [each["name"] for each in answer["outputs"]] == ["label"]
    assert answer["provenance"].pop("epoch") > 1
    assert answer["provenance"] == {"model": "breast_cancer", "version": version, "slot": slot,
                                    "artifact_digest": digest}


@pytest.mark.parametrize("arguments, code, words", [
    (["nosuch", "--input", "[1]"], FAILED, 'NOT_FOUND: model "nosuch"'),
    (["diabetes", "--version", "9", "--input", "[1]"], FAILED, "NOT_FOUND: version 9"),
    (["diabetes", "--input", "[1]"], FAILED, "INVALID_ARGUMENT: input"),
    (["diabetes", "--input", "[[1],[2,3]]"], USAGE, "a list of 2 elements stands where others have 1"),
    (["diabetes", "--input", "X=hello"], USAGE, "not JSON: at byte 1"),
    (["diabetes", "--input", '["a"]'], USAGE, '"a" is no FP32'),
    (["casts", "--input", 'in_UINT8=[256]'], USAGE, "256 is no UINT8; allowed are whole numbers from 0 to 255"),
    (["diabetes", "--input", "Y=[1]"], USAGE, 'its inputs are: "X"'),
    (["echo", "--input", "[1]"], USAGE, 'has the inputs "x", "text"'),
    (["echo", "--input", "@/no/such.json"], USAGE, '"/no/such.json" cannot be read'),
    (["echo", "--slot", "blue", "--version", "1"], USAGE, "exclude each other"), ([], USAGE, "model"),
    (["echo", "--timeout", "0"], USAGE, "--timeout"), (["echo", "--endpoint", "8001"], USAGE, "has no port"),
    (["echo", "--tls-key", "x"], USAGE, "--tls-ca"), (["echo", "--tls-ca", "/no/such.pem"], USAGE, "/no/such.pem"),
])
def test_what_is_wrong_with_a_prediction(vencejo, arguments, code, words):
    result = vencejo("predict", *arguments)
    assert result[0] == code and words in result[2] and result[1] == ""


def test_models(vencejo, serve, tmp_path):
    lines = vencejo("models")[1].splitlines()
    assert lines[0].split() == ["MODEL", "VERSION", "SLOT", "STATE", "BATCHING", "INPUTS", "OUTPUTS", "DIGEST"]
    assert [line.split()[:4] for line in lines if line.startswith("breast_cancer ")] == [
        ["breast_cancer", "2", "blue", "live"], ["breast_cancer", "1", "green", "ready"]]
    answer = json.loads(vencejo("models", "diabetes", "-o", "json")[1])
    assert answer["schema"] == 1 and [each["name"] for each in answer["models"]] == ["diabetes"]
    version, = answer["models"][0]["versions"]
    assert version["inputs"] == [{"name": "X", "type": "FP32", "shape": [-1, 10]}] and version["state"] == "live"
    assert vencejo("models", "nosuch")[0] == FAILED
    shutil.copytree(FIXTURES / "broken" / "not_onnx", tmp_path / "bad")
    endpoint = serve(repository=tmp_path).address
    version = json.loads(vencejo("models", "-o", "json", endpoint=endpoint)[1])["models"][0]["versions"][0]
    assert version["state"] == "failed" and version["inputs"] == [] and "bad" in version["reason"]
    assert version["reason"] in vencejo("models", endpoint=endpoint)[1]


def test_status(vencejo, serve, tmp_path):
    server = serve(listeners=["127.0.0.1:0", "[::1]:0", f"unix:{tmp_path}/socket"])
    for endpoint in server.addresses:
        code, text, _ = vencejo("status", "-o", "json", endpoint=endpoint)
        answer = json.loads(text)
        assert (code, answer["schema"], answer["status"], answer["server"]) == (DONE, 1, "ready", "vencejo")
        assert vencejo("status", "--endpoint", endpoint, endpoint="127.0.0.1:1")[1].split()[4:6] == [endpoint, "ready"]
    port = server.address.rsplit(":", 1)[1]
    assert vencejo("status", endpoint=f"localhost:{port}")[0] == DONE
    server.stop()
    for endpoint in server.addresses:
        code, text, error = vencejo("status", "-o", "json", endpoint=endpoint)
        assert code == UNREACHABLE and json.loads(text)["status"] == "unreachable" and endpoint in error
    assert vencejo("predict", "echo", "--input", "x=[1]", endpoint=server.address)[0] == UNREACHABLE
    assert vencejo("models", endpoint=server.address)[0] == UNREACHABLE


def test_status_waits(vencejo):
    address = free_address()
    begin = time.monotonic()
    assert vencejo("status", "--wait", 1, endpoint=address)[0] == UNREACHABLE and time.monotonic() - begin > 0.7
    late = []
    starter = threading.Timer(0.5, lambda: late.append(Server(listeners=[address])))
    starter.start()
    assert vencejo("status", "--wait", 60, endpoint=address)[0] == DONE
    starter.join()
    late[0].stop()


def test_help_has_examples(vencejo):
    assert all(f"\n  vencejo {name}" in vencejo(name, "--help")[1] for name in ("predict", "models", "status"))
