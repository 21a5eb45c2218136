"""Random graphs of the operators that mix rows or do not: x FP32 [n, 4, 6] and more, through some nodes, to one output."""
import numpy as np

from batch_cases import FLOAT, Case, node

#: Constants that nodes may use, by name.
CONSTANTS = {
    "one": np.float32(1), "row": np.arange(6, dtype=np.float32) - 2, "plane": np.ones((4, 6), np.float32) * 0.5,
    "w": np.linspace(-1, 1, 36, dtype=np.float32).reshape(6, 6), "axis0": np.int64([0]), "axis1": np.int64([1]),
    "axis-1": np.int64([-1]), "flat": np.int64([-1, 6]), "wide": np.int64([-1, 24]), "three": np.int64([-1, 4, 6]),
    "zeros": np.int64([0, 0, -1]), "heads": np.int64([0, 4, 2, 3]), "first": np.int64([0]), "last": np.int64([2**31 - 1]),
    "two": np.int64([2]), "half": np.float32(0.5), "pick": np.int64([1, 0]),
}
UNARY = "Relu Sigmoid Neg Abs Tanh Identity Floor".split()
BINARY = "Add Mul Sub Max Min".split()


def draw(dice):
    """A case of random nodes, of unknown independence; ONNX Runtime may refuse it."""
    made, nodes = ["x", "z"], []

    def pick():
        # Mostly what was made last, so that the graph is deep.
        return made[-1] if dice.random() < 0.7 else made[dice.integers(len(made))]

    def add(kind, inputs, **attributes):
        name = f"v{len(nodes)}"
        nodes.append(node(kind, inputs, name, **attributes))
        made.append(name)

    axis = lambda: int(dice.integers(-2, 3))  # noqa: E731
    steps = [
        lambda: add(str(dice.choice(UNARY)), [pick()]),
        lambda: add(str(dice.choice(BINARY)), [pick(), pick()]),
        lambda: add(str(dice.choice(BINARY)), [pick(), str(dice.choice(["one", "row", "plane", "half"]))]),
        lambda: add("MatMul", [pick(), "w"]),
        lambda: add("MatMul", [pick(), pick()]),
        lambda: add("Transpose", [pick()], perm=[int(each) for each in dice.permutation(3)]),
        lambda: add("Transpose", [pick()], perm=[0, 2, 1]),
        lambda: add("Transpose", [pick()], perm=[1, 0, 2]),
        lambda: add("Reshape", [pick(), str(dice.choice(["flat", "wide", "three", "zeros", "heads"]))]),
        lambda: add("Reshape", [pick(), "three"]),
        lambda: add("Softmax", [pick()], axis=axis()),
        lambda: add(str(dice.choice(["ReduceSum", "ReduceMax", "ReduceMean"])),
                    [pick(), str(dice.choice(["axis0", "axis1", "axis-1"]))], keepdims=int(dice.integers(2))),
        lambda: add("Concat", [pick(), pick()], axis=axis()),
        lambda: add("Slice", [pick(), "first", str(dice.choice(["last", "two"])), str(dice.choice(["axis0", "axis1", "axis-1"]))]),
        lambda: add("Gather", [pick(), "pick"], axis=axis()),
        lambda: add("Flatten", [pick()], axis=int(dice.integers(0, 3))),
        lambda: add("Unsqueeze", [pick(), str(dice.choice(["axis0", "axis1", "axis-1"]))]),
        lambda: add("Squeeze", [pick(), str(dice.choice(["axis0", "axis1", "axis-1"]))]),
        lambda: add("CumSum", [pick(), str(dice.choice(["axis0", "axis1"]))]),
        lambda: add("LpNormalization", [pick()], axis=axis()),
        lambda: shaped(),
    ]

    def shaped():
        """Reshape or Expand by what Shape says of another value."""
        add("Shape", [pick()])
        shape = made.pop()
        add(str(dice.choice(["Reshape", "Expand"])), [pick(), shape])

    for _ in range(int(dice.integers(2, 8))):
        steps[dice.integers(len(steps))]()
    nodes.append(node("Identity", [made[-1]], "y"))
    used = {name for each in nodes for name in each.input}
    constants = {name: value for name, value in CONSTANTS.items() if name in used}
    return Case("random", nodes, {"x": (FLOAT, (4, 6)), "z": (FLOAT, (4, 6))}, constants, opset=18)
