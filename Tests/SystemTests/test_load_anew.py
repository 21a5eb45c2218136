"""A version whose file or configuration changed under its number, and gates that fail where no order decided."""
import json
import threading

import grpc
import numpy as np
import pytest

from calls import ask, controls, load, refused, request, states, swap, vencejo
from command_line import DONE
from models import golden, model, put
from server import PATIENCE
from stubs import control, inference, inference_grpc, prediction_grpc

WRONG = grpc.StatusCode.FAILED_PRECONDITION


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "models"
    put(folder, "left", 1)
    return folder


def value(server, name="left", **selector):
    """What the answer adds."""
    answer = prediction_grpc.PredictionServiceStub(server.channel()).Predict(request(name, **selector))
    found, = set(np.frombuffer(answer.outputs[0].data, np.float32).tolist())
    return found, answer.artifact_digest.hex()[:12]


def triton(server):
    return inference_grpc.GRPCInferenceServiceStub(server.channel(server.control))


def triton_load(server, name="left", **parameters):
    message = inference.RepositoryModelLoadRequest(model_name=name)
    for key, given in parameters.items():
        if isinstance(given, bool):
            message.parameters[key].bool_param = given
        else:
            message.parameters[key].string_param = given
    return triton(server).RepositoryModelLoad(message)


def index(server):
    lines = triton(server).RepositoryIndex(inference.RepositoryIndexRequest()).models
    return [(line.name, line.version, line.state, line.reason) for line in lines]


def batching(server):
    models = json.loads(vencejo(server, "models", "-o", "json")[1])["models"]
    return [version["batching"] for model in models for version in model["versions"]]


def test_other_bytes_under_the_same_number(serve_repository, repository):
    server = serve_repository()
    stub = controls(server)
    old, digest = value(server)
    assert load(stub, "left", 1).steps == ["version 1 of model 'left' is loaded already"]
    put(repository, "left", 1, adds=5)
    answers, is_over = set(), threading.Event()

    def call():
        while not is_over.is_set():
            answers.add(value(server))
    calls = threading.Thread(target=call)
    calls.start()
    steps = load(stub, "left", 1).steps
    is_over.set()
    calls.join()
    new, other = value(server)
    # Each answer is of the bytes that it names, and none was lost.
    assert (old, new) == (1, 5) and answers <= {(1, digest), (5, other)} and digest != other
    assert f"version 1 (sha256 {other}) of model 'left' answers instead of version 1 (sha256 {digest})" in steps[-1]
    assert states(server, "left") == {1: ("BLUE", "LIVE")}
    event = stub.History(control.ControlRequest(model="left")).events[-1]
    assert (event.verb, event.version, event.digest[:12]) == ("load", 1, other)
    kept = json.loads((repository / ".vencejo.json").read_text()) if (repository / ".vencejo.json").exists() else None
    assert kept is None or kept["models"]["left"]["digests"]["1"][:12] == other
    # What it was is in memory still.
    code, told, _ = vencejo(server, "rollback", "left")
    assert code == DONE and digest in told and value(server) == (1, digest)
    code, told, _ = vencejo(server, "history", "left")
    assert code == DONE and other in told and "as it was before it was loaded anew" in told


def test_another_configuration_under_the_same_number(serve_repository, repository):
    server = serve_repository()
    stub = controls(server)
    put(repository, "left", 1, yaml="batching: off\n")
    assert "was loaded anew" in load(stub, "left", 1).steps[-1]
    triton_load(server, config=json.dumps({"dynamic_batching": {}}))
    assert batching(server) == ["on"]
    # Said once more it is the same; and without a config what the repository says holds again.
    events = len(stub.History(control.ControlRequest(model="left")).events)
    triton_load(server, config=json.dumps({"dynamic_batching": {}}))
    assert len(stub.History(control.ControlRequest(model="left")).events) == events
    triton_load(server)
    assert batching(server) == ["off"]


def test_what_cannot_take_its_place_changes_nothing(serve_repository, repository):
    server = serve_repository()
    stub = controls(server)
    # What is no model; what fails its golden case; what callers would notice.
    for content in b"no model", model(1, output="z"):
        put(repository, "left", 1, content)
        refused(WRONG, lambda: load(stub, "left", 1), "version 1 of model 'left'")
        refused(WRONG, lambda: triton_load(server), "version 1 of model 'left'")
        assert value(server)[0] == 1 and states(server, "left") == {1: ("BLUE", "LIVE")}
    put(repository, "left", 1, adds=5)
    golden(repository, "left", 1, expected=1)
    refused(WRONG, lambda: load(stub, "left", 1), "did not pass its gates: golden", "say force")
    assert value(server)[0] == 1
    code, told, _ = vencejo(server, "load", "left", "--version", "1", "--force")
    assert code == DONE and value(server)[0] == 5
    code, told, _ = vencejo(server, "ps", "left")
    assert code == DONE and "version 1 of left did not pass its gates: golden" in told
    assert "(forced)" in vencejo(server, "history", "left")[1]


def test_what_is_rolled_out_is_not_loaded_anew(serve_repository, repository):
    put(repository, "left", 2)
    server = serve_repository()
    stub = controls(server)
    swap(stub, ("left", 1))
    stub.Rollout(control.ControlRequest(model="left", version=2))
    put(repository, "left", 2, adds=7)
    refused(WRONG, lambda: load(stub, "left", 2), "is being rolled out")
    stub.Abort(control.ControlRequest(model="left"))
    load(stub, "left", 2)
    assert value(server, version=2)[0] == 7 and value(server)[0] == 1


def test_watching_says_that_a_file_changed(serve_repository, repository):
    server = serve_repository("--repository-mode", "watch", "--repository-poll-seconds", "0.3")
    put(repository, "left", 1, adds=5)
    while "version 1 of model 'left': its file was written to, and what is loaded stays" not in server.lines.get(timeout=PATIENCE):
        pass
    assert value(server)[0] == 1
    load(controls(server), "left", 1)
    assert value(server)[0] == 5


def test_what_was_unloaded_is_said_in_the_index(serve_repository, repository):
    put(repository, "left", 2)
    put(repository, "right", 1)
    server = serve_repository()
    code, _, error = vencejo(server, "unload", "left")
    assert code != DONE and "version 2 of model 'left' is live" in error and "force" in error
    assert vencejo(server, "unload", "left", "--force")[0] == DONE
    gone = [("left", str(version), "UNAVAILABLE", "unloaded") for version in (1, 2)]
    assert index(server) == [*gone, ("right", "1", "READY", "")]
    load(controls(server), "left", 1)
    assert index(server) == [("left", "1", "READY", ""), gone[1], ("right", "1", "READY", "")]


def test_an_unload_does_not_take_an_experiment_along(serve_repository, repository):
    put(repository, "left", 2)
    server = serve_repository()
    assert vencejo(server, "experiment", "left", "1", "2")[0] == DONE
    code, _, error = vencejo(server, "unload", "left")
    assert code != DONE and "force" in error
    assert "experiment" in vencejo(server, "ps", "left")[1]


def test_tritons_load_heeds_gates(serve_repository, repository):
    server = serve_repository()
    put(repository, "left", 2, model(2, output="z"))
    refused(WRONG, lambda: triton_load(server), "does not fit", "force")
    assert value(server)[0] == 1
    refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: triton_load(server, force="yes"), "'force'", "true or false")
    triton_load(server, force=True)
    assert states(server, "left")[2][1] == "LIVE"


# Gates at a start

def test_at_a_first_start_the_highest_that_passes_is_live(serve_repository, repository):
    put(repository, "left", 2)
    golden(repository, "left", 2, expected=9)
    server = serve_repository()
    assert states(server, "left") == {1: ("GREEN", "LIVE"), 2: ("BLUE", "READY")}
    assert "version 1 is to answer instead of version 2, which did not pass its gates" in server.log()
    assert "version 2 of left did not pass its gates" in vencejo(server, "ps")[1]
    assert ask(server, "left")[0] == 1


def test_what_an_order_made_live_by_force_is_live_again(serve_repository, repository):
    put(repository, "left", 2)
    golden(repository, "left", 2, expected=9)
    server = serve_repository()
    refused(WRONG, lambda: swap(controls(server), ("left", 2)), "golden")
    swap(controls(server), ("left", 2), force=True)
    server.stop()
    again = serve_repository()
    assert states(again, "left")[2] == ("BLUE", "LIVE") and value(again)[0] == 2
    assert "version 2 is live again although it does not pass its gates, because an order made it live by force" in again.log()


def test_budgets_do_not_decide_at_a_start(serve_repository, repository):
    put(repository, "left", 1, yaml="latency_budget_milliseconds: 0.001\nmemory_budget: 1\n")
    server = serve_repository()
    assert states(server, "left") == {1: ("BLUE", "LIVE")}
