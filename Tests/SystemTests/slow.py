"""A model that takes about a twentieth of a second for a run, whose answers are known to the bit; made when asked for.

    x      FP32 [N, 512]  ->  y      FP32 [N, 512], its columns moved by one for each of the steps
    place  INT64 [N]      ->  value  FP32 [N], that place of 0, 10, 20 ... 70; another place fails the whole run
"""
import functools
import pathlib
import time

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

WIDTH, SECONDS = 512, 0.05
NOWHERE = 99  # a place that fails the run


def model(steps):
    nodes = [helper.make_node("MatMul", ["x" if step == 0 else f"x{step}", "moved"],
                              ["y" if step == steps - 1 else f"x{step + 1}"]) for step in range(steps)]
    nodes.append(helper.make_node("Gather", ["table", "place"], ["value"]))
    wide = ["N", WIDTH]
    graph = helper.make_graph(
        nodes, "slow",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, wide),
         helper.make_tensor_value_info("place", TensorProto.INT64, ["N"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, wide),
         helper.make_tensor_value_info("value", TensorProto.FLOAT, ["N"])],
        [numpy_helper.from_array(np.roll(np.eye(WIDTH, dtype=np.float32), 1, 1), "moved"),
         numpy_helper.from_array(np.arange(0, 80, 10, dtype=np.float32), "table")])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    made.ir_version = 9
    return made.SerializeToString()


def seconds(steps):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model(steps), options, providers=["CPUExecutionProvider"])
    given = {"x": np.ones((1, WIDTH), np.float32), "place": np.zeros(1, np.int64)}

    def once():
        # This thread's own time: other processes run meanwhile.
        began = time.thread_time()
        session.run(None, given)
        return time.thread_time() - began
    return min(once() for _ in range(5))


@functools.cache
def steps():
    """As many as this machine takes long enough for."""
    return max(50, int(100 * SECONDS / seconds(100)))


def write(repository, name="slow", settings=""):
    """Adds it to a repository, with these lines as its model.yaml."""
    folder = pathlib.Path(repository) / name / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model(steps()))
    if settings:
        (folder.parent / "model.yaml").write_text(settings)


def inputs(*places, seed=0):
    """A call with a row for each place."""
    rows = np.random.default_rng(seed).standard_normal((len(places), WIDTH)).astype(np.float32)
    return {"x": ("FP32", rows), "place": ("INT64", np.array(places, np.int64))}


def answer(asked):
    """[(name, TYPE, shape, bytes)] that the call gets."""
    rows, places = asked["x"][1], asked["place"][1]
    return [("y", "FP32", rows.shape, np.roll(rows, steps() % WIDTH, 1).tobytes()),
            ("value", "FP32", places.shape, (places * 10).astype(np.float32).tobytes())]
