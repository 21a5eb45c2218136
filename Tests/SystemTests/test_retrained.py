"""A retrained model answers otherwise and is no worse: its rollout waits, and an operator, labels, golden cases or a shadow
decide. The classifiers were really trained: Fixtures/make_retrained.py."""
import json
import shlex
import shutil
import threading

import numpy as np
import pytest

from calls import controls, states, swap
from command_line import DONE, FAILED, UNDECIDED, USAGE, command
from models import labels, put
from server import FIXTURES, PATIENCE
from stubs import control, prediction, prediction_grpc
from traffic import Load
from waiting import eventually

FACTS = json.loads((FIXTURES / "retrained" / "rows.json").read_text())
ROWS, TRUTH = np.float32(FACTS["rows"]), FACTS["labels"]


class Callers:
    """Predictions of rows drawn by chance until the block ends. `labelled`: callers tell which answers were right."""

    def __init__(self, server, labelled=False):
        self.over, self.versions = threading.Event(), []

        def run():
            random = np.random.default_rng(1)
            stub = prediction_grpc.PredictionServiceStub(server.channel())
            while not self.over.is_set():
                places = random.integers(0, len(ROWS), 50)
                calls = [stub.Predict.future(prediction.PredictRequest(
                    model=prediction.ModelSelector(name="iris"), request_id=f"row-{len(self.versions) + number}",
                    inputs=[prediction.Tensor(name="X", type=prediction.FP32, shape=[1, 4], data=ROWS[place].tobytes())]),
                    timeout=PATIENCE) for number, place in enumerate(places)]
                answers = [call.result() for call in calls]
                if labelled:
                    found = [np.frombuffer(answer.outputs[0].data, np.int64)[0] for answer in answers]
                    stub.Feedback(prediction.FeedbackRequest(rewards=[
                        prediction.Reward(model="iris", request_id=answer.request_id, value=float(label == TRUTH[place]))
                        for answer, label, place in zip(answers, found, places)]), timeout=PATIENCE)
                self.versions += [answer.version for answer in answers]
        self.thread = threading.Thread(target=run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@pytest.fixture
def page(tmp_path):
    return str(tmp_path / "metrics")


def gauge(page):
    """vencejo_rollout_waiting of the model; its server writes it once a second."""
    line, = [line for line in command("metrics", "--page", page)[1].splitlines()
             if line.startswith('vencejo_rollout_waiting{model="iris"}')]
    return float(line.split()[1])


@pytest.fixture
def iris(serve_repository, repository, page):
    """Version 1 is live, 2 beside it was retrained, 3 was trained on wrong labels."""
    for version in 1, 2, 3:
        shutil.copytree(FIXTURES / "retrained" / str(version), repository / "iris" / str(version))
    (repository / "iris" / "model.yaml").write_text("version_policy: all\n")
    server = serve_repository("--metrics-page", page)
    swap(controls(server), ("iris", 1))
    return server


def rollout_of(server, name="iris"):
    """Its status; None: there is none."""
    found, = controls(server).Status(control.ControlRequest(model=name), timeout=PATIENCE).models
    return found.rollout if found.HasField("rollout") else None


def events(server, name="iris"):
    return controls(server).History(control.ControlRequest(model=name), timeout=PATIENCE).events


# How long answers take depends on what else the machine does.
GATES = ("errors", "refusals", "answers", "shapes", "labels")
JUDGED = ("--gates", ",".join(GATES))


def begin(server, version, name="iris", calls=100, **policy):
    policy = control.RolloutPolicy(**{"percents": [50], "step_seconds": 1, "step_calls": calls, "gates": GATES} | policy)
    return controls(server).Rollout(control.ControlRequest(model=name, version=version, policy=policy), timeout=PATIENCE)


def run(told):
    """What an operator was told to type."""
    program, *arguments = shlex.split(told)
    assert program == "vencejo"
    return command(*arguments)


def test_a_retrained_model_waits_for_its_operator(iris, page):
    where = ("--endpoint", iris.control)
    watched = ("rollout", "iris", "--version", "2", "--steps", "40,50", "--step-seconds", "1", "--step-calls", "100", "--watch",
               *JUDGED)
    with Callers(iris) as callers:
        code, out, error = command(*watched, *where)
        accept = f"vencejo rollout iris --version 2 --accept answers --endpoint {iris.control}"
        assert code == UNDECIDED and accept in out and accept in error, (code, out, error)
        assert f"vencejo promote iris --endpoint {iris.control}" in out and "waits for a decision: its answers are" in out
        last = events(iris)[-1]
        assert (last.verb, last.author, last.version) == ("rollout", "vencejo", 2)
        assert "distributed otherwise" in last.reason and "--version 2 --accept answers" in last.steps[0]
        code, out, _ = command("ps", "iris", *where)
        assert code == DONE and accept in out and "without a decision it is taken back at" in out
        found = json.loads(command("ps", "iris", "-o", "json", *where)[1])["models"][0]["rollout"]
        assert found["waiting"] and found["run"]["accept"] == accept and found["accepted"] == []
        # It stays as it is while callers are served by both.
        served = len(callers.versions)
        assert eventually(lambda: len(callers.versions) > served + 500)
        share = callers.versions[served:].count(2) / len(callers.versions[served:])
        assert 0.3 < share < 0.5 and rollout_of(iris).step == 1
        assert eventually(lambda: gauge(page) == 1)
        code, out, _ = run(f"{found['run']['accept']} --reason 'retrained on October'")
        assert code == DONE and "it goes on" in out
        assert eventually(lambda: rollout_of(iris) is None)
    verbs = [(event.verb, event.reason) for event in events(iris)[-3:]]
    assert verbs[0] == ("rollout", "retrained on October") and verbs[2][0] == "promote", verbs
    assert verbs[1] == ("rollout", "the step before was passed; its answers differ, but that was accepted")
    assert states(iris, "iris")[2][1] == "LIVE" and eventually(lambda: gauge(page) == 0)


def test_programs_are_told_what_to_run(iris):
    with Callers(iris):
        code, out, _ = command("rollout", "iris", "--version", "2", "--steps", "50", "--watch", "-o", "json", *JUDGED,
                               "--endpoint", iris.control)
        assert code == UNDECIDED
        lines = [json.loads(line) for line in out[out.index("\n}\n") + 3:].splitlines()]
        assert all(line.keys() == {"time", "verdict", "waiting", "run"} for line in lines)
        assert [line["waiting"] for line in lines] == [False] * (len(lines) - 1) + [True]
        assert run(lines[-1]["run"]["abort"])[0] == DONE and rollout_of(iris) is None
        # Accepted beforehand, or not judged, it goes through.
        for options in ("--accept", "answers", *JUDGED), ("--gates", "errors,refusals,shapes"):
            code, out, _ = command("rollout", "iris", "--version", "2", "--steps", "50", "--step-seconds", "1",
                                   "--step-calls", "100", "--watch", *options, "--endpoint", iris.control)
            assert code == DONE and "promote by vencejo" in out, out
            assert command("rollback", "iris", "--endpoint", iris.control)[0] == DONE
        # Without a decision it is taken back.
        code, _, _ = command("rollout", "iris", "--version", "2", "--steps", "50", "--step-seconds", "1", "--decide-within",
                             "1", "--watch", *JUDGED, "--endpoint", iris.control)
        assert code == UNDECIDED and eventually(lambda: rollout_of(iris) is None)
    assert "no decision came within 1 s" in events(iris)[-1].reason


@pytest.mark.parametrize("version, end", [(2, "promote"), (3, "abort")])
def test_labels_decide_without_an_operator(iris, version, end):
    begin(iris, version, calls=2000)
    with Callers(iris, labelled=True):
        assert eventually(lambda: rollout_of(iris) is None), rollout_of(iris)
    last = events(iris)[-1]
    print(f"version {version}: {last.verb}: {last.reason}")
    assert (last.verb, last.author) == (end, "vencejo") and "labels are" in last.reason


def test_golden_cases_decide_without_an_operator(iris, repository):
    place = repository / "iris" / "4"
    shutil.copytree(FIXTURES / "retrained" / "2", place)
    (place / "golden" / "all").mkdir(parents=True)
    np.save(place / "golden" / "all" / "input.X.npy", ROWS)
    probabilities = np.float32(FACTS["probabilities"]["2"])
    np.save(place / "golden" / "all" / "output.probabilities.npy", probabilities)
    # A case that named no label would not say that labels are right.
    np.save(place / "golden" / "all" / "output.label.npy", probabilities.argmax(axis=1).astype(np.int64))
    controls(iris).Load(control.ControlRequest(model="iris", version=4), timeout=PATIENCE)
    begin(iris, 4)
    with Callers(iris):
        assert eventually(lambda: rollout_of(iris) is None), rollout_of(iris)
    last = events(iris)[-1]
    assert last.verb == "promote" and f"it answers {len(ROWS)} rows of golden cases as expected" in last.reason


def test_a_shadow_decides_without_an_operator(serve_repository, repository):
    put(repository, "scores", 1, labels())
    # Other numbers, the same decisions.
    put(repository, "scores", 2, labels(2, 1.5))
    server = serve_repository()
    swap(controls(server), ("scores", 1))
    controls(server).Shadow(control.ControlRequest(model="scores", version=2, percent=100), timeout=PATIENCE)
    with Load(server) as load:
        def compared():
            found, = controls(server).Status(control.ControlRequest(model="scores"), timeout=PATIENCE).models
            return found.shadow.calls >= 100
        assert eventually(compared)
        begin(server, 2, name="scores")
        assert eventually(lambda: rollout_of(server, "scores") is None), rollout_of(server, "scores")
    assert not load.failed
    last = events(server, "scores")[-1]
    assert last.verb == "promote" and "in the shadow it decided otherwise on 0 of" in last.reason, last


@pytest.mark.parametrize("options, words", [
    (("--accept", "errors"), "only answers can"), (("--accept", ""), "only answers can"),
    (("--gates", "errors,latncy"), "must be of errors, refusals, latency, answers, shapes"),
    (("--decide-within", "0"), "below 1")])
def test_what_cannot_be_said_of_gates(server, options, words):
    code, _, error = command("rollout", "iris", *options)
    assert code == USAGE and words in error


def test_a_decision_that_comes_too_late_is_told(iris):
    """`--accept` alone, with no rollout on, begins one of the version beside the live one: with three of them it has to be named."""
    code, _, error = command("rollout", "iris", "--accept", "answers", "--endpoint", iris.control)
    assert code == FAILED and "no version beside the live one" in error
