"""Experiments: calls dealt out among versions, rewards joined by request ids, and what is found. Real clients, built server."""
import json
import random
import subprocess
import time

import grpc
import numpy as np
import pytest

from calls import controls, refused, request, swap
from command_line import DONE, FAILED, USAGE, command
from models import WIDTH
from server import PATIENCE, binary
from stubs import control, inference_grpc, prediction, prediction_grpc
from tensors import infer_request
from waiting import eventually

# How often an answer of a version is worth something.
RATES = {3: 0.2, 4: 0.6}


def experiment(server, *versions, dry_run=False, shares=None, **policy):
    shares = shares or {version: 0 for version in versions or (3, 4)}
    return controls(server).Experiment(control.ControlRequest(
        model="left", author="ana", reason="to see", dry_run=dry_run,
        shares=[control.Share(version=version, percent=percent) for version, percent in shares.items()],
        experiment=control.ExperimentPolicy(**{"join_seconds": 60} | policy)), timeout=PATIENCE)


def status(server):
    found, = controls(server).Status(control.ControlRequest(model="left"), timeout=PATIENCE).models
    return found


def stub_of(server):
    return prediction_grpc.PredictionServiceStub(server.channel())


def ask(stub, ids, metadata=()):
    """{id: the version that answered}"""
    calls = {}
    for id in ids:
        call = request("left")
        call.request_id = id
        calls[id] = stub.Predict.future(call, timeout=PATIENCE, metadata=metadata)
    return {id: call.result().version for id, call in calls.items()}


def tell(stub, rewards, model="left"):
    return stub.Feedback(prediction.FeedbackRequest(rewards=[
        prediction.Reward(model=model, request_id=id, value=value) for id, value in rewards.items()]), timeout=PATIENCE)


def until(server, done):
    assert eventually(lambda: done(status(server).experiment)), status(server).experiment
    return status(server).experiment


def test_the_better_version_is_found(serve_repository):
    server = serve_repository()
    began = experiment(server, seed=42)
    assert began.steps[:2] == ["version 3 of model 'left' gets 50 %", "version 4 of model 'left' gets 50 %"]
    stub, chance = stub_of(server), random.Random(1)
    versions = ask(stub, [f"order-{number}" for number in range(600)])
    counts = {version: list(versions.values()).count(version) for version in RATES}
    assert all(230 < count < 370 for count in counts.values()), counts
    rewards = {id: float(chance.random() < RATES[version]) for id, version in versions.items()}
    late = dict(list(rewards.items())[:100])
    now = {id: value for id, value in rewards.items() if id not in late}
    assert tell(stub, now) == prediction.FeedbackResponse(joined=500)
    # Rewards come when they come; each counts once, and one for nobody's answer never.
    assert tell(stub, late | {"order-600": 1.0}) == prediction.FeedbackResponse(joined=100, unknown=1)
    assert tell(stub, late) == prediction.FeedbackResponse(repeated=100)
    found = until(server, lambda found: sum(arm.rewards for arm in found.arms) == 600)
    assert {arm.version: (arm.rewards, round(arm.mean * arm.rewards)) for arm in found.arms} == {
        version: (count, round(sum(rewards[id] for id, who in versions.items() if who == version)))
        for version, count in counts.items()}
    comparison, = found.comparisons
    assert (found.baseline, comparison.version) == (4, 3)
    assert comparison.verdict == control.ArmComparison.WORSE and comparison.p_value < 0.001
    assert comparison.low < -0.4 < comparison.high < 0
    assert found.ratio_evidence < found.ratio_evidence_max and found.unknown_rewards == 1
    # The page of an operator.
    code, out, _ = command("ps", "left", "--endpoint", server.control)
    assert code == DONE and "worse" in out and "baseline" in out and "seed 42" in out
    code, out, _ = command("ps", "left", "--endpoint", server.control, "-o", "json")
    assert json.loads(out)["models"][0]["experiment"]["comparisons"][0]["verdict"] == "worse"
    # It ends with a swap, and the history says what was found.
    controls(server).Abort(control.ControlRequest(model="left", reason="found"), timeout=PATIENCE)
    assert not status(server).HasField("experiment")
    assert tell(stub, {"order-1": 1.0}) == prediction.FeedbackResponse(unknown=1)
    last = controls(server).History(control.ControlRequest(model="left"), timeout=PATIENCE).events[-1]
    assert last.verb == "abort" and any("is worse than version 4" in step for step in last.steps)
    assert set(ask(stub, [f"x{number}" for number in range(50)]).values()) == {4}


def test_a_seed_deals_out_the_same_way_again(serve_repository, repository):
    ids = [f"call {number}" for number in range(200)]
    dealt = []
    for seed in 7, 7, 8:
        server = serve_repository("--state", str(repository.parent / f"state-{len(dealt)}.json"))
        experiment(server, seed=seed)
        dealt.append(ask(stub_of(server), ids))
        server.stop()
    assert dealt[0] == dealt[1] != dealt[2]


def test_the_open_inference_protocol_takes_part(serve_repository):
    server = serve_repository()
    experiment(server)
    stub = inference_grpc.GRPCInferenceServiceStub(server.channel())
    calls = [infer_request("left", {"x": ("FP32", np.zeros((1, WIDTH), np.float32))}, id=f"t{number}")
             for number in range(40)]
    assert {stub.ModelInfer(call, timeout=PATIENCE).model_version for call in calls} == {"3", "4"}
    assert tell(stub_of(server), {f"t{number}": 1.0 for number in range(40)}).joined == 40


def test_a_key_stays_and_counts_once(serve_repository):
    server = serve_repository()
    experiment(server, assignment=control.STICKY)
    stub = stub_of(server)
    versions = {}
    for customer in range(60):
        found = ask(stub, [f"{customer}/{number}" for number in range(5)],
                    metadata=[("vencejo-routing-key", f"customer-{customer}")])
        assert len(set(found.values())) == 1
        versions |= found
    assert set(versions.values()) == {3, 4}
    assert tell(stub, {id: 1.0 for id in versions}).joined == 300
    found = until(server, lambda found: sum(arm.rewards for arm in found.arms) >= 60)
    assert sum(arm.rewards for arm in found.arms) == 60 and found.calls == 300


@pytest.mark.parametrize("assignment", [control.THOMPSON, control.EPSILON_GREEDY])
def test_a_bandit_gives_more_to_who_is_rewarded(serve_repository, assignment):
    server = serve_repository()
    experiment(server, assignment=assignment, join_seconds=20, epsilon_percent=20)
    stub = stub_of(server)
    share, number, began = 50, 0, time.monotonic()
    while share < 85:
        assert time.monotonic() - began < PATIENCE, status(server)
        versions = ask(stub, [f"{number}/{each}" for each in range(50)])
        tell(stub, {id: float(version == 3) for id, version in versions.items()})
        number += 1
        time.sleep(0.1)
        share = {arm.version: arm.percent for arm in status(server).experiment.arms}[3]
    # Every commit of new shares is one that answers name, and nobody's history is full of them.
    history = controls(server).History(control.ControlRequest(model="left"), timeout=PATIENCE).events
    assert [event.verb for event in history] == ["experiment"]
    counts = list(ask(stub, [f"end/{each}" for each in range(400)]).values())
    assert counts.count(3) > 300


def test_what_is_lost_is_told(serve_repository):
    server = serve_repository()
    experiment(server, seed=3)
    stub = stub_of(server)
    assert set(ask(stub, [""] * 1).values()) <= {3, 4}
    ask(stub, ["twice"])
    ask(stub, ["twice"])
    # Rewards of one version never come: what is left is no fair sample.
    for turn in range(4):
        versions = ask(stub, [f"{turn}/{number}" for number in range(100)])
        tell(stub, {id: 1.0 for id, version in versions.items() if version == 4})
    found = until(server, lambda found: found.ratio_evidence >= found.ratio_evidence_max)
    assert (found.calls_without_id, found.calls_repeated_id) == (1, 1)
    code, out, _ = command("ps", "left", "--endpoint", server.control)
    assert code == DONE and "not to be trusted" in out and "had no request id" in out


def test_it_goes_on_after_kill_9(serve_repository, repository):
    server = serve_repository()
    experiment(server, seed=5, assignment=control.THOMPSON)
    stub = stub_of(server)
    versions = ask(stub, [f"a{number}" for number in range(200)])
    tell(stub, {id: float(version == 3) for id, version in versions.items()})
    until(server, lambda found: sum(arm.rewards for arm in found.arms) == 200)
    # It is kept every ten seconds.
    kept = repository / ".vencejo.json"
    assert eventually(lambda: 200 == sum(
        arm["count"] for arm in json.loads(kept.read_text())["models"]["left"]["experiment"]["arms"]))
    server.kill()
    again = serve_repository()
    found = status(again).experiment
    assert sum(arm.rewards for arm in found.arms) == 200 and found.seed == 5
    assert set(ask(stub_of(again), [f"b{number}" for number in range(200)]).values()) == {3, 4}
    # Answers from before cannot be rewarded.
    assert tell(stub_of(again), {"a1": 1.0, "b1": 1.0}) == prediction.FeedbackResponse(joined=1, unknown=1)


@pytest.mark.parametrize("end", ["abort", "swap", "unload"])
def test_rewards_count_until_the_end(serve_repository, end):
    """What was acknowledged before the order that ends it counts, exactly, though no look has come by."""
    server = serve_repository()
    experiment(server, seed=11)
    stub = stub_of(server)
    versions = ask(stub, [f"order-{number}" for number in range(300)])
    rewards = {id: float(number % 3 == 0) for number, id in enumerate(versions)}
    half = dict(list(rewards.items())[:150])
    assert tell(stub, half).joined == 150
    until(server, lambda found: sum(arm.rewards for arm in found.arms) == 150)
    rest = {id: value for id, value in rewards.items() if id not in half}
    assert tell(stub, rest) == prediction.FeedbackResponse(joined=150)
    request, orders = control.ControlRequest(model="left", reason="found"), controls(server)
    if end == "abort":
        done = orders.Abort(request, timeout=PATIENCE)
    elif end == "swap":
        done = swap(orders, ("left", 4), reason="found")
    else:
        request.version, request.force = 3, True
        done = orders.Unload(request, timeout=PATIENCE)
    last = orders.History(control.ControlRequest(model="left"), timeout=PATIENCE).events[-1]
    expected = []
    for version in 3, 4:
        values = [rewards[id] for id, answered in versions.items() if answered == version]
        expected.append(f"version {version} of model 'left' has {len(values)} rewards, "
                        f"{np.mean(values):.4g} in the mean")
    for steps in done.steps, last.steps:
        assert [step for step in steps if "in the mean" in step] == expected, steps
    assert tell(stub, {"order-1": 1.0}) == prediction.FeedbackResponse(unknown=1)


def test_the_servers_end_keeps_what_was_acknowledged(serve_repository):
    server = serve_repository()
    experiment(server, seed=12)
    versions = ask(stub_of(server), [f"order-{number}" for number in range(200)])
    assert tell(stub_of(server), dict.fromkeys(versions, 1.0)).joined == 200
    server.stop()
    again = serve_repository()
    found = status(again).experiment
    assert {arm.version: arm.rewards for arm in found.arms} == {
        version: list(versions.values()).count(version) for version in (3, 4)}


def test_what_cannot_be_is_told(serve_repository):
    server = serve_repository()
    wrong, state, missing = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION,
                             grpc.StatusCode.NOT_FOUND)
    refused(wrong, lambda: experiment(server, 4), "1 version;", "2 to 8")
    refused(wrong, lambda: experiment(server, shares={3: 60, 4: 60}), "120 %")
    refused(wrong, lambda: experiment(server, baseline=9), "version 9")
    refused(wrong, lambda: experiment(server, assignment=77), "not known")
    refused(missing, lambda: experiment(server, 4, 9), "no version 9")
    refused(missing, lambda: experiment(server, 4, 1), "version 1", "not loaded")
    experiment(server, dry_run=True)
    assert not status(server).HasField("experiment")
    experiment(server, reward_min=-1, reward_max=3)
    refused(state, lambda: experiment(server), "has an experiment")
    refused(state, lambda: controls(server).Rollout(control.ControlRequest(model="left", version=3)), "has an experiment")
    stub = stub_of(server)
    ask(stub, ["a", "b"])
    refused(wrong, lambda: tell(stub, {"a": 1.0, "b": 3.5}), "reward 1", "'b'", "3.5", "-1.0 to 3.0")
    refused(wrong, lambda: tell(stub, {"a": float("nan")}), "nan")
    refused(missing, lambda: tell(stub, {"a": 1.0}, model="none"), "none")
    # Of a message that was refused nothing was counted.
    assert tell(stub, {"a": 1.0, "b": 3.0}).joined == 2


def test_the_one_that_is_live_may_win(serve_repository):
    server = serve_repository()
    stub = controls(server)
    stub.Shadow(control.ControlRequest(model="left", version=3, percent=10), timeout=PATIENCE)
    experiment(server)
    # Who gets calls keeps its place, and the newcomer is told where it stands.
    loaded = stub.Load(control.ControlRequest(model="left", version=2, slot="shadow"), timeout=PATIENCE)
    assert "in no slot" in loaded.steps[-1]
    assert {version.version: version.slot for version in status(server).versions}[3] == "shadow"
    done = swap(stub, ("left", 4), reason="it won")
    assert "stays live" in done.steps[0] and "the experiment of model 'left' is over" in done.steps
    assert not status(server).HasField("experiment")
    last = stub.History(control.ControlRequest(model="left"), timeout=PATIENCE).events[-1]
    assert (last.verb, last.reason) == ("swap", "it won")


def test_commands(serve_repository, tmp_path):
    server = serve_repository()
    code, out, _ = command("experiment", "left", "3=90", "4=10", "--assign", "sticky", "--endpoint", server.control)
    assert code == DONE and "version 3 of model 'left' gets 90 %" in out
    ask(stub_of(server), ["a=b", "c"])
    code, out, _ = command("feedback", "left", "a=b=1", "d=0", "--endpoint", server.address, "-o", "json")
    assert code == DONE and json.loads(out) == {"schema": 1, "joined": 1, "unknown": 1, "repeated": 0}
    done = subprocess.run([binary(), "feedback", "left", "-", "--endpoint", server.address], input="c=1\na=b=1\n",
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0 and "1 joined" in done.stdout and "1 repeated" in done.stdout
    for arguments, words in [(("feedback", "left", "a"), "request id and a number"), (("feedback", "left", "a=x"), "a=x"),
                             (("experiment", "left", "x"), "a version is expected"),
                             (("experiment", "left", "3", "4", "--rewards", "2,1"), "2,1"),
                             (("experiment", "left", "3", "4", "--floor", "0"), "below 1"),
                             (("experiment", "left", "3", "4", "--assign", "fair"), "fair")]:
        code, _, error = command(*arguments)
        assert code == USAGE and words in error, error
    code, _, error = command("experiment", "left", "3", "4", "--endpoint", server.control)
    assert code == FAILED and "has an experiment" in error
    code, out, _ = command("swap", "left=3", "--endpoint", server.control)
    assert code == DONE and "the experiment of model 'left' is over" in out
    assert not status(server).HasField("experiment")
