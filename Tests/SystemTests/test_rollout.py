"""Versions that share the traffic: weights, keys, rollouts step by step, and bad versions that are taken back by themselves."""
import collections
import json

import grpc
import pytest

from calls import controls, refused, states, swap
from command_line import DONE, FAILED, USAGE, command
from models import SCORE, WEIGHTS, WIDTH, failing, graph, nan, node, put, scores, slow, tensor
from server import PATIENCE
from stubs import control, prediction, prediction_grpc
from traffic import Load
from waiting import becomes, eventually

SLOWER = {"20 ms slower": slow()}
FAULTS = {
    "every call fails": failing(-1e9), "one call in six fails": failing(1), "every answer is NaN": nan(-1e9),
    "one answer in six is NaN": nan(1), "one answer in 44 is NaN": nan(2),
    "100 times as large": scores(100), "the other sign, shifted": scores(-1, 2), "shifted": scores(1, 3),
    "always zero": scores(0), "always three": scores(0, 3), "twice as large, shifted": scores(2, 1.5),
    "infinite": scores(float("inf")), "tiny": scores(1e-6), "huge": scores(1e30),
    "one call in 44 fails": failing(2), "half as large, shifted": scores(0.5, 1), "shifted by ten": scores(1, 10),
    "no negative ones": graph([SCORE, node("Relu", "s", "y")], WEIGHTS),
    "another shape": graph([SCORE, node("Concat", "s", "s", "y", axis=1)], WEIGHTS, outputs=[tensor("y", 2 * WIDTH)]),
}
# Other answers, none of which is a fault by itself: as a retrained model's, they wait for a decision.
WAITING = {"the other sign, shifted", "shifted", "twice as large, shifted", "half as large, shifted", "shifted by ten",
           "no negative ones"}


@pytest.fixture
def scoring(repository, serve_repository):
    """A server of `scores`: 1 is live, 2 like it, beside it."""
    put(repository, "scores", 1, scores())
    put(repository, "scores", 2, scores(1.0001))
    server = serve_repository()
    swap(controls(server), ("scores", 1))
    return server


# How long answers take depends on what else the machine does: only a test that runs alone judges it.
GATES = ("errors", "refusals", "answers", "shapes", "labels")


def policy(*percents, step_seconds=1, step_calls=50, gates=GATES, **others):
    return control.RolloutPolicy(percents=percents or (25, 50), step_seconds=step_seconds, step_calls=step_calls, gates=gates, **others)


def rollout(server, name="scores", **options):
    options.setdefault("policy", policy())
    return controls(server).Rollout(control.ControlRequest(model=name, **options), timeout=PATIENCE)


def status(server, name="scores"):
    found, = controls(server).Status(control.ControlRequest(model=name), timeout=PATIENCE).models
    return found


def events(server, name="scores"):
    return controls(server).History(control.ControlRequest(model=name), timeout=PATIENCE).events


def until_over(server):
    assert eventually(lambda: not status(server).HasField("rollout")), status(server)


def until_decided(server):
    """Until the rollout is over or waits; whether it waits."""
    found = []

    def is_decided():
        found[:] = [status(server)]
        return not found[0].HasField("rollout") or found[0].rollout.waiting
    assert eventually(is_decided), found
    return found[0].HasField("rollout")


def test_weights_divide_what_names_no_version(scoring):
    stub = controls(scoring)
    stub.SetWeights(control.ControlRequest(
        model="scores", shares=[control.Share(version=1, percent=80), control.Share(version=2, percent=20)]))
    with Load(scoring) as load:
        load.until(2000)
    share = load.versions[2] / len(load.answers)
    assert not load.failed and 0.15 < share < 0.25
    becomes(dict(load.versions), lambda: {version.version: version.calls for version in status(scoring).versions})
    counted = {version.version: version for version in status(scoring).versions}
    assert {number: version.percent for number, version in counted.items()} == {1: 80, 2: 20}
    assert all(0 < version.p50_nanoseconds <= version.p99_nanoseconds for version in counted.values())
    # Who names a version gets it.
    stub = prediction_grpc.PredictionServiceStub(scoring.channel())
    call = prediction.PredictRequest(
        model=prediction.ModelSelector(name="scores", version=1),
        inputs=[prediction.Tensor(name="x", type=prediction.FP32, shape=[1, WIDTH], data=bytes(4 * WIDTH))])
    assert {stub.Predict(call).version for _ in range(100)} == {1}
    controls(scoring).Abort(control.ControlRequest(model="scores", reason="enough"))
    with Load(scoring) as load:
        load.until(500)
    assert set(load.versions) == {1}
    assert [event.verb for event in events(scoring)] == ["swap", "weights", "abort"]


def test_a_key_stays_with_its_version(scoring):
    controls(scoring).SetWeights(control.ControlRequest(
        model="scores", shares=[control.Share(version=1, percent=50), control.Share(version=2, percent=50)]))
    with Load(scoring, threads=24, key=lambda seed: f"customer-{seed}") as load:
        load.until(2000)
    by_key = collections.defaultdict(set)
    for answer in load.answers:
        by_key[answer.seed].add(answer.version)
    assert all(len(versions) == 1 for versions in by_key.values())
    assert {version for versions in by_key.values() for version in versions} == {1, 2}
    # No key loses the new version as its share grows.
    controls(scoring).SetWeights(control.ControlRequest(
        model="scores", shares=[control.Share(version=1, percent=20), control.Share(version=2, percent=80)]))
    with Load(scoring, threads=24, key=lambda seed: f"customer-{seed}") as load:
        load.until(2000)
    assert all(answer.version == 2 for answer in load.answers if by_key[answer.seed] == {2})


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
        assert events(scoring)[-1].verb == "promote", events(scoring)[-1].reason
        assert load.versions_from_now(200) == {2}
    assert not load.failed
    assert [(event.verb, event.author) for event in events(scoring)][1:] == [
        ("rollout", "ana"), ("rollout", "vencejo"), ("promote", "vencejo")]
    assert states(scoring, "scores")[2][1] == "LIVE"
    # It was live before, and is one command away.
    assert controls(scoring).Rollback(control.ControlRequest(model="scores")).changes[0].to_version == 1


@pytest.mark.parametrize("faults", [FAULTS, pytest.param(SLOWER, marks=pytest.mark.alone)], ids=["wrong", "slow"])
def test_bad_versions_are_taken_back_or_wait(repository, serve_repository, faults):
    """Injected faults, one after the other, under load: which are taken back and which wait, after how many answers, how fast."""
    put(repository, "scores", 1, scores())
    for number, content in enumerate(faults.values()):
        put(repository, "scores", 10 + number, content)
    server = serve_repository()
    stub = controls(server)
    for version in states(server, "scores"):
        if version != 1:
            stub.Load(control.ControlRequest(model="scores", version=1), timeout=PATIENCE)
    swap(stub, ("scores", 1), force=True)
    found = {}
    with Load(server) as load:
        for number, name in enumerate(faults):
            stub.Load(control.ControlRequest(model="scores", version=10 + number), timeout=PATIENCE)
            begin, failures = len(load.answers), len(load.failed)
            rollout(server, version=10 + number, force=True, policy=policy(25, 50, step_seconds=3, step_calls=1000, gates=() if faults is SLOWER else GATES))
            waits = until_decided(server)
            event = events(server)[-1]
            if waits:
                stub.Abort(control.ControlRequest(model="scores"), timeout=PATIENCE)
            bad = [answer.began for answer in load.answers[begin:] if answer.version == 10 + number]
            bad += [failure.began for failure in load.failed[failures:]]
            found[name] = ("waits" if waits else event.verb, len(bad), max(bad) - min(bad) if bad else 0, event.reason)
            assert load.versions_from_now() == {1} or event.verb == "promote"
    for name, (verb, count, seconds, reason) in found.items():
        print(f"{name:28} {verb:8} {count:4} bad answers in {seconds:.2f} s: {reason}")
    ends = {name: verb for name, (verb, *_) in found.items()}
    counts = sorted(count for _, count, _, _ in found.values())
    print(f"{collections.Counter(ends.values())}, median {counts[len(counts) // 2]} bad answers")
    assert ends == {name: "waits" if name in WAITING else "abort" for name in faults}
    # How many there are by then is a matter of time, and so of the machine: it is printed.
    # Only calls of the bad versions failed.
    assert all(failure.code == grpc.StatusCode.INTERNAL for failure in load.failed)


def test_a_server_that_ends_meanwhile_serves_what_was_live(scoring, serve_repository):
    rollout(scoring)
    scoring.kill()
    again = serve_repository()
    assert not status(again).HasField("rollout")
    assert {version.version: version.percent for version in status(again).versions} == {1: 100, 2: 0}
    last = events(again)[-1]
    assert (last.verb, last.author) == ("abort", "vencejo") and "the server ended" in last.reason


def test_weights_survive_a_restart(scoring, serve_repository):
    controls(scoring).SetWeights(control.ControlRequest(
        model="scores", shares=[control.Share(version=1, percent=70), control.Share(version=2, percent=30)]))
    scoring.kill()
    assert {version.version: version.percent for version in status(serve_repository()).versions} == {1: 70, 2: 30}


def test_a_shadow_repeats_calls_and_answers_nobody(scoring, repository):
    put(repository, "scores", 3, scores(2, 1))
    stub = controls(scoring)
    stub.Load(control.ControlRequest(model="scores", version=3), timeout=PATIENCE)
    stub.Shadow(control.ControlRequest(model="scores", version=3, percent=50))
    with Load(scoring) as load:
        load.until(1000)
        assert eventually(lambda: status(scoring).shadow.calls >= 50)
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
            load.until(len(load.answers) + 40)
        swap(stub, ("scores", 3))
    assert not load.failed and set(load.versions) <= {1, 3}
    assert not status(scoring).HasField("shadow") and states(scoring, "scores")[3][1] == "LIVE"


def test_a_shadow_that_fails_fails_nobody(scoring, repository):
    put(repository, "scores", 3, failing(-1e9))
    stub = controls(scoring)
    stub.Load(control.ControlRequest(model="scores", version=3), timeout=PATIENCE)
    stub.Shadow(control.ControlRequest(model="scores", version=3, percent=100))
    with Load(scoring) as load:
        assert eventually(lambda: status(scoring).shadow.failed >= 20)
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
    assert eventually(lambda: "0 of 50 calls" in status(scoring).rollout.verdict)
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
            "rollout", "scores", "--steps", "50", "--step-seconds", "1", "--step-calls", "20", "--watch",
            "--gates", ",".join(GATES), *where)
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
