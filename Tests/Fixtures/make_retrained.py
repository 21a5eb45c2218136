#!/usr/bin/env python3
"""Makes a classifier, the same retrained, and one that was trained wrongly: what a rollout has to tell apart.

    make_retrained.py           train, export, answer: writes retrained/ beside this file
    make_retrained.py --check   writes nothing: trains and exports anew, and asks whether the answers are the committed ones

Of scikit-learn's iris 75 rows are never learned from; they are the traffic. Version 1 learned from 40 others, version 2 from
75 and with less regularisation, version 3 from the 40 with a third of their labels drawn by chance. All are logistic
regressions, X FP32 [N,4] -> label INT64 [N], probabilities FP32 [N,3].

`retrained/rows.json`: the rows, their true labels, and for each version the probabilities that onnxruntime gives.
"""
import argparse
import json
import pathlib
import sys

import numpy as np
import onnxruntime
from skl2onnx.common.data_types import FloatTensorType
from sklearn import datasets, linear_model

from make_models import export

HERE = pathlib.Path(__file__).resolve().parent / "retrained"
ROWS = "rows.json"
# Row by row an answer may differ by so much where another processor adds up in another order.
TOLERANCE = 1e-3


def made():
    """({version: ONNX bytes}, what rows.json says)"""
    data = datasets.load_iris()
    order = np.random.default_rng(5).permutation(len(data.target))
    learn, ask = order[:75], order[75:]
    few = learn[:40]
    spoiled = data.target[few].copy()
    chance = np.random.default_rng(1)
    spoiled[::3] = chance.integers(0, 3, len(spoiled[::3]))
    trained = {1: (few, data.target[few], 1.0), 2: (learn, data.target[learn], 10.0), 3: (few, spoiled, 1.0)}
    rows = data.data[ask].astype(np.float32)
    facts = dict(rows=rows.round(1).tolist(), labels=data.target[ask].tolist(), probabilities={})
    models = {}
    for version, (places, labels, strength) in trained.items():
        fitted = linear_model.LogisticRegression(C=strength, max_iter=3000).fit(data.data[places], labels)
        model = export(fitted, "X", FloatTensorType([None, 4]))
        model.producer_name, model.doc_string = "vencejo fixtures", ""
        models[version] = model.SerializeToString(deterministic=True)
        session = onnxruntime.InferenceSession(models[version])
        found, probabilities = session.run(["label", "probabilities"], {"X": rows})
        facts["probabilities"][str(version)] = [[round(float(each), 6) for each in row] for row in probabilities]
        print(f"version {version}: {(found == data.target[ask]).mean():.2%} of {len(ask)} rows")
    return models, facts


def write():
    models, facts = made()
    for version, content in models.items():
        path = HERE / str(version) / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (HERE / ROWS).write_text(json.dumps(facts) + "\n")


def check():
    _, facts = made()
    known = json.loads((HERE / ROWS).read_text())
    same = facts["rows"] == known["rows"] and facts["labels"] == known["labels"] and all(
        np.allclose(facts["probabilities"][version], answers, atol=TOLERANCE)
        for version, answers in known["probabilities"].items())
    print("the committed answers are reproduced" if same else "failed: the answers are others than the committed ones")
    return not same


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    sys.exit(check() if parser.parse_args().check else write())
