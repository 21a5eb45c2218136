"""vencejo import --drop-zipmap: classifiers of skl2onnx answer with a tensor of probabilities."""
import functools
import hashlib
import json

import numpy as np
import onnxruntime
import pytest

from command_line import FAILED
from importing import do, refused
from stubs import prediction, prediction_grpc


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder


@functools.cache
def classifier(kind, zipmap):
    """What skl2onnx makes of a classifier of three classes, which are numbers or texts."""
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression
    dice = np.random.default_rng(3)
    rows = dice.standard_normal((90, 4)).astype(np.float32)
    classes = (rows[:, 0] > 0).astype(int) + (rows[:, 1] > 0.5)
    fitted = LogisticRegression().fit(rows, np.array(["red", "green", "blue"])[classes] if kind == "texts" else classes)
    made = to_onnx(fitted, rows[:1], target_opset={"": 17, "ai.onnx.ml": 3},
                   options=None if zipmap else {"zipmap": False})
    return made.SerializeToString()


@pytest.mark.parametrize("kind", ["numbers", "texts"])
def test_a_zipmap_is_cut_off(repository, tmp_path, serve, kind):
    source = tmp_path / "colours.onnx"
    source.write_bytes(classifier(kind, True))
    error = refused(FAILED, "output 'output_probability' is a sequence; only tensors can be served", source, "--repository",
                    repository)
    assert error.endswith(": import it with --drop-zipmap\n") and list(repository.iterdir()) == []
    document = json.loads(do(source, "--repository", repository, "--drop-zipmap", "-o", "json"))
    assert document["dropped"] == [{"output": "output_probability", "tensor": "probabilities"}]
    kept = (repository / "colours" / "1" / "model.onnx").read_bytes()
    manifest = json.loads((repository / "colours" / "1" / "manifest.json").read_text())
    original, digest = hashlib.sha256(source.read_bytes()).hexdigest(), hashlib.sha256(kept).hexdigest()
    assert document["sha256"] == digest != document["original_sha256"] == original
    assert manifest["files"] == [{"name": "model.onnx", "bytes": len(kept), "sha256": digest}]
    assert (manifest["tags"]["dropped"], manifest["tags"]["original_sha256"]) == ("zipmap", original)
    check_cut(source.read_bytes(), kept)
    server = serve(repository=repository)
    rows = np.random.default_rng(4).standard_normal((7, 4)).astype("<f4")
    answer = prediction_grpc.PredictionServiceStub(server.channel()).Predict(prediction.PredictRequest(
        model=prediction.ModelSelector(name="colours"),
        inputs=[prediction.Tensor(name="X", type=prediction.FP32, shape=rows.shape, data=rows.tobytes())]), timeout=60)
    outputs = {output.name: output for output in answer.outputs}
    labels, maps = onnxruntime.InferenceSession(source.read_bytes()).run(None, {"X": rows})
    assert set(outputs) == {"output_label", "probabilities"} and outputs["probabilities"].shape == [7, 3]
    found = np.frombuffer(outputs["probabilities"].data, "<f4").reshape(7, 3)
    names = ["blue", "green", "red"] if kind == "texts" else [0, 1, 2]
    np.testing.assert_array_equal(found, np.float32([[row[name] for name in names] for row in maps]))
    # The largest probability is the label's.
    assert [names[place] for place in found.argmax(axis=1)] == list(labels)


def check_cut(before, after):
    """Nothing but the node and the output is another, and the output is as skl2onnx declares it."""
    import onnx
    old, new = onnx.load_from_string(before), onnx.load_from_string(after)
    onnx.checker.check_model(new)
    assert [node.op_type for node in old.graph.node][-1] == "ZipMap"
    del old.graph.node[-1]
    tensor, = [output for output in new.graph.output if output.name == "probabilities"]
    assert tensor.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert [dim.WhichOneof("value") and dim.dim_value for dim in tensor.type.tensor_type.shape.dim] == [None, 3]
    old.graph.output[1].CopyFrom(tensor)
    assert old.SerializeToString(deterministic=True) == new.SerializeToString(deterministic=True)


def test_what_has_no_zipmap_stays_as_it_is(repository, tmp_path):
    source = tmp_path / "colours.onnx"
    source.write_bytes(classifier("numbers", False))
    assert "it has no ZipMap" in do(source, "--repository", repository, "--drop-zipmap")
    assert (repository / "colours" / "1" / "model.onnx").read_bytes() == source.read_bytes()
    assert "dropped" not in json.loads((repository / "colours" / "1" / "manifest.json").read_text())["tags"]


def test_a_zipmap_that_is_used_is_refused_by_name(repository, tmp_path):
    import onnx
    made = onnx.load_from_string(classifier("numbers", True))
    made.graph.node[-1].name = "zip"
    made.graph.node.append(onnx.helper.make_node("SequenceLength", ["output_probability"], ["rows"], name="count"))
    made.graph.output.append(onnx.helper.make_tensor_value_info("rows", onnx.TensorProto.INT64, []))
    (tmp_path / "used.onnx").write_bytes(made.SerializeToString())
    refused(FAILED, "ZipMap 'zip' is used by node 'count' (SequenceLength)", tmp_path / "used.onnx", "--repository",
            repository, "--drop-zipmap")
    assert list(repository.iterdir()) == []
