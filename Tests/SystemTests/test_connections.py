"""Connections: addresses, TLS, pings, limits in time, age, and the polite end."""
import errno
import queue
import socket
import ssl
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from hyperframe import frame as f

import metrics_page
from command_line import FAILED
from h2raw import Connection, fields, message
from ports import free_address
from server import MODELS, run, runtime
from stubs import prediction_grpc
from tensors import case, predict_request, read_predict
from tls import credentials, tls_flags
from waiting import eventually

INPUTS, EXPECTED = case("digits", 1, 1)
REQUEST = predict_request("digits", INPUTS)
PREDICT = "/vencejo.v1.PredictionService/Predict"
STREAM = "/vencejo.v1.PredictionService/PredictStream"


def answers(channel):
    stub = prediction_grpc.PredictionServiceStub(channel)
    return read_predict(stub.Predict(REQUEST, timeout=60)) == EXPECTED


def is_refused(server):
    """Its shards listen no more."""
    host, port = server.address.rsplit(":", 1)
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == errno.ECONNREFUSED


# Addresses

def test_every_listener_serves(serve, tmp_path):
    path = tmp_path / "vencejo.sock"
    server = serve(listeners=["127.0.0.1:0", "[::1]:0", f"unix:{path}"])
    assert [address.rsplit(":", 1)[0] for address in server.addresses] == ["127.0.0.1", "[::1]", "unix"]
    assert all(answers(server.channel(address)) for address in server.addresses)
    server.stop()
    assert not path.exists()


@pytest.mark.parametrize("shards", [1, 2])
def test_a_port_that_another_server_has_is_refused(serve, shards):
    first = serve("--shards", shards, control="127.0.0.1:0")
    for flag, address in ("--grpc", first.address), ("--control", first.control):
        other = "--control" if flag == "--grpc" else "--grpc"
        code, _, error = run("serve", "--repository", MODELS, "--shards", shards, flag, address, other, "127.0.0.1:0",
                             "--onnxruntime", runtime())
        assert code == FAILED and error.count("\n") == 1
        assert f"{flag}: cannot listen on {address}: another process listens there" in error and "end that one" in error
    # All connections are the first one's.
    assert all(answers(first.channel()) for _ in range(10))
    first.stop()
    # What its connections left behind (TIME_WAIT) is nobody's port.
    assert answers(serve("--shards", shards, listeners=[first.address]).channel())


def test_an_address_given_twice_is_refused():
    address = free_address()
    code, _, error = run("serve", "--repository", MODELS, "--grpc", address, "--control", address, "--onnxruntime", runtime())
    assert code == FAILED and f"--control: cannot listen on {address}: another --grpc or --control" in error


def test_a_server_starts_while_the_last_one_drains(serve):
    first = serve()
    calls = queue.Queue()
    stream = prediction_grpc.PredictionServiceStub(first.channel()).PredictStream(iter(calls.get, None))
    calls.put(REQUEST)
    assert read_predict(next(stream).response) == EXPECTED
    first.terminate()
    while not first.lines.get(timeout=60).startswith("draining"):
        pass
    assert eventually(lambda: is_refused(first))
    second = serve(listeners=[first.address])
    assert first.process.poll() is None and answers(second.channel())
    calls.put(None)
    assert list(stream) == []


def test_a_socket_file_left_by_a_dead_server_is_replaced(serve, tmp_path):
    path = tmp_path / "vencejo.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    assert answers(serve(listeners=[f"unix:{path}"]).channel())


# TLS

def python_tls(server, folder, alpn, version=None):
    """The protocol that both sides settle on; a refused handshake raises. Reads a little: in TLS 1.3 a refusal may
    come after the client's last message."""
    context = ssl.create_default_context(cafile=folder / "root.pem")
    context.set_alpn_protocols(alpn)
    if version:
        context.minimum_version = context.maximum_version = version
    host, port = server.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=20) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            secure.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + f.SettingsFrame().serialize())
            if not secure.recv(1):
                raise ssl.SSLError("the server closed")
            return secure.selected_alpn_protocol(), secure.version()


def test_tls(serve, certificates):
    server = serve(*tls_flags(certificates), credentials=credentials(certificates))
    assert answers(server.channel())
    assert python_tls(server, certificates, ["h2"]) == ("h2", "TLSv1.3")
    for alpn, version in ([["http/1.1"], None], [["h2"], ssl.TLSVersion.TLSv1_2]):
        with pytest.raises(OSError):
            python_tls(server, certificates, alpn, version)
    with grpc.insecure_channel(server.address) as plain, pytest.raises(grpc.RpcError):
        prediction_grpc.PredictionServiceStub(plain).Predict(REQUEST, timeout=20)
    assert answers(server.channel())


def test_tls_with_client_certificates(serve, certificates):
    proper = credentials(certificates, "client")
    server = serve(*tls_flags(certificates, client_ca=True), credentials=proper)
    assert answers(server.channel())
    for wrong in (credentials(certificates), credentials(certificates, "stranger")):
        stub = prediction_grpc.PredictionServiceStub(server.channel(credentials=wrong))
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(REQUEST, timeout=20)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert answers(server.channel())


def test_large_messages_over_tls(serve, certificates):
    server = serve(*tls_flags(certificates), credentials=credentials(certificates))
    inputs = case("casts", 1, 32)[0]
    wide = predict_request("identity", {"x": (inputs["in_FP32"][0], inputs["in_FP32"][1].repeat(4000, 0))})
    stub = prediction_grpc.PredictionServiceStub(server.channel())
    assert stub.Predict(wide).outputs[0].data == wide.inputs[0].data


# Pings and limits in time

def test_pings_are_answered(server):
    with Connection(server.address) as connection:
        assert all(connection.ping(number.to_bytes(8, "big")) for number in range(20))
        assert connection.call(fields(PREDICT), message(REQUEST.SerializeToString())).status == 0


def test_keepalive_of_grpcio(server):
    channel = server.channel(grpc__keepalive_time_ms=100, grpc__keepalive_timeout_ms=5000,
                             grpc__keepalive_permit_without_calls=1)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        assert answers(channel)


def test_a_client_that_never_speaks_is_sent_away(server):
    with Connection(server.address, preface=b"") as connection:
        connection.ending()


def test_idle_connections_do_not_stop_a_call(server):
    idle = [Connection(server.address) for _ in range(500)]
    assert answers(server.channel())
    for connection in idle:
        connection.socket.close()


# Age and the end

def test_an_old_connection_is_ended_in_two_steps(serve):
    server = serve("--connection-age-seconds", "1")
    with Connection(server.address) as connection:
        assert connection.call(fields(PREDICT), message(REQUEST.SerializeToString())).status == 0
        first, last = connection.ending()
    assert (first.last_stream_id, first.error_code, last.last_stream_id, last.error_code) == (2**31 - 1, 0, 1, 0)


def test_age_interrupts_no_call(serve, tmp_path):
    server = serve("--connection-age-seconds", "1", "--metrics-page", tmp_path / "page")
    server.channels[0].close()  # else it would be asked to go, too
    channel = server.channel()

    def goaways():
        page = metrics_page.read_while_written(tmp_path / "page")
        return sum(value for (name, _), value in page.series().items() if name == "vencejo_grpc_goaways")
    assert eventually(lambda: all(answers(channel) for _ in range(200)) and goaways())
    assert all(answers(channel) for _ in range(200))


def test_sigterm_lets_what_is_open_end(serve):
    """Not serving, then GOAWAY, then what is open ends, then exit code 0 (which `serve` looks at)."""
    server = serve()
    channel = server.channel()
    watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    calls = queue.Queue()
    stream = prediction_grpc.PredictionServiceStub(channel).PredictStream(iter(calls.get, None))
    calls.put(REQUEST)
    assert read_predict(next(stream).response) == EXPECTED
    server.terminate()
    assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
    for _ in range(3):
        calls.put(REQUEST)
        assert read_predict(next(stream).response) == EXPECTED
    calls.put(None)
    assert list(stream) == [] and stream.code() == grpc.StatusCode.OK
    assert server.process.wait(timeout=60) == 0


def test_sigterm_says_goaway_and_leaves(serve):
    server = serve()
    with Connection(server.address) as connection:
        stream = connection.open(fields(STREAM), message(REQUEST.SerializeToString()), end=False)
        assert len(connection.response(stream, data_only=True).data) > 5
        server.terminate()
        said = next(each for each in connection.frames() if isinstance(each, f.GoAwayFrame))
        assert said.error_code == 0
        connection.write(stream, message(REQUEST.SerializeToString()))
        assert connection.response(stream).status == 0
    assert server.process.wait(timeout=60) == 0


def test_nobody_connects_after_the_end(serve):
    server = serve()
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        Connection(server.address)
