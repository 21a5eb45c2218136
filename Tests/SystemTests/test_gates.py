"""Loads that cannot hurt: versions are tried in processes of their own, pass gates, and are left alone when they fail too
often. What crashes, hangs and grows here is a runtime that was built for it (bad_runtime.c)."""
import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess

import grpc
import numpy as np
import pytest

from calls import ask, controls, load, refused, states, swap, vencejo
from command_line import DONE, FAILED, USAGE, command
from models import WIDTH, failing, golden, graph, node, put
from server import PATIENCE, binary, run, runtime
from stubs import control
from waiting import eventually

WRONG = grpc.StatusCode.FAILED_PRECONDITION


@pytest.fixture(scope="session")
def bad_runtime(tmp_path_factory):
    library = tmp_path_factory.mktemp("runtime") / "libbad.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, pathlib.Path(__file__).with_name("bad_runtime.c"),
                    f'-DREAL_RUNTIME="{os.path.realpath(runtime())}"', "-ldl"], check=True)
    return library


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "models"
    for name in "left", "right":
        for version in 1, 2:
            put(folder, name, version)
    return folder


@pytest.fixture
def bad(serve_repository, bad_runtime):
    return lambda *arguments: serve_repository("--onnxruntime", bad_runtime, *arguments)


def children(server):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(server.process.pid)], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


# In a process of its own

@pytest.mark.parametrize("what, arguments, words", [
    ("abort-here", (), ("its runtime crashed (SIGABRT)", "in a process of its own")),
    ("fault-here", (), ("its runtime crashed (SIGSEGV)",)),
    ("hang-here", ("--probe-seconds", "2"), ("not ready within 2 s",)),
])
def test_what_crashes_or_hangs_hurts_nobody(bad, repository, what, arguments, words):
    server = bad(*arguments)
    stub = controls(server)
    put(repository, "left", 3, note=what)
    refused(WRONG, lambda: load(stub, "left", 3), "version 3", *words)
    assert states(server, "left")[3][1] == "FAILED" and ask(server, "left")[0] == 2
    assert children(server) == []
    # What was mended is loaded.
    put(repository, "left", 3)
    load(stub, "left", 3)
    assert ask(server, "left", version=3)[0] == 3


def test_what_grows_is_stopped(bad, repository):
    server = bad()
    put(repository, "left", 3, note="grow-here", yaml="memory_budget: 8M\n")
    refused(WRONG, lambda: load(controls(server), "left", 3), "of memory", "at most 272.0 MiB are allowed")
    assert ask(server, "left")[0] == 2


def test_a_trial_that_hangs_holds_up_nobody(bad, repository):
    server = bad("--probe-seconds", "100")
    stub = controls(server)
    put(repository, "left", 3, note="hang-here")
    put(repository, "right", 3)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(refused, WRONG, lambda: load(stub, "left", 3), "its process was killed")
        trial, = eventually(lambda: children(server))
        load(stub, "right", 3)
        swap(stub, ("right", 3))
        assert ask(server, "right")[0] == 3 and not hanging.done()
        assert states(server, "left")[3][1] == "LOADING"
        os.kill(trial, signal.SIGKILL)
        hanging.result()


def scheduling(process):
    """Of each thread its name, policy (sched(7)) and nice value (proc(5), stat)."""
    found = []
    for task in pathlib.Path(f"/proc/{process}/task").iterdir():
        name, rest = (task / "stat").read_text().split("(", 1)[1].rsplit(") ", 1)
        fields = rest.split()
        found.append((name, int(fields[38]), int(fields[16])))
    return found


def test_threads_that_give_way_are_never_idle(bad, repository):
    """A thread of SCHED_IDLE that holds a kernel lock keeps it for minutes on a full machine, from other processes too."""
    normal, batch = 0, 3
    server = bad("--probe-seconds", "100")
    put(repository, "left", 3, note="hang-here")
    pending = controls(server).Load.future(control.ControlRequest(model="left", version=3), timeout=PATIENCE)
    trial, = eventually(lambda: children(server))
    # It gives way as soon as it runs our code.
    assert eventually(lambda: all(found[1:] == (batch, 19) for found in scheduling(trial)))
    threads = scheduling(server.process.pid)
    assert all((policy, nice) in ((normal, 0), (batch, 19)) for _, policy, nice in threads), threads
    assert {name for name, _, nice in threads if nice} >= {"control", "freeing", "loader", "executor-0"}, threads
    assert ("shard-0", normal, 0) in threads
    pending.cancel()


def test_a_trial_ends_with_its_server(bad, repository):
    server = bad()
    put(repository, "left", 3, note="hang-here")
    pending = controls(server).Load.future(control.ControlRequest(model="left", version=3), timeout=PATIENCE)
    trials = eventually(lambda: children(server))
    server.kill()
    assert trials and eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in trials))
    pending.cancel()


def test_without_trials_nothing_is_started(serve_repository, repository):
    server = serve_repository("--probe", "off")
    put(repository, "left", 3, yaml="memory_budget: 1M\n")
    steps = list(load(controls(server), "left", 3).steps)
    assert len(steps) == 3 and "gate memory, skipped" in steps[0]
    code, _, error = run("serve", "--repository", repository, "--probe", "maybe")
    assert code == USAGE and "--probe" in error and "on and off" in error


# Gates

def test_what_fails_its_gates_needs_force(serve_repository, repository):
    server = serve_repository()
    stub = controls(server)
    put(repository, "left", 3, adds=9)
    golden(repository, "left", 3, expected=3)
    steps = list(load(stub, "left", 3).steps)
    assert any("gate golden, failed: 1 of 1 case failed: case 'one': output 'y' is" in step for step in steps), steps
    assert states(server, "left")[3] == ("GREEN", "READY")
    refused(WRONG, lambda: swap(stub, ("left", 3)), "did not pass its gates: golden", "say force")
    assert states(server, "left")[2][1] == "LIVE"
    swap(stub, ("left", 3), force=True)
    assert states(server, "left")[3][1] == "LIVE"
    # Back to it nobody is asked; and the history tells.
    swap(stub, ("left", 2))
    stub.Rollback(control.ControlRequest(model="left"))
    assert states(server, "left")[3][1] == "LIVE"
    told = stub.History(control.ControlRequest(model="left")).events[0]
    assert told.verb == "load" and any("gate golden, failed" in step for step in told.steps)


def test_a_version_that_fails_does_not_become_live_where_none_is(serve_repository, repository):
    server = serve_repository()
    stub = controls(server)
    stub.Unload(control.ControlRequest(model="left", force=True))
    golden(repository, "left", 2, expected=7)
    assert load(stub, "left", 2).steps[-1] == "version 2 of model 'left' is ready; none is live"
    assert states(server, "left") == {2: ("BLUE", "READY")}
    server.stop()
    # Nor at the next start.
    again = serve_repository()
    assert states(again, "left") == {2: ("BLUE", "READY")}
    refused(WRONG, lambda: swap(controls(again), ("left", 2)), "golden")


@pytest.mark.parametrize("yaml, outcome", [("", "passed"), ("golden_rtol: 0\ngolden_atol: 0\n", "failed")])
def test_tolerances(serve_repository, repository, yaml, outcome):
    x = np.ones((1, WIDTH), np.float32)
    golden(repository, "left", 2, **{"input.x": x, "output.y": x * np.float32(3.0001)})
    put(repository, "left", 2, yaml=yaml)
    stub = controls(serve_repository())
    load(stub, "left", 1)
    stub.Unload(control.ControlRequest(model="left", version=2, force=True))
    assert any(f"gate golden, {outcome}" in step for step in load(stub, "left", 2).steps)


@pytest.mark.parametrize("files, words", [
    ({"input.x": np.ones((1, WIDTH), np.float64)}, ("its inputs do not fit", "FP64")),
    ({"input.x": np.ones((1, WIDTH), np.float32), "output.z": np.ones(1, np.float32)}, ("has no output 'z'",)),
    ({"input.x": np.ones((1, WIDTH), np.float32), "output.y": np.ones(1, np.float32)}, ("is of shape [1, 4], not [1]",)),
    ({"input.x": np.full((1, WIDTH), np.nan, np.float32)}, ("is NaN or infinite at element 0",)),
    ({"other.x": np.ones(1, np.float32)}, ("neither input.<tensor>.npy nor output.<tensor>.npy",)),
])
def test_examples_that_do_not_hold(repository, files, words):
    golden(repository, "left", 2, **files)
    done = subprocess.run([binary(), "probe", repository / "left", "-o", "json", "--onnxruntime", runtime()],
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == FAILED and "did not pass: golden" in done.stderr
    report = json.loads(done.stdout)
    gate, = (gate for gate in report["gates"] if gate["name"] == "golden")
    assert gate["outcome"] == "failed" and not report["passed"]
    for word in words:
        assert word in gate["sentence"]


def test_budgets(serve_repository, repository):
    server = serve_repository()
    stub = controls(server)
    put(repository, "left", 3, yaml="latency_budget_milliseconds: 0.001\nmemory_budget: 64K\n")
    load(stub, "left", 3)
    refused(WRONG, lambda: swap(stub, ("left", 3)), "latency: the 99th percentile of 100 runs", "memory: it takes")
    put(repository, "left", 3, yaml="latency_budget_milliseconds: 1000\nmemory_budget: 1G\n")
    stub.Unload(control.ControlRequest(model="left", version=3))
    assert sum("passed" in step for step in load(stub, "left", 3).steps) == 2
    swap(stub, ("left", 3))


def root(version):
    """y = log(x + `version`): NaN where that is below 0."""
    return graph([node("Add", "x", "v", "sum"), node("Log", "sum", "y")], {"v": np.float32([version])})


@pytest.mark.parametrize("live, is_fit", [(9, False), (-9, True)])
def test_nan_is_a_fault_where_the_live_version_knows_better(serve_repository, repository, live, is_fit):
    for version, content in (1, root(live)), (2, root(-5)):
        put(repository, "roots", version, content)
    server = serve_repository()
    stub = controls(server)
    stub.Unload(control.ControlRequest(model="roots", force=True))
    load(stub, "roots", 1)
    load(stub, "roots", 2)
    if is_fit:
        swap(stub, ("roots", 2))
    else:
        refused(WRONG, lambda: swap(stub, ("roots", 2)), "finite: it gives NaN")


def test_a_version_that_answers_nothing_needs_force(serve_repository, repository):
    server = serve_repository()
    stub = controls(server)
    put(repository, "left", 3, failing(-1e9))
    assert any("gate answers, failed: it answers none of the inputs" in step for step in load(stub, "left", 3).steps)
    assert "version 3: " in server.log() and "Gather" in server.log()
    refused(WRONG, lambda: swap(stub, ("left", 3)), "answers: it answers none", "golden case", "say force")
    # One that takes other inputs than ours, and shows it.
    put(repository, "left", 4, failing(-1000))
    golden(repository, "left", 4, **{"input.x": np.full((1, WIDTH), -1e6, np.float32)})
    assert not any("gate answers" in step for step in load(stub, "left", 4).steps)
    swap(stub, ("left", 4))
    # And the next of its kind, which refuses no more than the live one.
    put(repository, "left", 5, failing(-1000))
    load(stub, "left", 5)
    swap(stub, ("left", 5))
    # What answers nothing does not become live by coming first, either.
    stub.Unload(control.ControlRequest(model="left", force=True))
    assert load(stub, "left", 3).steps[-1] == "version 3 of model 'left' is ready; none is live"


# Left alone

def start(repository, bad_runtime, *arguments):
    """(exit code, what it said) of a server that does not outlive its start."""
    done = subprocess.run([binary(), "serve", "--repository", repository, "--grpc", "127.0.0.1:0", "--onnxruntime",
                           bad_runtime, *arguments], capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout


def test_a_crash_loop_ends(bad, bad_runtime, repository):
    put(repository, "left", 2, note="abort-here")
    for _ in range(2):
        assert start(repository, bad_runtime, "--probe", "off")[0] == -signal.SIGABRT
    # The third start leaves it alone; nobody else is to blame.
    server = bad("--probe", "off")
    assert ask(server, "right")[0] == 2 and ask(server, "left")[0] == 1  # in its place: no order wanted it live
    assert "version 1 is to answer instead of version 2, which failed" in server.log()
    assert states(server, "left")[2][1] == "QUARANTINED" and states(server, "right")[2][1] == "LIVE"
    with pytest.raises(grpc.RpcError) as caught:
        ask(server, "left", version=2)
    assert "the last 2 processes ended while they loaded it" in caught.value.details()
    assert "vencejo load" in caught.value.details()
    server.stop()
    # It is still left alone, until its file changes.
    server = bad("--probe", "off")
    assert states(server, "left")[2][1] == "QUARANTINED"
    server.stop()
    put(repository, "left", 2)
    server = bad("--probe", "off")
    assert states(server, "left")[2][1] == "LIVE" and not (repository / ".vencejo.json.loading").exists()


def test_after_a_crash_it_is_tried_outside(bad, bad_runtime, repository):
    put(repository, "left", 2, note="abort-here")
    assert start(repository, bad_runtime)[0] == -signal.SIGABRT
    server = bad()
    assert ask(server, "right")[0] == 2 and states(server, "left")[2][1] == "FAILED" and ask(server, "left")[0] == 1
    with pytest.raises(grpc.RpcError) as caught:
        ask(server, "left", version=2)
    assert "its runtime crashed (SIGABRT)" in caught.value.details()


def test_an_order_lifts_the_quarantine(bad, bad_runtime, repository):
    put(repository, "left", 2, note="abort-here")
    for _ in range(2):
        assert start(repository, bad_runtime, "--probe", "off")[0] == -signal.SIGABRT
    server = bad()
    stub = controls(server)
    assert states(server, "left")[2][1] == "QUARANTINED"
    refused(WRONG, lambda: load(stub, "left", 2), "its runtime crashed (SIGABRT)")
    assert states(server, "left")[2][1] == "FAILED"


def test_an_end_that_was_asked_for_is_no_crash(bad, repository):
    server = bad("--probe", "off")
    put(repository, "left", 3, note="hang-here")
    pending = controls(server).Load.future(control.ControlRequest(model="left", version=3), timeout=PATIENCE)
    marker = repository / ".vencejo.json.loading"
    assert eventually(marker.exists) and '"isUnderWay" : true' in marker.read_text()
    server.stop()
    pending.cancel()
    assert not marker.exists()


def test_two_servers_over_one_repository_do_not_blame_each_other(bad, repository):
    first = bad("--probe", "off")
    stub = controls(first)
    swap(stub, ("left", 1))  # From now on what is loaded stands in the state file, and version 3 does not.
    put(repository, "left", 3, note="hang-here")
    pending = stub.Load.future(control.ControlRequest(model="left", version=3), timeout=PATIENCE)
    marker = repository / ".vencejo.json.loading"
    assert eventually(marker.exists)
    before = marker.read_text()
    second = bad("--probe", "off")
    assert ask(second, "left")[0] == 1
    second.stop()
    assert marker.read_text() == before and '"crashes" : 0' in before
    first.stop()
    pending.cancel()
    assert not marker.exists()


# From the command line

def test_probe(repository, bad_runtime):
    environment = {"VENCEJO_ONNXRUNTIME": str(bad_runtime)}
    golden(repository, "left", 2, expected=2)
    for place in "left", "left/2", "left/2/model.onnx", "left/2/":
        code, text, _ = command("probe", f"{repository}/{place}", **environment)
        assert code == DONE and re.search(r"^golden +passed +it answers 1 case as expected$", text, re.M)
        assert re.search(r"^inputs +x FP32 \[-1, 4\]$", text, re.M)
    assert re.search(r"^version +1$", command("probe", repository / "left" / "1", **environment)[1], re.M)
    report = json.loads(command("probe", repository / "left", "-o", "json", **environment)[1])
    assert report["schema"] == 1 and report["passed"] and report["facts"]["runs"] == 100
    assert report["facts"]["p50_nanoseconds"] <= report["facts"]["p99_nanoseconds"]
    assert 0 < report["peak_bytes_before"] <= report["peak_bytes_after"]
    put(repository, "left", 3, note="abort-here")
    put(repository, "left", 4, note="hang-here")
    for arguments, wanted, words in (
            (("left/3",), FAILED, "crashed (SIGABRT)"), (("left/4", "--timeout", "1"), FAILED, "not ready within 1 s"),
            (("left/9",), FAILED, "does not exist"), (("nobody",), USAGE, "nobody"), (("left/2/weights.onnx",), USAGE, "model.onnx"),
            (("left", "--timeout", "0"), USAGE, "--timeout")):
        code, _, error = command("probe", f"{repository}/{arguments[0]}", *arguments[1:], **environment)
        assert code == wanted and words in error, (arguments, error)


def test_load_tells_of_its_gates(serve_repository, repository):
    golden(repository, "left", 1, expected=1)
    golden(repository, "left", 1, case="two", expected=1)
    server = serve_repository()
    assert vencejo(server, "unload", "left", "--version", "1")[0] == DONE
    code, text, _ = vencejo(server, "load", "left", "--version", "1")
    assert code == DONE and "was tried in a process of its own: ready in" in text and "ms a run (p99 of 100)" in text
    assert "gate golden, passed: it answers 2 cases as expected" in text
    # Names are printed as they are.
    golden(repository, "left", 1, case="three", **{"input.x": np.ones((1, WIDTH), np.float64)})
    assert vencejo(server, "unload", "left", "--version", "1")[0] == DONE
    assert 'case \'three\': its inputs do not fit: input "x" of model "left" has type FP64' in vencejo(
        server, "load", "left", "--version", "1")[1]
