"""vencejo import: models of other tools become versions of a repository, whole or not at all."""
import hashlib
import json
import shutil

import pytest

from command_line import FAILED, USAGE
from importing import do, refused
from server import MODELS

FILE = MODELS / "digits" / "1" / "model.onnx"
MLMODEL = """\
artifact_path: model
flavors:
  onnx:
    code: null
    data: model.onnx
    onnx_version: 1.16.0
    providers:
    - CUDAExecutionProvider
    - [CPUExecutionProvider, {arena: 1}]
  python_function:
    data: model.onnx
    loader_module: mlflow.onnx
metadata:
  owner: vision
mlflow_version: 2.14.1
model_id: null
model_uuid: 0c1b5f0a7a544b0f8ac5a7a4bd21a7e4
run_id: 6f3c1ddf2fd849b4a1d9cf7e4c0f0f7a
signature:
  inputs: '[{"type": "tensor", "name": "image"}]'
utc_time_created: '2026-01-31 10:20:30.123456'
"""


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder


@pytest.fixture
def mlflow(tmp_path):
    folder = tmp_path / "artifacts"
    folder.mkdir()
    (folder / "MLmodel").write_text(MLMODEL)
    shutil.copy(FILE, folder / "model.onnx")
    return folder


def test_a_file_becomes_the_next_version(repository, serve):
    assert do(FILE, "--repository", repository, "--name", "digits").startswith("imported version 1 of model 'digits'")
    assert "version 2" in do(FILE, "--repository", repository, "--name", "digits", "--reason", "again")
    assert "version 9" in do(FILE, "--repository", repository, "--name", "digits", "--version", "9")
    assert sorted(path.name for path in repository.iterdir()) == ["digits"]
    assert sorted(path.name for path in (repository / "digits").iterdir()) == ["1", "2", "9"]
    content = FILE.read_bytes()
    assert (repository / "digits" / "2" / "model.onnx").read_bytes() == content
    manifest = json.loads((repository / "digits" / "2" / "manifest.json").read_text())
    assert manifest["schema"] == 1 and manifest["reason"] == "again" and manifest["tags"]["imported_from"] == "onnx"
    assert manifest["files"] == [
        {"name": "model.onnx", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}]
    assert set(manifest) == {"schema", "files", "created", "parent", "author", "reason", "tags", "metrics"}
    refused(FAILED, "version 9 of 'digits' is in the repository already", FILE, "--repository", repository, "--name",
            "digits", "--version", "9")
    server = serve(repository=repository)
    assert "FAILED" not in server.log()


def test_mlflow(repository, mlflow):
    document = json.loads(do(mlflow, "--repository", repository, "--name", "digits", "-o", "json"))
    assert (document["kind"], document["version"], document["dry_run"]) == ("mlflow", 1, False)
    manifest = json.loads((repository / "digits" / "1" / "manifest.json").read_text())
    assert manifest["created"] == "2026-01-31T10:20:30.123456Z"
    tags = manifest["tags"]
    assert tags["run_id"] == "6f3c1ddf2fd849b4a1d9cf7e4c0f0f7a" and tags["metadata.owner"] == "vision"
    assert "model_id" not in tags
    assert tags["model_uuid"] == "0c1b5f0a7a544b0f8ac5a7a4bd21a7e4" and tags["onnx_version"] == "1.16.0"


def test_a_dry_run_changes_nothing(repository, mlflow):
    out = do(mlflow, "--repository", repository, "--name", "digits", "--dry-run")
    assert out.startswith("would import version 1") and "nothing was changed" in out
    assert list(repository.iterdir()) == []


@pytest.mark.parametrize("text,words", [
    ("flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n", "mlflow.onnx.save_model"),
    ("flavors:\n  onnx:\n    data: ../../secret.onnx\n", "not a path inside its folder"),
    ("flavors:\n  onnx:\n    data: /etc/passwd\n", "not a path inside its folder"),
    ("- a list\n", "holds no mapping"), ("{", "this is not YAML"),
])
def test_an_mlmodel_that_is_refused(repository, mlflow, text, words):
    (mlflow / "MLmodel").write_text(text)
    refused(USAGE, words, mlflow, "--repository", repository)
    assert list(repository.iterdir()) == []


def test_an_mlflow_model_in_several_files_is_told_how_to_be_one(repository, mlflow):
    """As MLflow 3 saves it unless told otherwise."""
    import onnx
    onnx.save_model(onnx.load(FILE), mlflow / "model.onnx", save_as_external_data=True, size_threshold=0)
    refused(FAILED, "save_as_external_data=False", mlflow, "--repository", repository)
    assert list(repository.iterdir()) == []


def test_mlserver(repository, tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    shutil.copy(FILE, folder / "net.onnx")
    settings = {"name": "digits", "implementation": "mlserver_onnx.OnnxRuntime", "parameters": {"uri": "./net.onnx"}}
    (folder / "model-settings.json").write_text(json.dumps(settings))
    assert "model 'digits', from mlserver" in do(folder, "--repository", repository)
    settings["implementation"] = "mlserver_sklearn.SKLearnModel"
    (folder / "model-settings.json").write_text(json.dumps(settings))
    refused(USAGE, "runs no ONNX model", folder, "--repository", repository)


def test_triton(repository, tmp_path):
    folder = tmp_path / "digits"
    for version in "1", "10":
        (folder / version).mkdir(parents=True)
        shutil.copy(FILE, folder / version / "model.onnx")
    (folder / "config.pbtxt").write_text('name: "digits"\n')
    assert "version 1 of model 'digits', from triton" in do(folder, "--repository", repository)
    assert (repository / "digits" / "config.pbtxt").read_text() == 'name: "digits"\n'
    manifest = json.loads((repository / "digits" / "1" / "manifest.json").read_text())
    assert manifest["tags"]["triton_version"] == "10"
    assert "config.pbtxt was not copied" in do(folder, "--repository", repository)


def test_what_cannot_be_served_is_not_imported(repository, tmp_path):
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"no model")
    refused(FAILED, "bad.onnx", bad, "--repository", repository)
    import onnx
    external = onnx.load(FILE)
    onnx.save_model(external, tmp_path / "external.onnx", save_as_external_data=True, size_threshold=0)
    refused(FAILED, "external.onnx", tmp_path / "external.onnx", "--repository", repository)
    refused(USAGE, "does not exist", tmp_path / "nothing", "--repository", repository)
    refused(USAGE, "is no .onnx file", __file__, "--repository", repository)
    refused(USAGE, "is no model", repository, "--repository", repository)
    refused(FAILED, "no name for a model", FILE, "--repository", repository, "--name", "a/b")
    assert list(repository.iterdir()) == []
