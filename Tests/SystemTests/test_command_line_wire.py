"""The client commands against servers that answer as none should, and over TLS."""
import gzip
import socket
import threading

import hpack
import pytest
from hyperframe import frame as f

from command_line import DONE, FAILED, NOT_READY, UNREACHABLE, command
from h2raw import PREFACE, message
from tls import credentials, tls_flags

OK = {":status": "200", "content-type": "application/grpc"}
END = {"grpc-status": "0"}


class Peer:
    """Takes connections and answers every call on them by `answer(peer, stream)`, which sends frames."""

    def __init__(self, answer):
        self.answer, self.listener = answer, socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                self.socket, _ = self.listener.accept()
            except OSError:
                return
            with self.socket:
                try:
                    self._connection()
                except OSError:
                    pass

    def _connection(self):
        if isinstance(self.answer, bytes):  # no HTTP/2 at all
            self.socket.recv(1 << 16)
            return self.socket.sendall(self.answer)
        self.encoder, buffer = hpack.Encoder(), b""
        self.send(f.SettingsFrame())
        while received := self.socket.recv(1 << 16):
            buffer = (buffer + received).removeprefix(PREFACE)
            while len(buffer) >= 9:
                frame, length = f.Frame.parse_frame_header(memoryview(buffer[:9]))
                if len(buffer) < 9 + length:
                    break
                buffer = buffer[9 + length:]
                if isinstance(frame, (f.DataFrame, f.HeadersFrame)) and "END_STREAM" in frame.flags:
                    if self.answer(self, frame.stream_id) == "close":
                        return

    def send(self, *frames):
        self.socket.sendall(b"".join(frame.serialize() for frame in frames))

    def headers(self, stream, fields, *flags):
        self.send(f.HeadersFrame(stream, self.encoder.encode(fields), flags=["END_HEADERS", *flags]))

    def reply(self, stream, data=message(b""), head=OK, trailers=END, pieces=1):
        self.headers(stream, head)
        size = -(-len(data) // pieces) or 1
        self.send(*(f.DataFrame(stream, data[i:i + size]) for i in range(0, len(data), size)))
        self.headers(stream, trailers, "END_STREAM")


@pytest.fixture
def peer():
    peers = []

    def start(answer):
        peers.append(Peer(answer))
        return peers[-1].address
    yield start
    for each in peers:
        each.listener.close()


def interim(peer, stream):
    for status in "100", "103":
        peer.headers(stream, {":status": status, "grpc-status": "13", "link": "x"})
    peer.reply(stream)


def goodbye(peer, stream):
    peer.send(f.GoAwayFrame(0, last_stream_id=stream))
    peer.reply(stream)


def zipped(peer, stream):
    peer.reply(stream, message(gzip.compress(b""), flag=1), OK | {"grpc-encoding": "gzip"})


def trailers_only(**fields):
    head = {name.replace("_", "-"): value for name, value in fields.items()}
    return lambda peer, stream: peer.headers(stream, OK | head, "END_STREAM")


def reply(*arguments, **settings):
    return lambda peer, stream: peer.reply(stream, *arguments, **settings)


def reset(code):
    return lambda peer, stream: peer.send(f.RstStreamFrame(stream, error_code=code))


ANSWERS = {  # how a peer answers ListModels: exit code, words
    "in one piece": (reply(), DONE, "MODEL"),
    "byte by byte": (reply(pieces=5), DONE, "MODEL"),
    "1xx before the head": (interim, DONE, "MODEL"),
    "compressed": (zipped, DONE, "MODEL"),
    "a goodbye before the answer": (goodbye, DONE, "MODEL"),
    "trailers only": (trailers_only(grpc_status="5", grpc_message="caf%C3%A9, 100%25%0A%zz"), FAILED,
                      "NOT_FOUND: café, 100% %zz"),
    "a status after data": (reply(trailers={"grpc-status": "8", "grpc-message": "no room"}), FAILED,
                            "RESOURCE_EXHAUSTED: no room"),
    "an unknown status": (trailers_only(grpc_status="99"), FAILED, "UNKNOWN: "),
    "no status": (trailers_only(), FAILED, "UNKNOWN: "),
    "HTTP 503": (lambda peer, stream: peer.headers(stream, {":status": "503"}, "END_STREAM"), FAILED,
                 "UNAVAILABLE: what answers there is not gRPC: HTTP status 503"),
    "OK without a message": (reply(b""), FAILED, "INTERNAL: "),
    "half a message": (reply(message(b"abc", length=9)), FAILED, "8 of the 14 bytes"),
    "not a message": (reply(message(b"\xff")), FAILED, "not a ListModelsResponse"),
    "refused": (reset(7), FAILED, "UNAVAILABLE: "),
    "reset": (reset(2), FAILED, "INTERNAL: "),
    "sent away": (lambda peer, stream: peer.send(f.GoAwayFrame(0, last_stream_id=0)), FAILED, "UNAVAILABLE: "),
    "hung up": (lambda peer, stream: "close", FAILED, "UNAVAILABLE: "),
    "silence": (lambda peer, stream: None, FAILED, "DEADLINE_EXCEEDED: no answer came within 2.0 s"),
    "HTTP/1.1": (b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", UNREACHABLE, "no gRPC server"),
    "nothing": (b"", UNREACHABLE, "--tls-ca"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(peer, name):
    answer, expected, words = ANSWERS[name]
    code, text, error = command("models", "--endpoint", peer(answer), "--timeout", 2 if name == "silence" else 60)
    assert code == expected and words in text + error


def test_a_listener_that_never_speaks():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = "127.0.0.1:%d" % listener.getsockname()[1]
        code, _, error = command("status", "--endpoint", address, "--timeout", 0.5)
    assert code == UNREACHABLE and "no answer came within 0.5 s" in error


def test_a_server_that_is_not_ready(peer):
    address = peer(lambda peer, stream: peer.reply(stream, message(b"\x08\x02" if stream == 1 else b"")))
    assert command("status", "--endpoint", address)[0] == NOT_READY
    assert command("status", "--endpoint", address, "--wait", 0.5)[0] == NOT_READY


def test_tls(serve, server, certificates):
    plain = server.address
    root, pair = certificates / "root.pem", ["--tls-certificate", certificates / "client.pem"]
    pair += ["--tls-key", certificates / "client.key"]
    open_door = serve(*tls_flags(certificates), credentials=credentials(certificates)).address
    mutual = serve(*tls_flags(certificates, client_ca=True), credentials=credentials(certificates, "client")).address
    for endpoint, flags, code, words in [
        (open_door, ["--tls-ca", root], DONE, "ready"), (mutual, ["--tls-ca", root, *pair], DONE, "ready"),
        (open_door, ["--tls-ca", root, "--tls-server-name", "localhost"], DONE, "ready"),
        (open_door, [], UNREACHABLE, "--tls-ca"), (mutual, ["--tls-ca", root], UNREACHABLE, "--tls-certificate"),
        (open_door, ["--tls"], UNREACHABLE, "certificate was refused"),
        (open_door, ["--tls-ca", certificates / "stranger.pem"], UNREACHABLE, "certificate was refused"),
        (open_door, ["--tls-ca", root, "--tls-server-name", "example.org"], UNREACHABLE, "certificate was refused"),
        (plain, ["--tls-ca", root], UNREACHABLE, "leave out --tls"),
    ]:
        result = command("status", "--endpoint", endpoint, *flags)
        assert result[0] == code and words in result[1] + result[2], (endpoint, flags, result)
