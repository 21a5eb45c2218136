"""Models of a few nodes each, and whether their rows are independent: one row of the table for each rule that the server has."""
import dataclasses

import numpy as np
from onnx import TensorProto as T
from onnx import helper, numpy_helper

FLOAT, INT, TEXT, BOOL, UINT8, INT8 = T.FLOAT, T.INT64, T.STRING, T.BOOL, T.UINT8, T.INT8
DICE = np.random.default_rng(11)


def weights(*shape):
    return DICE.standard_normal(shape).astype(np.float32)


@dataclasses.dataclass
class Case:
    name: str
    nodes: list
    #: {name: (type, shape without rows)}
    inputs: dict
    constants: dict = dataclasses.field(default_factory=dict)
    #: "": proven; else a word of the reason.
    reason: str = ""
    opset: int = 18
    outputs: dict = dataclasses.field(default_factory=lambda: {"y": FLOAT})
    #: Outputs behind a jump: their values may differ.
    jumps: tuple = ()
    whole: int = 4

    def content(self):
        def value(name, kind, shape):
            return helper.make_tensor_value_info(name, kind, shape)
        graph = helper.make_graph(
            self.nodes, "g", [value(name, kind, ["n", *shape]) for name, (kind, shape) in self.inputs.items()],
            [helper.make_empty_tensor_value_info(name) if kind is None else value(name, kind, None)
             for name, kind in self.outputs.items()],
            [numpy_helper.from_array(np.asarray(array), name) for name, array in self.constants.items()])
        domains = [helper.make_opsetid("", self.opset), helper.make_opsetid("ai.onnx.ml", 3),
                   helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=domains, ir_version=9).SerializeToString()


def node(kind, inputs, outputs="y", domain="", **attributes):
    return helper.make_node(kind, inputs.split() if isinstance(inputs, str) else inputs, outputs.split(), domain=domain,
                            **attributes)


X = {"x": (FLOAT, (4,))}
IMAGE = {"x": (FLOAT, (3, 6, 6))}
SEQUENCE = {"x": (FLOAT, (5, 8))}
I64 = np.int64


def one(kind, inputs=None, reason="", constants=None, name=None, **attributes):
    """A model of one node of x."""
    constants = constants or {}
    own = {key: attributes.pop(key) for key in ("opset", "jumps", "outputs", "whole", "domain") if key in attributes}
    domain = own.pop("domain", "")
    made = " ".join(own.get("outputs", {"y": 0}))
    return Case(name or kind, [node(kind, " ".join([*(inputs or X), *constants]), made, domain, **attributes)],
                inputs or X, constants, reason, **own)


def elementwise():
    for kind in ("Abs Neg Relu Sqrt Exp Log Sigmoid Tanh Erf Softplus Softsign Elu Selu Celu LeakyRelu HardSigmoid HardSwish "
                 "Mish Reciprocal Sin Cos Tan Atan Sinh Cosh Asinh Floor Ceil Round Sign Identity ThresholdedRelu "
                 "Shrink").split():
        yield one(kind)
    for kind in "IsNaN IsInf".split():
        yield one(kind, outputs={"y": BOOL})
    yield Case("Not", [node("IsNaN", "x", "b"), node("Not", "b")], X, outputs={"y": BOOL})
    yield one("Clip", constants={"low": np.float32(-1), "high": np.float32(1)})
    for kind in "Add Sub Mul Div Max Min Pow".split():
        yield one(kind, constants={"k": weights(4)})
        yield one(kind, constants={"k": weights(1, 4)}, name=f"{kind} a row")
        yield one(kind, X | {"z": (FLOAT, (4,))}, name=f"{kind} two")
    for kind in "Equal Greater Less GreaterOrEqual LessOrEqual".split():
        yield one(kind, X | {"z": (FLOAT, (4,))}, outputs={"y": BOOL})
    yield one("Add", constants={"k": weights(3, 4)}, name="Add of three rows", reason="differs from row to row")
    yield one("Mul", X | {"z": (FLOAT, ())}, name="Mul of a vector of rows", reason="other rows")
    yield Case("Add of a column", [node("Unsqueeze", "z axis", "c"), node("Add", "x c")], X | {"z": (FLOAT, ())},
               {"axis": I64([1])})
    yield Case("Where", [node("Greater", "x z", "b"), node("Where", "b x z")], X | {"z": (FLOAT, (4,))})
    yield Case("PRelu", [node("PRelu", "x k")], X, {"k": weights(4)})
    yield one("Cast", to=T.DOUBLE, outputs={"y": T.DOUBLE})
    yield Case("Cast to whole numbers behind a sum", [node("MatMul", "x w", "m"), node("Cast", "m", to=T.INT64)], X,
               {"w": weights(4, 3)}, outputs={"y": INT}, jumps=("y",))
    yield one("Dropout")
    yield Case("Mod", [node("Mod", "x k")], {"x": (INT, (4,))}, {"k": I64(3)}, outputs={"y": INT})
    yield Case("Gelu", [node("Gelu", "x")], X, opset=20)
    yield Case("QuantizeLinear", [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z")], X,
               {"s": np.float32(0.1), "z": np.uint8(3)})
    yield Case("DynamicQuantizeLinear", [node("DynamicQuantizeLinear", "x", "q s z"), node("DequantizeLinear", "q s z")], X,
               reason="largest value of all rows")


def reductions():
    axis = {"axes": I64([1])}
    for kind in "ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSumExp ReduceSumSquare".split():
        jumps = ("y",) if kind in ("ReduceMax", "ReduceMin") else ()
        yield one(kind, constants=axis, keepdims=1, jumps=jumps)
        yield Case(f"{kind} without the dimension", [node(kind, "x axes", keepdims=0)], SEQUENCE, {"axes": I64([-1])}, jumps=jumps)
        yield one(kind, constants={"axes": I64([0])}, name=f"{kind} over rows", reason="all rows together")
        yield Case(f"{kind} of all", [node(kind, "x", "m", keepdims=1), node("Sub", "x m")], X, reason="all rows together")
    for kind in "ArgMax ArgMin".split():
        yield one(kind, axis=1, outputs={"y": INT})
        yield one(kind, axis=0, outputs={"y": INT}, name=f"{kind} over rows", reason="all rows together")
    for kind in "Softmax LogSoftmax Hardmax".split():
        yield one(kind, axis=-1)
        yield one(kind, axis=0, name=f"{kind} over rows", reason="all rows together")
        yield one(kind, SEQUENCE, axis=1, opset=11, name=f"{kind} of version 11")
        yield one(kind, SEQUENCE, axis=0, opset=11, name=f"{kind} of version 11 over rows", reason="all rows together")
    yield one("LayerNormalization", SEQUENCE, constants={"s": weights(8), "b": weights(8)}, axis=-1)
    yield one("LayerNormalization", X, constants={"s": weights(4), "b": weights(4)}, axis=0, reason="all rows together",
              name="LayerNormalization over rows")
    yield one("LpNormalization", axis=1)
    yield one("MeanVarianceNormalization", IMAGE, reason="all rows together")
    yield one("MeanVarianceNormalization", IMAGE, axes=[2, 3], name="MeanVarianceNormalization of an image")
    yield one("CumSum", constants={"axis": I64(1)})
    yield one("CumSum", constants={"axis": I64(0)}, name="CumSum over rows", reason="all rows together")
    yield Case("TopK", [node("TopK", "x k", "y i")], X, {"k": I64([2])}, outputs={"y": FLOAT, "i": INT})
    yield Case("TopK over rows", [node("TopK", "x k", "y i", axis=0)], X, {"k": I64([1])}, outputs={"y": FLOAT, "i": INT},
               reason="among the rows")
    yield Case("Trilu", [node("Trilu", "x")], SEQUENCE)
    yield Case("Trilu of rows", [node("Trilu", "x")], X, reason="by their number")
    yield Case("OneHot", [node("OneHot", "x depth values")], {"x": (INT, (3,))}, {"depth": I64(4), "values": weights(2)})
    yield Case("Unique", [node("Unique", "x")], {"x": (FLOAT, ())}, reason="depends on the values")
    yield Case("NonZero", [node("NonZero", "x")], X, outputs={"y": INT}, reason="depends on the values")
    yield Case("Compress", [node("Compress", "x b", axis=0)], X | {"b": (BOOL, ())}, reason="depends on the values")
    yield Case("RandomNormalLike", [node("RandomNormalLike", "x", "r"), node("Add", "x r")], X, reason="by chance")
    yield Case("EyeLike", [node("EyeLike", "x", "e"), node("Add", "x e")], X, reason="by their number")


def shapes():
    def reshape(name, *dimensions, inputs=SEQUENCE, **more):
        return Case(f"Reshape {name}", [node("Reshape", "x shape", **{k: v for k, v in more.items() if k == "allowzero"})],
                    inputs, {"shape": I64(dimensions)}, reason=more.get("reason", ""))
    yield reshape("flat", -1, 40)
    yield reshape("by zeros", 0, 0, 2, 4)
    yield reshape("folded", -1, 8, reason="output 'y'")
    yield reshape("across", -1, 16, reason="not known")
    yield reshape("of one", 1, -1, reason="output 'y'")
    yield Case("Reshape there and back", [node("Reshape", "x a", "f"), node("MatMul", "f w", "m"), node("Reshape", "m b")],
               SEQUENCE, {"a": I64([-1, 8]), "w": weights(8, 3), "b": I64([-1, 5, 3])})
    yield Case("Reshape there and elsewhere", [node("Reshape", "x a", "f"), node("Softmax", "f", "m", axis=0),
                                               node("Reshape", "m b")],
               SEQUENCE, {"a": I64([-1, 8]), "b": I64([-1, 5, 8])}, reason="all rows together")
    yield Case("Reshape to what Shape says",
               [node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Concat", "n rest", "t", axis=0), node("Reshape", "x t")],
               SEQUENCE, {"zero": I64([0]), "rest": I64([-1])})
    yield Case("Reshape behind a Transpose",
               [node("Transpose", "x", "p", perm=[1, 0, 2]), node("Reshape", "p a", "f"), node("MatMul", "f w", "m"),
                node("Shape", "p", "s"), node("Slice", "s from to", "h"), node("Concat", "h three", "t", axis=0),
                node("Reshape", "m t", "r"), node("Transpose", "r", perm=[1, 0, 2])],
               SEQUENCE, {"a": I64([-1, 8]), "w": weights(8, 3), "from": I64([0]), "to": I64([2]), "three": I64([3])})
    yield Case("heads", [node("Reshape", "x a", "h"), node("Transpose", "h", "t", perm=[0, 2, 1, 3]),
                         node("Reshape", "t b", "f"), node("Transpose", "f", "k", perm=[0, 2, 1]), node("MatMul", "f k", "q"),
                         node("Softmax", "q", "p"), node("MatMul", "p f", "v"), node("Reshape", "v c", "u"),
                         node("Transpose", "u", "w", perm=[0, 2, 1, 3]), node("Reshape", "w d")],
               SEQUENCE, {"a": I64([0, 0, 2, 4]), "b": I64([-1, 5, 4]), "c": I64([-1, 2, 5, 4]), "d": I64([0, 0, 8])})
    yield one("Flatten", SEQUENCE, axis=1)
    yield one("Flatten", SEQUENCE, axis=2, name="Flatten of two", reason="output 'y'")
    yield one("Flatten", SEQUENCE, axis=0, name="Flatten of none", reason="output 'y'")
    yield one("Transpose", SEQUENCE, perm=[0, 2, 1])
    yield one("Transpose", SEQUENCE, perm=[1, 0, 2], name="Transpose of the rows", reason="output 'y'")
    yield Case("Squeeze", [node("Squeeze", "x a")], {"x": (FLOAT, (1, 4))}, {"a": I64([1])})
    yield Case("Squeeze of what is one", [node("Squeeze", "x")], {"x": (FLOAT, (1, 4))}, reason="one row")
    yield one("Unsqueeze", constants={"a": I64([1, -1])})
    yield one("Unsqueeze", constants={"a": I64([0])}, name="Unsqueeze before the rows", reason="output 'y'")
    yield Case("Expand", [node("Expand", "x shape")], {"x": (FLOAT, (1, 4))}, {"shape": I64([1, 3, 4])})
    yield Case("Expand before the rows", [node("Expand", "x shape")], X, {"shape": I64([3, 1, 4])}, reason="output 'y'")
    yield Case("Expand of a constant to the rows",
               [node("Shape", "x", "s"), node("Expand", "k s", "e"), node("Add", "x e")], X, {"k": weights(1, 4)})
    yield Case("Expand of three rows", [node("Shape", "x", "s"), node("Expand", "k s", "e"), node("Add", "x e")], X,
               {"k": weights(3, 4)}, reason="another size")
    yield Case("ConstantOfShape", [node("Shape", "x", "s"), node("ConstantOfShape", "s", "z"), node("Add", "x z")], X)
    yield one("Tile", constants={"r": I64([1, 3])})
    yield one("Tile", constants={"r": I64([2, 1])}, name="Tile of the rows", reason="repeats the rows")
    yield Case("Range of the rows", [node("Shape", "x", "s", start=0, end=1), node("Squeeze", "s", "n"), node("Range", "zero n step", "r"),
                                     node("Unsqueeze", "r one", "c"), node("Cast", "c", "f", to=FLOAT), node("Add", "x f")],
               X, {"zero": I64(0), "step": I64(1), "one": I64([1])}, reason="counts the rows")
    yield Case("Range of positions", [node("Shape", "x", "s", start=1, end=2), node("Squeeze", "s", "n"), node("Range", "zero n step", "r"),
                                      node("Cast", "r", "f", to=FLOAT), node("Add", "x f")],
               X, {"zero": I64(0), "step": I64(1)})
    yield Case("a number of rows", [node("Shape", "x", "s", start=0, end=1), node("Cast", "s", "f", to=FLOAT), node("Div", "x f")],
               X, reason="the number of rows")
    yield Case("a size", [node("Size", "x", "s"), node("Cast", "s", "f", to=FLOAT), node("Div", "x f")], X, reason="number of rows")
    yield Case("a width", [node("Shape", "x", "s", start=1, end=2), node("Cast", "s", "f", to=FLOAT), node("Div", "x f")], X)
    yield Case("Concat", [node("Concat", "x z", axis=1)], X | {"z": (FLOAT, (2,))})
    yield Case("Concat of the rows", [node("Concat", "x x", axis=0)], X, reason="adds rows")
    yield Case("Concat with a constant", [node("Concat", "x k", axis=0)], X, {"k": weights(1, 4)}, reason="other rows or none")
    yield one("Gather", constants={"i": I64([2, 0])}, axis=1)
    yield one("Gather", constants={"i": I64([0])}, axis=0, name="Gather of a row", reason="among the rows")
    yield Case("Gather of a table", [node("Gather", "k x")], {"x": (INT, (3,))}, {"k": weights(4, 2)})
    yield Case("Gather of other rows", [node("Gather", "z x")], {"x": (INT, ()), "z": (FLOAT, (4,))}, reason="other rows", whole=1)
    yield Case("GatherElements", [node("GatherElements", "z x", axis=1)], {"x": (INT, (3,)), "z": (FLOAT, (4,))})
    yield Case("GatherElements of the rows", [node("GatherElements", "z x", axis=0)], {"x": (INT, (4,)), "z": (FLOAT, (4,))},
               reason="among the rows", whole=1)
    yield Case("GatherND", [node("GatherND", "z x", batch_dims=1)], {"x": (INT, (1,)), "z": (FLOAT, (4,))})
    yield Case("GatherND of a table", [node("GatherND", "k x")], {"x": (INT, (1,))}, {"k": weights(4, 2)})
    yield Case("GatherND of the rows", [node("GatherND", "z x")], {"x": (INT, (1,)), "z": (FLOAT, (4,))}, reason="among the rows", whole=1)
    yield Case("ScatterElements", [node("ScatterElements", "z x u", axis=1)],
               {"x": (INT, (1,)), "z": (FLOAT, (4,)), "u": (FLOAT, (1,))})
    yield Case("ScatterND", [node("ScatterND", "z x u")], {"x": (INT, (1,)), "z": (FLOAT, (4,)), "u": (FLOAT, (4,))},
               reason="by their number", whole=1)
    yield one("Slice", constants={"a": I64([1]), "b": I64([3]), "axes": I64([1])})
    yield one("Slice", constants={"a": I64([0]), "b": I64([1]), "axes": I64([0])}, name="Slice of a row", reason="some of the rows")
    yield one("Slice", constants={"a": I64([-1]), "b": I64([-9]), "axes": I64([0]), "steps": I64([-1])}, name="Slice backwards",
              reason="some of the rows")
    yield one("Slice", constants={"a": I64([0, 1]), "b": I64([2**62, 4]), "axes": I64([0, 1])}, name="Slice of all rows")
    yield Case("Split", [node("Split", "x", "y z", axis=1, num_outputs=2)], X, outputs={"y": FLOAT, "z": FLOAT})
    yield Case("Split of the rows", [node("Split", "x", "y z", axis=0, num_outputs=2)], X, outputs={"y": FLOAT, "z": FLOAT},
               reason="divides the rows")
    yield Case("Pad", [node("Pad", "x pads")], X, {"pads": I64([0, 1, 0, 2])})
    yield Case("Pad of the rows", [node("Pad", "x pads")], X, {"pads": I64([1, 0, 0, 0])}, reason="adds rows")
    yield Case("ReverseSequence", [node("ReverseSequence", "x n", batch_axis=0, time_axis=1)], SEQUENCE | {"n": (INT, ())})
    yield Case("a constant", [node("Identity", "k"), node("Neg", "x", "z")], X, {"k": weights(3, 4)},
               outputs={"y": FLOAT, "z": FLOAT}, reason="output 'y'")


def products():
    yield one("MatMul", constants={"w": weights(4, 3)})
    yield one("MatMul", SEQUENCE, constants={"w": weights(8, 3)}, name="MatMul of sequences")
    yield one("MatMul", SEQUENCE | {"z": (FLOAT, (8, 2))}, name="MatMul of two")
    yield Case("MatMul of rows by rows", [node("Transpose", "x", "t", perm=[1, 0]), node("MatMul", "x t")], X, reason="other rows")
    yield Case("MatMul over rows", [node("Transpose", "x", "t", perm=[1, 0]), node("MatMul", "t x", "g"), node("MatMul", "x g")], X,
               reason="over the rows")
    yield Case("MatMul with a vector", [node("MatMul", "x w")], X, {"w": weights(4)})
    yield one("Gemm", constants={"w": weights(3, 4), "b": weights(3)}, transB=1)
    yield Case("Gemm turned", [node("Gemm", "x x", transA=1)], X, reason="over the rows")
    yield Case("Gemm with rows of its own", [node("Gemm", "x w k")], X, {"w": weights(4, 3), "k": weights(5, 3)},
               reason="from row to row")
    yield Case("Einsum", [node("Einsum", "x z", equation="nab,nbc->nac")], SEQUENCE | {"z": (FLOAT, (8, 2))})
    yield Case("Einsum over rows", [node("Einsum", "x x", equation="na,na->a")], X, reason="over the rows")
    yield Case("Einsum of rows by rows", [node("Einsum", "x x", equation="na,ma->nm")], X, reason="other rows")
    yield Case("MatMulInteger", [node("MatMulInteger", "x w")], {"x": (UINT8, (4,))}, {"w": np.arange(12, dtype=np.uint8).reshape(4, 3)},
               outputs={"y": T.INT32})


def images():
    yield one("Conv", IMAGE, constants={"w": weights(2, 3, 3, 3), "b": weights(2)})
    yield one("Conv", IMAGE, constants={"w": weights(2, 3, 3, 3)}, strides=[2, 2], pads=[1, 1, 1, 1], name="Conv with strides")
    yield one("ConvTranspose", IMAGE, constants={"w": weights(3, 2, 3, 3)})
    for kind in "MaxPool AveragePool LpPool".split():
        yield one(kind, IMAGE, kernel_shape=[2, 2], strides=[2, 2])
    yield Case("MaxPool with places", [node("MaxPool", "x", "y i", kernel_shape=[2, 2])], IMAGE, outputs={"y": FLOAT, "i": INT},
               reason="over the whole batch")
    for kind in "GlobalAveragePool GlobalMaxPool".split():
        yield one(kind, IMAGE)
    yield Case("a small network", [node("Conv", "x w b", "c", pads=[1, 1, 1, 1]), node("BatchNormalization", "c s b m v", "n"),
                                   node("Relu", "n", "r"), node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2]),
                                   node("Reshape", "p shape", "f"), node("Gemm", "f g")],
               IMAGE, {"w": weights(4, 3, 3, 3), "b": weights(4), "s": weights(4), "m": weights(4), "v": abs(weights(4)),
                       "shape": I64([-1, 36]), "g": weights(36, 2)})
    yield one("BatchNormalization", IMAGE, constants={"s": weights(3), "b": weights(3), "m": weights(3), "v": abs(weights(3))})
    yield Case("BatchNormalization in training", [node("BatchNormalization", "x s b m v", "y rm rv", training_mode=1)], IMAGE,
               {"s": weights(3), "b": weights(3), "m": weights(3), "v": abs(weights(3))}, reason="over the rows")
    yield one("InstanceNormalization", IMAGE, constants={"s": weights(3), "b": weights(3)})
    yield one("LRN", IMAGE, size=3)
    yield Case("Resize", [node("Resize", ["x", "", "scales"])], IMAGE, {"scales": np.float32([1, 1, 2, 2])})
    yield Case("Resize of the rows", [node("Resize", ["x", "", "scales"])], IMAGE, {"scales": np.float32([2, 1, 1, 1])},
               reason="rows' dimension")
    yield one("DepthToSpace", {"x": (FLOAT, (4, 2, 2))}, blocksize=2)
    yield one("SpaceToDepth", {"x": (FLOAT, (1, 4, 4))}, blocksize=2)
    yield Case("LSTM", [node("Transpose", "x", "t", perm=[1, 0, 2]), node("LSTM", "t w r", "a", hidden_size=3),
                        node("Squeeze", "a one", "s"), node("Transpose", "s", perm=[1, 0, 2])],
               SEQUENCE, {"w": weights(1, 12, 8), "r": weights(1, 12, 3), "one": I64([1])})
    yield Case("GRU along the rows", [node("GRU", "x w r", "y", hidden_size=3)], SEQUENCE,
               {"w": weights(1, 9, 8), "r": weights(1, 9, 3)}, reason="sequences are not the rows")


def graph(nodes, inputs, outputs, constants=()):
    return helper.make_graph(nodes, "body", inputs, outputs,
                             [numpy_helper.from_array(np.asarray(array), name) for name, array in dict(constants).items()])


def info(name, kind=FLOAT, shape=None):
    return helper.make_tensor_value_info(name, kind, shape)


def bodies():
    double, half = (graph([node("Mul", f"x {name}", name + "x")], [], [info(name + "x")], {name: np.float32(factor)})
                    for name, factor in (("two", 2), ("half", 0.5)))
    yield Case("If by a value of the rows", [node("ReduceMax", "x", "m", keepdims=0), node("Greater", "m zero", "b"),
                                             node("If", "b", then_branch=double, else_branch=half)],
               X, {"zero": np.float32(0)}, reason="all rows together")
    yield Case("If by a constant", [node("If", "b", then_branch=double, else_branch=half)], X, {"b": np.bool_(True)})
    yield Case("If by a width", [node("Shape", "x", "s", start=1, end=2), node("Greater", "s three", "g"), node("Squeeze", "g", "b"),
                                 node("If", "b", then_branch=double, else_branch=half)], X, {"three": I64([3])})
    step = graph([node("Mul", "v two", "w"), node("Identity", "go", "on")],
                 [info("turn", INT, []), info("go", BOOL, []), info("v")], [info("on", BOOL, []), info("w")], {"two": np.float32(2)})
    yield Case("Loop", [node("Loop", ["count", "", "x"], body=step)], X, {"count": I64(3)})
    mixing = graph([node("ReduceMean", "v", "m", keepdims=1), node("Sub", "v m", "w"), node("Identity", "go", "on")],
                   [info("turn", INT, []), info("go", BOOL, []), info("v")], [info("on", BOOL, []), info("w")])
    yield Case("Loop that mixes", [node("Loop", ["count", "", "x"], body=mixing)], X, {"count": I64(2)}, reason="all rows together")
    asking = graph([node("Mul", "v two", "w"), node("ReduceMax", "w", "m", keepdims=0), node("Less", "m ten", "on")],
                   [info("turn", INT, []), info("go", BOOL, []), info("v")], [info("on", BOOL, []), info("w")],
                   {"two": np.float32(2), "ten": np.float32(10)})
    yield Case("Loop for as long as rows say", [node("Loop", ["count", "", "x"], body=asking)], X, {"count": I64(3)},
               reason="all rows together")
    each = graph([node("ReduceSum", "e", "t", keepdims=0), node("Mul", "e t", "o")], [info("e", FLOAT, [4])], [info("o", FLOAT, [4])])
    yield Case("Scan of the rows", [node("Scan", "x", body=each, num_scan_inputs=1)], X)
    running = graph([node("Add", "state e", "sum"), node("Identity", "sum", "o")], [info("state", FLOAT, [4]), info("e", FLOAT, [4])],
                    [info("sum", FLOAT, [4]), info("o", FLOAT, [4])])
    yield Case("Scan that hands on", [node("Scan", "zero x", "last y", body=running, num_scan_inputs=1)], X,
               {"zero": np.zeros(4, np.float32)}, reason="hands on")


def learning():
    ml = "ai.onnx.ml"
    yield one("Scaler", domain=ml, offset=[0.0, 1, 2, 3], scale=[1.0, 2, 3, 4])
    yield one("Normalizer", domain=ml, norm="L2")
    yield one("Imputer", domain=ml, imputed_value_floats=[0.0, 1, 2, 3], replaced_value_float=float("nan"))
    yield one("Binarizer", domain=ml, threshold=0.5)
    yield one("LinearRegressor", domain=ml, coefficients=[1.0, 2, 3, 4], intercepts=[0.5], targets=1)
    yield Case("LinearClassifier", [node("LinearClassifier", "x", "label y", ml, coefficients=[float(v) for v in weights(12)],
                                         intercepts=[0.0, 0.1, 0.2], classlabels_ints=[0, 1, 2], post_transform="SOFTMAX")],
               X, outputs={"y": FLOAT, "label": INT}, jumps=("label",))
    yield Case("LabelEncoder", [node("LabelEncoder", "x", "y", ml, keys_int64s=[0, 1, 2], values_floats=[1.0, 2.0, 3.0])],
               {"x": (INT, (2,))})
    yield Case("ArrayFeatureExtractor", [node("ArrayFeatureExtractor", "x i", "y", ml)], X, {"i": I64([1, 3])})
    yield Case("labels", [node("ArgMax", "x", "i", axis=1, keepdims=0), node("ArrayFeatureExtractor", "k i", "l", ml),
                          node("Reshape", "l shape")], X, {"k": I64([5, 6, 7, 8]), "shape": I64([-1])}, outputs={"y": INT})
    yield Case("OneHotEncoder", [node("OneHotEncoder", "x", "y", ml, cats_int64s=[0, 1, 2], zeros=1)], {"x": (INT, (2,))})
    yield Case("FeatureVectorizer", [node("FeatureVectorizer", "x z", "y", ml, inputdimensions=[4, 2])], X | {"z": (FLOAT, (2,))})
    yield Case("a text's words", [node("Tokenizer", "x", "t", "com.microsoft", mark=0, mincharnum=1, pad_value="#", tokenexp="[a-z]+"),
                                  node("TfIdfVectorizer", "t", mode="TF", min_gram_length=1, max_gram_length=1, max_skip_count=0,
                                       ngram_counts=[0], ngram_indexes=[0, 1, 2], pool_strings=["parcel", "refund", "my"])],
               {"x": (TEXT, ())})
    tokens = node("Tokenizer", "x", "t", "com.microsoft", mark=0, mincharnum=1, pad_value="#", tokenexp="[a-z]+")
    counts = node("TfIdfVectorizer", "f", mode="TF", min_gram_length=1, max_gram_length=2, max_skip_count=0, ngram_counts=[0, 2],
                  ngram_indexes=[0, 1, 2], pool_strings=["parcel", "refund", "my", "parcel"])
    yield Case("words and pairs of a column", [tokens, node("Flatten", "t", "f", axis=1), counts], {"x": (TEXT, (1,))})
    yield Case("words and pairs of two columns", [tokens, node("Flatten", "t", "f", axis=1), counts], {"x": (TEXT, (2,))},
               reason="fillers between them")
    yield Case("fillers that are counted",
               [node("Tokenizer", "x", "t", "com.microsoft", mark=0, mincharnum=1, pad_value="#", tokenexp="[a-z]+"),
                node("TfIdfVectorizer", "t", mode="TF", min_gram_length=1, max_gram_length=1, max_skip_count=0,
                     ngram_counts=[0], ngram_indexes=[0, 1], pool_strings=["parcel", "#"])],
               {"x": (TEXT, ())}, reason="counts the fillers")
    yield Case("tokens", [node("Tokenizer", "x", "y", "com.microsoft", mark=0, mincharnum=1, pad_value="#", tokenexp="[a-z]+")],
               {"x": (TEXT, ())}, outputs={"y": TEXT}, reason="depends on all rows")
    yield Case("StringNormalizer", [node("StringNormalizer", "x", case_change_action="LOWER", locale="C")], {"x": (TEXT, ())}, outputs={"y": TEXT})
    yield Case("stop words", [node("StringNormalizer", "x", case_change_action="LOWER", locale="C", stopwords=["the"])], {"x": (TEXT, ())},
               outputs={"y": TEXT}, reason="stop words")


def microsoft():
    ms = "com.microsoft"
    yield one("FastGelu", domain=ms)
    yield one("QuickGelu", domain=ms)
    yield one("BiasGelu", domain=ms, constants={"b": weights(4)})
    yield one("FusedMatMul", domain=ms, constants={"w": weights(3, 4)}, transB=1)
    yield one("FusedMatMul", domain=ms, constants={"w": weights(3, 5)}, transA=1, name="FusedMatMul turned", reason="over the rows")
    yield one("FusedGemm", domain=ms, constants={"w": weights(4, 3), "b": weights(3)}, activation="Relu")
    yield one("FusedConv", IMAGE, domain=ms, constants={"w": weights(2, 3, 3, 3), "b": weights(2)}, activation="Relu")
    yield one("SkipLayerNormalization", SEQUENCE | {"z": (FLOAT, (5, 8))}, domain=ms, constants={"s": weights(8), "b": weights(8)})
    yield one("Attention", SEQUENCE, domain=ms, constants={"w": weights(8, 24), "b": weights(24)}, num_heads=2)
    yield one("DynamicQuantizeMatMul", domain=ms, constants={"w": np.arange(12, dtype=np.uint8).reshape(4, 3), "s": np.float32([0.1])},
              reason="largest value of all rows")


def all_cases():
    """The same weights each time."""
    global DICE
    DICE = np.random.default_rng(11)
    groups = elementwise, reductions, shapes, products, images, bodies, learning, microsoft
    cases = [case for group in groups for case in group()]
    assert len({case.name for case in cases}) == len(cases)
    return cases
