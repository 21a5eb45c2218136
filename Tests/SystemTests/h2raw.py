"""A small HTTP/2 client that can send what no proper client would. Cleartext with prior knowledge."""
import dataclasses
import socket
import struct
import urllib.parse

import hpack
from hyperframe import frame as f

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
TIMEOUT = 20
WINDOW = 1 << 24


def message(payload, flag=0, length=None):
    """A gRPC message with its five-byte prefix; flag and length may lie."""
    return struct.pack(">BI", flag, len(payload) if length is None else length) + payload


def fields(path, /, **changes):
    """A proper call's header fields; `changes` replace, add, or (None) remove; `_` stands for `-`."""
    proper = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "test",
              "content-type": "application/grpc", "te": "trailers"}
    for name, value in changes.items():
        name = name.replace("_", "-")
        proper[f":{name}" if f":{name}" in proper else name] = value
    return [(name, value) for name, value in proper.items() if value is not None]


@dataclasses.dataclass
class Response:
    headers: dict = dataclasses.field(default_factory=dict)  # the trailers' fields are added to the headers'
    data: bytes = b""
    reset: int | None = None
    goaway: int | None = None
    closed: bool = False

    @property
    def http(self):
        return int(self.headers.get(":status", 0))

    @property
    def status(self):
        return int(self.headers["grpc-status"]) if "grpc-status" in self.headers else None

    @property
    def text(self):
        return urllib.parse.unquote(self.headers.get("grpc-message", ""))


class Connection:
    def __init__(self, address, preface=PREFACE):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout=TIMEOUT)
        self.encoder, self.decoder, self.stream, self.buffer = hpack.Encoder(), hpack.Decoder(), -1, b""
        if preface:
            self.socket.sendall(preface)
            self.send(f.SettingsFrame(settings={f.SettingsFrame.INITIAL_WINDOW_SIZE: WINDOW}),
                      f.WindowUpdateFrame(0, window_increment=WINDOW))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, *frames):
        self.socket.sendall(b"".join(each if isinstance(each, bytes) else each.serialize() for each in frames))

    def open(self, headers, body=b"", end=True):
        """Sends a request's beginning, or all of it; returns its stream."""
        self.stream += 2
        block = self.encoder.encode(headers)
        parts = [block[i:i + 16384] for i in range(0, len(block), 16384)]
        frames = [f.HeadersFrame(self.stream, parts[0])] + [f.ContinuationFrame(self.stream, p) for p in parts[1:]]
        frames[-1].flags.add("END_HEADERS")
        if end and not body:
            frames[0].flags.add("END_STREAM")
        self.send(*frames)
        if body:
            self.write(self.stream, body, end)
        return self.stream

    def write(self, stream, body, end=True):
        """No flow control: bodies stay below the first window of 65 535 bytes."""
        frames = [f.DataFrame(stream, body[i:i + 16384]) for i in range(0, len(body), 16384)]
        if end:
            frames[-1].flags.add("END_STREAM")
        self.send(*frames)

    def reset(self, stream, code=8):
        self.send(f.RstStreamFrame(stream, error_code=code))

    def frames(self):
        """Frames as they come, until the peer closes. Settings and pings are answered here, and every header block is
        decoded (into `frame.fields`): HPACK's table is the connection's, whoever reads."""
        while True:
            while len(self.buffer) >= 9:
                frame, length = f.Frame.parse_frame_header(memoryview(self.buffer[:9]))
                if len(self.buffer) < 9 + length:
                    break
                frame.parse_body(memoryview(self.buffer[9:9 + length]))
                self.buffer = self.buffer[9 + length:]
                if isinstance(frame, f.HeadersFrame):
                    assert "END_HEADERS" in frame.flags, "answers with continuations are not read here"
                    frame.fields = dict(self.decoder.decode(frame.data))
                if isinstance(frame, (f.SettingsFrame, f.PingFrame)) and "ACK" not in frame.flags:
                    opaque = {"opaque_data": frame.opaque_data} if isinstance(frame, f.PingFrame) else {}
                    try:
                        self.send(type(frame)(0, flags=["ACK"], **opaque))
                    except OSError:  # the peer may have said its last word already
                        pass
                yield frame
            try:
                received = self.socket.recv(1 << 16)
            except ConnectionError:
                received = b""
            if not received:
                return
            self.buffer += received

    def response(self, stream, data_only=False):
        """Reads until `stream` or the connection ends (or, `data_only`, until one whole message is there)."""
        answer = Response()
        for frame in self.frames():
            if isinstance(frame, f.GoAwayFrame):
                answer.goaway = frame.error_code
            if frame.stream_id != stream:
                continue
            if isinstance(frame, f.HeadersFrame):
                answer.headers |= frame.fields
            if isinstance(frame, f.DataFrame):
                answer.data += frame.data
            if isinstance(frame, f.RstStreamFrame):
                answer.reset = frame.error_code
            whole = len(answer.data) >= 5 and len(answer.data) >= 5 + int.from_bytes(answer.data[1:5], "big")
            if answer.reset is not None or "END_STREAM" in frame.flags or data_only and whole:
                return answer
        answer.closed = True
        return answer

    def call(self, headers, body=b"", end=True):
        return self.response(self.open(headers, body, end))

    def ping(self, opaque=b"vencejo!"):
        """True when this ping's answer came."""
        self.send(f.PingFrame(0, opaque_data=opaque))
        return any(isinstance(each, f.PingFrame) and "ACK" in each.flags and each.opaque_data == opaque
                   for each in self.frames())

    def ending(self):
        """Reads to the end of the connection: the GOAWAY frames on the way."""
        return [each for each in self.frames() if isinstance(each, f.GoAwayFrame)]
