"""Models that change while they are served: loads, swaps in one commit, rollbacks, restarts, and a process that is killed."""
import bisect
import concurrent.futures
import json
import os
import random
import threading
import time

import grpc
import pytest

from calls import ask, check, controls, refused, request, states, swap
from calls import vencejo as run_command
from command_line import DONE, FAILED, USAGE, command
from models import model, put
from server import PATIENCE, run
from stubs import control, control_grpc, prediction_grpc

# One after the other

def test_a_version_comes_answers_and_goes(serve_repository):
    server = serve_repository()
    stub = controls(server)
    assert states(server, "left") == {4: ("BLUE", "LIVE"), 3: ("GREEN", "READY")}
    # What stood beside the live one makes room when the new one is ready.
    loaded = stub.Load(control.ControlRequest(model="left", version=1))
    assert list(loaded.steps)[-2:] == ["version 3 of model 'left' goes", "version 1 of model 'left' is ready beside version 4, which answers"]
    assert states(server, "left") == {4: ("BLUE", "LIVE"), 1: ("GREEN", "READY")}
    assert ask(server, "left")[0] == 4 and ask(server, "left", version=1)[0] == 1 and ask(server, "left", slot="GREEN")[0] == 1
    done = swap(stub, ("left", 1))
    assert [(change.model, change.from_version, change.to_version) for change in done.changes] == [("left", 4, 1)]
    assert ask(server, "left") == (1, done.epoch) and ask(server, "left", version=4)[0] == 4
    assert states(server, "left") == {1: ("GREEN", "LIVE"), 4: ("BLUE", "READY")}
    # Back, and back again.
    assert stub.Rollback(control.ControlRequest(model="left")).changes[0].to_version == 4 and ask(server, "left")[0] == 4
    assert stub.Rollback(control.ControlRequest(model="left")).changes[0].to_version == 1 and ask(server, "left")[0] == 1
    stub.Unload(control.ControlRequest(model="left", version=4))
    assert states(server, "left") == {1: ("GREEN", "LIVE")}
    refused(grpc.StatusCode.NOT_FOUND, lambda: ask(server, "left", version=4), "version 4", "loaded: 1")
    refused(grpc.StatusCode.FAILED_PRECONDITION, lambda: stub.Rollback(control.ControlRequest(model="left")), "live before")
    stub.Unload(control.ControlRequest(model="left", force=True))
    refused(grpc.StatusCode.NOT_FOUND, lambda: ask(server, "left"), "left")
    # A model that has no live version gets one.
    assert stub.Load(control.ControlRequest(model="left")).changes[0].to_version == 4 and ask(server, "left")[0] == 4
    assert ask(server, "right")[0] == 4
    events = stub.History(control.ControlRequest(model="left")).events
    assert [event.verb for event in events] == ["load", "swap", "rollback", "rollback", "unload", "unload", "load"]


def test_a_new_version_in_the_repository_can_be_loaded(serve_repository, repository):
    server = serve_repository()
    stub = controls(server)
    refused(grpc.StatusCode.NOT_FOUND, lambda: stub.Load(control.ControlRequest(model="left", version=5)), "version 5", "1, 2, 3, 4")
    put(repository, "left", 5)
    put(repository, "fresh", 7)
    assert stub.Load(control.ControlRequest(model="left")).steps[-1].startswith("version 5")
    swap(stub, ("left", 0))
    assert ask(server, "left")[0] == 5
    assert stub.Load(control.ControlRequest(model="fresh")).changes[0].to_version == 7 and ask(server, "fresh")[0] == 7


def test_labels_move(serve_repository):
    server = serve_repository()
    stub = controls(server)
    stub.SetLabel(control.ControlRequest(model="left", label="stable", version=3))
    assert ask(server, "left", label="stable")[0] == 3
    stub.SetLabel(control.ControlRequest(model="left", label="stable", version=4))
    assert ask(server, "left", label="stable")[0] == 4
    stub.SetLabel(control.ControlRequest(model="left", label="stable"))
    refused(grpc.StatusCode.NOT_FOUND, lambda: ask(server, "left", label="stable"), "stable")
    for label in "", "7", "a b", "x" * 65, "ñ":
        refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: stub.SetLabel(
            control.ControlRequest(model="left", label=label, version=3)), "label")
    refused(grpc.StatusCode.NOT_FOUND, lambda: stub.SetLabel(control.ControlRequest(model="left", label="old", version=1)), "version 1")


@pytest.mark.parametrize("shape, words", [
    ({"output": "z"}, ("output 'y' is gone",)), ({"width": 5}, ("input 'x' is [-1, 5], not [-1, 4]", "output 'y'"))])
def test_what_callers_would_notice_needs_force(serve_repository, repository, shape, words):
    put(repository, "left", 5, **shape)
    server = serve_repository()
    stub = controls(server)
    stub.Load(control.ControlRequest(model="left", version=4))
    assert states(server, "left")[5] == ("BLUE", "LIVE")
    stub.Unload(control.ControlRequest(model="left", force=True))
    stub.Load(control.ControlRequest(model="left", version=4))
    stub.Load(control.ControlRequest(model="left", version=5))
    refused(grpc.StatusCode.FAILED_PRECONDITION, lambda: swap(stub, ("left", 5)), *words)
    # All or nothing.
    refused(grpc.StatusCode.FAILED_PRECONDITION, lambda: swap(stub, ("right", 3), ("left", 5)), *words)
    assert ask(server, "left")[0] == 4 and ask(server, "right")[0] == 4
    swap(stub, ("left", 5), force=True)
    assert states(server, "left")[5][1] == "LIVE"


def test_a_bad_file_changes_nothing(serve_repository, repository):
    server = serve_repository()
    stub = controls(server)
    for version, content in (5, b""), (6, b"not a model"), (7, model(7)[:-20]):
        put(repository, "left", version, content)
        refused(grpc.StatusCode.FAILED_PRECONDITION, lambda: stub.Load(control.ControlRequest(model="left", version=version)),
                f"version {version}", "was not loaded", *([f"'left/{version}/model.onnx' is empty"] if not content else []))
        assert states(server, "left")[version][1] == "FAILED" and ask(server, "left")[0] == 4
        refused(grpc.StatusCode.NOT_FOUND, lambda: swap(stub, ("left", version)), "not loaded")
        refused(grpc.StatusCode.UNAVAILABLE, lambda: ask(server, "left", version=version), "cannot answer")
    # Who orders a load is told what is wrong with its files; who calls the model is not.
    (repository / "left" / "model.yaml").write_text("max_batch_siz: 4\n")
    refused(grpc.StatusCode.FAILED_PRECONDITION, lambda: stub.Load(control.ControlRequest(model="left", version=1)),
            "left/model.yaml: there is no key 'max_batch_siz' (did you mean 'max_batch_size'?)")
    with pytest.raises(grpc.RpcError) as caught:
        ask(server, "left", version=1)
    assert "configuration is wrong" in caught.value.details() and "max_batch" not in caught.value.details()
    (repository / "left" / "model.yaml").unlink()
    # What was mended is loaded.
    put(repository, "left", 7)
    stub.Load(control.ControlRequest(model="left", version=7))
    swap(stub, ("left", 7))
    assert ask(server, "left")[0] == 7


def test_what_cannot_be_done_is_told(serve_repository):
    server = serve_repository()
    stub = controls(server)
    not_found, wrong, bad = (
        grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT)
    for name in "nobody", "../left", "a/b", ".vencejo.json", "x" * 129:
        refused(not_found, lambda: stub.Load(control.ControlRequest(model=name)), "is not in the repository")
        refused(not_found, lambda: stub.Rollback(control.ControlRequest(model=name)), "is not in the repository")
        refused(not_found, lambda: stub.Status(control.ControlRequest(model=name)), "is not in the repository")
    for call in stub.Load, stub.Rollback:
        refused(bad, lambda: call(control.ControlRequest()), "no model is named")
    # What helps is what is told: a load, where there is something to load.
    refused(not_found, lambda: swap(stub, ("left", 1)), "version 1", "loaded are 3, 4", "load it first")
    refused(not_found, lambda: swap(stub, ("left", 9)), "no version 9 in the repository", "it has 1, 2, 3, 4")
    stub.Unload(control.ControlRequest(model="right", force=True))
    refused(not_found, lambda: swap(stub, ("right", 4)), "load it first")
    refused(bad, lambda: stub.Swap(control.ControlRequest()), "no model is named")
    refused(bad, lambda: swap(stub, ("left", 3), ("left", 4)), "twice")
    refused(not_found, lambda: swap(stub, ("left", 9)), "version 9")
    refused(not_found, lambda: swap(stub, ("left", -1)), "version -1")
    refused(wrong, lambda: stub.Unload(control.ControlRequest(model="left", version=4)), "is live")
    assert ask(server, "left")[0] == 4
    # Where it was not allowed nobody can.
    other = control_grpc.ModelControlServiceStub(server.channel())
    refused(grpc.StatusCode.PERMISSION_DENIED, lambda: swap(other, ("left", 3)), "--control")


def test_a_dry_run_changes_nothing(serve_repository, repository):
    server = serve_repository()
    stub = controls(server)
    epoch = ask(server, "left")[1]
    for done in (
            swap(stub, ("left", 3), ("right", 3), dry_run=True),
            stub.Unload(control.ControlRequest(model="left", force=True, dry_run=True)),
            stub.Load(control.ControlRequest(model="left", version=1, dry_run=True)),
            stub.SetLabel(control.ControlRequest(model="left", label="x", version=3, dry_run=True))):
        assert done.steps and done.epoch == epoch
    # Who would go is told before.
    loaded = stub.Load(control.ControlRequest(model="left", version=1, dry_run=True))
    assert list(loaded.steps) == ["version 3 of model 'left' goes",
                                  "version 1 of model 'left' is ready beside version 4, which answers"]
    assert ask(server, "left") == (4, epoch) and not (repository / ".vencejo.json").exists()


# Under load

class Checker:
    """Calls in turns, and keeps what the answers say of themselves: (epoch, model, version, epoch known when it was sent)."""

    def __init__(self, server):
        self.known, self.seen, self.over = 0, [], threading.Event()
        self.server = server

    def run(self, number):
        stub = prediction_grpc.PredictionServiceStub(self.server.channel())
        while not self.over.is_set():
            before = self.known
            if number % 3 == 2:
                answers = [("left", result.response) for result in
                           stub.PredictMany(iter([request("left")] * 20), timeout=PATIENCE).results]
            else:
                name = ("left", "right")[number % 2]
                answers = [(name, stub.Predict(request(name, rows=1 + number), timeout=PATIENCE))]
            for name, answer in answers:
                version, epoch = check(answer)
                self.seen.append((epoch, name, version, before))

    def verify(self, commits):
        epochs = [epoch for epoch, _ in commits]
        for epoch, name, version, before in self.seen:
            live = commits[bisect.bisect_right(epochs, epoch) - 1][1][name]
            assert version == live, f"{name} {version} in epoch {epoch}, where {live} was live"
            assert epoch >= before, f"{name} from epoch {epoch}, after {before} had been told"


def under_load(server, change):
    """`change(stub, checker)` yields commits, while six ask. Every answer must be of the commit that it names."""
    checker = Checker(server)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        asking = [pool.submit(checker.run, number) for number in range(6)]
        commits = [(0, {"left": 4, "right": 4})]
        try:
            for epoch, changed in change(controls(server)):
                commits.append((epoch, commits[-1][1] | changed))
                checker.known = epoch
        finally:
            checker.over.set()
        for done in asking:
            done.result()
    checker.verify(commits)
    return checker


def test_no_call_sees_a_mix(serve_repository):
    server = serve_repository("--shards", 2)

    def change(stub):
        versions = {"left": 4, "right": 4}
        for _ in range(150):
            names = random.Random(len(versions)).sample(["left", "right"], 2)
            versions = {name: 7 - version for name, version in versions.items()}
            yield swap(stub, *((name, versions[name]) for name in names)).epoch, versions
    checker = under_load(server, change)
    assert len(checker.seen) > 500 and len({epoch for epoch, *_ in checker.seen}) > 50


def test_versions_come_and_go_under_load(serve_repository):
    """Each swap is to a version that was just loaded; what was live two swaps ago is freed, while calls are under way."""
    server = serve_repository("--shards", 2)

    def change(stub):
        version = 4
        for _ in range(25):
            version = version % 4 + 1
            stub.Load(control.ControlRequest(model="left", version=version), timeout=PATIENCE)
            yield swap(stub, ("left", version)).epoch, {"left": version}
    checker = under_load(server, change)
    assert {version for _, name, version, _ in checker.seen if name == "left"} == {1, 2, 3, 4}


def test_a_long_call_keeps_its_version(serve_repository, repository):
    """A call that is with an executor when its version goes still gets its answer."""
    put(repository, "left", 5, turns=200)
    server = serve_repository()
    stub = controls(server)
    assert ask(server, "left")[0] == 5
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            asking = [pool.submit(ask, server, "left") for _ in range(8)]
            swap(stub, ("left", 4))
            stub.Unload(control.ControlRequest(model="left", version=5))
            assert {done.result()[0] for done in asking} <= {4, 5}
            stub.Load(control.ControlRequest(model="left", version=5))
            swap(stub, ("left", 5))
    assert ask(server, "left")[0] == 5


# What outlives the process

def test_a_restart_serves_what_was_live(serve_repository, repository):
    server = serve_repository()
    stub = controls(server)
    stub.Load(control.ControlRequest(model="left", version=2))
    swap(stub, ("left", 2), ("right", 3), author="ana@desk", reason="prices")
    stub.SetLabel(control.ControlRequest(model="left", label="stable", version=4))
    before = states(server, "left"), states(server, "right")
    server.stop()
    put(repository, "left", 9)
    again = serve_repository()
    assert (states(again, "left"), states(again, "right")) == before
    assert ask(again, "left")[0] == 2 and ask(again, "right")[0] == 3 and ask(again, "left", label="stable")[0] == 4
    history = controls(again).History(control.ControlRequest(model="left"))
    assert [(event.verb, event.author, event.reason) for event in history.events][1] == ("swap", "ana@desk", "prices")
    assert history.previous_version == 4
    controls(again).Rollback(control.ControlRequest(model="left"))
    assert ask(again, "left")[0] == 4


def test_what_was_live_and_is_gone_is_not_replaced(serve_repository, repository):
    server = serve_repository()
    swap(controls(server), ("left", 3))
    server.stop()
    (repository / "left" / "3" / "model.onnx").unlink()
    again = serve_repository()
    assert states(again, "left")[3][1] == "FAILED"
    refused(grpc.StatusCode.UNAVAILABLE, lambda: ask(again, "left"), "version 3")
    assert ask(again, "left", version=4)[0] == 4
    swap(controls(again), ("left", 4))
    assert ask(again, "left")[0] == 4


@pytest.mark.parametrize("content, words", [
    ("{", "is not a state file"), ('{"schema": 2, "models": {}}', "schema 2"), ("[]", "is not a state file")])
def test_a_state_file_that_is_none(repository, content, words):
    (repository / ".vencejo.json").write_text(content)
    code, _, error = run("serve", "--repository", repository, "--grpc", "127.0.0.1:0", "--control", "127.0.0.1:0")
    assert code == USAGE and words in error and "--state" in error


def test_what_cannot_be_kept_is_not_done(serve_repository, repository, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    server = serve_repository("--state", kept / "state.json")
    stub = controls(server)
    swap(stub, ("left", 3))
    assert json.loads((kept / "state.json").read_text())["models"]["left"]["live"] == 3
    assert not (repository / ".vencejo.json").exists()
    (kept / "state.json.new").mkdir()  # nobody can write there, not even root
    refused(grpc.StatusCode.UNAVAILABLE, lambda: swap(stub, ("left", 4)), "could not be kept")
    assert ask(server, "left")[0] == 3
    (kept / "state.json.new").rmdir()
    swap(stub, ("left", 4))
    assert ask(server, "left")[0] == 4


def test_a_second_server_over_one_state_file_keeps_nothing(serve_repository, repository):
    first = serve_repository()
    swap(controls(first), ("left", 3))
    second = serve_repository()
    assert "another process keeps" in second.log() and "--state" in second.log()
    assert ask(second, "left")[0] == 3
    refused(grpc.StatusCode.UNAVAILABLE, lambda: swap(controls(second), ("left", 4)), "another process keeps", "--state")
    assert ask(second, "left")[0] == 3
    # As at a rolling restart: from the end of the first one on the file is the second one's.
    first.stop()
    swap(controls(second), ("left", 4))
    kept = repository / ".vencejo.json"
    assert json.loads(kept.read_text())["models"]["left"]["live"] == 4
    second.stop()
    assert not (repository / ".vencejo.json.lock").exists()
    # A process that is killed takes nothing with it.
    third = serve_repository()
    third.kill()
    fourth = serve_repository()
    assert "another process" not in fourth.log()
    swap(controls(fourth), ("left", 3))


def test_a_state_file_that_cannot_be_written_is_no_reason_to_serve_nothing(serve_repository, repository):
    server = serve_repository("--state", "/proc/vencejo.json")
    assert ask(server, "left")[0] == 4
    refused(grpc.StatusCode.UNAVAILABLE, lambda: swap(controls(server), ("left", 3)), "could not be kept", "/proc/vencejo.json")
    assert ask(server, "left")[0] == 4
    code, _, error = run("serve", "--repository", repository, "--state", repository / "none" / "state.json")
    assert code == USAGE and "--state: the folder of" in error and "does not exist" in error


def test_killed_at_any_moment(serve_repository, repository):
    """After kill -9 the next start serves what was live before the order or what it was to make live; nothing is half-written."""
    chance = random.Random(7)
    live = 4
    for round_ in range(int(os.environ.get("VENCEJO_KILLS", 12))):
        server = serve_repository()
        assert ask(server, "left")[0] == live
        stub = controls(server)
        asked = []

        def orders():
            try:
                while True:
                    for version in (1, 2, 3, 4):
                        stub.Load(control.ControlRequest(model="left", version=version), timeout=PATIENCE)
                        asked.append(version)
                        swap(stub, ("left", version))
                        asked.append(None)
            except grpc.RpcError:
                pass
        thread = threading.Thread(target=orders)
        thread.start()
        time.sleep(chance.uniform(0.02, 0.5))
        server.process.kill()
        thread.join()
        server.kill()
        kept = repository / ".vencejo.json"
        now = json.loads(kept.read_text())["models"]["left"]["live"] if kept.exists() else live
        swaps = [version for version in asked if version is not None]
        # The last that was answered, or the one that was under way.
        answered = swaps[:len(asked) - len(swaps)]
        before = answered[-1] if answered else live
        under_way = swaps[len(answered):]
        assert now in [before, *under_way], f"round {round_}: {now} after {before} and {under_way}"
        live = now
    assert ask(serve_repository(), "left")[0] == live


# From the command line

def test_the_commands(serve_repository):
    server = serve_repository()

    def vencejo(*arguments):
        return run_command(server, *arguments)
    code, text, _ = vencejo("load", "left", "--version", "2")
    assert code == DONE and "version 2 of model 'left' is ready beside version 4, which answers" in text
    code, text, _ = vencejo("swap", "left=2", "right", "--dry-run")
    assert code == DONE and text.count("would be: ") == 2 and "nothing was changed" in text and ask(server, "left")[0] == 4
    code, text, _ = vencejo("swap", "left=2", "right", "-o", "json", "--reason", "tuesday")
    report = json.loads(text)
    assert code == DONE and report["schema"] == 1 and ask(server, "left") == (2, report["epoch"])
    assert {change["model"]: (change["from_version"], change["to_version"]) for change in report["changes"]} == {
        "left": (4, 2), "right": (4, 3)}
    code, text, _ = vencejo("history", "left")
    assert code == DONE and "tuesday" in text and "a rollback would make version 4 live" in text
    lines = [line.split()[1:] for line in text.splitlines()]
    assert lines[0] == ["WHAT", "VERSION", "SHA256", "LIVE", "EPOCH", "WHO", "WHY"]
    digest = lines[1][2]
    assert len(digest) == 12 and lines[1][:4] == ["load", "2", digest, "4"]
    assert lines[2][:6] == ["swap", "2", digest, "4", "->", "2"]
    code, text, _ = vencejo("history", "right")
    assert code == DONE and "-> 3" in text
    assert vencejo("rollback", "left", "--dry-run")[1].startswith("would be: version 4")
    assert vencejo("rollback", "left")[0] == DONE and ask(server, "left")[0] == 4
    assert vencejo("label", "left", "stable", "--version", "4")[0] == DONE and ask(server, "left", label="stable")[0] == 4
    assert vencejo("unload", "left", "--version", "2")[0] == DONE and set(states(server, "left")) == {4}
    assert vencejo("unload", "right", "--force")[0] == DONE
    history = json.loads(vencejo("history", "left", "-o", "json")[1])
    assert [(event["verb"], event["version"]) for event in history["events"]] == [
        ("load", 2), ("swap", 2), ("rollback", 4), ("label", 4), ("unload", 2)]
    assert "nothing was ordered" in vencejo("history", "nobody")[1]
    for arguments, wanted, words in (
            (("swap", "left=two"), USAGE, "left=two"), (("swap", "left=0"), USAGE, "left=0"), (("swap",), USAGE, "model"),
            (("label", "left", "x"), USAGE, "--version or --remove"), (("load", "nobody"), FAILED, "NOT_FOUND"),
            (("rollback", "left"), FAILED, "FAILED_PRECONDITION")):
        code, _, error = vencejo(*arguments)
        assert code == wanted and words in error
    assert "vencejo models" not in vencejo("load", "nobody")[2]
    code, _, error = command("swap", "left", VENCEJO_CONTROL=server.address)
    assert code == FAILED and "PERMISSION_DENIED" in error and "--control" in error


# In Triton's words

def test_tritonclient_loads_and_unloads(serve_repository, repository, triton):
    server = serve_repository()

    def specific(*versions):
        return {"config": json.dumps({"version_policy": {"specific": {"versions": list(versions)}}})}
    index, = triton(server.control, ("index",))
    assert index == [{"name": name, "version": str(version), "state": "READY"} for name in ("left", "right") for version in (3, 4)]
    assert triton(server.control, ("load", "left", specific(2))) == [None]
    assert ask(server, "left")[0] == 2 and states(server, "left")[2][1] == "LIVE"
    assert triton(server.control, ("load", "left", specific(3, 1))) == [None]
    assert ask(server, "left")[0] == 3 and set(states(server, "left")) == {1, 3}
    assert triton(server.control, ("load", "left", {})) == [None] and ask(server, "left")[0] == 4
    none, index = triton(server.control, ("unload", "left"), ("index",))
    assert none is None and index == [
        *({"name": "left", "version": str(version), "state": "UNAVAILABLE", "reason": "unloaded"} for version in (1, 2, 3, 4)),
        *({"name": "right", "version": str(version), "state": "READY"} for version in (3, 4))]
    refused(grpc.StatusCode.NOT_FOUND, lambda: ask(server, "left"), "left")
    put(repository, "left", 5)
    assert triton(server.control, ("load", "left", {})) == [None] and ask(server, "left")[0] == 5
    (repository / "left" / "6").mkdir()
    told = triton(server.control, ("load", "left", {}), ("load", "nobody", {}), ("unload", "nobody"), ("load", "left", {"config": "{"}),
                  ("load", "left", specific(9)), ("load", "left", specific(1, 2, 3)))
    codes = ["FAILED_PRECONDITION", "NOT_FOUND", "NOT_FOUND", "INVALID_ARGUMENT", "NOT_FOUND", "INVALID_ARGUMENT"]
    assert [code for code, _ in told] == codes, told
    assert ask(server, "left")[0] == 5
