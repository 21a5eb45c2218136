"""What is said to be proven of batching is true: by ONNX Runtime, which runs the same rows alone and together.

VENCEJO_RANDOM_GRAPHS: how many random graphs are tried. `make proofs` tries many.
"""
import json
import os
import subprocess

import numpy as np
import pytest

import random_graphs
import rows
from batch_cases import FLOAT, INT, TEXT, all_cases
from models import put
from server import FIXTURES, MODELS, Server, binary

CASES = all_cases()
RANDOM = int(os.environ.get("VENCEJO_RANDOM_GRAPHS", "300"))
SEED = int(os.environ.get("VENCEJO_SEED", "20"))
AT_ONCE = 300


def claims(folder, contents):
    """What the server says of each of these models: {name: the JSON of its version}."""
    for name, content in contents.items():
        put(folder, name, 1, content)
    server = Server(repository=folder)
    try:
        done = subprocess.run([binary(), "models", "--endpoint", server.address, "-o", "json"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return {model["name"]: model["versions"][0] for model in json.loads(done.stdout)["models"]}
    finally:
        server.stop()


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    return claims(tmp_path_factory.mktemp("cases"), {f"c{number}": case.content() for number, case in enumerate(CASES)})


def test_what_is_proven_of_each_operator(said):
    wrong = []
    for number, case in enumerate(CASES):
        version = said[f"c{number}"]
        reason = version["batching_reason"]
        if version["state"] != "live":
            wrong.append(f"{case.name}: is {version['state']}: {version['reason']}")
        elif case.reason == "" and version["batching"] != "proven":
            wrong.append(f"{case.name}: not proven: {reason}")
        elif case.reason and (version["batching"] != "not proven" or case.reason not in reason):
            wrong.append(f"{case.name}: {version['batching']}: {reason!r}, expected {case.reason!r}")
    assert not wrong, "\n".join(wrong)


def test_what_is_proven_of_each_operator_is_true(said):
    wrong = []
    for number, case in enumerate(CASES):
        if said[f"c{number}"]["batching"] != "proven":
            continue
        found = rows.differences(case.content(), case.inputs, np.random.default_rng(number), 6, case.jumps, case.whole)
        if found is None:
            wrong.append(f"{case.name}: took none of the inputs")
        elif found:
            wrong.append(f"{case.name}: {found[0]}")
    assert not wrong, "\n".join(wrong)


def loadable(dice, count):
    """Random graphs that ONNX Runtime takes."""
    while count > 0:
        case = random_graphs.draw(dice)
        try:
            rows.session(content := case.content())
        except Exception as error:
            if "onnxruntime" not in type(error).__module__:
                raise
            continue
        count -= 1
        yield case, content


def test_random_graphs(tmp_path):
    dice, tally = np.random.default_rng(SEED), {"proven": 0, "mixes rows": 0}
    graphs = list(loadable(dice, RANDOM))
    for first in range(0, len(graphs), AT_ONCE):
        part = graphs[first:first + AT_ONCE]
        said = claims(tmp_path / f"{first}", {f"g{number}": content for number, (_, content) in enumerate(part)})
        for number, (case, content) in enumerate(part):
            # The largest of numbers and a NaN is either, by where the runtime's vectors begin: such nodes are named.
            is_jump = any(each.op_type in ("Floor", "ReduceMax") for each in case.nodes)
            found = rows.differences(content, case.inputs, dice, 3, ["y"] if is_jump else ())
            if said[f"g{number}"]["batching"] == "proven":
                tally["proven"] += 1
                assert not found, (SEED, first + number, found, case.nodes)
            tally["mixes rows"] += bool(found)
        print(first + len(part), "graphs:", tally, flush=True)
    # The test can fail: many graphs mix their rows, and many are proven.
    assert tally["proven"] > RANDOM / 20 and tally["mixes rows"] > RANDOM / 20, tally


def test_what_exporters_write(tmp_path):
    """Every model of Tests/Fixtures/exports (make_exports.py) is proven, and by the runtime it is true."""
    contents = {path.stem: path.read_bytes() for path in sorted((FIXTURES / "exports").glob("*.onnx"))}
    assert len(contents) >= 35
    said, wrong = claims(tmp_path, contents), []
    for name, content in contents.items():
        if said[name]["batching"] != "proven":
            wrong.append(f"{name}: {said[name]['batching']}: {said[name]['batching_reason']}{said[name]['reason']}")
            continue
        runs = rows.session(content)
        kinds = {"tensor(float)": FLOAT, "tensor(int64)": INT, "tensor(string)": TEXT}
        inputs = {each.name: (kinds[each.type], tuple(size if isinstance(size, int) else 7 for size in each.shape[1:]))
                  for each in runs.get_inputs()}
        jumps = [each.name for each in runs.get_outputs() if each.type != "tensor(float)"]
        if found := rows.differences(content, inputs, np.random.default_rng(len(name)), 6, jumps, whole=3):
            wrong.append(f"{name}: {found[0]}")
    assert not wrong, "\n".join(wrong)


def test_fixtures(server):
    """Which of the sample models are proven, and the node for the others."""
    done = subprocess.run([binary(), "models", "--endpoint", server.address, "-o", "json"], capture_output=True, text=True)
    said = {model["name"]: model["versions"] for model in json.loads(done.stdout)["models"]}
    assert set(said) == {path.name for path in MODELS.iterdir() if path.is_dir()}
    proven = {name for name, versions in said.items() if all(each["batching"] == "proven" for each in versions)}
    assert proven == set(said) - {"batch_mean", "identity"}
    assert "ReduceMean" in said["batch_mean"][0]["batching_reason"]
