"""The load generator: what it sends, what it says of a server, and what it sees that a closed loop does not."""
import concurrent.futures
import json
import os
import pty
import signal
import subprocess
import threading
import time

import grpc
import numpy as np
import pytest

from command_line import DONE, FAILED, UNREACHABLE, USAGE, command
from ports import free_address
from server import binary
from stubs import inference, inference_grpc, prediction_grpc
from tensors import predict_request
from tls import credentials, tls_flags

SHORT = ("--duration", "300ms", "--warm-up", "100ms")


def bench(endpoint, *arguments, code=DONE):
    """The report of a run in JSON."""
    done, text, error = command("bench", *arguments, "-o", "json", VENCEJO_ENDPOINT=endpoint)
    assert done == code, error
    return json.loads(text)


@pytest.fixture
def bench_fails():
    def run(endpoint, *arguments):
        code, text, error = command("bench", *arguments, VENCEJO_ENDPOINT=endpoint)
        assert text == ""
        return code, error
    return run


class Foreign(inference_grpc.GRPCInferenceServiceServicer):
    """A server of the Open Inference Protocol that is not ours: it keeps what it was sent."""

    def __init__(self, delay=0.0, refuse_every=0, threads=8):
        self.delay, self.refuse_every, self.requests, self.timeouts = delay, refuse_every, [], []
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(threads))
        inference_grpc.add_GRPCInferenceServiceServicer_to_server(self, self.server)
        self.address = "127.0.0.1:%d" % self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def ModelMetadata(self, request, context):
        answer = inference.ModelMetadataResponse(name=request.name, platform="test")
        answer.inputs.add(name="a", datatype="FP32", shape=[-1, 3])
        answer.inputs.add(name="b", datatype="BYTES", shape=[-1, 1])
        return answer

    def ModelInfer(self, request, context):
        self.requests.append(request)
        self.timeouts.append(context.time_remaining())
        if self.refuse_every and len(self.requests) % self.refuse_every == 0:
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "no more 100 % today, señor")
        time.sleep(self.delay)
        return inference.ModelInferResponse(model_name=request.model_name, raw_output_contents=[b"1234"])


@pytest.fixture
def foreign():
    started = []

    def start(**settings):
        started.append(Foreign(**settings))
        return started[-1]
    yield start
    for each in started:
        each.server.stop(None)


@pytest.mark.parametrize("protocol", ["vencejo", "oip"])
@pytest.mark.parametrize("model", ["diabetes", "tickets", "casts"])
def test_a_model_is_loaded_with_random_rows(server, protocol, model):
    report = bench(server.address, model, "--protocol", protocol, "--rate", 500, "--rows-per-request", 2, *SHORT,
                   "--server-pid", server.process.pid)
    measured, = report["servers"]
    assert set(measured["statuses"]) == {"OK"} and 80 < measured["statuses"]["OK"] < 220
    assert measured["errors"] == [] and measured["unsent"] == 0
    assert measured["server_cpu_microseconds_per_request"] > 0
    assert measured["generator"]["cpu_microseconds_per_request"] > 0
    assert report["inputs"]["origin"] == "random, seed 1" and report["inputs"]["different_requests"] > 100


def test_the_keys_of_the_report(server):
    report = bench(server.address, "diabetes", *SHORT)
    assert report["schema"] == 1
    assert set(report) == {
        "schema", "model", "protocol", "arrival", "rate", "duration_seconds", "warm_up_seconds", "connections", "in_flight",
        "threads", "seed", "inputs", "servers"}
    assert (report["arrival"], report["rate"], report["duration_seconds"]) == ("poisson", 1000, 0.3)
    measured, = report["servers"]
    assert {"endpoint", "requests_per_second", "latency_microseconds", "statuses", "errors", "waited_for_in_flight",
            "unsent", "reconnects", "generator", "warnings"} <= set(measured)
    latency = measured["latency_microseconds"]
    assert list(latency) == sorted(latency) and 0 < latency["min"] <= latency["p50"] <= latency["p99"] <= latency["max"]


def test_rows_are_dealt_out_in_turn(foreign, tmp_path):
    rows = np.arange(33, dtype="<f4").reshape(11, 3)
    np.save(tmp_path / "a.npy", rows)
    (tmp_path / "b.json").write_text(json.dumps([[f"text {number}"] for number in range(11)]))
    server = foreign(threads=1)
    report = bench(server.address, "m", "--protocol", "oip", "--rate", 100, "--arrival", "constant", "--connections", 1,
                   "--input", f"a={tmp_path}/a.npy", "--input", f"b=@{tmp_path}/b.json", "--rows-per-request", 2,
                   "--version", 3, *SHORT)
    assert report["inputs"] == {"origin": "given", "rows_per_request": 2, "different_requests": 5, "rows_left_out": 1}
    # The first one asks whether the server takes it at all.
    sent = server.requests[1:]
    assert len(sent) == 40 and {(each.model_name, each.model_version) for each in sent} == {("m", "3")}
    found = [np.frombuffer(each.raw_input_contents[0], "<f4").reshape(2, 3) for each in sent]
    for number in range(40):
        assert (found[number] == rows[number % 5 * 2:][:2]).all(), number
    texts = [each.raw_input_contents[1] for each in sent]
    assert texts[3].endswith(b"text 7") and texts[8] == texts[3] and b"text 6" in texts[3]
    assert [list(tensor.shape) for tensor in sent[0].inputs] == [[2, 3], [2, 1]]


@pytest.mark.parametrize("arrival", ["poisson", "constant"])
def test_the_rate_is_kept(server, arrival):
    report = bench(server.address, "identity", "--input", "x=[[1], [2], [3]]", "--rate", 2000, "--arrival", arrival,
                   "--duration", "1s", "--warm-up", "0s", "--threads", 2)
    count = report["servers"][0]["statuses"]["OK"]
    # Five standard deviations.
    assert count == 2000 if arrival == "constant" else 1776 < count < 2224


def test_as_many_as_the_server_answers(server):
    report = bench(server.address, "identity", "--input", "x=[[1], [2]]", "--rate", "max", "--connections", 2, *SHORT)
    measured, = report["servers"]
    assert report["arrival"] == "closed_loop" and report.get("rate") is None
    assert measured["requests_per_second"] > 200 and "closed loop" in measured["warnings"][0]


def test_a_foreign_server(foreign):
    """Random rows of what it says that it takes; its refusals by status, with its own words; deadlines."""
    server = foreign(refuse_every=4)
    report = bench(server.address, "m", "--protocol", "oip", "--rate", 200, "--deadline", "2s", *SHORT)
    measured, = report["servers"]
    statuses = measured["statuses"]
    assert set(statuses) == {"OK", "RESOURCE_EXHAUSTED"}
    assert 0.2 < statuses["RESOURCE_EXHAUSTED"] / sum(statuses.values()) < 0.3
    assert measured["errors"] == [{"status": "RESOURCE_EXHAUSTED", "count": statuses["RESOURCE_EXHAUSTED"],
                                   "message": "no more 100 % today, señor"}]
    assert all(1 < each <= 2 for each in server.timeouts[1:])
    contents = {each.raw_input_contents[0] for each in server.requests}
    assert len(contents) > len(server.requests) * 0.9 and {len(each) for each in contents} == {12}
    table = command("bench", "m", "--protocol", "oip", *SHORT, VENCEJO_ENDPOINT=server.address)[1]
    assert "× RESOURCE_EXHAUSTED: no more 100 % today, señor" in table and "LATENCY, us" in table


@pytest.mark.alone
def test_a_server_that_is_too_slow(foreign):
    """8 threads of 40 ms answer 200 requests a second: those who wait longer count with their waiting, or are not sent."""
    server = foreign(delay=0.04)
    report = bench(server.address, "m", "--protocol", "oip", "--rate", 1000, "--connections", 2, "--in-flight", 4,
                   "--duration", "1s", "--warm-up", "0s", "--timeout", 1)
    measured, = report["servers"]
    assert measured["unsent"] > 200 and any("never sent" in each for each in measured["warnings"])
    assert measured["latency_microseconds"]["p99"] > 1_000_000 and measured["waited_for_in_flight"] > 100
    # That is the server's doing: the generator itself was in time.
    assert measured["generator"]["late_microseconds"]["p99"] < 100_000
    report = bench(server.address, "m", "--protocol", "oip", "--rate", 1000, "--connections", 2, "--in-flight", 4,
                   "--duration", "1s", "--warm-up", "0s", "--deadline", "200ms")
    measured, = report["servers"]
    assert measured["unsent"] == 0 and measured["statuses"]["DEADLINE_EXCEEDED"] > 400
    assert "not sent" in measured["errors"][0]["message"]


def test_a_server_that_goes_and_comes_back(serve):
    address = free_address()
    began = time.monotonic()
    first = serve(listeners=[address])
    # A sanitizer's server takes its time to come back.
    seconds = round(3 + 3 * (time.monotonic() - began))
    late = []

    def replace():
        time.sleep(0.7)
        first.stop()
        time.sleep(0.3)
        late.append(serve(listeners=[address]))
    thread = threading.Thread(target=replace)
    thread.start()
    report = bench(address, "diabetes", "--rate", 200, "--duration", f"{seconds}s", "--warm-up", "0s")
    thread.join()
    measured, = report["servers"]
    assert late and measured["reconnects"] > 0 and measured["unsent"] == 0
    # Who would have called meanwhile has waited, or came while the model was loaded and was told so.
    answered = measured["statuses"]
    assert set(answered) <= {"OK", "UNAVAILABLE"} and 90 * seconds < sum(answered.values()) < 225 * seconds
    assert "UNAVAILABLE" in answered or measured["latency_microseconds"]["max"] > 250_000


@pytest.mark.alone
def test_a_stall_is_seen(serve):
    """A server that stops for a second: at a rate, every call that was due counts; in a closed loop, one call."""
    server = serve()
    # Few may be on their way, as in a closed loop; those that wait for room count from when they should have been sent.
    arguments = ("diabetes", "--rate", 1000, "--warm-up", "500ms", "--connections", 2, "--in-flight", 4, "--duration")
    request = predict_request("diabetes", {"X": ("FP32", np.zeros((1, 10), "<f4"))})
    stub = prediction_grpc.PredictionServiceStub(server.channel())
    stub.Predict(request, timeout=10)

    def stall():
        time.sleep(2)
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(1)
        server.process.send_signal(signal.SIGCONT)

    def closed_loop(seconds=4):
        times, end = [], time.monotonic() + seconds
        while (begin := time.monotonic()) < end:
            stub.Predict(request, timeout=10)
            times.append(time.monotonic() - begin)
        return times

    calm = bench(server.address, *arguments, "2s")["servers"][0]["latency_microseconds"]
    for measure in (lambda: bench(server.address, *arguments, "4s"), closed_loop):
        thread = threading.Thread(target=stall)
        thread.start()
        found = measure()
        thread.join()
        if measure is closed_loop:
            assert max(found) > 0.9 and len(found) > 500
            assert np.percentile(found, 99) < 0.2
        else:
            latency = found["servers"][0]["latency_microseconds"]
            # A quarter of the calls met the stall; the 1 % of p99 waited for most of it.
            assert 800_000 < latency["p99"] < 1_500_000 and latency["p50"] < 200_000
            assert latency["p99"] > 3 * calm["p99"]


def test_two_servers_are_compared(serve, foreign, tmp_path):
    ours, slow = serve(), foreign(delay=0.02)
    np.save(tmp_path / "x.npy", np.ones((5, 3), "<f4"))
    report = bench(ours.address, "identity", "--protocol", "oip", "--rate", 50, "--input", f"a={tmp_path}/x.npy",
                   "--compare", slow.address, "--rounds", 3, *SHORT, "--server-pid", ours.process.pid, "--compare-pid",
                   os.getpid(), "--histogram", tmp_path / "h.txt")
    comparison = report["comparison"]
    assert [each["endpoint"] for each in report["servers"]] == [ours.address, slow.address]
    assert comparison["rounds"] == 3
    assert set(comparison) == {"rounds", "latency_p50", "latency_p99", "requests_per_second", "server_cpu_per_request"}
    p50 = comparison["latency_p50"]
    assert 1 < p50["min"] <= p50["median"] <= p50["max"]
    assert report["servers"][1]["latency_microseconds"]["p50"] > 20_000 > report["servers"][0][
        "latency_microseconds"]["p50"]
    for name, measured in (("h.txt", report["servers"][0]), ("h.txt.2", report["servers"][1])):
        lines = [line.split() for line in (tmp_path / name).read_text().splitlines() if line and line[0] != "#"][1:]
        assert float(lines[-1][0]) == pytest.approx(measured["latency_microseconds"]["max"] / 1000)
        assert int(lines[-1][2]) == measured["statuses"]["OK"]
    table = command("bench", "identity", "--input", "a=[[1]]", "--compare", ours.address, "--rounds", 2, *SHORT,
                    VENCEJO_ENDPOINT=ours.address)[1]
    assert "IS TIMES" in table and "latency p99" in table


def test_what_a_server_refuses_is_told_before_the_load(server, bench_fails):
    for arguments, words in [
        (("nosuch",), 'NOT_FOUND: model "nosuch"'), (("nosuch", "--input", "x=[[1]]"), "NOT_FOUND"),
        (("diabetes", "--input", "[[1, 2]]"), "INVALID_ARGUMENT: input"), (("diabetes", "--version", 9), "NOT_FOUND"),
    ]:
        code, error = bench_fails(server.address, *arguments)
        assert code == FAILED and words in error


@pytest.mark.parametrize("arguments, words", [
    (("diabetes", "--rate", "fast"), '--rate: "fast" is not allowed; allowed are max'),
    (("diabetes", "--rate", "0"), "--rate"), (("diabetes", "--duration", "10"), "--duration"),
    (("diabetes", "--duration", "nans"), "--duration"), (("diabetes", "--duration", "-1s"), "--duration"),
    (("diabetes", "--deadline", "1h"), "--deadline"), (("diabetes", "--connections", "0"), "--connections"),
    (("diabetes", "--in-flight", "0"), "--in-flight"), (("diabetes", "--threads", "5"), "--threads: 5 is more than the 4"),
    (("diabetes", "--arrival", "often"), "often"), (("diabetes", "--protocol", "http"), "http"),
    (("diabetes", "--rounds", "3"), "--compare"), (("diabetes", "--compare-pid", "3"), "--compare"),
    (("diabetes", "--rows-per-request", "3", "--input", "[[1], [2]]"), "takes 3 rows and the input has 2"),
    (("diabetes", "--input", "X=5"), "no rows"), (("identity",), "inputs of any name"),
    (("diabetes", "--server-pid", "0"), "--server-pid: 0"), (("diabetes", "--compare-pid", "4194305"), "--compare"),
], ids=lambda value: " ".join(value[1:]) if isinstance(value, tuple) else "")
def test_what_is_wrong_with_the_command_line(server, bench_fails, arguments, words):
    code, error = bench_fails(server.address, *arguments, *(SHORT if "--duration" not in arguments else ()))
    assert code == USAGE and words in error


def test_a_process_that_is_gone(server, bench_fails):
    gone = subprocess.Popen(["true"])
    gone.wait()
    code, error = bench_fails(server.address, "diabetes", "--server-pid", gone.pid)
    assert code == USAGE and str(gone.pid) in error and "--server-pid" in error


def test_nobody_is_there(server, bench_fails):
    address = free_address()
    assert bench_fails(address, "diabetes")[0] == UNREACHABLE
    code, error = bench_fails(server.address, "diabetes", "--compare", address)
    assert code == UNREACHABLE and address in error


def test_other_ways_to_a_server(serve, tmp_path):
    server = serve(listeners=["[::1]:0", f"unix:{tmp_path}/socket"])
    for endpoint in server.addresses:
        measured, = bench(endpoint, "diabetes", *SHORT)["servers"]
        assert set(measured["statuses"]) == {"OK"}


def test_tls(serve, certificates):
    server = serve(*tls_flags(certificates), credentials=credentials(certificates))
    flags = ("--tls-ca", certificates / "root.pem")
    for protocol in ("vencejo", "oip"):
        measured, = bench(server.address, "diabetes", "--protocol", protocol, *flags, *SHORT)["servers"]
        assert set(measured["statuses"]) == {"OK"}


@pytest.mark.alone
def test_large_requests_over_tls(serve, certificates, tmp_path):
    """Many in flight, of 1.8 MB each: on a machine that others use too none may be answered within a second."""
    server = serve(*tls_flags(certificates), credentials=credentials(certificates))
    np.save(tmp_path / "images.npy", np.random.default_rng(1).normal(size=(3, 3, 224, 224)).astype("<f4"))
    measured, = bench(server.address, "identity", "--input", f"x={tmp_path}/images.npy", "--rate", "max", "--duration",
                      "1s", "--tls-ca", certificates / "root.pem")["servers"]
    assert set(measured["statuses"]) == {"OK"} and measured["statuses"]["OK"] > 20


def test_a_server_that_sends_its_connections_away(serve):
    """GOAWAY: what is on its way is answered, and the rest goes by a new connection. No call fails."""
    server = serve("--connection-age-seconds", 1)
    # The server looks at a new connection's clocks after 5 s.
    measured, = bench(server.address, "diabetes", "--rate", 2000, "--duration", "6s", "--warm-up", "0s")["servers"]
    assert set(measured["statuses"]) == {"OK"} and measured["errors"] == [] and measured["unsent"] == 0
    assert measured["reconnects"] == 4


def test_progress_goes_to_the_terminal(server):
    """A bar where stderr is a terminal, nothing on a short run elsewhere; results go to stdout alone."""
    master, slave = pty.openpty()
    done = subprocess.run([binary(), "bench", "diabetes", "--endpoint", server.address, *SHORT, "-o", "json"],
                          stdout=subprocess.PIPE, stderr=slave, timeout=60)
    os.close(slave)
    drawn = b""
    try:
        while chunk := os.read(master, 65536):
            drawn += chunk
    except OSError:
        pass  # All of it was read, and nobody has the other end.
    os.close(master)
    assert done.returncode == DONE and json.loads(done.stdout)["schema"] == 1
    assert b"#" in drawn and b"answers" in drawn and drawn.endswith(b"\r\x1b[K")
