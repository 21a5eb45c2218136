"""The status as a stream: who watches is told of changes, ends when it likes, and holds up nobody."""
import contextlib
import json
import queue
import subprocess
import threading
import time

import grpc
import pytest

from calls import controls, load, swap
from command_line import UNREACHABLE, command
from models import put, scores
from server import PATIENCE, binary
from stubs import control, control_grpc
from traffic import Load
from waiting import eventually


class Watch:
    """A stream's messages as they come; what ended it last."""

    def __init__(self, stub, model="", **options):
        self.call = stub.Watch(control.ControlRequest(model=model), **options)
        self.messages = queue.Queue()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        try:
            for message in self.call:
                self.messages.put((time.monotonic(), message))
        except grpc.RpcError as error:
            self.messages.put((time.monotonic(), error))

    def next(self, timeout=PATIENCE):
        return self.messages.get(timeout=timeout)[1]

    def until(self, holds):
        """The first message for which it holds."""
        while True:
            message = self.next()
            assert not isinstance(message, grpc.RpcError), message
            if holds(message):
                return message

    def nothing(self, seconds):
        with pytest.raises(queue.Empty):
            pytest.fail(f"told without news: {self.next(timeout=seconds)}")


def lives(status):
    return {(model.model, version.version) for model in status.models for version in model.versions
            if version.state == "live"}


def test_a_change_is_told_within_a_moment(serve_repository):
    server = serve_repository()
    stub = controls(server)
    all_of_them, one = Watch(stub), Watch(stub, "left")
    first = all_of_them.next()
    assert lives(first) == {("left", 4), ("right", 4)} and lives(one.next()) == {("left", 4)}
    assert first.epoch == stub.Status(control.ControlRequest(), timeout=PATIENCE).epoch
    all_of_them.nothing(0.8)
    for version in 3, 4, 3:
        began = time.monotonic()
        answer = swap(stub, ("left", version))
        told = all_of_them.until(lambda status: ("left", version) in lives(status))
        assert told.epoch == answer.epoch and time.monotonic() - began < 5
        one.until(lambda status: lives(status) == {("left", version)})
    # What is on its way is told too, and what goes.
    load(stub, "left", 1)
    one.until(lambda status: any(version.version == 1 and version.state == "ready" for version in status.models[0].versions))
    stub.Unload(control.ControlRequest(model="left", force=True), timeout=PATIENCE)
    ended = one.next()
    while not isinstance(ended, grpc.RpcError):
        ended = one.next()
    assert ended.code() == grpc.StatusCode.NOT_FOUND and "left" in ended.details()
    assert lives(all_of_them.until(lambda status: ("left", 3) not in lives(status))) == {("right", 4)}


def test_counts_are_told_twice_a_second(serve_repository, repository):
    server = serve_repository()
    put(repository, "scores", 1, scores())
    put(repository, "scores", 2, scores(1.01))
    stub = controls(server)
    for version in 1, 2:
        load(stub, "scores", version)
    watch = Watch(stub, "scores")
    watch.next()
    watch.nothing(0.8)
    stub.SetWeights(control.ControlRequest(model="scores", shares=[
        control.Share(version=1, percent=50), control.Share(version=2, percent=50)]), timeout=PATIENCE)
    with Load(server, threads=2):
        watch.until(lambda status: sum(version.calls for version in status.models[0].versions) > 0)
        times, calls = [], []
        for _ in range(5):
            at, status = watch.messages.get(timeout=PATIENCE)
            times.append(at)
            calls.append(sum(version.calls for version in status.models[0].versions))
    assert calls == sorted(calls) and calls[-1] > calls[0]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert sum(gaps) / len(gaps) > 0.4, gaps


def admitted(stub):
    """A watch that the server had room for; it may learn a moment later which others have left."""
    def opened():
        watch = Watch(stub)
        first = watch.next()
        if not isinstance(first, grpc.RpcError):
            return watch
        assert first.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, first
    return eventually(opened)


def test_who_leaves_is_forgotten(serve_repository):
    """A shard has room for 64 watches; one that ends makes room."""
    server = serve_repository("--shards", 1, "--streams-max", 128)
    stub = controls(server)
    for _ in range(3):
        watches = [admitted(stub) for _ in range(64)]
        refused = Watch(stub).next()
        assert refused.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and "64" in refused.details()
        for watch in watches:
            watch.call.cancel()
        # Watches do not delay orders.
        assert swap(stub, ("left", 3)).epoch
        swap(stub, ("left", 4))
        for watch in watches:
            watch.thread.join(PATIENCE)
    # A connection that breaks is as good.
    for _ in range(3):
        channel = server.channel(server.control)
        stub = control_grpc.ModelControlServiceStub(channel)
        assert all([admitted(stub) for _ in range(40)])
        channel.close()


def test_a_drain_ends_it_in_words(serve_repository):
    server = serve_repository()
    watches = [Watch(controls(server)) for _ in range(3)]
    for watch in watches:
        watch.next()
    began = time.monotonic()
    server.terminate()
    for watch in watches:
        ended = watch.next()
        assert ended.code() == grpc.StatusCode.UNAVAILABLE and "shutting down" in ended.details()
    assert server.process.wait(timeout=PATIENCE) == 0 and time.monotonic() - began < 30


def test_who_does_not_read_holds_up_nobody(serve_repository):
    """Its window is shut from the first byte on: its answers stay where they are, and everybody else's go on."""
    server = serve_repository("--shards", 1)
    stub = controls(server)
    mute = control_grpc.ModelControlServiceStub(server.channel(
        server.control, **{"grpc__http2__lookahead_bytes": 1, "grpc__http2__bdp_probe": 0})).Watch(control.ControlRequest())
    reading = Watch(stub)
    reading.next()
    for turn in range(30):
        version = 3 + turn % 2
        swap(stub, ("left", version))
        reading.until(lambda status: ("left", version) in lives(status))
    # It gets what is newest when it reads at last, not all that was in between.
    seen = [next(mute)]
    while ("left", 4) not in lives(seen[-1]) or seen[-1].epoch < stub.Status(control.ControlRequest()).epoch:
        seen.append(next(mute))
    mute.cancel()


def test_where_and_what_is_refused(serve_repository):
    server = serve_repository()
    elsewhere = Watch(control_grpc.ModelControlServiceStub(server.channel())).next()
    assert elsewhere.code() == grpc.StatusCode.PERMISSION_DENIED
    nobody = Watch(controls(server), "nobody").next()
    assert nobody.code() == grpc.StatusCode.NOT_FOUND and "not in the repository" in nobody.details()
    timed = Watch(controls(server), timeout=1)
    timed.next()
    assert timed.next().code() == grpc.StatusCode.DEADLINE_EXCEEDED


@contextlib.contextmanager
def watching(server, *arguments):
    process = subprocess.Popen([binary(), *map(str, arguments), "--endpoint", server.control], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_the_command_shows_it_as_it_changes(serve_repository):
    server = serve_repository()
    with watching(server, "ps", "left", "-w", "-o", "json") as process:
        first = json.loads(process.stdout.readline())
        assert [(each["version"], each["state"]) for each in first["models"][0]["versions"]] == [(4, "live"), (3, "ready")]
        swap(controls(server), ("left", 3))
        assert json.loads(process.stdout.readline())["models"][0]["versions"][0]["version"] == 3
        server.terminate()
        assert process.wait(timeout=PATIENCE) == UNREACHABLE
        assert "no gRPC server answers" in process.stderr.read()
    code, _, error = command("ps", "nobody", "-w", "--endpoint", server.control)
    assert code == UNREACHABLE
