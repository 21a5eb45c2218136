"""vencejo import tries what it imports: what serve would refuse does not get into a repository."""
import json
import os
import shutil
import signal
import subprocess

import grpc
import pytest

from command_line import DONE, FAILED, USAGE, command
from importing import do, refused
from models import graph, model, node, put
from server import FIXTURES, MODELS, binary, threads
from stubs import inference, inference_grpc
from waiting import eventually

FILE = MODELS / "digits" / "1" / "model.onnx"


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("file", sorted(path.parent.parent.name for path in (FIXTURES / "broken").glob("*/1/model.onnx")))
def test_what_serve_refuses_is_not_imported(repository, serve, file):
    source = FIXTURES / "broken" / file / "1" / "model.onnx"
    error = refused(FAILED, f"'{source}'", source, "--repository", repository, "--name", "odd")
    assert list(repository.iterdir()) == []
    if file == "empty":
        return
    put(repository, "odd", 1, source.read_bytes())
    stub = inference_grpc.GRPCInferenceServiceStub(serve(repository=repository).channel())
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelMetadata(inference.ModelMetadataRequest(name="odd"))
    # Clients are told less than the operator: the runtime's own words stand in parentheses, and in the server's log.
    words = error.removeprefix(f"vencejo: '{source}': ").rstrip().removeprefix("model 'odd' does not load: ")
    assert words.partition(" (")[0] in caught.value.details()


def test_the_configuration_that_is_there_is_tried_with(repository):
    """A version loads by itself, and not as one of this model."""
    put(repository, "iris", 1, yaml="batching: sometimes")
    new = repository.parent / "iris.onnx"
    new.write_bytes(model(2))
    refused(FAILED, "iris/model.yaml", new, "--repository", repository)
    (repository / "iris" / "model.yaml").write_text("version_policy: {specific: [1, 2]}\nintra_op_threads: 2\n")
    do(new, "--repository", repository)
    (repository / "iris" / "model.yaml").unlink()
    # What the model declares is compared; its warm-up, which lies beside, is run; its file has another name.
    configuration = """default_model_filename: "net.onnx"
        output { name: "y" data_type: TYPE_FP32 dims: [-1, 4] }
        model_warmup { name: "w" inputs { key: "x" value { data_type: TYPE_FP32 dims: [1, 4] input_data_file: "row" } } }"""
    (repository / "iris" / "config.pbtxt").write_text(configuration)
    refused(FAILED, "iris/warmup", new, "--repository", repository)
    (repository / "iris" / "warmup").mkdir()
    (repository / "iris" / "warmup" / "row").write_bytes(bytes(16))
    do(new, "--repository", repository)
    assert [path.name for path in (repository / "iris" / "3").iterdir()].count("net.onnx") == 1
    (repository / "iris" / "config.pbtxt").write_text(configuration.replace("[-1, 4]", "[-1, 5]"))
    refused(FAILED, "config.pbtxt:2: output \"y\" is declared with dims [-1, 5]", new, "--repository", repository)
    assert sorted(path.name for path in repository.iterdir()) == ["iris"]
    assert sorted(path.name for path in (repository / "iris").iterdir()) == ["1", "2", "3", "config.pbtxt", "warmup"]


def test_a_configuration_that_comes_along_is_tried_with(repository, tmp_path):
    folder = tmp_path / "digits"
    (folder / "1").mkdir(parents=True)
    shutil.copy(FILE, folder / "1" / "model.onnx")
    (folder / "config.pbtxt").write_text('output { name: "nothing" data_type: TYPE_FP32 dims: [10] }\n')
    refused(FAILED, "output \"nothing\" is not in the model", folder, "--repository", repository)
    assert list(repository.iterdir()) == []


def test_without_a_runtime(repository):
    error = refused(USAGE, "ONNX Runtime cannot be opened at /nowhere.so", FILE, "--repository", repository,
                    onnxruntime="/nowhere.so")
    assert "--onnxruntime" in error and "--untried" in error
    refused(USAGE, "/elsewhere.so", FILE, "--repository", repository, "--onnxruntime", "/elsewhere.so")
    assert list(repository.iterdir()) == []
    code, out, _ = command("import", FILE, "--repository", repository, "--name", "digits", "--untried",
                           VENCEJO_ONNXRUNTIME="/nowhere.so")
    assert code == DONE and "it was not tried" in out
    document = json.loads(do(FILE, "--repository", repository, "--name", "digits", "--untried", "-o", "json"))
    assert (document["tried"], document["version"]) == (False, 2) and "not tried" in document["notes"][0]
    document = json.loads(do(FILE, "--repository", repository, "--name", "digits", "--dry-run", "-o", "json"))
    assert (document["tried"], document["version"], document["notes"]) == (True, 3, [])


def test_a_dry_run_tries(repository, tmp_path):
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(graph([node("Nonsense", "x", "y")], {}))
    refused(FAILED, "does not load", bad, "--repository", repository, "--dry-run")
    assert list(repository.iterdir()) == []


def test_what_no_server_loads_is_not_tried(repository):
    (repository / "echo").mkdir()
    (repository / "echo" / "model.yaml").write_text("engine: identity\n")
    document = json.loads(do(FILE, "--repository", repository, "--name", "echo", "-o", "json"))
    assert (document["tried"], document["version"]) == (False, 1)
    assert document["notes"] == ["it was not tried: with \"engine: identity\" no server loads its file"]


@pytest.mark.parametrize("number, options", [
    (signal.SIGINT, []), (signal.SIGTERM, []), (signal.SIGHUP, []), (signal.SIGTERM, ["--dry-run"])])
def test_an_import_that_is_interrupted_leaves_nothing(repository, tmp_path, number, options):
    """A runtime that never comes back stands for a model that takes long. A dry run tries outside of the repository."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    hanging = tmp_path / "hanging.so"
    source = tmp_path / "hanging.c"
    source.write_text("#include <unistd.h>\n__attribute__((constructor)) static void hang(void) { for (;;) pause(); }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", hanging, source], check=True)
    process = subprocess.Popen(
        # Under nohup SIGHUP would be ignored, and stay so. Not by preexec_fn, which forks a process that has gRPC's threads.
        ["env", "--default-signal=HUP", binary(), "import", FILE, "--repository", repository, "--onnxruntime", hanging, *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(temporary)})
    staging, other = (temporary, repository) if options else (repository, temporary)
    assert eventually(lambda: any(staging.glob(".import-*/*/1/model.onnx"))), (process.poll(), threads(process.pid))
    assert not any(other.glob(".import-*"))
    process.send_signal(number)
    out, error = process.communicate(timeout=60)
    assert (process.returncode, out) == (FAILED, "") and "interrupted: nothing was imported" in error
    assert list(repository.iterdir()) == list(temporary.glob(".import-*")) == []
