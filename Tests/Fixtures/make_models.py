#!/usr/bin/env python3
"""Makes the sample models and their expected answers.

    make_models.py           train, export, answer: writes models/, broken/ and expected/ beside this file
    make_models.py --check   writes nothing: trains and exports into a temporary folder (so the script still works)
                             and asks whether the installed onnxruntime gives the committed models' answers

All data ships inside scikit-learn or stands below; every random choice has a seed.

    model          input                      output                                      made of
    breast_cancer  X FP32 [N,30]              label INT64 [N], probabilities FP32 [N,2]   random forest, 2 versions
    digits         image FP32 [N,1,8,8]       label INT64 [N], probabilities FP32 [N,10]  convolution, pooling, softmax
    diabetes       X FP32 [N,10]              variable FP32 [N,1]                         scaler, boosted trees
    tickets        text BYTES [N,1]           label BYTES [N], probabilities FP32 [N,3]   TF-IDF, logistic regression
    casts          in_<TYPE> <TYPE> [N,4]     out_<TYPE> <TYPE> [N,4], columns reversed   every element type
    casts_typed    as casts, without FP16 and BF16, for which the Open Inference Protocol has no typed contents
    echo           x FP32 [-1,-1,-1],         y FP32, text_out BYTES, as they came        every dimension free
                   text BYTES [-1,-1]
    batch_mean     x FP32 [N,2]               y FP32 [N,2], x minus the mean of its rows  rows that are not independent
    lookup         place INT64 [N]            value FP32 [N,2]                            a table of 8 places
    identity       what comes                 as it came                                  no file: `engine: identity`

`expected/<model>.v<version>.npz` holds, for batches of 1 and 32 different rows, arrays named
`<batch>.<in|out>.<tensor>.<TYPE>`. BYTES elements are fixed-width UTF-8 ('S'); BF16 is its bit pattern (uint16).
"""
import argparse
import pathlib
import sys
import tempfile

import numpy as np
import onnx
from onnx import helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn import cluster, datasets, ensemble, feature_extraction, linear_model, pipeline, preprocessing

import answers
from answers import ELEMENT, HERE

BATCHES = (1, 32)
OPSETS = {"": 18, "ai.onnx.ml": 3}
IR_VERSION = 9

TICKETS = {
    "billing": """my invoice shows the wrong amount|I was charged twice for one order|please refund my last payment
        the card was declined at checkout|where can I download my receipt|cancel the subscription and refund me
        the discount was not taken off the invoice|why did the monthly price go up|change the card on my account
        el pago con tarjeta se cobró dos veces|the tax on this receipt is wrong|I paid but the invoice says unpaid""",
    "shipping": """the parcel has not arrived yet|where is my package|the tracking number does not work
        deliver it to another address please|the box was damaged in transit|how long does shipping to Perú take
        the courier left the parcel in the rain|my delivery is three days late|the package went to my neighbour
        customs is holding the parcel|please ship both boxes together|the tracking page says returned to sender""",
    "technical": """the app crashes when I open it|I cannot log in with my password|the page shows error 500
        the update broke the export button|how do I reset the password|the screen stays black after login
        the server is slow and the page times out|la aplicación no abre después del update|the sync never finishes
        error: file not found when exporting|the login code does not come 📱|the app does not start offline""",
}


def split(data, count=32):
    """Rows to learn from, and the last ones, unseen, to ask about."""
    return data.data[:-count], data.target[:-count], data.data[-count:].astype(np.float32)


def breast_cancer(version):
    rows, labels, questions = split(datasets.load_breast_cancer())
    forest = ensemble.RandomForestClassifier(25 if version == 1 else 15, max_depth=6, random_state=version)
    return export(forest.fit(rows, labels), "X", FloatTensorType([None, 30])), {"X": questions}


def diabetes(version):
    rows, targets, questions = split(datasets.load_diabetes())
    boosted = ensemble.GradientBoostingRegressor(n_estimators=60, max_depth=3, random_state=version)
    model = pipeline.make_pipeline(preprocessing.StandardScaler(), boosted).fit(rows, targets)
    return export(model, "X", FloatTensorType([None, 10])), {"X": questions}


def tickets(version):
    pairs = [(line.strip(), label) for label, block in TICKETS.items()
             for line in block.replace("\n", "|").split("|")]
    texts, labels = zip(*pairs)
    model = pipeline.make_pipeline(  # lower-casing would need a locale that a small image may not have
        feature_extraction.text.TfidfVectorizer(lowercase=False, token_pattern="[a-zA-Z0-9]+"),
        linear_model.LogisticRegression(C=10.0)).fit(texts, labels)
    asked = [f"{first}, and {second}" for first, second in zip(texts, reversed(texts))][:32]
    return (export(model, "text", StringTensorType([None, 1])),
            {"text": np.array([[text.encode()] for text in asked], np.bytes_)})


def export(model, name, kind):
    plain = {id(step): {"zipmap": False} for step in [model, *dict(getattr(model, "named_steps", {})).values()]
             if hasattr(step, "classes_") and not hasattr(step, "steps")}
    return to_onnx(model, initial_types=[(name, kind)], target_opset=OPSETS, options=plain)


def digits(version):
    """A convolution whose filters are the commonest 3x3 patches, then a softmax on what it saw."""
    data = datasets.load_digits()
    images = (data.images / 16).astype(np.float32)
    learn = len(images) - 32
    patches = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(1, 2)).reshape(len(images), 36, 9)
    sample = patches[:200].reshape(-1, 9)
    filters = cluster.KMeans(16, n_init=1, random_state=version).fit(sample - sample.mean(1, keepdims=True))
    filters = filters.cluster_centers_.astype(np.float32)
    seen = np.maximum(patches @ filters.T, 0).reshape(len(images), 3, 2, 3, 2, 16).max((2, 4))
    features = seen.transpose(0, 3, 1, 2).reshape(len(images), -1)
    last = linear_model.LogisticRegression(max_iter=500).fit(features[:learn], data.target[:learn])
    weights = {"filters": filters.reshape(16, 1, 3, 3), "W": last.coef_.T, "b": last.intercept_}
    nodes = [
        helper.make_node("Conv", ["image", "filters"], ["seen"], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["seen"], ["bright"]),
        helper.make_node("MaxPool", ["bright"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "W", "b"], ["scores"]),
        helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    model = graph("digits", nodes, {"image": ("FP32", ["N", 1, 8, 8])},
                  {"label": ("INT64", ["N"]), "probabilities": ("FP32", ["N", 10])}, weights)
    return model, {"image": images[learn:].reshape(-1, 1, 8, 8)}


# A type that holds every value of the other one (UINT64 and INT64: of the same width, there and back is the same).
VIA = {"BOOL": "UINT8", "UINT8": "INT16", "UINT16": "INT32", "UINT32": "INT64", "UINT64": "INT64", "INT8": "INT16",
       "INT16": "INT32", "INT32": "INT64", "INT64": "UINT64", "FP16": "FP32", "BF16": "FP32", "FP32": "FP64",
       "FP64": "FP64"}


def casts(version, name="casts", kinds=tuple(ELEMENT)):
    """Every type is cast to another and back; then the columns are reversed, so that an echo is no answer."""
    nodes = []
    for kind in kinds:
        back = f"in_{kind}"
        if kind in VIA:
            nodes.append(helper.make_node("Cast", [back], [f"via_{kind}"], to=ELEMENT[VIA[kind]][0]))
            nodes.append(helper.make_node("Cast", [f"via_{kind}"], [f"back_{kind}"], to=ELEMENT[kind][0]))
            back = f"back_{kind}"
        nodes.append(helper.make_node("Gather", [back, "reversed"], [f"out_{kind}"], axis=1))
    model = graph(name, nodes, {f"in_{kind}": (kind, ["N", 4]) for kind in kinds},
                  {f"out_{kind}": (kind, ["N", 4]) for kind in kinds}, {"reversed": np.array([3, 2, 1, 0])})
    return model, {f"in_{kind}": cast_values(kind) for kind in kinds}


def casts_typed(version):
    return casts(version, "casts_typed", [kind for kind in ELEMENT if kind not in ("FP16", "BF16")])


def cast_values(name):
    """32 rows of 4; the first rows hold the type's edges."""
    kind = np.dtype(ELEMENT[name][1])
    random = np.random.default_rng(sum(name.encode()))
    if name == "BYTES":
        edges = ["", "a", "ñandú", "two words", "line\nbreak", "日本語", "🐦", "x" * 40]
        flat = edges + [f"text {i}" * (i % 4) for i in range(120)]
        return np.array([text.encode() for text in flat], np.bytes_).reshape(32, 4)
    if name == "BOOL":
        return random.integers(0, 2, (32, 4)).astype(kind)
    if name == "BF16":  # bits of a random float's upper half, after the edges
        edges = [0x0000, 0x8000, 0x3F80, 0x7F80, 0xFF80, 0x7FC0, 0x0001, 0x7F7F]
        return np.array(edges + list(random.standard_normal(120).astype(np.float32).view(np.uint32) >> 16),
                        np.uint16).reshape(32, 4)
    if kind.kind == "f":
        info = np.finfo(kind)
        edges = [0.0, -0.0, 1.0, np.inf, -np.inf, np.nan, info.smallest_subnormal, info.max]
        return np.array(edges + list(random.standard_normal(120)), kind).reshape(32, 4)
    info = np.iinfo(kind)
    values = random.integers(info.min, info.max, (32, 4), kind, endpoint=True)
    values[0] = [info.min, info.max, 0, 1]
    return values


def echo(version):
    nodes = [helper.make_node("Identity", ["x"], ["y"]), helper.make_node("Identity", ["text"], ["text_out"])]
    free, text = ["batch", "rows", "columns"], ["batch", "words"]
    model = graph("echo", nodes, {"x": ("FP32", free), "text": ("BYTES", text)},
                  {"y": ("FP32", free), "text_out": ("BYTES", text)}, {})
    values = np.random.default_rng(version).standard_normal((32, 3, 5)).astype(np.float32)
    return model, {"x": values, "text": cast_values("BYTES")}


def batch_mean(version):
    """What must not run together with other calls: each row is told how it compares with all."""
    nodes = [helper.make_node("ReduceMean", ["x", "rows"], ["mean"]), helper.make_node("Sub", ["x", "mean"], ["y"])]
    model = graph("batch_mean", nodes, {"x": ("FP32", ["N", 2])}, {"y": ("FP32", ["N", 2])}, {"rows": np.array([0])})
    return model, {"x": np.random.default_rng(version).standard_normal((32, 2)).astype(np.float32)}


def lookup(version):
    """One row with a place that is not in the table fails the whole run."""
    table = np.random.default_rng(version).standard_normal((8, 2)).astype(np.float32)
    model = graph("lookup", [helper.make_node("Gather", ["table", "place"], ["value"])], {"place": ("INT64", ["N"])},
                  {"value": ("FP32", ["N", 2])}, {"table": table})
    return model, {"place": np.arange(32) % 8}


def graph(name, nodes, inputs, outputs, weights):
    def info(side):
        return [helper.make_tensor_value_info(key, ELEMENT[kind][0], shape) for key, (kind, shape) in side.items()]
    constants = [numpy_helper.from_array(array.astype(np.float32) if array.dtype == np.float64 else array, key)
                 for key, array in weights.items()]
    model = helper.make_model(helper.make_graph(nodes, name, info(inputs), info(outputs), constants),
                              opset_imports=[helper.make_opsetid("", OPSETS[""])])
    model.ir_version = IR_VERSION
    return model


MODELS = {("breast_cancer", 1): breast_cancer, ("breast_cancer", 2): breast_cancer, ("digits", 1): digits,
          ("diabetes", 1): diabetes, ("tickets", 1): tickets, ("casts", 1): casts,
          ("casts_typed", 1): casts_typed, ("echo", 1): echo, ("batch_mean", 1): batch_mean, ("lookup", 1): lookup}


def input_kinds(model):
    return {arg.name: next(name for name, (kind, _) in ELEMENT.items() if kind == arg.type.tensor_type.elem_type)
            for arg in model.graph.input}


def write(root):
    for (name, version), make in MODELS.items():
        model, inputs = make(version)
        model.producer_name, model.doc_string = "vencejo fixtures", ""
        imports = sorted(model.opset_import, key=lambda each: each.domain)  # skl2onnx keeps them in a set
        del model.opset_import[:]
        model.opset_import.extend(imports)
        onnx.checker.check_model(model)
        path = root / "models" / name / str(version) / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(model.SerializeToString(deterministic=True))
        kinds, arrays = input_kinds(model), {}
        for batch in BATCHES:
            asked = {key: array[:batch] for key, array in inputs.items()}
            arrays |= {f"{batch}.in.{key}.{kinds[key]}": array for key, array in asked.items()}
            arrays |= {f"{batch}.out.{key}.{kind}": array
                       for key, (kind, array) in answers.answer(path.read_bytes(), asked).items()}
        (root / "expected").mkdir(exist_ok=True)
        np.savez_compressed(root / "expected" / f"{name}.v{version}.npz", **arrays)
        print(f"{path.relative_to(root)}: {path.stat().st_size} bytes")
    (root / "models/identity/1").mkdir(parents=True, exist_ok=True)
    (root / "models/identity/1/.gitkeep").touch()
    (root / "models/identity/model.yaml").write_text("engine: identity\n")
    (root / "models/breast_cancer/model.yaml").write_text("labels:\n  stable: 2\n  previous: 1\n")
    write_broken(root)


def write_broken(root):
    """Files that must not load: cut short, empty, no ONNX at all, and well-formed with an operator nobody has."""
    whole = (root / "models/diabetes/1/model.onnx").read_bytes()
    odd = graph("odd", [helper.make_node("Sandcastle", ["x"], ["y"])], {"x": ("FP32", ["N"])},
                {"y": ("FP32", ["N"])}, {})
    broken = {"truncated": whole[:len(whole) // 2], "empty": b"", "not_onnx": b"This is no model.\n",
              "unknown_operator": odd.SerializeToString(deterministic=True)}
    for name, content in broken.items():
        path = root / "broken" / name / "1" / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def check():
    failed = False
    for name, version in MODELS:
        for batch in BATCHES:
            for key, verdict in answers.compare(name, version, batch).items():
                failed |= verdict == "differs"
                if verdict != "same":
                    print(f"{name} v{version} batch {batch} {key}: {verdict}")
    with tempfile.TemporaryDirectory() as folder:
        write(pathlib.Path(folder))
    print("failed" if failed else "the committed answers are reproduced")
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    sys.exit(check() if parser.parse_args().check else write(HERE))
