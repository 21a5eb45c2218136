"""ONNX models that are made for a test, and the folders of a repository that hold them as versions."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

WIDTH = 4


def node(kind, *names, **attributes):
    """A node of these inputs; the last name is its output's."""
    return helper.make_node(kind, list(names[:-1]), [names[-1]], **attributes)


def tensor(name, width=WIDTH):
    """FP32 [N, width]"""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [-1, width])


def graph(nodes, weights, inputs=None, outputs=None, note=""):
    """The bytes of a model: x FP32 [N, 4] -> y FP32 [N, 4], unless other tensors are given. `note`: its documentation."""
    made = helper.make_graph(nodes, "m", inputs or [tensor("x")], outputs or [tensor("y")],
                             [numpy_helper.from_array(value, name) for name, value in weights.items()])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8,
                             doc_string=note).SerializeToString()


def model(number, output="y", width=WIDTH, turns=0, note=""):
    """x FP32 [N, width] -> y = x + number: an answer tells its version. `turns`: products on the way, to take longer."""
    names = ["x", *(f"t{turn}" for turn in range(turns))]
    nodes = [node("MatMul", given, "in" if given == "x" else "same", product) for given, product in zip(names, names[1:])]
    weights = {"v": np.float32([number])}
    if turns:
        nodes += [node("ReduceSum", names[-1], "columns", "sum", keepdims=1), node("Mul", "sum", "nothing", "zero"),
                  node("Add", "x", "zero", "x0")]
        wide = np.random.default_rng(0).standard_normal((width, 512)).astype(np.float32)
        weights |= {"in": wide, "same": np.eye(512, dtype=np.float32), "columns": np.int64([1]), "nothing": np.float32([0])}
    nodes.append(node("Add", "x0" if turns else "x", "v", output))
    return graph(nodes, weights, [tensor("x", width)], [tensor(output, width)], note)


def put(folder, name, version, content=None, adds=None, yaml=None, **shape):
    """Writes a version: `content`, or a model that adds its own number, or `adds`. `yaml`: the lines of its model.yaml."""
    place = folder / name / str(version)
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.onnx").write_bytes(model(adds or version, **shape) if content is None else content)
    if yaml is not None:
        (folder / name / "model.yaml").write_text(yaml)


def golden(folder, name, version, case="one", expected=None, **files):
    """An example whose answer is x + `expected`."""
    place = folder / name / str(version) / "golden" / case
    place.mkdir(parents=True, exist_ok=True)
    x = np.arange(2 * WIDTH, dtype=np.float32).reshape(2, WIDTH)
    files = files or {"input.x": x, "output.y": x + np.float32(expected)}
    for file, array in files.items():
        np.save(place / f"{file}.npy", array)


# Models whose answers are compared

SCORE = node("MatMul", "x", "w", "s")
WEIGHTS = {"w": np.random.default_rng(0).standard_normal((WIDTH, WIDTH)).astype(np.float32)}
FIRST = [node("Slice", "x", "from", "to", "axis", "first")]
FIRST_WEIGHTS = {"from": np.int64([0]), "to": np.int64([1]), "axis": np.int64([1])}


def scores(factor=1.0, shift=0.0):
    """A product stands for a trained model. Another training moves its answers a little."""
    return graph([SCORE, node("Mul", "s", "f", "m"), node("Add", "m", "b", "y")],
                 WEIGHTS | {"f": np.float32([factor]), "b": np.float32([shift])})


def labels(factor=1.0, shift=0.0):
    """`scores`, and the place of a row's largest one: y FP32 [N, 4], label INT64 [N]."""
    return graph(
        [SCORE, node("Mul", "s", "f", "m"), node("Add", "m", "b", "y"), node("ArgMax", "y", "label", axis=1, keepdims=0)],
        WEIGHTS | {"f": np.float32([factor]), "b": np.float32([shift])},
        outputs=[tensor("y"), helper.make_tensor_value_info("label", TensorProto.INT64, [-1])])


def slow(turns=24, width=1024):
    names = ["s", *(f"t{turn}" for turn in range(turns))]
    products = [node("MatMul", given, "in" if given == "s" else "same", product) for given, product in zip(names, names[1:])]
    rest = [node("MatMul", names[-1], "out", "zero"), node("Add", "s", "zero", "y")]
    return graph([SCORE, *products, *rest], WEIGHTS | {
        "in": np.ones((WIDTH, width), np.float32), "same": np.eye(width, dtype=np.float32),
        "out": np.zeros((width, WIDTH), np.float32)})


def failing(above):
    """Reads beyond the end of a table where the first input is above this."""
    return graph(
        [SCORE, *FIRST, node("ReduceMax", "first", "largest", keepdims=0),
         node("Greater", "largest", "above", "is"), node("Cast", "is", "number", to=TensorProto.INT64),
         node("Mul", "number", "seven", "index"), node("Gather", "table", "index", "zero"), node("Add", "s", "zero", "y")],
        WEIGHTS | FIRST_WEIGHTS | {"above": np.float32(above), "seven": np.int64(7), "table": np.zeros(1, np.float32)})


def nan(above):
    """Answers NaN where the first input is above this."""
    return graph([SCORE, *FIRST, node("Greater", "first", "above", "is"), node("Where", "is", "nan", "s", "y")],
                 WEIGHTS | FIRST_WEIGHTS | {"above": np.float32(above), "nan": np.float32([np.nan])})
