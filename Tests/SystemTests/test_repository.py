"""A repository that changes under a running server: modes, watching, manifests, policies, what is kept and compared."""
import json
import shutil
import time

import grpc
import pytest

from calls import ask, controls, refused, states, swap
from command_line import DONE, FAILED, USAGE, command
from models import model, put
from server import run
from stubs import control
from waiting import becomes


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "models"
    for version in 1, 2:
        put(folder, "left", version)
    return folder


def watch(serve_repository, poll=0.3):
    return serve_repository("--repository-mode", "watch", "--repository-poll-seconds", poll)


def arrive(repository, name, version):
    """As a careful copy does: beside first, then in one move."""
    put(repository, ".beside", version)
    (repository / name).mkdir(exist_ok=True)
    time.sleep(0.5)
    (repository / ".beside" / str(version)).rename(repository / name / str(version))


def live(server, name="left"):
    try:
        return ask(server, name)[0]
    except grpc.RpcError as error:
        return error.code().name


@pytest.mark.parametrize("poll", [0.3, 3600])
def test_new_versions_and_models_are_served(serve_repository, repository, poll):
    """Without a poll in time only the kernel can have told."""
    server = watch(serve_repository, poll)
    assert live(server) == 2
    arrive(repository, "left", 3)
    becomes(3, lambda: live(server))
    assert states(server, "left") == {3: ("GREEN", "LIVE"), 2: ("BLUE", "READY")}
    arrive(repository, "fresh", 7)
    becomes(7, lambda: live(server, "fresh"))
    shutil.rmtree(repository / "left" / "2")
    becomes(False, lambda: 2 in states(server, "left"))
    shutil.rmtree(repository / "fresh")
    becomes("NOT_FOUND", lambda: live(server, "fresh"))
    shutil.rmtree(repository / "left" / "3")
    arrive(repository, "other", 1)
    becomes(1, lambda: live(server, "other"))
    assert live(server) == 3
    events = controls(server).History(control.ControlRequest(model="left")).events
    assert [(event.verb, event.author) for event in events] [:2] == [("load", "repository watch"), ("swap", "repository watch")]


def test_a_slow_copy_is_never_seen_half(serve_repository, repository):
    server = watch(serve_repository, poll=3600)
    content = model(3)
    place = repository / "left" / "3"
    place.mkdir()
    with open(place / "model.onnx", "wb") as file:
        for start in range(0, len(content), len(content) // 4 + 1):
            file.write(content[start:start + len(content) // 4 + 1])
            file.flush()
            time.sleep(1.5)  # longer than what a folder at rest needs
            assert set(states(server, "left")) == {1, 2}
    becomes(3, lambda: live(server))
    for folder in "4.partial", ".5", "_6":
        (repository / "left" / folder).mkdir()
        (repository / "left" / folder / "model.onnx").write_bytes(content)
    (repository / "left" / "4.partial").rename(repository / "left" / "4")
    (repository / "left" / "4" / "model.onnx").write_bytes(model(4))
    becomes(4, lambda: live(server))
    assert "FAILED" not in str(states(server, "left"))


def test_a_manifest_must_be_right(serve_repository, repository):
    server = watch(serve_repository)
    place = repository / "left" / "3"
    put(repository, "left", 9)
    becomes(9, lambda: live(server))
    (repository / ".next").mkdir()
    (repository / ".next" / "model.onnx").write_bytes(model(10))
    assert command("manifest", repository / ".next", "--author", "maria")[0] == DONE
    (repository / ".next" / "model.onnx").write_bytes(model(11))
    (repository / ".next").rename(repository / "left" / "10")
    becomes("FAILED", lambda: states(server, "left").get(10, (0, 0))[1])
    assert live(server) == 9
    refused(grpc.StatusCode.FAILED_PRECONDITION, lambda: controls(server).Load(
        control.ControlRequest(model="left", version=10)), "manifest.json")
    (repository / "left" / "10" / "model.onnx").write_bytes(model(10))
    becomes(10, lambda: live(server))
    assert "names a model.onnx of sha256" in server.log() and not place.exists()


def test_an_order_pins(serve_repository, repository):
    server = watch(serve_repository)
    swap(controls(server), ("left", 1))
    put(repository, "left", 3)
    becomes({1, 3}, lambda: set(states(server, "left")))
    time.sleep(1)
    assert live(server) == 1
    swap(controls(server), ("left", 3))
    put(repository, "left", 4)
    becomes(4, lambda: live(server))


def test_what_does_not_fit_callers_is_only_loaded(serve_repository, repository):
    server = watch(serve_repository)
    put(repository, "left", 3, output="z")
    becomes({2, 3}, lambda: set(states(server, "left")))
    time.sleep(1)
    assert live(server) == 2 and states(server, "left")[3] == ("GREEN", "READY")
    swap(controls(server), ("left", 3), force=True)
    assert states(server, "left")[3] == ("GREEN", "LIVE")


def test_a_kubernetes_volume_is_swapped(serve_repository, repository):
    for number, version in (1, 1), (2, 2):
        (repository / f"..{number}").mkdir()
        put(repository / f"..{number}", "left", version)
    shutil.rmtree(repository / "left")
    (repository / "..data").symlink_to("..1")
    (repository / "left").symlink_to("..data/left")
    server = watch(serve_repository)
    assert live(server) == 1
    (repository / "..data_tmp").symlink_to("..2")
    (repository / "..data_tmp").rename(repository / "..data")
    shutil.rmtree(repository / "..1")
    becomes(2, lambda: live(server))


def test_old_versions_are_removed(serve_repository, repository):
    for version in 3, 4, 5:
        put(repository, "left", version)
    (repository / "left" / "model.yaml").write_text("keep: 3\nlabels: {old: 1}\nversion_policy:\n  latest: 1\n")
    server = watch(serve_repository)
    assert states(server, "left") == {5: ("BLUE", "LIVE")}
    becomes({"1", "3", "4", "5", "model.yaml"}, lambda: {entry.name for entry in (repository / "left").iterdir()})
    put(repository, "left", 6)
    becomes({6}, lambda: set(states(server, "left")))
    becomes({"1", "4", "5", "6", "model.yaml"}, lambda: {entry.name for entry in (repository / "left").iterdir()})
    assert list((repository / ".trash").iterdir()) == []


@pytest.mark.parametrize("policy, loaded", [
    ("version_policy: all", {5: ("BLUE", "LIVE"), 4: ("GREEN", "READY"), 2: ("SLOT_UNSPECIFIED", "READY"), 1: ("SLOT_UNSPECIFIED", "READY")}),
    ("version_policy: {specific: [1, 4]}", {4: ("BLUE", "LIVE"), 1: ("GREEN", "READY")}),
    ("version_policy: {latest: 1}", {5: ("BLUE", "LIVE")}), ("version_policy: {specific: [9]}", None),
    ("version_policy: {latest: 0}", None), ("version_policy: {newest: {}}", None)])
def test_policies(serve_repository, repository, policy, loaded):
    for version in 4, 5:
        put(repository, "left", version)
    (repository / "left" / "model.yaml").write_text(policy + "\n")
    server = serve_repository()
    if loaded is None:
        assert [state for _, state in states(server, "left").values()][0] == "FAILED" and "version_policy" in server.log()
        return
    assert states(server, "left") == loaded
    assert {ask(server, "left", version=version)[0] for version in loaded} == set(loaded)
    # An order may load what the policy does not want.
    if 2 not in loaded:
        controls(server).Load(control.ControlRequest(model="left", version=2))
        assert ask(server, "left", version=2)[0] == 2


def test_modes(serve_repository, repository):
    put(repository, "right", 1)
    server = serve_repository("--repository-mode", "explicit")
    refused(grpc.StatusCode.NOT_FOUND, lambda: ask(server, "left"), "left")
    controls(server).Load(control.ControlRequest(model="left"))
    assert live(server) == 2
    server.stop()
    server = serve_repository("--repository-mode", "explicit", "--load-model", "right")
    assert live(server) == 2 and live(server, "right") == 1
    server.stop()
    server = serve_repository("--repository-mode", "none")
    stub = controls(server)
    for order in stub.Load, stub.Unload:
        refused(grpc.StatusCode.FAILED_PRECONDITION, lambda: order(control.ControlRequest(model="left", version=1)),
                "--repository-mode none")
    assert live(server) == 2 and live(server, "right") == 1


@pytest.mark.parametrize("arguments, words", [
    (("--repository-mode", "poll"), "none, explicit, watch"), (("--repository-poll-seconds", "1"), "--repository-mode watch"),
    (("--repository-mode", "watch", "--load-model", "left"), "explicit"), (("--load-model", "nobody"), "nobody"),
    (("--repository-mode", "watch", "--repository-poll-seconds", "0"), "seconds")])
def test_settings_that_cannot_be(repository, arguments, words):
    code, _, error = run("serve", "--repository", repository, "--grpc", "127.0.0.1:0", *arguments)
    assert code == USAGE and words in error


def test_manifests_are_written_and_compared(repository):
    left = repository / "left"
    code, text, _ = command("manifest", left / "1", "--author", "ana", "--metric", "auc=0.5", "--tag", "data=may")
    assert code == DONE and "1 file" in text
    code, _, _ = command("manifest", left / "2", "--parent", "left/1", "--metric", "auc=0.75", "--metric", "f1=1")
    written = json.loads((left / "1" / "manifest.json").read_text())
    assert code == DONE and (written["author"], written["metrics"], written["tags"]) == ("ana", {"auc": 0.5}, {"data": "may"})
    assert written["files"][0]["bytes"] == (left / "1" / "model.onnx").stat().st_size
    code, text, _ = command("compare", "left", 1, 2, "--repository", repository)
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert code == DONE and "+0.25" in lines["metric auc"] and "differs" in lines["model.onnx sha256"]
    assert "left/1" in lines["parent"] and "may" in lines["tag data"]
    code, text, _ = command("compare", "left", 1, 2, "--repository", repository, "-o", "json")
    report = json.loads(text)
    found = {line["name"]: line for line in report["lines"]}
    assert code == DONE and report["differs"] and found["metric f1"]["first"] is None and found["metric auc"]["difference"] == 0.25
    # What is no number has no difference.
    assert "difference" not in found["metric f1"] and "difference" not in found["model.onnx sha256"]
    assert found["model.onnx bytes"]["difference"] == found["model.onnx bytes"]["second"] - found["model.onnx bytes"]["first"]
    # Written again it keeps what is not given anew.
    assert command("manifest", left / "1", "--metric", "f1=0.75", "--tag", "data=june", "--reason", "late")[0] == DONE
    again = json.loads((left / "1" / "manifest.json").read_text())
    assert again == written | {"metrics": {"auc": 0.5, "f1": 0.75}, "tags": {"data": "june"}, "reason": "late"}
    (left / "1" / "manifest.json").write_text("{")
    assert command("manifest", left / "1", "--author", "ana", "--metric", "auc=0.5", "--tag", "data=may")[0] == DONE
    put(repository, "left", 3)
    assert command("compare", "left", 3, 3, "--repository", repository)[0] == DONE
    for arguments, wanted, words in (
            (("compare", "left", 1, 9, "--repository", repository), FAILED, "left/9"),
            (("compare", "left", 1, 2, "--repository", repository / "no"), USAGE, "--repository"),
            (("manifest", left), USAGE, "is a folder"), (("manifest", left / "9"), USAGE, "9"),
            (("manifest", left / "1", "--metric", "auc"), USAGE, "auc"),
            (("manifest", left / "1", "--metric", "auc=nan"), USAGE, "finite")):
        code, _, error = command(*arguments)
        assert code == wanted and words in error
