"""What a server counts is what was done: through the page and `vencejo metrics`, without the agent."""
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import threading
import time

import grpc
import numpy as np
import pytest

import h2raw
import metrics_page
import slow
import span_ring
from models import put, scores
from server import MODELS, Server, binary, runtime
from stubs import control as control_messages
from stubs import control_grpc, inference, inference_grpc, prediction_grpc
from tensors import case, infer_request, predict_request
from waiting import eventually

ASKED, _ = case("diabetes", 1, 1)
LINE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)(?: # .*)?$')


def show(page, *arguments):
    return subprocess.run([binary(), "metrics", "--page", page, *arguments], capture_output=True, text=True, timeout=60)


def series(text):
    """{(name, ((label, value), …)): number}"""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = LINE.match(line).groups()
        pairs = tuple(sorted(re.findall(r'(\w+)="([^"]*)"', labels or "")))
        found[name, pairs] = float(value)
    return found


class Page:
    def __init__(self, path):
        self.path = str(path)

    def read(self):
        shown = show(self.path)
        assert shown.returncode == 0, shown.stderr
        return series(shown.stdout)

    def get(self, name, **labels):
        """The sum of the series that have these labels."""
        return total(self.read(), name, **labels)

    def wait(self, name, number, **labels):
        """The end of a turn is what is waited for, or a gauge's second."""
        assert eventually(lambda: self.get(name, **labels) == number), (name, labels, number, self.get(name, **labels))


def total(found, name, **labels):
    return sum(value for (each, pairs), value in found.items()
               if each == name and all(pair in pairs for pair in labels.items()))


@pytest.fixture
def page(tmp_path):
    return Page(tmp_path / "metrics")


@pytest.fixture
def shown(serve, page):
    server = serve("--metrics-page", page.path, "--metrics-required", "--trace-slow-seconds", "600")
    return server, page


def stub(server):
    return prediction_grpc.PredictionServiceStub(server.channel())


def test_every_way_to_ask_is_counted_once(shown):
    server, page = shown
    predictions, oip = stub(server), inference_grpc.GRPCInferenceServiceStub(server.channel())
    ask = predict_request("diabetes", ASKED)
    for _ in range(3):
        predictions.Predict(ask)
    for _ in range(4):
        oip.ModelInfer(infer_request("diabetes", ASKED))
    assert len(list(predictions.PredictStream(iter([ask] * 5)))) == 5
    assert len(predictions.PredictMany(iter([ask] * 6)).results) == 6
    assert len(list(oip.ModelStreamInfer(iter([infer_request("diabetes", ASKED)] * 7)))) == 7
    page.wait("vencejo_requests_total", 25, model="diabetes")
    found = page.read()
    for method, count in [("Predict", 3), ("ModelInfer", 4), ("PredictStream", 5), ("PredictMany", 6),
                          ("ModelStreamInfer", 7)]:
        assert total(found, "vencejo_requests_total", model="diabetes", version="1", method=method, code="OK") == count
    rows = ASKED["input"][1].shape[0] if "input" in ASKED else next(iter(ASKED.values()))[1].shape[0]
    assert total(found, "vencejo_inferences_total", model="diabetes") == 25 * rows
    assert total(found, "vencejo_batch_size_sum", model="diabetes") == 25 * rows
    assert total(found, "vencejo_executions_total", model="diabetes") == total(found, "vencejo_batch_size_count")
    assert total(found, "vencejo_requests_in_flight", model="diabetes") == 0
    assert total(found, "vencejo_rpcs_total", method="vencejo.v1.PredictionService/PredictStream", code="OK") == 1
    # Of the five measures each has all calls, and the parts of the time add up to the whole of it.
    for name in ["request_duration", "queue_duration"]:
        assert total(found, f"vencejo_{name}_seconds_count", model="diabetes") == 25
    for phase in ["input", "infer", "output"]:
        assert total(found, "vencejo_compute_duration_seconds_count", model="diabetes", phase=phase) == 25
    whole = total(found, "vencejo_request_duration_seconds_sum", model="diabetes")
    parts = total(found, "vencejo_queue_duration_seconds_sum", model="diabetes") + total(
        found, "vencejo_compute_duration_seconds_sum", model="diabetes")
    assert parts == pytest.approx(whole, rel=0.001)
    assert total(found, "vencejo_request_bytes_total", model="diabetes") == (
        ask.ByteSize() * 14 + infer_request("diabetes", ASKED).ByteSize() * 11)


#: Where a model's calls run: what its configuration says, and how many calls run together.
KINDS = {"on the shard": ("batching: off\n", 1), "on an executor": ("batching: off\n", 1),
         "batched on the shard": ("batching: on\n", 8), "batched on an executor": ("batching: on\nmax_queue_delay_microseconds: 20000\n"
                                                                                "preferred_batch_size: 8\n", 8)}


@pytest.mark.parametrize("way", ["unary", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_run_measured_is_told(serve, page, tmp_path, kind, way):
    """Rows, runs and all parts of the time, wherever the model ran: nothing of a run is lost on its way back."""
    lines, together = KINDS[kind]
    if "executor" in kind and together == 1:
        slow.write(tmp_path, "m", lines)
        inputs = slow.inputs(1, 2)  # two rows
    else:
        put(tmp_path, "m", 1, scores(), yaml=lines)
        inputs = {"x": ("FP32", np.ones((2, 4), np.float32))}
    server = serve("--metrics-page", page.path, "--metrics-required", "--shards", "1", "--executors", "1",
                   repository=tmp_path)
    oip, calls = inference_grpc.GRPCInferenceServiceStub(server.channel()), 24 if together > 1 else 6
    if way == "unary":
        asked = [stub(server).Predict.future(predict_request("m", inputs), metadata=[("vencejo-timing", "1"), TRACED]) for _ in range(calls)]
        for each in asked:
            each.result()
            timing = dict(each.trailing_metadata())["server-timing"]
            assert float(re.search(r"compute;dur=([0-9.]+)", timing)[1]) > 0
            assert int(re.search(r"rows;desc=([0-9]+)", timing)[1]) in [2 * count for count in range(1, together + 1)]
    else:
        assert all(not each.error_message for each in oip.ModelStreamInfer(iter([infer_request("m", inputs)] * calls), metadata=[TRACED]))
    page.wait("vencejo_requests_total", calls, model="m", code="OK")
    found = page.read()
    rows = calls * inputs["x"][1].shape[0]
    assert total(found, "vencejo_inferences_total", model="m") == rows
    assert total(found, "vencejo_batch_size_sum", model="m") == rows
    runs = total(found, "vencejo_executions_total", model="m")
    assert runs == total(found, "vencejo_batch_size_count", model="m")
    assert runs == calls if together == 1 else 1 <= runs <= calls
    assert total(found, "vencejo_queue_duration_seconds_count", model="m") == calls
    for phase in "input", "infer", "output":
        assert total(found, "vencejo_compute_duration_seconds_count", model="m", phase=phase) == calls
    assert total(found, "vencejo_compute_duration_seconds_sum", model="m", phase="infer") > 0
    whole = total(found, "vencejo_request_duration_seconds_sum", model="m")
    parts = total(found, "vencejo_queue_duration_seconds_sum", model="m") + total(
        found, "vencejo_compute_duration_seconds_sum", model="m")
    assert parts == pytest.approx(whole, rel=0.001)
    # The same to Triton's question.
    stats = oip.ModelStatistics(inference.ModelStatisticsRequest(name="m")).model_stats[0]
    assert (stats.inference_count, stats.execution_count) == (rows, runs)
    assert stats.inference_stats.success.count == calls and stats.inference_stats.compute_infer.ns > 0
    # The trace tells the same: a call's parts, and the rows of the run that it was in. A stream has many messages, and no parts.
    told = spans(page)
    assert [span.status for span in told] == [0] * (calls if way == "unary" else 1)
    for span in told:
        parts = {name: ended - began for _, name, began, ended in span.parts()}
        if way == "unary":
            assert list(parts) == ["input", "queue", "infer", "output"] and parts["infer"] > 0
            assert (span.model, span.version) == ("m", 1) and span.rows in [2 * count for count in range(1, together + 1)]
        else:
            assert not parts and span.method == "inference.GRPCInferenceService/ModelStreamInfer"


@pytest.mark.parametrize("change, code, reason, model, version", [
    (dict(model="nobody"), "NOT_FOUND", "unknown_model", "_unknown", ""),
    (dict(version=77), "NOT_FOUND", "unknown_model", "diabetes", ""),
    (dict(inputs={"wrong": next(iter(ASKED.values()))}), "INVALID_ARGUMENT", "bad_input", "diabetes", "1"),
], ids=["no such model", "no such version", "no such input"])
def test_what_is_refused_is_counted_where_it_belongs(shown, change, code, reason, model, version):
    server, page = shown
    request = predict_request(**{"model": "diabetes", "inputs": ASKED} | change)
    with pytest.raises(grpc.RpcError) as refused:
        stub(server).Predict(request, timeout=60)
    assert refused.value.code().name == code
    page.wait("vencejo_requests_total", 1, model=model, version=version, code=code, method="Predict")
    found = page.read()
    assert total(found, "vencejo_requests_total", code=code) == 1
    assert total(found, "vencejo_requests_rejected_total", model=model, reason=reason) == 1
    assert total(found, "vencejo_requests_rejected_total") == 1
    assert total(found, "vencejo_request_duration_seconds_count", model=model, outcome="error") == 1
    assert total(found, "vencejo_requests_in_flight") == 0


def test_a_call_whose_deadline_has_passed_is_counted(shown):
    server, page = shown
    with h2raw.Connection(server.address) as connection:
        answer = connection.call(h2raw.fields("/vencejo.v1.PredictionService/Predict", grpc_timeout="1n"),
                                 h2raw.message(predict_request("diabetes", ASKED).SerializeToString()))
    assert answer.status == grpc.StatusCode.DEADLINE_EXCEEDED.value[0]
    page.wait("vencejo_requests_total", 1, code="DEADLINE_EXCEEDED", method="Predict")
    found = page.read()
    assert total(found, "vencejo_requests_total") == 1
    assert total(found, "vencejo_requests_rejected_total", reason="deadline") == 1


def test_names_in_requests_make_no_series(shown):
    server, page = shown
    before = len(page.read())
    predictions = stub(server)
    for number in range(50):
        with pytest.raises(grpc.RpcError):
            predictions.Predict(predict_request(f"nobody{number}", ASKED))
    page.wait("vencejo_requests_total", 50, model="_unknown")
    assert len(page.read()) - before < 60
    assert not any("nobody" in str(key) for key in page.read())


def test_orders_are_counted(serve, page, tmp_path):
    models = tmp_path / "models"
    shutil.copytree(MODELS, models)
    server = serve("--metrics-page", page.path, repository=models, control="127.0.0.1:0")
    orders = control_grpc.ModelControlServiceStub(server.channel(server.control))
    page.wait("vencejo_model_traffic_ratio", 1, model="breast_cancer", version="2")
    orders.Swap(control_messages.ControlRequest(model="breast_cancer"))
    subprocess.run([binary(), "rollback", "breast_cancer", "--endpoint", server.control], check=True, capture_output=True)
    orders.Unload(control_messages.ControlRequest(model="breast_cancer", version=1))
    with pytest.raises(grpc.RpcError):
        orders.Load(control_messages.ControlRequest(model="nobody"))
    for action, trigger in [("promote", "api"), ("rollback", "cli"), ("unload", "api")]:
        assert page.get("vencejo_model_transitions_total", model="breast_cancer", action=action, trigger=trigger) == 1
    assert page.get("vencejo_model_transitions_total") == 3
    assert page.get("vencejo_model_loads_total", model="breast_cancer", result="ok") == 2
    # A gauge follows within a second or two.
    page.wait("vencejo_model_state", 0, model="breast_cancer", version="1")
    assert page.get("vencejo_model_state", model="breast_cancer", version="2", state="ready") == 1
    assert page.get("vencejo_model_info", model="breast_cancer", version="2") == 1
    assert page.get("vencejo_model_last_transition_timestamp_seconds", model="breast_cancer") > time.time() - 60
    assert page.get("vencejo_commit_duration_seconds_count") >= 3
    assert page.get("vencejo_rpcs_total", method="vencejo.v1.ModelControlService/Load", code="NOT_FOUND") == 1


def test_where_the_time_went(shown):
    server, _ = shown
    predictions = stub(server)
    for metadata in [[("vencejo-timing", "1")]]:
        began = time.perf_counter()
        _, call = predictions.Predict.with_call(predict_request("diabetes", ASKED), metadata=metadata)
        wall = (time.perf_counter() - began) * 1000
        text = dict(call.trailing_metadata())["server-timing"]
        parts = {name: float(number) for name, number in re.findall(r"(\w+);dur=([\d.]+)", text)}
        assert list(parts) == ["read", "queue", "batch", "compute", "encode", "total"]
        whole = parts.pop("total")
        assert sum(parts.values()) == pytest.approx(whole, rel=0.01) and 0 < whole <= wall
        assert all(number >= 0 for number in parts.values()) and parts["compute"] > 0
        assert text.endswith("rows;desc=1")
    _, call = predictions.Predict.with_call(predict_request("diabetes", ASKED))
    assert "server-timing" not in dict(call.trailing_metadata())


def test_a_traced_call_is_beside_its_bucket(shown):
    server, page = shown
    trace = "0af7651916cd43dd8448eb211c80319c"
    predictions = stub(server)
    predictions.Predict(predict_request("diabetes", ASKED), metadata=[("traceparent", f"00-{trace}-b7ad6b7169203331-01")])
    predictions.Predict(predict_request("diabetes", ASKED), metadata=[("traceparent", f"00-{trace[::-1]}-b7ad6b7169203331-00")])
    predictions.Predict(predict_request("diabetes", ASKED), metadata=[("traceparent", "nonsense")])
    page.wait("vencejo_trace_spans_total", 1)
    lines = [line for line in show(page.path, "--format", "openmetrics").stdout.splitlines() if "# {" in line]
    assert len(lines) == 1 and f'# {{trace_id="{trace}"}} ' in lines[0]
    assert lines[0].startswith('vencejo_request_duration_seconds_bucket{model="diabetes",version="1",outcome="ok"')


def test_errors_and_slow_calls_are_traced_whoever_says_no(serve, page):
    server = serve("--metrics-page", page.path, "--trace-slow-seconds", "0.000001")
    no = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")]
    stub(server).Predict(predict_request("diabetes", ASKED), metadata=no)
    page.wait("vencejo_trace_spans_total", 1)
    # What the caller did wrong is no error of ours, and took no time.
    with pytest.raises(grpc.RpcError):
        stub(server).Predict(predict_request("nobody", ASKED), metadata=no)
    page.wait("vencejo_requests_total", 1, code="NOT_FOUND")
    assert page.get("vencejo_trace_spans_total") == 1


def test_a_stream_has_one_span_and_no_phases(serve, page):
    """Its messages have phases; it has not."""
    server = serve("--metrics-page", page.path, "--shards", "1")
    yes = [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
    ask = predict_request("diabetes", ASKED)
    assert len(list(stub(server).PredictStream(iter([ask] * 3), metadata=yes))) == 3
    stub(server).Predict(ask, metadata=yes)
    page.wait("vencejo_trace_spans_total", 2)
    ring = metrics_page.Page.at(page.path).words
    start = metrics_page.Page.at(page.path).header("spans") + 8  # span_ring.py: a header of 8 words, records of 104
    never = 2**64 - 1
    streamed, unary = (ring[start + number * 104 + 10:start + number * 104 + 15] for number in range(2))
    assert list(streamed[:4]) == [never] * 4 and 0 < streamed[4] < never
    assert all(stamp < never for stamp in unary) and list(unary) == sorted(unary)


def spans(page):
    """What lies in the rings."""
    found = metrics_page.Page.at(page.path)
    start, words = found.header("spans"), found.header("span_words")
    rings = [found.words[start + shard * words:start + (shard + 1) * words] for shard in range(found.header("shards"))]
    return [span for ring in rings for span in span_ring.read(struct.pack(f"<{words}Q", *ring))]


TRACED = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


@pytest.mark.parametrize("path, changes, code", [
    ("/vencejo.v1.PredictionService/Predict", {"grpc_encoding": "br"}, "UNIMPLEMENTED"),
    ("/inference.GRPCInferenceService/ModelInfer", {"grpc_timeout": "5s"}, "INTERNAL"),
    ("/vencejo.v1.PredictionService/Predict", {"te": None}, "INTERNAL"),
    ("/vencejo.v1.PredictionService/Guess", {}, "UNIMPLEMENTED"),
])
def test_a_call_that_is_refused_by_its_head_is_told_of(shown, path, changes, code):
    """It is counted as what it asked for, and its caller's trace has it."""
    server, page = shown
    number = grpc.StatusCode[code].value[0]
    with h2raw.Connection(server.address) as connection:
        assert connection.call(h2raw.fields(path, traceparent=TRACED[1], **changes), h2raw.message(b"")).status == number
    page.wait("vencejo_trace_spans_total", 1)
    [span] = spans(page)
    assert span.status == number
    method = path.rpartition("/")[2]
    if method == "Guess":
        assert page.get("vencejo_rpcs_total", method="other", code=code) == 1 and span.method == ""
    else:
        assert page.get("vencejo_requests_total", model="_unknown", method=method, code=code) == 1
        assert page.get("vencejo_requests_rejected_total", model="_unknown", reason="bad_input") == 1
        assert span.method == path[1:]


def test_spans_say_who_called_and_whose_trace_it_is(serve, page):
    server = serve("--metrics-page", page.path, "--trace-ratio", "1")
    predictions = stub(server)
    for metadata in [
        [TRACED, ("tracestate", "a=1")], [TRACED, ("tracestate", "a=1"), ("tracestate", "b=2,c=3")],
        # Of a trace that begins here the caller knows nothing.
        [("tracestate", "a=1")], [("traceparent", "00-00-00-00"), ("tracestate", "a=1")],
    ]:
        predictions.Predict(predict_request("diabetes", ASKED), metadata=metadata)
    page.wait("vencejo_requests_total", 4, method="Predict")
    found = [span for span in spans(page) if span.method.endswith("/Predict")]
    assert sorted(span.trace_state for span in found) == ["", "", "a=1", "a=1,b=2,c=3"]
    [port] = {int(span.peer.removeprefix("127.0.0.1:")) for span in found}
    assert port > 1023 and str(port) != server.address.rpartition(":")[2]


@pytest.fixture(scope="module")
def delayed(tmp_path_factory):
    """A model whose messages wait for each other: a stream's next one is here before the last is answered."""
    models = tmp_path_factory.mktemp("delayed")
    shutil.copytree(MODELS / "identity", models / "identity")
    configuration = models / "identity" / "model.yaml"
    configuration.write_text(configuration.read_text() + "max_queue_delay_microseconds: 2000\n")
    return models


@pytest.mark.parametrize("method", ["PredictStream", "PredictMany"])
def test_all_bytes_of_a_stream_are_counted(serve, page, delayed, method):
    server = serve("--metrics-page", page.path, repository=delayed)
    asked = predict_request("identity", {"x": ("FP32", np.zeros((1, 1000), np.float32))})
    if method == "PredictMany":
        answers = [stub(server).PredictMany(iter([asked] * 20))]
    else:
        answers = list(stub(server).PredictStream(iter([asked] * 20)))
        assert len(answers) == 20
    page.wait("vencejo_requests_total", 20, method=method, code="OK")
    page.wait("vencejo_response_bytes_total", sum(answer.ByteSize() for answer in answers), model="identity")
    assert page.get("vencejo_request_bytes_total", model="identity") == 20 * asked.ByteSize()


@pytest.mark.parametrize("word", [1 << 63, (1 << 64) - 1, 0x7FF8000000000000, 0x7FF0000000000000, 0x7E37E43C8800759C])
def test_whatever_a_page_says_top_shows_it(page, word):
    """A page is anybody's who may write it: a number that is none, or has no room, ends nothing."""
    server = Server("--metrics-page", page.path)
    stub(server).Predict(predict_request("diabetes", ASKED))
    page.wait("vencejo_requests_total", 1)
    found = metrics_page.Page.at(page.path)
    server.process.send_signal(signal.SIGSTOP)  # It would count on.
    try:
        with open(page.path, "r+b", buffering=0) as file:
            for at in range(found.header("cells"), found.header("spans")):
                os.pwrite(file.fileno(), struct.pack("<Q", word), at * 8)
            os.pwrite(file.fileno(), struct.pack("<Q", word), metrics_page.HEADER["start_monotonic_nanoseconds"] * 8)
        for arguments in [[], ["-o", "json"]]:
            done = subprocess.run([binary(), "top", "--page", page.path, "--times", "1", "--every", "0.1", *arguments],
                                  capture_output=True, text=True, timeout=60)
            assert done.returncode == 0 and done.stdout, (done.returncode, done.stderr)
        assert show(page.path).returncode == 0
    finally:
        server.process.send_signal(signal.SIGCONT)
        server.kill()


# MARK: The page itself

def test_a_page_has_one_writer(serve, page, tmp_path):
    serve("--metrics-page", page.path)
    command = [binary(), "serve", "--repository", str(MODELS), "--onnxruntime", runtime(), "--grpc", "127.0.0.1:0",
               "--metrics-page", page.path, "--metrics-required", "--state", str(tmp_path / "other.json")]
    other = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert other.returncode == 1
    assert f"--metrics-page: {page.path} is written by another process that is alive" in other.stderr
    assert page.get("vencejo_up") == 1


def test_who_drains_leaves_its_page_to_the_next(serve, page):
    """A restart whose old server still has a stream open: the new one's metrics are seen from its start."""
    old = serve("--metrics-page", page.path, "--metrics-required")
    is_over = threading.Event()

    def ask():
        yield predict_request("diabetes", ASKED)
        is_over.wait(30)
    answers = stub(old).PredictStream(ask())
    next(answers)
    old.terminate()
    assert eventually(lambda: metrics_page.Page.at(page.path).header("state") == metrics_page.DRAINING)
    new = serve("--metrics-page", page.path, "--metrics-required")
    stub(new).Predict(predict_request("diabetes", ASKED))
    page.wait("vencejo_requests_total", 1, method="Predict")
    is_over.set()
    assert list(answers) == []
    old.stop()
    found = page.read()
    assert found["vencejo_up", ()] == 1 and found["vencejo_agent_segment_generation", ()] == 2
    assert total(found, "vencejo_requests_total") == 1


def test_a_file_that_is_no_page_stays(tmp_path):
    mine = tmp_path / "notes.txt"
    mine.write_text("mine" * 2000)
    command = [binary(), "serve", "--repository", str(MODELS), "--onnxruntime", runtime(), "--grpc", "127.0.0.1:0"]
    done = subprocess.run([*command, "--metrics-page", mine, "--metrics-required"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and f"{mine} is a file of another kind: name another path" in done.stderr
    assert mine.read_text() == "mine" * 2000
    # There is no page that could be required.
    for address in ["127.0.0.1:0", f"unix:{tmp_path}/socket"]:
        done = subprocess.run([*command[:-1], address, "--metrics-required"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and "--metrics-required needs --metrics-page" in done.stderr


def test_top_waits_for_the_next_server(serve, page):
    first = Server("--metrics-page", page.path)
    top = subprocess.Popen([binary(), "top", "--page", page.path, "--every", "0.1", "-o", "json"], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert json.loads(top.stdout.readline())
        first.kill()
        assert "has ended" in top.stderr.readline()
        serve("--metrics-page", page.path)
        while json.loads(top.stdout.readline())["up_seconds"] > 5:
            pass
        assert top.poll() is None
    finally:
        top.kill()


def test_a_log_for_programs_has_every_line(serve):
    server = serve("--log-format", "json")
    stub(server).Predict(predict_request("diabetes", ASKED))
    server.stop()
    lines = [json.loads(line)["message"] for line in server.log().splitlines()]
    for part in ["serving gRPC on", "[1/", "draining", "drained"]:
        assert any(part in line for line in lines), (part, lines)


def test_a_full_volume_is_an_error_at_the_start(tmp_path):
    """posix_fallocate, not SIGBUS at the first touch of a page that has no memory."""
    folder = tmp_path / "small"
    folder.mkdir()
    serve = (f"{binary()} serve --repository {MODELS} --onnxruntime {runtime()} --grpc 127.0.0.1:0 "
             f"--metrics-page {folder}/metrics --state {tmp_path}/state.json")
    mounted = f"mount -t tmpfs -o size=256k tmpfs {folder} && exec {serve}"
    unshared = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    required = subprocess.run([*unshared, mounted + " --metrics-required"], capture_output=True, text=True, timeout=60)
    assert required.returncode == 1, required
    assert re.search(r"there is no room for the \d+ bytes of .*small/metrics: make its volume larger", required.stderr)
    process = subprocess.Popen([*unshared, mounted], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        lines = iter(process.stdout.readline, "")
        assert any(line.startswith("serving gRPC") for line in lines)
        assert any("[11/11]" in line for line in lines)
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0 and "Serving goes on, and nobody sees its metrics" in errors


def test_who_lives_is_seen_from_another_pid_namespace(page):
    server = Server("--metrics-page", page.path)
    elsewhere = ["unshare", "--user", "--map-root-user", "--fork", "--pid", "--mount-proc"]
    look = [*elsewhere, binary(), "metrics", "--page", page.path]
    assert "vencejo_up 1.0" in subprocess.run(look, capture_output=True, text=True, timeout=60).stdout
    server.kill()
    after = subprocess.run(look, capture_output=True, text=True, timeout=60)
    assert after.returncode == 4 and "the server that wrote it has ended" in after.stderr


KILLS = int(os.environ.get("VENCEJO_PAGE_KILLS", "8"))


def test_killed_at_any_moment_no_counter_goes_down(page, tmp_path):
    """Within a generation; and each start is the next generation."""
    last, generations, reads, stop = {}, [], 0, threading.Event()
    problems = []

    def read():
        nonlocal reads
        while not stop.is_set():
            shown = show(page.path)
            if shown.returncode == 4:
                continue  # Between two servers there is none.
            found = series(shown.stdout)
            reads += 1
            generation = found["vencejo_agent_segment_generation", ()]
            counters = {key: value for key, value in found.items()
                        if key[0].endswith(("_total", "_count", "_bucket", "_sum")) and "agent" not in key[0]}
            if generations and generations[-1] == generation:
                problems.extend((key, value, counters.get(key)) for key, value in last.items()
                                if counters.get(key, 0) < value)
            else:
                generations.append(generation)
            last.clear()
            last.update(counters)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(KILLS):
            server = Server("--metrics-page", page.path, "--metrics-required", "--state", str(tmp_path / "state.json"))
            predictions = stub(server)
            pending = [predictions.Predict.future(predict_request("diabetes", ASKED)) for _ in range(100 + 37 * number)]
            pending[number * 11].exception()
            server.kill()
    finally:
        stop.set()
        reader.join()
    assert not problems and reads > KILLS // 2
    assert generations == sorted(set(generations)) and generations[-1] <= KILLS


def test_off_and_default(serve, tmp_path):
    missing = show(str(tmp_path / "nothing"))
    assert missing.returncode == 4 and "No such file or directory" in missing.stderr
    assert "start a server, or name its page with --page" in missing.stderr
    # A port that the kernel chose is nobody's to guess: no page is left behind.
    server = serve()
    port = server.address.rsplit(":", 1)[1]
    assert not os.path.exists(f"/dev/shm/vencejo-{port}.metrics")
    bad = subprocess.run([binary(), "serve", "--repository", str(MODELS), "--latency-bounds", "0.1,0.05"],
                         capture_output=True, text=True, timeout=60)
    assert bad.returncode == 2 and '--latency-bounds: "0.1,0.05" is not allowed' in bad.stderr


def test_boundaries_are_the_operators(serve, page):
    server = serve("--metrics-page", page.path, "--latency-bounds", "0.003, 0.2")
    stub(server).Predict(predict_request("diabetes", ASKED))
    page.wait("vencejo_requests_total", 1, model="diabetes")
    bounds = [dict(pairs)["le"] for (name, pairs) in page.read()
              if name == "vencejo_queue_duration_seconds_bucket" and ("model", "diabetes") in pairs]
    assert bounds == ["0.003", "0.2", "+Inf"]


def test_json_is_not_promised(page):
    """Formats are those of Prometheus; an unknown one is named, with those that there are."""
    unknown = show(page.path, "--format", "json")
    assert unknown.returncode == 2 and "openmetrics" in unknown.stderr
    assert json.dumps("json") in unknown.stderr.replace("'", '"')


# MARK: The log

def test_a_line_of_a_traced_call_names_its_trace(serve, tmp_path):
    log = tmp_path / "log.json"
    server = serve("--log-file", log, "--log-bytes-max", "64K", "--log-files", "2")
    trace = "0af7651916cd43dd8448eb211c80319c"
    with pytest.raises(grpc.RpcError) as failed:
        stub(server).Predict(predict_request("lookup", {"place": ("INT64", np.array([10**9]))}),
                             metadata=[("traceparent", f"00-{trace}-b7ad6b7169203331-01")])
    assert failed.value.code() == grpc.StatusCode.INTERNAL, failed.value
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    [line] = [line for line in lines if line.get("trace_id") == trace]
    assert line["span_id"] == "b7ad6b7169203331" and line["level"] == "warning" and "time" in line
    # What is wrong with all these words is said where somebody looks.
    wrong = subprocess.run([binary(), "serve", "--repository", str(MODELS), "--log-files", "2"], capture_output=True,
                           text=True, timeout=60)
    assert wrong.returncode == 2 and "--log-files is given without --log-file" in wrong.stderr
