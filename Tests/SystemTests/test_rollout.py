"""Versions that share the traffic: weights, keys, rollouts step by step, and bad versions that are taken back by themselves."""
import collections
import json
import signal
import threading
import time

import grpc
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from command_line import DONE, FAILED, USAGE, command
from server import PATIENCE, Server
from stubs import control, control_grpc, prediction, prediction_grpc
from test_swap import WIDTH, ask, controls, put, refused, repository, serve, states, swap  # noqa: F401


def graph(nodes, weights, width=WIDTH, output="y"):
    made = helper.make_graph(
        nodes, "m", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [-1, WIDTH])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [-1, width])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8).SerializeToString()


def node(kind, *names, **attributes):
    return helper.make_node(kind, list(names[:-1]), [names[-1]], **attributes)


SCORE = node("MatMul", "x", "w", "s")
WEIGHTS = {"w": np.random.default_rng(0).standard_normal((WIDTH, WIDTH)).astype(np.float32)}


def scores(factor=1.0, shift=0.0):
    """What a trained model is here: a product. Another training moves it a little."""
    return graph([SCORE, node("Mul", "s", "f", "m"), node("Add", "m", "b", "y")],
                 WEIGHTS | {"f": np.float32([factor]), "b": np.float32([shift])})


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
        [SCORE, node("Slice", "x", "from", "to", "axis", "first"), node("ReduceMax", "first", "largest", keepdims=0),
         node("Greater", "largest", "above", "is"), node("Cast", "is", "number", to=TensorProto.INT64),
         node("Mul", "number", "seven", "index"), node("Gather", "table", "index", "zero"), node("Add", "s", "zero", "y")],
        WEIGHTS | {"from": np.int64([0]), "to": np.int64([1]), "axis": np.int64([1]), "above": np.float32(above),
                   "seven": np.int64(7), "table": np.zeros(1, np.float32)})


def nan(above):
    return graph(
        [SCORE, node("Slice", "x", "from", "to", "axis", "first"), node("Greater", "first", "above", "is"),
         node("Where", "is", "nan", "s", "y")],
        WEIGHTS | {"from": np.int64([0]), "to": np.int64([1]), "axis": np.int64([1]), "above": np.float32(above),
                   "nan": np.float32([np.nan])})


FAULTS = {
    "every call fails": failing(-1e9), "one call in six fails": failing(1), "every answer is NaN": nan(-1e9),
    "one answer in six is NaN": nan(1), "one answer in 44 is NaN": nan(2), "20 ms slower": slow(),
    "100 times as large": scores(100), "the other sign, shifted": scores(-1, 2), "shifted": scores(1, 3),
    "always zero": scores(0), "always three": scores(0, 3), "twice as large, shifted": scores(2, 1.5),
    "infinite": scores(float("inf")), "tiny": scores(1e-6), "huge": scores(1e30),
    "one call in 44 fails": failing(2), "half as large, shifted": scores(0.5, 1), "shifted by ten": scores(1, 10),
    "no negative ones": graph([SCORE, node("Relu", "s", "y")], WEIGHTS),
    "another shape": graph([SCORE, node("Concat", "s", "s", "y", axis=1)], WEIGHTS, width=2 * WIDTH),
}


class Load:
    """Calls from several threads, until it is ended; what came of each by version."""

    def __init__(self, server, name="scores", threads=4, key=None, deadline=None):
        self.versions, self.failed, self.answers = collections.Counter(), [], []
        self.over = threading.Event()

        def run(seed):
            random = np.random.default_rng(seed)
            stub = prediction_grpc.PredictionServiceStub(server.channel())
            metadata = [("vencejo-routing-key", key(seed))] if key else None
            while not self.over.is_set():
                content = random.standard_normal((1, WIDTH)).astype(np.float32).tobytes()
                call = prediction.PredictRequest(
                    model=prediction.ModelSelector(name=name),
                    inputs=[prediction.Tensor(name="x", type=prediction.FP32, shape=[1, WIDTH], data=content)])
                try:
                    answer = stub.Predict(call, timeout=PATIENCE, metadata=metadata)
                    self.versions[answer.version] += 1
                    self.answers.append((time.monotonic(), answer.version, seed))
                except grpc.RpcError as error:
                    self.failed.append((time.monotonic(), error.code(), error.details()))
        self.threads = [threading.Thread(target=run, args=(seed,)) for seed in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


def save(folder, version, content, name="scores"):
    place = folder / name / str(version)
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.onnx").write_bytes(content)


@pytest.fixture
def scoring(repository, serve):
    """A server of `scores`: 1 is live, 2 like it, beside it."""
    save(repository, 1, scores())
    save(repository, 2, scores(1.0001))
    server = serve()
    swap(controls(server), ("scores", 1))
    return server


def policy(*percents, step_seconds=1, step_calls=50, **others):
    return control.RolloutPolicy(percents=percents or (25, 50), step_seconds=step_seconds, step_calls=step_calls, **others)


def rollout(server, name="scores", **options):
    options.setdefault("policy", policy())
    return controls(server).Rollout(control.ControlRequest(model=name, **options), timeout=PATIENCE)


def status(server, name="scores"):
    found, = controls(server).Status(control.ControlRequest(model=name), timeout=PATIENCE).models
    return found


def events(server, name="scores"):
    return controls(server).History(control.ControlRequest(model=name), timeout=PATIENCE).events


def until_over(server, seconds=PATIENCE):
    began = time.monotonic()
    while status(server).HasField("rollout"):
        assert time.monotonic() - began < seconds, status(server)
        time.sleep(0.02)


def test_weights_divide_what_names_no_version(scoring):
    stub = controls(scoring)
    stub.SetWeights(control.ControlRequest(
        model="scores", shares=[control.Share(version=1, percent=80), control.Share(version=2, percent=20)]))
    with Load(scoring) as load:
        while sum(load.versions.values()) < 2000:
            time.sleep(0.01)
    share = load.versions[2] / sum(load.versions.values())
    assert not load.failed and 0.15 < share < 0.25
    counted = {version.version: version for version in status(scoring).versions}
    assert {number: version.percent for number, version in counted.items()} == {1: 80, 2: 20}
    assert {number: version.calls for number, version in counted.items()} == dict(load.versions)
    assert all(0 < version.p50_nanoseconds <= version.p99_nanoseconds for version in counted.values())
    # Who names a version gets it.
    stub = prediction_grpc.PredictionServiceStub(scoring.channel())
    call = prediction.PredictRequest(
        model=prediction.ModelSelector(name="scores", version=1),
        inputs=[prediction.Tensor(name="x", type=prediction.FP32, shape=[1, WIDTH], data=bytes(4 * WIDTH))])
    assert {stub.Predict(call).version for _ in range(100)} == {1}
    controls(scoring).Abort(control.ControlRequest(model="scores", reason="enough"))
    with Load(scoring) as load:
        while sum(load.versions.values()) < 500:
            time.sleep(0.01)
    assert set(load.versions) == {1}
    assert [event.verb for event in events(scoring)] == ["swap", "weights", "abort"]


def test_a_key_stays_with_its_version(scoring):
    controls(scoring).SetWeights(control.ControlRequest(
        model="scores", shares=[control.Share(version=1, percent=50), control.Share(version=2, percent=50)]))
    with Load(scoring, threads=24, key=lambda seed: f"customer-{seed}") as load:
        while sum(load.versions.values()) < 2000:
            time.sleep(0.01)
    by_key = collections.defaultdict(set)
    for _, version, seed in load.answers:
        by_key[seed].add(version)
    assert all(len(versions) == 1 for versions in by_key.values())
    assert {version for versions in by_key.values() for version in versions} == {1, 2}
    # Nobody who had the new one loses it as its share grows.
    controls(scoring).SetWeights(control.ControlRequest(
        model="scores", shares=[control.Share(version=1, percent=20), control.Share(version=2, percent=80)]))
    with Load(scoring, threads=24, key=lambda seed: f"customer-{seed}") as load:
        while sum(load.versions.values()) < 2000:
            time.sleep(0.01)
    assert all(version == 2 for _, version, seed in load.answers if by_key[seed] == {2})


@pytest.mark.parametrize("shares, words", [
    ([(1, 50), (2, 40)], ["90 %"]), ([(1, 101), (2, -1)], ["101 %"]), ([(1, 50), (1, 50)], ["twice"]), ([], ["0 %"])])
def test_weights_that_cannot_be(scoring, shares, words):
    call = control.ControlRequest(
        model="scores", shares=[control.Share(version=version, percent=percent) for version, percent in shares])
    refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: controls(scoring).SetWeights(call), *words)


def test_a_good_version_becomes_live_by_itself(scoring):
    with Load(scoring) as load:
        rollout(scoring, author="ana", reason="October")
        until_over(scoring)
        time.sleep(0.2)
        at = len(load.answers)
        time.sleep(0.3)
    assert not load.failed and {version for _, version, _ in load.answers[at:]} == {2}
    assert [(event.verb, event.author) for event in events(scoring)][1:] == [
        ("rollout", "ana"), ("rollout", "vencejo"), ("promote", "vencejo")]
    assert states(scoring, "scores")[2][1] == "LIVE"
    # It was live before, and is one command away.
    assert controls(scoring).Rollback(control.ControlRequest(model="scores")).changes[0].to_version == 1


def test_bad_versions_are_taken_back(repository, serve):
    """Injected faults, one after the other, under load: how many are caught, after how many answers, how fast."""
    save(repository, 1, scores())
    for number, content in enumerate(FAULTS.values()):
        save(repository, 10 + number, content)
    server = serve()
    stub = controls(server)
    for version in states(server, "scores"):
        if version != 1:
            stub.Load(control.ControlRequest(model="scores", version=1), timeout=PATIENCE)
    swap(stub, ("scores", 1), force=True)
    found = {}
    with Load(server) as load:
        for number, name in enumerate(FAULTS):
            stub.Load(control.ControlRequest(model="scores", version=10 + number), timeout=PATIENCE)
            begin, failures = len(load.answers), len(load.failed)
            rollout(server, version=10 + number, force=True, policy=policy(25, 50, step_seconds=3, step_calls=1000))
            until_over(server)
            event = events(server)[-1]
            bad = [when for when, version, _ in load.answers[begin:] if version == 10 + number]
            bad += [when for when, code, _ in load.failed[failures:]]
            found[name] = (event.verb, len(bad), max(bad) - min(bad) if bad else 0, event.reason)
            time.sleep(0.05)
            assert not [1 for when, version, _ in load.answers[-20:] if version != 1] or event.verb == "promote"
    for name, (verb, count, seconds, reason) in found.items():
        print(f"{name:28} {verb:8} {count:4} bad answers in {seconds:.2f} s: {reason}")
    caught = [name for name, (verb, *_) in found.items() if verb == "abort"]
    counts = sorted(count for _, count, _, _ in found.values())
    print(f"caught {len(caught)} of {len(found)}, median {counts[len(counts) // 2]} bad answers")
    assert set(caught) == set(FAULTS)
    # How many there are by then is a matter of time, and so of the machine: it is printed.
    # Nobody but callers of the bad ones got an error.
    assert all(code == grpc.StatusCode.INTERNAL for _, code, _ in load.failed)


def test_a_server_that_ends_meanwhile_serves_what_was_live(scoring, serve):
    rollout(scoring)
    scoring.process.send_signal(signal.SIGKILL)
    scoring.process.wait()
    again = serve()
    assert not status(again).HasField("rollout")
    assert {version.version: version.percent for version in status(again).versions} == {1: 100, 2: 0}
    last = events(again)[-1]
    assert (last.verb, last.author) == ("abort", "vencejo") and "the server ended" in last.reason


def test_weights_survive_a_restart(scoring, serve):
    controls(scoring).SetWeights(control.ControlRequest(
        model="scores", shares=[control.Share(version=1, percent=70), control.Share(version=2, percent=30)]))
    scoring.process.send_signal(signal.SIGKILL)
    scoring.process.wait()
    assert {version.version: version.percent for version in status(serve()).versions} == {1: 70, 2: 30}


def test_a_shadow_repeats_calls_and_answers_nobody(scoring, repository):
    save(repository, 3, scores(2, 1))
    stub = controls(scoring)
    stub.Load(control.ControlRequest(model="scores", version=3), timeout=PATIENCE)
    stub.Shadow(control.ControlRequest(model="scores", version=3, percent=50))
    with Load(scoring) as load:
        while sum(load.versions.values()) < 1000 or status(scoring).shadow.calls < 50:
            time.sleep(0.01)
    assert set(load.versions) == {1} and not load.failed
    shadow = status(scoring).shadow
    assert (shadow.version, shadow.percent, shadow.failed) == (3, 50, 0) and shadow.differing == shadow.calls
    # y = 2 s + 1: the largest number of a row stays where it is.
    assert shadow.disagreeing == 0 and 0.5 < shadow.mean_difference < 5 and shadow.largest_difference > 2
    code, out, _ = command("ps", "scores", "--endpoint", scoring.control)
    assert code == DONE and "shadow of scores, version 3" in out
    # It can go while copies wait for it, and come back as the live one.
    with Load(scoring) as load:
        for _ in range(5):
            stub.Unload(control.ControlRequest(model="scores", version=3), timeout=PATIENCE)
            stub.Load(control.ControlRequest(model="scores", version=3), timeout=PATIENCE)
            stub.Shadow(control.ControlRequest(model="scores", version=3, percent=100))
            time.sleep(0.1)
        swap(stub, ("scores", 3))
    assert not load.failed and set(load.versions) <= {1, 3}
    assert not status(scoring).HasField("shadow") and states(scoring, "scores")[3][1] == "LIVE"


def test_a_shadow_that_fails_fails_nobody(scoring, repository):
    save(repository, 3, failing(-1e9))
    stub = controls(scoring)
    stub.Load(control.ControlRequest(model="scores", version=3), timeout=PATIENCE)
    stub.Shadow(control.ControlRequest(model="scores", version=3, percent=100))
    with Load(scoring) as load:
        while status(scoring).shadow.failed < 20:
            time.sleep(0.01)
    assert not load.failed and set(load.versions) == {1} and status(scoring).shadow.calls == 0


def test_what_cannot_be_done_is_told(scoring):
    stub = controls(scoring)
    wrong, impossible = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION
    refused(impossible, lambda: stub.Promote(control.ControlRequest(model="scores")), "no rollout")
    refused(impossible, lambda: stub.Abort(control.ControlRequest(model="scores")), "no rollout")
    refused(impossible, lambda: rollout(scoring, version=1), "live already")
    refused(wrong, lambda: rollout(scoring, policy=policy(50, 25)), "ascend")
    refused(wrong, lambda: rollout(scoring, policy=policy(0)), "0 %")
    refused(wrong, lambda: rollout(scoring, policy=policy(hold_seconds=-1)), "-1 s")
    refused(grpc.StatusCode.NOT_FOUND, lambda: rollout(scoring, version=7), "no version 7 in the repository")
    refused(grpc.StatusCode.NOT_FOUND, lambda: stub.Status(control.ControlRequest(model="none")), "'none'")
    rollout(scoring)
    refused(impossible, lambda: rollout(scoring), "being rolled out")
    call = control.ControlRequest(model="scores", shares=[control.Share(version=1, percent=100)])
    refused(impossible, lambda: stub.SetWeights(call), "being rolled out")
    # An operator's swap ends it.
    assert stub.Promote(control.ControlRequest(model="scores")).changes[0].to_version == 2
    assert not status(scoring).HasField("rollout")


def test_a_rollout_without_calls_holds_and_then_ends(scoring):
    rollout(scoring, policy=policy(step_seconds=1, hold_seconds=2))
    time.sleep(0.3)
    assert "0 of 50 calls" in status(scoring).rollout.verdict
    until_over(scoring)
    assert "nothing could be said within 2 s" in events(scoring)[-1].reason


def test_the_commands(scoring):
    where = ("--endpoint", scoring.control)
    code, out, _ = command("weights", "scores", "1=90", "2=10", *where)
    assert code == DONE and "version 2 of model 'scores' gets 10 %" in out
    code, out, _ = command("ps", "scores", *where)
    assert code == DONE and "90 %" in out and "REFUSED" in out
    assert command("abort", "scores", *where)[0] == DONE
    code, out, _ = command("rollout", "scores", "--dry-run", *where)
    assert code == DONE and "would be: version 2 of model 'scores' gets 5 %" in out
    with Load(scoring):
        code, out, _ = command(
            "rollout", "scores", "--steps", "50", "--step-seconds", "1", "--step-calls", "20", "--watch", *where)
    assert code == DONE and "promote by vencejo" in out
    code, out, _ = command("ps", "-o", "json", *where)
    report = json.loads(out)
    found, = [model for model in report["models"] if model["model"] == "scores"]
    assert code == DONE and report["schema"] == 1 and found["rollout"] is None
    assert [(version["version"], version["percent"]) for version in found["versions"]] == [(2, 100), (1, 0)]
    for arguments, words in [
            (("weights", "scores", "1"), "7=10"), (("weights", "scores", "1=x"), "7=10"),
            (("rollout", "scores", "--steps", "5,x"), "5,25,50"), (("rollout", "scores", "--step-calls", "0"), "below 1")]:
        code, _, error = command(*arguments, *where)
        assert code == USAGE and words in error
    code, _, error = command("promote", "scores", *where)
    assert code == FAILED and "no rollout" in error
