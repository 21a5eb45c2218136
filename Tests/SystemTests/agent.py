"""The agent vencejo-metrics as a process, and a collector that does as it is told."""
import concurrent.futures
import gzip
import http.server
import json
import fcntl
import os
import struct
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest, ExportTraceServiceResponse)

import metrics_page
from server import PATIENCE
from span_ring import HEADER, Ring
from waiting import eventually

ROOT = pathlib.Path(__file__).resolve().parents[2]


def binary():
    return os.environ.get("VENCEJO_METRICS_BIN", str(ROOT / ".build-agents/debug/vencejo-metrics"))


def protobuf_field(number, content):
    length, rest = b"", len(content)
    while rest > 127:
        length += bytes([rest & 127 | 128])
        rest >>= 7
    return bytes([number << 3 | 2]) + length + bytes([rest]) + content


class Page:
    """What a server of one shard would write that counts nothing: one ring of spans. `help`: of its only metric."""

    def __init__(self, records=256, help=b"Nothing.", path=None):
        self.path = path or tempfile.mktemp(prefix="vencejo-test-", dir="/dev/shm")
        self.ring = Ring(records, identity=time.time_ns())
        message = protobuf_field(1, protobuf_field(1, b"vencejo_test") + protobuf_field(2, help) + bytes(
            [4 << 3, 1, 5 << 3, 1]) + bytes([7 << 3 | 1]) + struct.pack("<d", 1))
        padded = message + bytes(-len(message) % 8)
        catalogue = list(struct.unpack(f"<{len(padded) // 8}Q", padded))
        rows = 512 + 1 + len(catalogue)
        exemplars = rows + (2 + 2) * metrics_page.ROW_WORDS
        cells = (exemplars + 15) // 16 * 16
        self.spans = cells + (1 + 1) * 16
        span_words = len(self.ring.data) // 8
        header = dict(
            magic=struct.unpack("<Q", b"VCJSHM01")[0], version=1 << 32, header_words=512, words=self.spans + span_words,
            catalogue_hash=metrics_page.checksum(catalogue), generation=1, boot_high=0, boot_low=0,
            start_unix=time.time_ns(), start_monotonic=time.monotonic_ns(), process_id=os.getpid(), state=1,
            heartbeat=time.monotonic_ns(), rows_missed=0, shards=1, model_rows=2, version_rows=2, catalogue=512,
            catalogue_words=1 + len(catalogue), rows=rows, exemplars=exemplars, cells=cells, shard_words=16,
            spans=self.spans, span_words=span_words)
        words = list(header.values()) + [0] * (512 - len(header)) + [len(message)] + catalogue
        words += [0] * (self.spans - len(words))
        self.file = open(self.path + ".new", "w+b", buffering=0)
        # A writer that lives: F_OFD_SETLK, a write lock on all of it.
        fcntl.fcntl(self.file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
        self.file.write(struct.pack(f"<{len(words)}Q", *words))
        self.publish()
        os.rename(self.path + ".new", self.path)

    def write(self, spans):
        for span in spans:
            self.ring.write(span)
        self.publish()

    def publish(self):
        # Records before the header that tells of them, as a server writes.
        data, header = self.ring.data, 8 * HEADER
        os.pwrite(self.file.fileno(), data[header:], self.spans * 8 + header)
        os.pwrite(self.file.fileno(), data[:header], self.spans * 8)

    def close(self):
        self.file.close()
        pathlib.Path(self.path).unlink(missing_ok=True)


class Agent:
    def __init__(self, *arguments, page="/dev/shm/nothing", wait=True, **environment):
        clean = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
        self.process = subprocess.Popen(
            [binary(), "--page", page, "--listen", "127.0.0.1:0", *arguments], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=clean | environment)
        self.lines = []
        threading.Thread(target=self._read, daemon=True).start()
        self.port = eventually(self._port) if wait else None

    def _read(self):
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    @property
    def log(self):
        return [json.loads(line) for line in list(self.lines)]

    def _port(self):
        assert self.process.poll() is None, self.lines
        return next((row["port"] for row in self.log if row["message"] == "metrics are served"), None)

    def request(self, path="/metrics", method="GET", scheme="http", context=None, **headers):
        """Status, headers and body."""
        request = urllib.request.Request(f"{scheme}://127.0.0.1:{self.port}{path}", method=method, headers={
            name.replace("_", "-"): value for name, value in headers.items()})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE, context=context) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def counter(self, name):
        text = self.request()[2].decode()
        return int(re.search(rf"^vencejo_trace_spans_{name}_total(?:{{.*}})? (\d+)", text, re.M)[1])

    @property
    def resident(self):
        """In bytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024

    @property
    def is_at_rest(self):
        """All its threads sleep: it has ended what it was asked for, and not only answered."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return {(task / "stat").read_text().rpartition(") ")[2][0] for task in tasks} == {"S"}

    def stop(self, seconds=PATIENCE):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


class Tap:
    """Passes bytes on to a port, and keeps what clients sent."""

    def __init__(self, target):
        self.seen = b""
        self.target = target
        self.listener = socket.create_server(("localhost", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(("localhost", self.target))
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source, target, is_kept):
        try:
            while data := source.recv(65536):
                if is_kept:
                    self.seen += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Answer:
    """What the collector says to one request: gRPC's status or HTTP's, with headers or trailing metadata."""

    def __init__(self, status=None, message=b"", headers=(), seconds=0):
        self.status, self.message, self.headers, self.seconds = status, message, list(headers), seconds


class Collector:
    """Takes what comes, but for what `answers` say to the first requests."""

    def __init__(self, answers=(), certificate=None, key=None, port=0):
        self.answers = list(answers)
        self.requests, self.times, self.headers = [], [], []
        self.lock = threading.Lock()
        self.start(certificate, key, port)

    def took(self, headers, body):
        with self.lock:
            self.times.append(time.monotonic())
            self.headers.append(headers)
            self.requests.append(ExportTraceServiceRequest.FromString(body))
            answer = self.answers.pop(0) if self.answers else Answer(message=ExportTraceServiceResponse().SerializeToString())
        time.sleep(answer.seconds)
        return answer

    @property
    def spans(self):
        with self.lock:
            return [span for request in self.requests for part in request.resource_spans for scope in part.scope_spans
                    for span in scope.spans]


class CollectorGRPC(Collector):
    name = "grpc"
    busy, refused = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INVALID_ARGUMENT

    def start(self, certificate, key, port):
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))

        def export(body, context):
            answer = self.took(dict(context.invocation_metadata()), body)
            if answer.headers:
                context.set_trailing_metadata(answer.headers)
            if answer.status:
                context.abort(answer.status, "as told")
            return answer.message

        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(
            "opentelemetry.proto.collector.trace.v1.TraceService",
            {"Export": grpc.unary_unary_rpc_method_handler(export)})])
        # Not "localhost": gRPC is content with [::1] where 127.0.0.1 has another listener at the port, and the agent goes to
        # either.
        if certificate:
            credentials = grpc.ssl_server_credentials([(key.encode(), certificate.encode())])
            self.port = self.server.add_secure_port(f"127.0.0.1:{port}", credentials)
        else:
            self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        self.server.start()

    def stop(self):
        self.server.stop(0).wait()


class CollectorHTTP(Collector):
    name = "http/protobuf"
    busy, refused = 503, 400

    def start(self, certificate, key, port):
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
                if self.headers["Content-Encoding"] == "gzip":
                    body = gzip.decompress(body)
                answer = collector.took({name.lower(): value for name, value in self.headers.items()}, body)
                self.send_response(answer.status or 200)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.message)))
                self.end_headers()
                self.wfile.write(answer.message)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("localhost", port), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            with tempfile.NamedTemporaryFile("w") as file:
                file.write(key + certificate)
                file.flush()
                context.load_cert_chain(file.name)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
