"""Two versions on one set of rows: the binary's numbers against numpy's and scipy's."""
import hashlib
import json

import numpy as np
import pytest
from onnx import TensorProto, helper
from scipy.stats import binomtest, bootstrap

from command_line import DONE, FAILED, USAGE, command
from models import WIDTH, graph, node, put, tensor

CLASSES = 3
RANDOM = np.random.default_rng(5)
ROWS = RANDOM.standard_normal((201, WIDTH)).astype(np.float32)
TRUTH = RANDOM.standard_normal((WIDTH, CLASSES)).astype(np.float32)


def weights(noise, seed):
    return TRUTH + noise * np.random.default_rng(seed).standard_normal(TRUTH.shape).astype(np.float32)


FIRST, SECOND = weights(0.9, 1), weights(0.3, 2)


def scores(matrix):
    return graph([node("MatMul", "x", "w", "y")], {"w": matrix}, outputs=[tensor("y", CLASSES)])


def labels(matrix):
    """The place of the largest, as a whole number, behind the scores."""
    nodes = [node("MatMul", "x", "w", "scores"), node("ArgMax", "scores", "label", axis=1, keepdims=0)]
    return graph(nodes, {"w": matrix}, outputs=[
        tensor("scores", CLASSES), helper.make_tensor_value_info("label", TensorProto.INT64, [-1])])


@pytest.fixture
def files(repository, tmp_path):
    for name, make in ("scores", scores), ("labels", labels):
        for version, matrix in (1, FIRST), (2, SECOND):
            put(repository, name, version, make(matrix))
    place = tmp_path / "sets"
    place.mkdir()

    def write(name, array):
        np.save(place / f"{name}.npy", array)
        return str(place / f"{name}.npy")
    return write


def compare(server, model, *arguments):
    code, text, error = command("compare", model, 1, 2, "--endpoint", server.address, "-o", "json", *arguments)
    assert code == DONE, error
    return json.loads(text)


def test_decisions_and_who_is_right(serve_repository, files):
    server = serve_repository()
    expected = (ROWS @ TRUTH).argmax(1)
    rows, truth = files("rows", ROWS), files("labels", expected)
    one, other = ROWS @ FIRST, ROWS @ SECOND
    right, right_too = one.argmax(1) == expected, other.argmax(1) == expected
    told = compare(server, "scores", "--inputs", rows, "--expected", truth)
    assert told["rows"] == 201 and told["disagreeing"] == (one.argmax(1) != other.argmax(1)).sum() > 0
    assert told["differences"]["numbers"] == one.size
    assert told["differences"]["mean"] == pytest.approx(np.abs(one - other).mean(), rel=1e-4)
    assert told["differences"]["largest"] == pytest.approx(np.abs(one - other).max(), rel=1e-4)
    assert told["first"]["accuracy"] == pytest.approx(right.mean()) and told["second"]["accuracy"] == pytest.approx(right_too.mean())
    only, only_too = (right & ~right_too).sum(), (right_too & ~right).sum()
    assert (told["first"]["only_right"], told["second"]["only_right"]) == (only, only_too)
    gain = told["gain"]
    assert gain["mcnemar_p"] == pytest.approx(binomtest(min(only, only_too), only + only_too).pvalue)
    interval = bootstrap((right_too.astype(float) - right,), np.mean, n_resamples=20000, method="percentile",
                         rng=1).confidence_interval
    assert gain["mean"] == pytest.approx(right_too.mean() - right.mean())
    assert abs(gain["low"] - interval.low) < 0.02 and abs(gain["high"] - interval.high) < 0.02
    assert gain["of"] == "accuracy" and gain["resamples"] == 2000
    assert 0 < told["first"]["p50_nanoseconds"] <= told["first"]["p99_nanoseconds"]
    digests = [hashlib.sha256(make).hexdigest() for make in (scores(FIRST), scores(SECOND))]
    assert [told[place]["artifact_digest"] for place in ("first", "second")] == digests
    # The same again, however many rows go at a time, and wherever the rows come from.
    for arguments in ("--rows-per-request", 7), ("--rows-per-request", 1), ("--rows-per-request", 1000):
        again = compare(server, "scores", "--inputs", f"x={rows}", "--expected", truth, *arguments)
        assert {key: again[key] for key in ("gain", "evaluation_sha256", "disagreeing")} == {
            key: told[key] for key in ("gain", "evaluation_sha256", "disagreeing")}
    digest = hashlib.sha256(b"input x FP32 [201, 4]\n" + ROWS.tobytes() + b"expected INT64 [201]\n" + expected.tobytes())
    assert told["evaluation_sha256"] == digest.hexdigest()
    assert compare(server, "scores", "--inputs", files("fewer", ROWS[:200]))["evaluation_sha256"] != digest.hexdigest()
    # Versions that share no call are untouched by all that.
    whole = compare(server, "labels", "--inputs", rows, "--expected", truth, "--output-name", "label")
    assert whole["first"]["accuracy"] == told["first"]["accuracy"] and whole["gain"] == gain
    assert whole["disagreeing"] == told["disagreeing"]


def test_numbers_that_are_off(serve_repository, files):
    server = serve_repository()
    expected = ROWS @ TRUTH
    one, other = np.abs(ROWS @ FIRST - expected), np.abs(ROWS @ SECOND - expected)
    told = compare(server, "scores", "--inputs", files("rows", ROWS), "--expected", files("numbers", expected), "--seed", 3)
    assert told["first"]["mean_absolute_error"] == pytest.approx(one.mean(), rel=1e-4)
    assert told["second"]["mean_squared_error"] == pytest.approx((other ** 2).mean(), rel=1e-4)
    gain = told["gain"]
    assert gain["of"] == "mean_absolute_error" and gain["mcnemar_p"] is None and told["first"]["accuracy"] is None
    assert gain["mean"] == pytest.approx(one.mean() - other.mean(), rel=1e-4)
    interval = bootstrap((one.mean(1) - other.mean(1),), np.mean, n_resamples=20000, method="percentile", rng=1).confidence_interval
    assert abs(gain["low"] - interval.low) < 0.05 and abs(gain["high"] - interval.high) < 0.05


def test_a_table_for_people(serve_repository, files):
    server = serve_repository()
    expected = (ROWS @ TRUTH).argmax(1)
    code, text, _ = command("compare", "scores", 1, 2, "--endpoint", server.address, "--inputs", files("rows", ROWS),
                            "--expected", files("labels", expected))
    assert code == DONE
    for words in "SCORES", "decide otherwise", "accuracy", "McNemar", "p99 of one row", "evaluation set: 201 rows, sha256":
        assert words in text, text
    # Rows and labels may be written out.
    code, text, _ = command("compare", "scores", 2, 2, "--endpoint", server.address, "--inputs", "[[1, 2, 3, 4]]",
                            "--expected", "[0]")
    assert code == DONE and "0 of 1, 0.00 %" in text and "p = 1" in text


def test_what_cannot_be_compared(serve_repository, repository, files):
    server = serve_repository()
    put(repository, "scores", 3, scores(FIRST))
    rows = files("rows", ROWS)
    for arguments, wanted, words in [
        (("scores", 1, 3, "--inputs", rows), FAILED, 'vencejo load scores --version 3 --slot shadow'),
        (("nobody", 1, 3, "--inputs", rows), FAILED, 'model "nobody" is not loaded'),
        (("scores", 1, 2, "--inputs", rows, "--expected", files("short", np.zeros(5, np.int64))), USAGE, "its shape is [5]"),
        (("scores", 1, 2, "--inputs", rows, "--expected", files("texts", np.array(["a"] * 201))), FAILED, "what is expected has 1 BYTES"),
        (("scores", 1, 2, "--inputs", rows, "--output-name", "z"), USAGE, "no such output"),
        (("scores", 1, 2, "--inputs", "gone.npy"), USAGE, "cannot be read"),
        (("scores", 1, 2, "--inputs", rows, "--repository", "models"), USAGE, "exclude each other"),
        (("scores", 1, 2, "--expected", rows), USAGE, "--expected is given without --inputs"),
        (("scores", 1, 2, "--inputs", rows, "--rows-per-request", 0), USAGE, "--rows-per-request: 0"),
        (("scores", 1, 2, "--inputs", "[[1, 2]]"), FAILED, "version 1: INVALID_ARGUMENT"),
    ]:
        extra = () if arguments[3] == "--expected" else ("--endpoint", server.address)
        code, _, error = command("compare", *arguments, *extra)
        assert code == wanted and words in error, (arguments, error)
    # The candidate is loaded as the sentence says, and compared.
    assert command("load", "scores", "--version", 3, "--slot", "shadow", "--endpoint", server.control)[0] == DONE
    code, text, error = command("compare", "scores", 1, 3, "--inputs", rows, "--endpoint", server.address, "-o", "json")
    assert code == DONE and json.loads(text)["disagreeing"] == 0
    assert command("load", "scores", "--version", 3, "--slot", "blue", "--endpoint", server.control)[0] == USAGE
