"""The agent's way of spans: from a ring in shared memory to a collector, over both transports. Nothing here needs a server."""
import gzip
import json
import os
import socket
import ssl
import subprocess
import time

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess, ExportTraceServiceResponse)

from agent import Agent, Answer, CollectorGRPC, CollectorHTTP, Page, Tap, binary
from ports import free_port
from span_ring import Span, part_id
from tls import self_signed
from waiting import eventually

pytestmark = pytest.mark.skipif(
    not os.path.exists(binary()), reason=f"{binary()} is not there: build it, or name it by VENCEJO_METRICS_BIN")
SOON = dict(OTEL_BSP_SCHEDULE_DELAY="50")


def call(number, **more):
    return Span(**dict(trace_id=1 << 64 | number, span_id=number, model="iris", version=3, rows=4, start=time.time_ns()) | more)


@pytest.fixture
def page():
    page = Page()
    yield page
    page.close()


@pytest.fixture
def export(page):
    """Starts a collector of a kind, and an agent that exports to it."""
    started = []

    def start(kind, answers=(), arguments=(), collector=None, page=page, **environment):
        collector = collector or kind(answers)
        agent = Agent(*arguments, page=page.path, **(dict(
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://localhost:{collector.port}",
            OTEL_EXPORTER_OTLP_PROTOCOL=kind.name) | SOON | environment))
        started.extend([agent, collector])
        return agent, collector
    yield start
    for one in started:
        one.stop()


both = pytest.mark.parametrize("kind", [CollectorGRPC, CollectorHTTP], ids=lambda kind: kind.name)


def attributes(span):
    return {row.key: row.value.string_value or row.value.int_value for row in span.attributes}


def roots(collector):
    """The calls that came, by their numbers."""
    return [int.from_bytes(span.span_id, "big") for span in collector.spans if span.kind == 2]


@both
def test_a_call_is_five_spans(export, page, kind):
    agent, collector = export(kind, OTEL_SERVICE_NAME="prices", OTEL_EXPORTER_OTLP_HEADERS="x-key=a%20b",
                              OTEL_RESOURCE_ATTRIBUTES="k8s.pod.name=p1", arguments=["--server-address", "10.0.0.7:8001"])
    page.write([call(7, parent_id=99, peer="127.0.0.1:5", trace_state="a=b", status=14)])
    assert eventually(lambda: len(collector.spans) == 5), agent.lines
    server, *parts = collector.spans
    assert (server.trace_id, server.span_id) == ((1 << 64 | 7).to_bytes(16, "big"), (7).to_bytes(8, "big"))
    assert server.parent_span_id == (99).to_bytes(8, "big") and server.trace_state == "a=b" and server.kind == 2
    assert server.name == "vencejo.v1.PredictionService/Predict" and server.status.code == 2
    assert attributes(server) == {
        "rpc.system.name": "grpc", "rpc.method": "vencejo.v1.PredictionService/Predict",
        "rpc.response.status_code": "UNAVAILABLE", "error.type": "UNAVAILABLE", "server.address": "10.0.0.7",
        "server.port": 8001, "network.peer.address": "127.0.0.1", "network.peer.port": 5, "vencejo.model": "iris",
        "vencejo.version": 3, "vencejo.batch_size": 4}
    assert [part.name for part in parts] == ["input", "queue", "infer", "output"]
    for number, part in enumerate(parts, 1):
        assert part.parent_span_id == server.span_id and part.trace_id == server.trace_id
        assert part.span_id == part_id(7, number).to_bytes(8, "big")
    resource = collector.requests[0].resource_spans[0].resource
    assert attributes(resource) == {"service.name": "prices", "k8s.pod.name": "p1"}
    headers = collector.headers[0]
    assert headers["x-key"] == "a b"
    assert headers["user-agent"].startswith("vencejo-metrics/")
    assert eventually(lambda: agent.counter("exported") == 5)


@both
@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_compression(export, page, kind, compression):
    collector = kind()
    tap = Tap(collector.port)
    agent, _ = export(kind, collector=collector, OTEL_EXPORTER_OTLP_COMPRESSION=compression,
                      OTEL_EXPORTER_OTLP_ENDPOINT=f"http://localhost:{tap.port}")
    page.write([call(7)])
    assert eventually(lambda: len(collector.spans) == 5), agent.lines
    assert (b"\x1f\x8b\x08" in tap.seen) == (compression == "gzip")
    assert (b"PredictionService/Predict" in tap.seen) == (compression == "none")


@both
def test_batches_are_bounded_and_complete(export, page, kind):
    agent, collector = export(kind, OTEL_BSP_MAX_EXPORT_BATCH_SIZE="100")
    for start in range(1, 1001, 50):
        # No more than the ring has room for.
        assert eventually(lambda: len(collector.spans) >= 5 * (start - 1 - 100)), agent.lines
        page.write(call(number) for number in range(start, start + 50))
    assert eventually(lambda: len(collector.spans) == 5000), (len(collector.spans), agent.lines)
    sizes = [sum(len(scope.spans) for part in request.resource_spans for scope in part.scope_spans)
             for request in collector.requests]
    assert max(sizes) == 100
    assert roots(collector) == list(range(1, 1001))
    assert eventually(lambda: agent.counter("exported") == 5000) and agent.counter("lost") == 0


@both
def test_what_is_busy_is_asked_again(export, page, kind):
    agent, collector = export(kind, [Answer(kind.busy), Answer(kind.busy)])
    page.write([call(1)])
    assert eventually(lambda: len(collector.requests) == 3), agent.lines
    assert collector.requests[0] == collector.requests[1] == collector.requests[2]
    first, second = (later - earlier for earlier, later in zip(collector.times, collector.times[1:]))
    assert 0.5 <= first <= 1.5 and 1 <= second <= 2.5
    assert eventually(lambda: agent.counter("exported") == 5) and agent.counter("dropped") == 0
    time.sleep(0.3)
    assert len(collector.requests) == 3
    assert any(row["level"] == "warning" and "does not take spans now" in row["message"] for row in agent.log)
    assert any(row["message"] == "the collector takes spans" for row in agent.log)


def retry_info(seconds):
    """A google.rpc.Status with a RetryInfo, by hand."""
    def field(number, content):
        return bytes([number << 3 | 2, len(content)]) + content
    info = field(1, bytes([1 << 3, seconds]))
    any_ = field(1, b"type.googleapis.com/google.rpc.RetryInfo") + field(2, info)
    return bytes([1 << 3, 8]) + field(3, any_)


@pytest.mark.parametrize("kind, answer", [
    (CollectorHTTP, Answer(429, headers=[("Retry-After", "3")])),
    (CollectorGRPC, Answer(CollectorGRPC.busy, headers=[("grpc-status-details-bin", retry_info(3))])),
    (CollectorGRPC, Answer(grpc.StatusCode.RESOURCE_EXHAUSTED,
                           headers=[("grpc-status-details-bin", retry_info(3))])),
], ids=["429", "UNAVAILABLE", "RESOURCE_EXHAUSTED"])
def test_who_asks_to_wait_is_left_alone(export, page, kind, answer):
    agent, collector = export(kind, [answer])
    page.write([call(1)])
    assert eventually(lambda: len(collector.requests) == 2), agent.lines
    assert 3 <= collector.times[1] - collector.times[0] <= 4


@pytest.mark.parametrize("kind, status", [
    (CollectorHTTP, 400), (CollectorHTTP, 401), (CollectorHTTP, 500), (CollectorHTTP, 301),
    (CollectorGRPC, CollectorGRPC.refused), (CollectorGRPC, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (CollectorGRPC, grpc.StatusCode.UNAUTHENTICATED)], ids=str)
def test_what_is_refused_is_not_sent_again(export, page, kind, status):
    headers = [("Location", "/v1/traces")] if status == 301 else []
    agent, collector = export(kind, [Answer(status, headers=headers)])
    page.write([call(1)])
    assert eventually(lambda: agent.counter("dropped") == 5), agent.lines
    page.write([call(2)])
    assert eventually(lambda: agent.counter("exported") == 5)
    assert len(collector.requests) == 2
    assert any("refused a batch" in row["message"] for row in agent.log)


@both
def test_what_is_taken_in_part_is_not_sent_again(export, page, kind):
    message = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=2, error_message="too old")).SerializeToString()
    agent, collector = export(kind, [Answer(message=message)])
    page.write([call(1)])
    assert eventually(lambda: agent.counter("exported") == 3), agent.lines
    assert agent.counter("dropped") == 2
    time.sleep(1.5)
    assert len(collector.requests) == 1
    assert any(row["message"] == "the collector rejected 2 spans: too old" for row in agent.log)


@both
def test_bounded_while_the_collector_is_away(export, page, kind):
    gone = kind(port=free_port())
    gone.stop()
    agent, _ = export(kind, collector=gone, OTEL_BSP_EXPORT_TIMEOUT="3000", OTEL_BSP_MAX_QUEUE_SIZE="2048")
    number, sizes, slowest = 0, [], 0
    for turn in range(60):
        page.write(call(number + step + 1) for step in range(250))
        number += 250
        started = time.monotonic()
        assert agent.request()[0] == 200
        slowest = max(slowest, time.monotonic() - started)
        if turn >= 20:
            sizes.append(agent.resident)
        time.sleep(0.15)
    assert slowest < 1
    # 2048 spans and a batch are kept, whatever comes.
    assert max(sizes) - sizes[0] < 8 << 20, sizes
    kept = 2048 + 512

    def counted():
        return agent.counter("dropped") + 5 * agent.counter("lost")
    assert eventually(lambda: 5 * number - kept <= counted()) and counted() <= 5 * number
    back = kind(port=gone.port)
    try:
        # The oldest were dropped: what happened last is there.
        assert eventually(lambda: number in roots(back), 25), agent.lines
        assert 1990 <= len(back.spans) <= kept
    finally:
        back.stop()


def test_a_full_ring_has_room_in_the_queue(export):
    page = Page(records=512)
    try:
        page.write(call(number) for number in range(1, 513))
        agent, collector = export(CollectorHTTP, page=page)
        assert eventually(lambda: len(collector.spans) == 5 * 512), (len(collector.spans), agent.lines)
        assert roots(collector) == list(range(1, 513)) and agent.counter("dropped") == 0
    finally:
        page.close()


def test_an_agent_that_is_started_again(export, page):
    """It exports nothing twice but the last half minute; of a server that is started later it misses nothing."""
    now = time.time_ns()
    page.write([call(1, start=now - 3600 * 10**9), call(2, start=now - 40 * 10**9),
                call(3, start=now - 40 * 10**9, stamps=(1, 2, 3, 4, 39 * 10**9)), call(4, start=now - 5 * 10**9)])
    agent, collector = export(CollectorHTTP)
    assert eventually(lambda: roots(collector) == [3, 4]), (roots(collector), agent.lines)
    page.write([call(5)])
    assert eventually(lambda: roots(collector) == [3, 4, 5])
    later = Page(path=page.path)
    try:
        # Its clock was set back.
        later.write([call(6, start=now - 3600 * 10**9)])
        assert eventually(lambda: roots(collector) == [3, 4, 5, 6]), (roots(collector), agent.lines)
        assert agent.counter("lost") == agent.counter("dropped") == 0
    finally:
        later.close()


@both
def test_what_the_ring_lost_is_counted(export, page, kind):
    agent, collector = export(kind)
    page.write([call(1)])
    assert eventually(lambda: agent.counter("exported") == 5)
    page.write(call(number) for number in range(2, 1002))
    assert eventually(lambda: agent.counter("lost") == 1000 - 256), agent.lines
    # A record that was torn.
    page.ring.write(call(2000))
    page.ring.words[8 + (page.ring.words[3] - 1) % 256 * 104 + 6] ^= 1
    page.publish()
    assert eventually(lambda: agent.counter("lost") == 1001 - 256)


@both
def test_the_other_transports_port(export, page, kind):
    """The commonest mistake: it is said what to do."""
    other = {CollectorGRPC: CollectorHTTP, CollectorHTTP: CollectorGRPC}[kind]
    agent, _ = export(kind, OTEL_EXPORTER_OTLP_PROTOCOL=other.name)
    page.write([call(1)])
    hint = f"give --otlp-protocol {kind.name}"
    assert eventually(lambda: any(hint in row["message"] for row in agent.log)), agent.log
    agent.process.kill()  # else it goes on trying for five seconds


@both
def test_the_last_spans_leave_at_the_end(export, page, kind):
    agent, collector = export(kind, OTEL_BSP_SCHEDULE_DELAY="60000")
    page.write(call(number) for number in range(1, 201))
    time.sleep(1)
    assert not collector.requests or len(collector.spans) < 1000
    page.write([call(201)])
    started = time.monotonic()
    assert agent.stop() == 0
    assert time.monotonic() - started < 3
    assert len(collector.spans) == 1005
    assert agent.log[-1]["message"] == "ended"


@both
def test_a_collector_that_hangs_does_not_hold_the_end_up(export, page, kind):
    agent, collector = export(kind, [Answer(seconds=9)] * 3)
    page.write([call(1)])
    assert eventually(lambda: collector.requests)
    started = time.monotonic()
    assert agent.stop() == 0
    assert time.monotonic() - started < 7
    assert any(row["message"] == "spans are lost at the end" and row["spans"] == 5 for row in agent.log)


@both
@pytest.mark.parametrize("trusted", [True, False])
def test_over_tls(export, page, kind, trusted, tmp_path):
    certificate, key = self_signed(tmp_path)
    collector = kind(certificate=certificate.read_text(), key=key.read_text())
    trust = dict(OTEL_EXPORTER_OTLP_CERTIFICATE=str(certificate)) if trusted else {}
    agent, _ = export(kind, collector=collector, OTEL_EXPORTER_OTLP_ENDPOINT=f"https://localhost:{collector.port}", **trust)
    page.write([call(1)])
    if trusted:
        assert eventually(lambda: len(collector.spans) == 5), agent.lines
    else:
        assert eventually(lambda: any("does not take spans" in row["message"] for row in agent.log)), agent.lines
        assert not collector.requests
        agent.process.kill()  # else it goes on trying for five seconds


# What the agent serves.

PROMETHEUS = {
    "2.42": ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
             "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    "3.5": ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
            "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
            "text/plain;version=0.0.4;q=0.2,*/*;q=0.1", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    "curl": ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
    "empty": ("", "text/plain; version=0.0.4; charset=utf-8"),
}


@pytest.fixture
def agent(page):
    agent = Agent(page=page.path)
    yield agent
    assert agent.stop() == 0


@pytest.mark.parametrize("who", PROMETHEUS)
def test_formats(agent, who):
    accept, expected = PROMETHEUS[who]
    status, headers, body = agent.request(Accept=accept)
    assert status == 200 and headers["Content-Type"] == expected and b"vencejo_up" in body
    assert headers["Vary"] == "Accept, Accept-Encoding" and headers["Content-Length"] == str(len(body))


def test_paths_and_methods(agent):
    assert agent.request("/healthz")[2] == b"ok\n"
    assert agent.request("/metrics/triton", Accept=PROMETHEUS["3.5"][0])[1]["Content-Type"].startswith("text/plain")
    status, headers, body = agent.request(method="HEAD")
    # Numbers move meanwhile.
    assert (status, body) == (200, b"") and abs(int(headers["Content-Length"]) - len(agent.request()[2])) < 50
    status, headers, body = agent.request("/nothing?x=1")
    assert status == 404 and body == b'there is no "/nothing" here: ask for /metrics, /metrics/triton or /healthz\n'
    status, headers, body = agent.request(method="POST")
    assert status == 405 and headers["Allow"] == "GET, HEAD"
    # Of two headers of a name both count.
    assert agent.request("/metrics?name=x", Accept_Encoding="identity")[0] == 200


def test_compressed_if_it_is_offered(agent):
    # What stands in for the page is too small to be compressed; then it is not.
    status, headers, body = agent.request(Accept_Encoding="gzip")
    if headers["Content-Encoding"] == "gzip":
        body = gzip.decompress(body)
    assert b"vencejo_up" in body
    assert agent.request(Accept_Encoding="gzip;q=0")[1]["Content-Encoding"] is None


def test_clients_that_misbehave(agent):
    def connect():
        return socket.create_connection(("127.0.0.1", agent.port), timeout=10)
    for garbage in [b"\x16\x03\x01\x00", b"GET\r\n\r\n", b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
                    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0" * 1000]:
        with connect() as one:
            try:
                one.sendall(garbage)
                one.shutdown(socket.SHUT_WR)
                while one.recv(65536):
                    pass
            except OSError as error:
                # Closed while it still came, and perhaps before its end was told.
                assert not isinstance(error, TimeoutError)
    with connect() as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.0\r\n\r\n")
        answer = b""
        while part := one.recv(65536):
            answer += part
        assert answer.count(b"ok\n") == 2
    # Who asks on without reading is hung up on, and does not cost memory.
    before = agent.resident
    with connect() as one:
        try:
            for _ in range(3000):
                one.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        except OSError:
            pass
    assert agent.resident - before < 64 << 20


def test_a_crowd_does_not_keep_others_out(agent):
    """The connection that has been idle the longest makes room, whether it asked before or not."""
    def ask(one, path=b"/healthz"):
        one.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        return one.recv(65536)

    crowd = [socket.create_connection(("127.0.0.1", agent.port), timeout=10) for _ in range(256)]
    try:
        for one in crowd[:2]:
            assert b"200 OK" in ask(one)
            assert eventually(lambda: agent.is_at_rest)
        for one in crowd[2:]:
            assert b"200 OK" in ask(one)
        # Now the second has been idle the longest.
        assert b"200 OK" in ask(crowd[0])
        for path in ["/healthz", "/metrics", "/metrics/triton"]:
            assert agent.request(path)[0] == 200
        assert b"200 OK" in ask(crowd[0])
        assert crowd[1].recv(1) == b""
        # More than there is room for, of whom none asks.
        crowd += [socket.create_connection(("127.0.0.1", agent.port), timeout=10) for _ in range(300)]
        assert agent.request("/healthz")[0] == 200 and agent.request()[0] == 200
        assert eventually(lambda: len(os.listdir(f"/proc/{agent.process.pid}/fd")) < 256 + 30)
    finally:
        for one in crowd:
            one.close()
    assert eventually(lambda: len(os.listdir(f"/proc/{agent.process.pid}/fd")) < 30)


def test_who_takes_his_time_is_hung_up_on(tmp_path):
    """Ten seconds for a request that has begun, for a handshake, and for taking an answer; idle connections stay."""
    page = Page(help=b"x" * 1_000_000)
    certificate, key = self_signed(tmp_path)
    agent = Agent(page=page.path)
    secure = Agent("--tls-certificate", str(certificate), "--tls-key", str(key), page=page.path)
    asked = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    start = time.monotonic()

    def connect(agent, *, bytes_kept=None):
        one = socket.socket()
        if bytes_kept:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, bytes_kept)
        one.settimeout(15)
        one.connect(("127.0.0.1", agent.port))
        return one

    def ended(one):
        """When it was closed, without an answer."""
        try:
            while one.recv(65536):
                pass
        except ConnectionError:
            pass
        return time.monotonic() - start

    def is_open(agent, one):
        """At the agent's end."""
        own, peer = (f"0100007F:{port:04X}" for port in (agent.port, one.getsockname()[1]))
        rows = [line.split() for line in open("/proc/net/tcp")]
        return any(row[1:4] == [own, peer, "01"] for row in rows)

    idle, slow, handshake, unread, unread_secure = connections = [
        connect(agent), connect(agent), connect(secure), connect(agent, bytes_kept=4096), connect(secure, bytes_kept=4096)]
    try:
        slow.sendall(b"GET /metrics HTTP/1.1\r\n")
        handshake.sendall(b"\x16\x03\x01\x02\x00")
        unread.sendall(asked)
        unread_secure = ssl.create_default_context(cafile=str(certificate)).wrap_socket(
            unread_secure, server_hostname="localhost")
        unread_secure.sendall(asked)
        connections.append(unread_secure)
        # Each byte is no reason to wait longer.
        while time.monotonic() - start < 8:
            time.sleep(0.5)
            slow.sendall(b"X: y\r\n")
            handshake.sendall(b"\0")
        assert is_open(agent, unread) and is_open(secure, unread_secure)
        assert 9 < ended(slow) < 13 and 9 < ended(handshake) < 13
        assert eventually(lambda: not is_open(agent, unread) and not is_open(secure, unread_secure), 3)
        assert is_open(agent, idle)
        idle.sendall(asked)
        assert b"200 OK" in idle.recv(65536)
    finally:
        for one in connections:
            one.close()
        for one in [agent, secure]:
            assert one.stop() == 0
        page.close()


def test_metrics_over_tls(page, tmp_path):
    certificate, key = self_signed(tmp_path)
    agent = Agent("--tls-certificate", str(certificate), "--tls-key", str(key), page=page.path)
    context = ssl.create_default_context(cafile=str(certificate))
    assert agent.request(scheme="https", context=context)[0] == 200
    assert agent.stop() == 0


@pytest.mark.parametrize("arguments, environment, part", [
    (["--listen", "nowhere"], {}, "--listen is \"nowhere\": give HOST:PORT"),
    (["--tls-key", "x"], {}, "--tls-certificate and --tls-key belong together"),
    (["--tls-key", "x", "--tls-certificate", "/nothing"], {}, "both in PEM"),
    (["--log-level", "loud"], {}, "--log-level is \"loud\""),
    (["--log-file", "/nowhere/x"], {}, "log file /nowhere/x cannot be written"),
    (["--log-file", "/nowhere/x", "--log-bytes-max", "1"], {}, "give at least 65536"),
    (["--server-address", "x"], {}, "--server-address is \"x\""),
    (["--otlp-endpoint", "localhost:4317"], {}, "it does not begin with http://"),
    (["--otlp-endpoint", "http://x", "--otlp-protocol", "udp"], {}, "--otlp-protocol is \"udp\""),
    ([], {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_BSP_SCHEDULE_DELAY": "-1"}, "OTEL_BSP_SCHEDULE_DELAY is \"-1\""),
    ([], {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://x", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nothing"},
     "OTEL_EXPORTER_OTLP_CERTIFICATE"),
    (["--page", ""], {}, "--page is empty"),
    (["--log-file", "/nowhere/x", "--log-bytes-max", "10X"], {}, "allowed are bytes, as 65536, 64K or 10M"),
    (["--nonsense"], {}, "Unknown option '--nonsense'"),
])
def test_settings_that_make_no_sense(arguments, environment, part):
    agent = Agent(*arguments, wait=False, **environment)
    assert agent.process.wait(10) == 2
    assert eventually(lambda: agent.lines) and len(agent.lines) == 1
    assert agent.lines[0].startswith("vencejo-metrics: ") and part in agent.lines[0]


def test_an_address_that_is_taken(agent):
    other = Agent("--listen", f"127.0.0.1:{agent.port}", wait=False)
    assert other.process.wait(10) == 1
    assert eventually(lambda: any(line.startswith("vencejo-metrics: --listen") for line in other.lines)), other.lines
    assert f"port {agent.port}: Address already in use; give another address" in "".join(other.lines)


@pytest.mark.parametrize("environment", [{}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}])
def test_nothing_is_exported_unless_asked(page, environment):
    collector = CollectorHTTP()
    if environment:
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://localhost:{collector.port}"
    agent = Agent(page=page.path, **environment, **SOON)
    page.write([call(1)])
    time.sleep(0.8)
    assert not collector.requests and agent.counter("exported") == 0
    assert agent.stop() == 0
    collector.stop()


def test_the_log_is_a_file_that_stays_small(export, page, tmp_path):
    path = tmp_path / "agent.log"
    gone = CollectorHTTP(port=free_port())
    gone.stop()
    agent = Agent("--listen", "127.0.0.1:0", "--log-file", str(path), "--log-level", "debug", "--log-bytes-max", "65536",
                  "--log-files", "2", "--otlp-endpoint", f"http://localhost:{gone.port}", page=page.path, wait=False,
                  OTEL_BSP_EXPORT_TIMEOUT="10", **SOON)
    for number in range(1, 200):
        page.write([call(number)])
        time.sleep(0.02)
    assert agent.stop() == 0 and not agent.lines
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(list(row)[:3] == ["time", "level", "message"] for row in rows) and rows[-1]["message"] == "ended"
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 2 * 65536


def test_help_names_what_there_is():
    text = subprocess.run([binary(), "--help"], check=True, capture_output=True, text=True).stdout
    for word in ["--page", "--listen", "--tls-certificate", "--created-timestamps", "--otlp-endpoint", "--log-file",
                 "OTEL_EXPORTER_OTLP_ENDPOINT", "/metrics/triton", "oldest"]:
        assert word in text
