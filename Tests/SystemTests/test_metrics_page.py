"""The server's metrics page, read by another implementation of its documentation (metrics_page.py)."""
import math
import pathlib
import struct
import threading
import time

import grpc
import pytest

import metrics_page
from metrics_page import COUNTER, HISTOGRAM, Page
from server import Server, run
from stubs import prediction, prediction_grpc
from waiting import eventually


@pytest.mark.parametrize("words, expected", [
    ([], 0xcbf29ce484222325), ([0], 0xaf63bd4c8601b7df), ([1, 2], 0x082f2407b4e8902b), ([2**64 - 1], 0x509c41b379fe466f),
])
def test_checksums(words, expected):
    """The numbers of Tests/ServerMetricsTests/LayoutTests.swift."""
    assert metrics_page.checksum(words) == expected


@pytest.mark.parametrize("content, reason", [
    (b"", "shorter"), (bytes(4095), "shorter"), (bytes(4096), "no metrics page"), (b"VCJSHM01" + bytes(4088), "version 0"),
])
def test_what_is_no_page(content, reason):
    with pytest.raises(metrics_page.Damaged, match=reason):
        Page.of(content)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.page"


@pytest.fixture
def echo(tmp_path):
    folder = tmp_path / "models"
    (folder / "echo").mkdir(parents=True)
    (folder / "echo" / "model.yaml").write_text("engine: identity\n")
    return folder


@pytest.fixture
def server(serve, path, echo):
    return serve("--metrics-page", path, "--shards", "2", repository=echo)


def request(model="echo", values=3):
    tensor = prediction.Tensor(name="x", type=prediction.FP32, shape=[values], data=bytes(4 * values))
    return prediction.PredictRequest(model=prediction.ModelSelector(name=model), inputs=[tensor])


def predict(server, count, model="echo"):
    stub = prediction_grpc.PredictionServiceStub(server.channel())
    codes = []
    for _ in range(count):
        try:
            stub.Predict(request(model), timeout=60)
            codes.append(grpc.StatusCode.OK)
        except grpc.RpcError as error:
            codes.append(error.code())
    return codes


def of(page, name, **labels):
    """The values of all series of a metric that have these labels, among others."""
    return [value for (each, pairs), value in page.series().items() if each == name and labels.items() <= dict(pairs).items()]


def page_when(path, is_meant):
    """What a call changes is written when its turn ends, which may be after its answer was read."""
    found = []

    def look():
        found[:] = [metrics_page.read_while_written(path)]
        return is_meant(found[0])
    assert eventually(look), path
    return found[0]


def test_the_header_says_who_wrote_it(server, path):
    page = Page.at(path)
    assert page.header("state") == metrics_page.READY
    assert page.header("generation") == 1
    assert page.header("process_id") == server.process.pid
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
    assert f"{page.header('boot_high'):016x}{page.header('boot_low'):016x}" == boot
    assert page.header("shards") == 2
    assert page.header("version") >> 32 == 1
    assert abs(page.header("start_unix_nanoseconds") - time.time_ns()) < 600e9
    assert 0 < page.header("start_monotonic_nanoseconds") <= page.header("heartbeat_monotonic_nanoseconds")
    assert page.header("heartbeat_monotonic_nanoseconds") <= time.monotonic_ns()
    assert page.header("rows_missed") == 0
    product = struct.pack("<8Q", *page.words[64:72]).rstrip(b"\0").decode()
    assert product == run("--version")[1].strip()
    assert not any(page.words[len(metrics_page.HEADER):64]) and not any(page.words[72:metrics_page.HEADER_WORDS])
    # It gives signs of life.
    before = page.header("heartbeat_monotonic_nanoseconds")
    page_when(path, lambda page: page.header("heartbeat_monotonic_nanoseconds") > before)


def test_rows_of_models_and_versions(server, path):
    page = Page.at(path)
    assert [row.model for row in page.rows if row.number < 2] == ["_unknown", "_overflow"] * 2
    rows = [row for row in page.rows if row.model == "echo"]
    assert {row.scope for row in rows} == {metrics_page.MODEL, metrics_page.VERSION}
    assert any(row.version for row in rows) and all(row.times_given == 1 for row in rows)


def test_calls_are_counted(server, path):
    assert predict(server, 20) == [grpc.StatusCode.OK] * 20
    page = page_when(path, lambda page: sum(of(page, "vencejo_requests", model="echo")) == 20)
    assert sum(of(page, "vencejo_requests", model="echo", method="Predict", code="OK")) == 20
    assert sum(of(page, "vencejo_requests")) == 20
    durations = [each for each in of(page, "vencejo_request_duration_seconds", model="echo", outcome="ok") if each.count]
    assert [each.count for each in durations] == [20] and durations[0].sum > 0
    assert sum(each.count for each in of(page, "vencejo_request_duration_seconds", outcome="error")) == 0
    for value in page.series().values():
        if isinstance(value, metrics_page.Histogram):
            assert sum(value.native.values()) == value.count == value.le[math.inf]
            assert list(value.le.values()) == sorted(value.le.values())
    assert sum(of(page, "vencejo_request_bytes", model="echo")) >= 20 * len(request().SerializeToString())
    assert sum(of(page, "vencejo_requests_in_flight")) == 0


def test_what_a_request_names_is_no_label(server, path):
    name = "no-such-model-of-ours"
    assert set(predict(server, 3, name)) == {grpc.StatusCode.NOT_FOUND}
    page = page_when(path, lambda page: sum(of(page, "vencejo_requests", model="_unknown", code="NOT_FOUND")) == 3)
    assert sum(of(page, "vencejo_requests_rejected", model="_unknown", reason="unknown_model")) == 3
    assert name.encode() not in path.read_bytes()


def test_counters_only_grow(server, path):
    """While calls come, every cell that counts is at least what it was when it was read before."""
    over = threading.Event()

    def load():
        while not over.is_set():
            predict(server, 20)

    callers = [threading.Thread(target=load) for _ in range(2)]
    for caller in callers:
        caller.start()
    try:
        counting = [family for family in Page.at(path).families if family.kind in (COUNTER, HISTOGRAM)]
        before, changes = {}, 0
        while changes < 50:
            page = metrics_page.read_while_written(path)
            for row in page.rows:
                for family in counting:
                    if family.scope != row.scope:
                        continue
                    for point in range(len(family.points)):
                        key = family.name, row.number, point
                        cells = page.cells(family, row.number, point)
                        last = before.get(key, [0] * len(cells))
                        assert all(old <= new for old, new in zip(last, cells)), (key, last, cells)
                        changes += last != cells
                        before[key] = cells
    finally:
        over.set()
        for caller in callers:
            caller.join()


def test_one_server_writes_a_page(server, serve, path, echo):
    assert metrics_page.is_written(path)
    code, _, log = run("serve", "--repository", echo, "--grpc", "127.0.0.1:0", "--metrics-page", path,
                       "--metrics-required")
    assert code != 0 and "is written by another process that is alive" in log, log
    assert Page.at(path).header("process_id") == server.process.pid


def test_a_server_that_is_killed(path, echo):
    first = Server("--metrics-page", path, repository=echo)
    predict(first, 5)
    first.kill()
    # What it counted lies there still, and nobody writes it.
    assert not metrics_page.is_written(path)
    left = Page.at(path)
    assert left.header("generation") == 1
    with open(path, "rb") as file:
        second = Server("--metrics-page", path, repository=echo)
        try:
            page = Page.at(path)
            assert page.header("generation") == 2 and page.header("process_id") == second.process.pid
            assert sum(of(page, "vencejo_requests")) == 0
            # The old one was not changed under who reads it.
            assert Page.of(file.read()).words == left.words
        finally:
            second.stop()
    assert not metrics_page.is_written(path)
