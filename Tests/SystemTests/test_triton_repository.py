"""A repository as Triton's users have it, served unchanged and driven by tritonclient."""
import base64
import json
import shutil
import struct

import pytest

from server import MODELS

DIGITS = """
name: "digits"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [
  {
    name: "image"
    data_type: TYPE_FP32
    dims: [ 1, 8, 8 ]
  }
]
output [
  {
    name: "probabilities"
    data_type: TYPE_FP32
    dims: [ 10 ]
    label_filename: "labels.txt"
  }
]
dynamic_batching {
  preferred_batch_size: [ 4, 8 ]
  max_queue_delay_microseconds: 100
}
instance_group [
  {
    count: 2
    kind: KIND_GPU
    gpus: [ 0 ]
  }
]
model_warmup [
  {
    name: "zeros"
    batch_size: 4
    inputs {
      key: "image"
      value: { data_type: TYPE_FP32 dims: [ 1, 8, 8 ] zero_data: true }
    }
  },
  {
    name: "a file"
    batch_size: 1
    inputs {
      key: "image"
      value: { data_type: TYPE_FP32 dims: [ 1, 8, 8 ] input_data_file: "image" }
    }
  }
]
"""
def put(repository, name, fixture, versions=(1,), configuration=None, file="model.onnx"):
    for version in versions:
        place = repository / name / str(version)
        place.mkdir(parents=True)
        shutil.copy(MODELS / fixture / "1" / "model.onnx", place / file)
    if configuration is not None:
        (repository / name / "config.pbtxt").write_text(configuration)


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "model_repository"
    put(folder, "digits", "digits", (1, 2, 3), DIGITS + "version_policy: { specific: { versions: [ 1, 3 ] } }\n")
    (folder / "digits" / "labels.txt").write_text("\n".join(map(str, range(10))))
    (folder / "digits" / "warmup").mkdir()
    (folder / "digits" / "warmup" / "image").write_bytes(struct.pack("<64f", *[0.5] * 64))
    put(folder, "diabetes", "diabetes", (4, 5, 6),
        'backend: "onnxruntime"\ndefault_model_filename: "net.onnx"\nversion_policy: { latest: { num_versions: 1 } }\n',
        file="net.onnx")
    put(folder, "lookup", "lookup")
    return folder


def infer(name, classes=0):
    return ["infer", name, "image", "FP32", [2, 1, 8, 8], ["probabilities"], classes]


def test_a_triton_repository_serves_unchanged(serve_repository, triton, repository):
    server = serve_repository()
    index, = triton(server.control, ("index",))
    assert index == [{"name": name, "version": str(version), "state": "READY"}
                     for name, version in (("diabetes", 6), ("digits", 1), ("digits", 3), ("lookup", 1))]
    config, other, shape, before = triton(server.address, ("config", "digits"), ("config", "diabetes", "6"),
                                          infer("digits"), ("statistics", "digits", "3"))
    assert config["name"] == "digits" and config["platform"] == "onnxruntime_onnx" and config["backend"] == "onnxruntime"
    assert config["max_batch_size"] == 8 and config["default_model_filename"] == "model.onnx"
    assert config["input"] == [{"name": "image", "data_type": "TYPE_FP32", "dims": ["1", "8", "8"]}]
    assert config["version_policy"] == {"specific": {"versions": ["1", "3"]}}
    assert config["dynamic_batching"]["preferred_batch_size"] == [4]
    assert config["dynamic_batching"]["max_queue_delay_microseconds"] == "100"
    assert [(group["count"], group["kind"]) for group in config["instance_group"]] == [(2, "KIND_CPU")]
    assert other["default_model_filename"] == "net.onnx" and other["version_policy"] == {"latest": {"num_versions": 1}}
    assert shape == [2, 10] and before[0]["inference_count"] == "2"
    # What was passed over is said once.
    lines = [line for line in server.log().splitlines() if "digits/config.pbtxt" in line]
    assert len(lines) == 1 and "KIND_GPU" in lines[0] and "label_filename" in lines[0]


def test_statistics_count_calls_rows_and_runs(serve, triton, repository):
    server = serve(repository=repository)
    empty, *_, after, everything = triton(
        server.address, ("statistics", "digits", "3"), infer("digits"), infer("digits"), infer("digits"),
        ("statistics", "digits", "3"), ("statistics",))
    assert [entry.get("inference_count", "0") for entry in empty] == ["0"]
    entry, = after
    assert (entry["name"], entry["version"]) == ("digits", "3")
    # Three calls of two rows each. Our own runs of the load do not count.
    assert entry["inference_count"] == "6" and entry["execution_count"] == "3"
    numbers = entry["inference_stats"]
    for key in "success", "queue", "compute_input", "compute_infer", "compute_output":
        assert numbers[key]["count"] == "3", key
    assert int(numbers["compute_infer"]["ns"]) > 0 and int(numbers["success"]["ns"]) >= int(numbers["compute_infer"]["ns"])
    # It waits 100 us for company, by its configuration.
    assert int(numbers["queue"]["ns"]) > 0
    assert numbers["fail"].get("count", "0") == "0" and int(entry["last_inference"]) > 1_600_000_000_000
    assert {(each["name"], each["version"]) for each in everything} == {
        ("digits", "1"), ("digits", "3"), ("diabetes", "6"), ("lookup", "1")}


def test_models_are_loaded_and_unloaded(serve_repository, triton, repository):
    server = serve_repository()
    two = {"config": json.dumps({"version_policy": {"specific": {"versions": [2]}}})}
    put(repository, "late", "digits", (1,), "max_batch_size: 4\ndynamic_batching { }\n")
    told = triton(server.control, ("load", "digits", two), ("unload", "diabetes"), ("load", "late", {}), ("index",),
                  infer("late"), ("config", "late"), ("config", "nobody"), ("statistics", "nobody"))
    assert told[:3] == [None, None, None]
    states = {(each["name"], each.get("version"), each.get("state")) for each in told[3]}
    assert {("digits", "2", "READY"), ("late", "1", "READY")} <= states
    assert {state for name, _, state in states if name == "diabetes"} == {"UNAVAILABLE"}
    assert told[4][0] == 2 and told[5]["max_batch_size"] == 4 and "dynamic_batching" in told[5]
    assert [each[0] for each in told[6:]] == ["NOT_FOUND", "NOT_FOUND"]


def test_what_is_not_offered_is_refused(serve_repository, triton, repository):
    server = serve_repository()
    classes, unknown = triton(server.control, infer("digits", 3), ("load", "nobody", {"config": "{}"}))
    assert classes[0] == "UNIMPLEMENTED" and "classification" in classes[1]
    assert unknown[0] == "NOT_FOUND"


def content(fixture="digits"):
    return base64.b64encode((MODELS / fixture / "1" / "model.onnx").read_bytes()).decode()


def sent(version=1, config=None, content=content(), name="model.onnx"):
    return {"config": json.dumps(config or {}), "files": {f"file:{version}/{name}": content}}


def test_files_that_come_along_are_put_into_the_repository(serve_repository, triton, repository):
    server = serve_repository()
    before = {path for path in repository.rglob("*")}
    told = triton(server.control, ("load", "fresh", sent(3)), infer("fresh"), ("load", "fresh", sent(3)),
                  ("load", "fresh", sent(3, content=content("lookup"))), ("load", "digits", sent(7)), infer("digits"),
                  ("load", "diabetes", sent(9, content=content("diabetes"), name="net.onnx")), ("index",))
    assert told[0] is None and told[1] == [2, 10]
    # What is there and the same is loaded; what is there and another is not touched.
    assert told[2] is None
    assert told[3][0] == "FAILED_PRECONDITION" and "in the repository already" in told[3][1] and "another version" in told[3][1]
    assert told[4] is None and told[5] == [2, 10] and told[6] is None
    live = {(each["name"], each["version"]) for each in told[7] if each["state"] == "READY"}
    assert {("fresh", "3"), ("digits", "7"), ("diabetes", "9")} <= live
    place = repository / "fresh" / "3"
    assert sorted(path.name for path in place.iterdir()) == ["manifest.json", "model.onnx"]
    assert (place / "model.onnx").read_bytes() == base64.b64decode(content())
    assert json.loads((place / "manifest.json").read_text())["author"] == "RepositoryModelLoad"
    new = {path for path in repository.rglob("*")} - before
    assert {path.relative_to(repository).parts[0] for path in new} <= {"fresh", "digits", "diabetes", ".vencejo.json"}
    # A restart serves them.
    server.stop()
    again = serve_repository()
    shape, config = triton(again.control, infer("fresh"), ("config", "fresh", "3"))
    assert shape == [2, 10] and config["name"] == "fresh"


def test_a_config_holds_for_its_load(serve_repository, triton, repository):
    server = serve_repository()
    config = {"max_batch_size": 16, "dynamic_batching": {"preferred_batch_size": [8], "maxQueueDelayMicroseconds": "70"},
              "instance_group": [{"count": 3, "kind": "KIND_CPU"}], "name": "fresh", "backend": "onnxruntime",
              "input": [{"name": "image", "data_type": "TYPE_FP32", "dims": [1, 8, 8]}],
              "parameters": {"intra_op_thread_count": {"string_value": "1"}}}
    told = triton(server.control, ("load", "fresh", sent(1, config)), ("config", "fresh", "1"), infer("fresh"),
                  # The model stays as its config.pbtxt says, but for what is said here.
                  ("load", "digits", sent(8, {"max_batch_size": 2, "version_policy": {"specific": {"versions": [8]}}})),
                  ("config", "digits", "8"))
    assert told[0] is None and told[2] == [2, 10] and told[3] is None
    assert told[1]["max_batch_size"] == 16 and told[1]["dynamic_batching"]["preferred_batch_size"] == [8]
    assert told[1]["dynamic_batching"]["max_queue_delay_microseconds"] == "70"
    assert told[1]["instance_group"][0]["count"] == 3
    assert told[4]["max_batch_size"] == 2 and told[4]["dynamic_batching"]["preferred_batch_size"] == [4]
    assert told[4]["version_policy"] == {"specific": {"versions": ["1", "3"]}}


@pytest.mark.parametrize("options,code,sentence", [
    (sent(name="weights.bin"), "INVALID_ARGUMENT", "parameter 'file:1/weights.bin' is not supported: allowed is file:<version>/model.onnx"),
    (sent("0"), "INVALID_ARGUMENT", "file:0/model.onnx"), (sent("../x"), "INVALID_ARGUMENT", "file:../x/model.onnx"),
    (sent("01"), "INVALID_ARGUMENT", "file:01/model.onnx"),
    (sent(content=base64.b64encode(b"no model").decode()), "INVALID_ARGUMENT", "parameter 'file:1/model.onnx': "),
    ({"config": "[]"}, "INVALID_ARGUMENT", "parameter 'config' is not a model configuration in JSON"),
    (sent(config={"sequence_batching": {}}), "INVALID_ARGUMENT", "parameter 'config': 'sequence_batching' is not supported"),
    (sent(config={"max_batch": 3}), "INVALID_ARGUMENT", "parameter 'config': there is no field 'max_batch'"),
    (sent(config={"max_batch_size": "many"}), "INVALID_ARGUMENT", "parameter 'config': max_batch_size is the string 'many'"),
    (sent(config={"platform": "tensorrt_plan"}), "INVALID_ARGUMENT", "parameter 'config': platform 'tensorrt_plan' is not served here"),
    (sent(config={"default_model_filename": "net.onnx"}), "INVALID_ARGUMENT", "parameter 'config': 'default_model_filename' is the repository's"),
    (sent(config={"name": "other"}), "INVALID_ARGUMENT", "parameter 'config': name is 'other'"),
    (sent(config={"max_batch_size": 8, "input": [{"name": "nothing", "data_type": "TYPE_FP32", "dims": [1]}]}),
     "FAILED_PRECONDITION", "parameter 'config': input \"nothing\" is not in the model"),
])
def test_what_is_sent_and_cannot_be_served_leaves_nothing_behind(serve_repository, triton, repository, options, code, sentence):
    server = serve_repository()
    (told,), = [triton(server.control, ("load", "fresh", options))]
    assert told[0] == code and sentence in told[1], told
    assert not (repository / "fresh").exists()
    assert not [path for path in repository.iterdir() if path.name.startswith(".import")]


def test_a_config_for_what_is_loaded_already_loads_it_anew(serve_repository, triton, repository):
    server = serve_repository()
    same = {"config": json.dumps({"name": "digits", "version_policy": {"specific": {"versions": [3]}}})}
    other = {"config": json.dumps({"max_batch_size": 2, "version_policy": {"specific": {"versions": [3]}}})}
    told = triton(server.control, ("load", "digits", same), ("config", "digits"), ("load", "digits", other), ("config", "digits"))
    assert told[0] is None and told[2] is None
    assert told[1]["max_batch_size"] != 2 and told[3]["max_batch_size"] == 2


def test_where_nothing_can_be_written_nothing_is_sent(serve_repository, triton, repository):
    """A repository that was moved away is read through its descriptor still, and cannot be written to: root may write to any other."""
    server = serve_repository()
    moved = repository.rename(repository.parent / "moved")
    told, = triton(server.control, ("load", "fresh", sent()))
    assert told[0] == "UNAVAILABLE" and "read-only or full" in told[1] and str(repository.parent) not in told[1]
    assert not (moved / "fresh").exists()
    moved.rename(repository)
    fixed = serve_repository("--repository-mode", "none")
    told, = triton(fixed.control, ("load", "fresh", sent()))
    assert told[0] == "FAILED_PRECONDITION" and "--repository-mode none" in told[1] and not (repository / "fresh").exists()


@pytest.mark.parametrize("text,sentence", [
    ('platform: "tensorrt_plan"', "platform 'tensorrt_plan' is not served here"),
    ('name: "somebody"', "name is 'somebody', but the model's folder is 'bad'"),
    ("sequence_batching { }", "'sequence_batching' is not supported"),
    ("model_transaction_policy { decoupled: True }", "'decoupled' is not supported"),
    ("max_batch_size: 8\ninput { name: 'nothing' data_type: TYPE_FP32 dims: 4 }", "input \"nothing\" is not in the model"),
    ("model_warmup { name: 'w' inputs { key: 'nothing' value { data_type: TYPE_FP32 dims: 1 zero_data: true } } }",
     "its warm-up 'w' does not fit the model"),
    ("model_warmup { name: 'w' inputs { key: 'x' value { data_type: TYPE_FP32 dims: 1 input_data_file: 'gone' } } }",
     "'bad/warmup' does not exist"),
    ("input {\n  name\n}", "config.pbtxt:3: ':' or '{' is expected after 'name'"),
])
def test_a_configuration_that_cannot_be_served_fails_its_model_only(serve, triton, tmp_path, text, sentence):
    repository = tmp_path / "models"
    put(repository, "good", "lookup")
    put(repository, "bad", "digits", (1,), text)
    server = serve(repository=repository, control="127.0.0.1:0")
    index, = triton(server.control, ("index",))
    assert [(each["name"], each["state"]) for each in index] == [("bad", "UNAVAILABLE"), ("good", "READY")]
    assert sentence in server.log()
