"""What one peer can make the server do: little more than it does itself. Counts and ratios, no times."""
import concurrent.futures
import pathlib
import socket
import struct
import threading
import time

import grpc
import pytest

from h2raw import Connection, f, fields, message
from server import PATIENCE, Server
from stubs import prediction, prediction_grpc
from tensors import case, predict_request, read_predict
from tls import self_signed

PREDICT = "/vencejo.v1.PredictionService/Predict"
STREAM = "/vencejo.v1.PredictionService/PredictStream"
MANY = "/vencejo.v1.PredictionService/PredictMany"
OK, EXHAUSTED = 0, 8
ENHANCE_YOUR_CALM = 11
INPUTS, EXPECTED = case("diabetes", 1, 1)


@pytest.fixture
def alone(serve):
    """A server with one shard, of which nobody else asks anything."""
    return serve("--shards", "1")


def processor_seconds(server):
    """What all threads of the server have used so far."""
    tasks = pathlib.Path(f"/proc/{server.process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def identity(shape, data, name="identity"):
    tensor = prediction.Tensor(name="x", type=prediction.ElementType.UINT8, shape=shape, data=data)
    return prediction.PredictRequest(model=prediction.ModelSelector(name=name), inputs=[tensor])


def settled(connection):
    """The server's settings have come, and hold."""
    assert connection.ping()
    return connection


# Headers

def field(name, value, indexed):
    """A literal field without Huffman's code (RFC 7541, 6.2)."""
    def text(content):
        size, rest, coded = len(content), len(content) - 127, b""
        if size < 127:
            return bytes([size]) + content
        while rest > 127:
            coded, rest = coded + bytes([rest & 127 | 128]), rest >> 7
        return b"\x7f" + coded + bytes([rest]) + content
    return bytes([0x40 if indexed else 0]) + text(name) + text(value)


HEAD = b"\x83\x86" + field(b":path", b"/x", False) + field(b":authority", b"a", False)


def head(stream, block):
    return struct.pack(">I", len(block))[1:] + bytes([1, 5]) + struct.pack(">I", stream) + block


def test_one_byte_for_four_kilobytes(alone):
    """An entry of HPACK's table, named again and again: the stream is reset, and soon the connection ends."""
    with settled(Connection(alone.address)) as connection:
        connection.send(head(1, HEAD + field(b"x", b"a" * 4000, True)))
        assert connection.response(1).headers
        before = processor_seconds(alone)
        try:
            for stream in range(3, 2000, 2):
                connection.send(head(stream, HEAD + b"\xbe" * 16_000))
        except ConnectionError:
            pass
        resets, farewells = 0, []
        for frame in connection.frames():
            resets += isinstance(frame, f.RstStreamFrame)
            farewells += [frame.error_code] if isinstance(frame, f.GoAwayFrame) else []
        hostile = (processor_seconds(alone) - before) / max(1, resets)
    assert farewells[-1:] == [ENHANCE_YOUR_CALM] and 50 <= resets <= 500
    # As many bytes of fields that are what they are, in lists that are refused as well.
    with settled(Connection(alone.address)) as connection:
        before = processor_seconds(alone)
        for stream in range(1, 81, 2):
            connection.send(head(stream, HEAD + field(b"y", b"b" * 7, False) * 1600))
        assert connection.ping()
        proper = (processor_seconds(alone) - before) / 40
    assert hostile <= 20 * proper, f"{hostile / proper} times"


# Sentences and compression

@pytest.mark.parametrize("name", [b"a" * 2_000_000, b"\x01" * 2_000_000, "ñ".encode() * 1_000_000],
                         ids=["letters", "controls", "two bytes"])
def test_a_long_name_makes_no_long_sentence(server, name):
    stub = prediction_grpc.PredictionServiceStub(server.channel())
    request = identity((1,), b"x", name.decode())
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request)
    told = [caught.value.details()]
    told += [each.error.message for each in stub.PredictStream(iter([request]))]
    told += [each.error.message for each in stub.PredictMany(iter([request])).results]
    for sentence in told:
        assert "is not found" in sentence and len(sentence) < 2000


@pytest.mark.parametrize("path", [PREDICT, STREAM, MANY])
def test_who_takes_gzip_and_does_not_send_it_gets_none(server, path):
    body = message(identity((1, 50_000), bytes(50_000)).SerializeToString())
    with Connection(server.address) as connection:
        answer = connection.call(fields(path, grpc_accept_encoding="identity, deflate, gzip"), body)
    assert answer.status == OK and answer.data[0] == 0 and "grpc-encoding" not in answer.headers
    assert len(answer.data) > 50_000


# Memory of a connection

def test_streams_that_never_end_share_a_bound(server):
    """Twenty that each stay below their own bound: together they pass their connection's, and only they are refused."""
    channel, never = server.channel(), threading.Event()
    stub = prediction_grpc.PredictionServiceStub(channel)
    request = identity((1, 2 << 20), bytes(2 << 20))

    def requests():
        for _ in range(4):
            yield request
        never.wait(PATIENCE)
    streams = [stub.PredictMany.future(requests()) for _ in range(20)]
    try:
        with concurrent.futures.ThreadPoolExecutor(len(streams)) as pool:
            waiting = [pool.submit(stream.exception) for stream in streams]
            done, _ = concurrent.futures.wait(waiting, PATIENCE, concurrent.futures.FIRST_COMPLETED)
            refused = next(iter(done)).result()
            assert refused.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and "this connection has more than" in \
                refused.details()
            # The connection goes on, as soon as enough of them were refused for the others to fit.
            assert read_predict(once_there_is_room(lambda: stub.Predict(predict_request("diabetes", INPUTS)))) == EXPECTED
            for stream in streams:
                stream.cancel()
            never.set()
    finally:
        never.set()
    # What was given up is there again.
    again = once_there_is_room(lambda: stub.PredictMany(iter([request])))
    assert again.results[0].response.outputs[0].data == bytes(2 << 20)


def once_there_is_room(call):
    """The answer; a refusal for lack of room is believed only when it lasts."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED or time.monotonic() > until:
                raise
        time.sleep(0.01)


# Calls that all differ

def test_shapes_that_all_differ_cost_no_more_each(alone):
    def seconds_for_each(count):
        body = b"".join(message(identity((1, 0, k + 1), b"").SerializeToString()) for k in range(count))
        before = processor_seconds(alone)
        connections = [settled(Connection(alone.address)) for _ in range(4)]
        streams = [connection.open(fields(MANY), body) for connection in connections]
        for connection, stream in zip(connections, streams):
            with connection:
                assert connection.response(stream).status == OK
        return (processor_seconds(alone) - before) / count
    seconds_for_each(1000)
    few, many = seconds_for_each(2000), seconds_for_each(8000)
    # Were each compared with all that came before it in its turn, it would be four times.
    assert many <= 2.5 * few, f"{many / few} times"


# A server that ends

def test_who_comes_while_the_server_drains_is_refused(serve):
    server = serve("--shards", "1")
    with settled(Connection(server.address)) as connection:
        stream = connection.open(fields(STREAM), message(identity((1,), b"x").SerializeToString()), end=False)
        assert connection.response(stream, data_only=True).data
        server.terminate()
        assert any(isinstance(frame, f.GoAwayFrame) for frame in connection.frames())
        host, port = server.address.rsplit(":", 1)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), timeout=PATIENCE)
        connection.write(stream, message(identity((1,), b"y").SerializeToString()))
        assert connection.response(stream).status == OK
    assert server.process.wait(PATIENCE) == 0


@pytest.mark.parametrize("tls", [False, True], ids=["cleartext", "TLS"])
def test_who_never_said_a_word_does_not_hold_up_the_end(tmp_path, tls):
    """Not even for the five seconds in which a handshake must be done; the test has as long for all of it."""
    flags = []
    if tls:
        certificate, key = self_signed(tmp_path)
        flags = ["--tls-certificate", certificate, "--tls-key", key]
    credentials = grpc.ssl_channel_credentials(certificate.read_bytes()) if tls else None
    server = Server("--shards", "1", *flags, credentials=credentials, repository=tmp_path)
    try:
        for channel in server.channels:
            channel.close()
        host, port = server.address.rsplit(":", 1)
        silent = [socket.create_connection((host, int(port)), timeout=PATIENCE) for _ in range(3)]
        server.terminate()
        assert server.process.wait(4) == 0
        for each in silent:
            each.close()
    finally:
        server.process.kill()
    server.stop()
