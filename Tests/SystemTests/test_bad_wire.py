"""Bad HTTP/2 and bad gRPC framing, by a client of our own (h2raw.py). After every row a good call works."""
import gzip
import struct

import pytest
from hyperframe import frame as f

from h2raw import PREFACE, Connection, fields, message
from tensors import case, predict_request, read_predict

INPUTS, EXPECTED = case("digits", 1, 1)
REQUEST = predict_request("digits", INPUTS)
PREDICT = "/vencejo.v1.PredictionService/Predict"
GOOD = message(REQUEST.SerializeToString())
INVALID, NOT_FOUND, EXHAUSTED, UNIMPLEMENTED, INTERNAL = 3, 5, 8, 12, 13
ANY = set(range(1, 17))


@pytest.fixture(autouse=True)
def a_good_call_still_works(predictions):
    yield
    assert read_predict(predictions.Predict(REQUEST)) == EXPECTED


def zipped(payload):
    return message(gzip.compress(payload), flag=1)


BOMB = zipped(bytes(48 << 20))  # about 48 KiB
assert len(BOMB) < 65_000
GZIP = {"grpc_encoding": "gzip"}
FRAMING = [  # name, header fields changed, body, gRPC codes that are right
    ("good", {}, GOOD, {0}),
    ("good, compressed", GZIP, zipped(REQUEST.SerializeToString()), {0}),
    ("good, not compressed though it may be", GZIP, GOOD, {0}),
    ("good, with parameters", {"content_type": "application/grpc+proto;charset=utf-8"}, GOOD, {0}),
    ("message cut", {}, GOOD[:-10], {INTERNAL}),
    ("prefix cut", {}, GOOD[:3], {INTERNAL}),
    ("prefix only", {}, GOOD[:5], {INTERNAL}),
    ("no message", {}, b"", {INTERNAL, UNIMPLEMENTED}),
    ("two messages", {}, GOOD * 2, {INTERNAL, UNIMPLEMENTED}),
    ("bytes after the message", {}, GOOD + b"\0\0", {INTERNAL, UNIMPLEMENTED}),
    ("flag 2", {}, message(b"", flag=2), {INTERNAL}),
    ("flag 255", {}, message(REQUEST.SerializeToString(), flag=255), {INTERNAL}),
    ("compressed without encoding", {}, zipped(REQUEST.SerializeToString()), {INTERNAL}),
    ("compressed as identity", {"grpc_encoding": "identity"}, zipped(b"x"), {INTERNAL}),
    ("no gzip", GZIP, message(b"this is no gzip", flag=1), {INTERNAL}),
    ("gzip cut", GZIP, message(gzip.compress(REQUEST.SerializeToString())[:-9], flag=1), {INTERNAL, EXHAUSTED}),
    ("gzip with a wrong sum", GZIP, message(gzip.compress(bytes(9))[:-8] + bytes(8), flag=1), {INTERNAL}),
    ("empty gzip", GZIP, message(b"", flag=1), {INTERNAL, INVALID, NOT_FOUND}),
    ("gzip bomb", GZIP, BOMB, {EXHAUSTED}),
    ("unknown encoding", {"grpc_encoding": "br"}, GOOD, {UNIMPLEMENTED}),
    ("4 GiB declared", {}, message(b"", length=0xFFFFFFFF), {EXHAUSTED}),
    ("bad base64", {"x_trace_bin": "!!!"}, GOOD, {INVALID, INTERNAL}),
    ("base64 of no length", {"x_trace_bin": "A"}, GOOD, {INVALID, INTERNAL}),
    ("timeout of 9 digits", {"grpc_timeout": "123456789S"}, GOOD, {INVALID, INTERNAL}),
    ("timeout without unit", {"grpc_timeout": "5"}, GOOD, {INVALID, INTERNAL}),
    ("timeout of an unknown unit", {"grpc_timeout": "5x"}, GOOD, {INVALID, INTERNAL}),
    ("negative timeout", {"grpc_timeout": "-1S"}, GOOD, {INVALID, INTERNAL}),
    ("no te", {"te": None}, GOOD, ANY),
    ("query in the path", {"path": PREDICT + "?a=b"}, GOOD, {UNIMPLEMENTED}),
    ("path of no UTF-8", {"path": b"/\xff\xfe/x"}, GOOD, ANY),
]


@pytest.mark.parametrize("name,changes,body,codes", FRAMING, ids=[row[0] for row in FRAMING])
def test_framing(server, name, changes, body, codes):
    with Connection(server.address) as connection:
        answer = connection.call(fields(PREDICT, **changes), body)
        assert answer.status in codes and answer.http == 200, answer
        assert answer.status == 0 or answer.text
        if name == "unknown encoding":
            assert "gzip" in answer.headers["grpc-accept-encoding"]
        # Only the call is lost, not its connection.
        assert connection.call(fields(PREDICT), GOOD).status == 0


HTTP = [  # name, header fields changed, HTTP statuses that are right
    ("JSON", {"content_type": "application/json"}, {415}),
    ("gRPC with JSON", {"content_type": "application/grpc+json"}, {415}),
    ("nearly gRPC", {"content_type": "application/grpcx"}, {415}),
    ("gRPC web", {"content_type": "application/grpc-web"}, {415}),
    ("no content type", {"content_type": None}, {415}),
    ("GET", {"method": "GET"}, {405}),
    ("PUT", {"method": "PUT"}, {405}),
]


@pytest.mark.parametrize("body", [b"", GOOD], ids=["no body", "body"])
@pytest.mark.parametrize("name,changes,codes", HTTP, ids=[row[0] for row in HTTP])
def test_http(server, name, changes, codes, body):
    with Connection(server.address) as connection:
        assert connection.call(fields(PREDICT, **changes), body).http in codes
        assert connection.call(fields(PREDICT), GOOD).status == 0


@pytest.mark.parametrize("size", [17 << 10, 40 << 10])
def test_a_header_list_that_is_too_long(server, size):
    with Connection(server.address) as connection:
        answer = connection.call(fields(PREDICT, x_long="x" * size), GOOD)
        assert answer.status == EXHAUSTED or answer.http == 431 or answer.reset is not None, answer


def test_too_many_header_fields(server):
    with Connection(server.address) as connection:
        answer = connection.call(fields(PREDICT, **{f"x_{i}": "y" for i in range(300)}), GOOD)
        assert answer.status == EXHAUSTED or answer.http == 431 or answer.reset is not None, answer


HEADERS = [  # fields that HTTP/2 itself forbids: the stream is refused
    ("capital letters", [("X-Capital", "a")]), ("connection", [("connection", "close")]),
    ("line break in a value", [("x-a", "b\r\nc: d")]), ("zero in a value", [("x-a", "b\0c")]),
    ("pseudo field last", [(":path", "/late")]), ("unknown pseudo field", [(":what", "x")]),
    ("a length that lies", [("content-length", "3")]),
]


@pytest.mark.parametrize("name,more", HEADERS, ids=[row[0] for row in HEADERS])
def test_forbidden_header_fields(server, name, more):
    with Connection(server.address) as connection:
        answer = connection.call(fields(PREDICT) + more, GOOD)
        assert answer.status != 0 and (answer.reset is not None or answer.closed or answer.http >= 400), answer


@pytest.mark.parametrize("missing", [":method", ":path", ":scheme"])
def test_missing_pseudo_fields(server, missing):
    with Connection(server.address) as connection:
        answer = connection.call([each for each in fields(PREDICT) if each[0] != missing], GOOD)
        assert answer.status != 0 and (answer.reset is not None or answer.closed or answer.http >= 400), answer


def frame(kind, flags, stream, payload, length=None):
    """A frame whose parts may contradict each other."""
    return struct.pack(">I", len(payload) if length is None else length)[1:] + struct.pack(
        ">BBI", kind, flags, stream) + payload


DATA, HEADERS_, RST, SETTINGS, PUSH, PING, WINDOW, CONTINUATION = 0, 1, 3, 4, 5, 6, 8, 9
ENDING = [  # bytes after the preface that end the connection
    ("headers on stream 0", frame(HEADERS_, 5, 0, b"\x82")),
    ("headers on an even stream", frame(HEADERS_, 5, 2, b"\x82")),
    ("headers that HPACK cannot read", frame(HEADERS_, 5, 1, b"\xff\xff\xff\xff\xff\xff\xff")),
    ("data on an idle stream", frame(DATA, 1, 7, b"x")),
    ("data on stream 0", frame(DATA, 1, 0, b"x")),
    ("reset of an idle stream", frame(RST, 0, 9, b"\0\0\0\0")),
    ("settings of 5 bytes", frame(SETTINGS, 0, 0, b"12345")),
    ("settings on a stream", frame(SETTINGS, 0, 1, b"")),
    ("ping of 7 bytes", frame(PING, 0, 0, b"1234567")),
    ("ping on a stream", frame(PING, 0, 1, b"12345678")),
    ("window of nothing", frame(WINDOW, 0, 0, b"\0\0\0\0")),
    ("window too large", frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff") * 2),
    ("a frame of 16 MiB", frame(DATA, 0, 1, b"", length=0xFFFFFF) + bytes(20_000)),
    ("a promise by the client", frame(PUSH, 4, 1, b"\0\0\0\2\x82")),
    ("continuation of nothing", frame(CONTINUATION, 4, 1, b"\x82")),
    ("padding longer than the frame", frame(DATA, 8, 1, b"\xff")),
    ("a ping between headers", frame(HEADERS_, 1, 1, b"\x82") + frame(PING, 0, 0, bytes(8))),
    ("endless continuations", frame(HEADERS_, 1, 1, b"\x82") + frame(CONTINUATION, 0, 1, b"\0\1a\1b" * 200) * 200),
]


@pytest.mark.parametrize("name,sent", ENDING, ids=[row[0] for row in ENDING])
def test_frames_that_end_the_connection(server, name, sent):
    with Connection(server.address) as connection:
        try:
            connection.send(sent)
        except ConnectionError:
            return
        assert all(each.error_code != 0 for each in connection.ending())


@pytest.mark.parametrize("name,sent", [
    ("HTTP/1.1", b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"), ("noise", bytes(range(256)) * 40),
    ("nearly the preface", PREFACE[:-1] + b"x" + f.SettingsFrame().serialize()),
    ("TLS", b"\x16\x03\x01\x02\x00\x01" * 50),
    ("no settings", PREFACE + f.PingFrame(0, opaque_data=bytes(8)).serialize()),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_no_http2_is_closed(server, name, sent):
    with Connection(server.address, preface=b"") as connection:
        try:
            connection.socket.sendall(sent)
            while connection.socket.recv(4096):
                pass
        except ConnectionError:  # a reset is an end as well; a silence, a TimeoutError, is none
            pass


@pytest.mark.parametrize("flood,must_end", [("resets", True), ("pings", False), ("settings", False)])
def test_floods(server, flood, must_end):
    """A flood of resets ends its connection; one of control frames ends it or is borne. Others do not notice."""
    with Connection(server.address) as connection:
        try:
            for _ in range(20_000):
                if flood == "resets":
                    connection.reset(connection.open(fields(PREDICT)))
                elif flood == "pings":
                    connection.send(f.PingFrame(0, opaque_data=bytes(8)))
                else:
                    connection.send(f.SettingsFrame(settings={4: 65_535}))
            if must_end:
                assert connection.ending()[-1].error_code != 0
            else:
                connection.ping()
        except ConnectionError:
            pass
