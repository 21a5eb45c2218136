"""What the server records beside calls: orders before and after, its own life, and connections that came to nothing."""
import hashlib
import socket
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import tls
from audit_ring import ADMIN, CALL, REFUSED, SERVER, Agent, Rings, fields
from calls import PATIENCE, controls, refused, request
from stubs import control, inference, inference_grpc, prediction_grpc

INTENT, DONE, FAILED = 1, 2, 3
SHARD = ("--shards", 1)
#: The ring behind that of the one shard.
JOURNAL = 1


@pytest.fixture
def audited(serve, repository, ring):
    def start(*arguments, **settings):
        return serve("--audit-ring", ring, *SHARD, *arguments, repository=repository, **settings)
    return start


def admins(records):
    return [fields(each.payload) for each in records if each.kind == ADMIN]


def text(record, number):
    return record[number][0].decode() if number in record else ""


def test_an_order_is_recorded_before_and_after(audited, ring, repository):
    server = audited("--repository-mode", "explicit", "--state", repository.parent / "state.json", control="127.0.0.1:0")
    with (agent := Agent(ring, ring=JOURNAL)).working() as records:
        answer = controls(server).Load(control.ControlRequest(
            model="left", version=2, author="ada", reason="a better one"), timeout=PATIENCE)
    intent, outcome = admins(records)
    assert intent[1] == [INTENT] and text(intent, 3) == "load" and text(intent, 7) == "ada"
    assert text(intent, 4) == "anonymous" and text(intent, 8) == "a better one"
    assert fields(intent[9][0]) == {1: [b"left"], 3: [2]}
    assert outcome[1] == [DONE] and outcome[11] == [answer.epoch] and len(outcome[10]) == len(answer.steps) > 0
    # The outcome names the intent by its entry.
    sequence = [each.sequence for each in records if each.kind == ADMIN][0]
    assert outcome[2] == [agent.indexes[sequence]]
    digest = hashlib.sha256((repository / "left" / "2" / "model.onnx").read_bytes()).digest()
    assert fields(outcome[9][0])[4] == [digest]
    assert outcome[13] == [hashlib.sha256((repository.parent / "state.json").read_bytes()).digest()] != outcome.get(12)
    agent.close()


def test_an_order_that_fails_and_one_that_is_only_asked(audited, ring):
    server = audited("--repository-mode", "explicit", control="127.0.0.1:0")
    calls = Rings(ring)
    with (agent := Agent(ring, ring=JOURNAL)).working() as records:
        refused(grpc.StatusCode.NOT_FOUND, lambda: controls(server).Load(
            control.ControlRequest(model="left", version=99), timeout=PATIENCE))
        controls(server).Load(control.ControlRequest(model="left", version=1, dry_run=True), timeout=PATIENCE)
    intent, outcome = admins(records)
    assert (intent[1], outcome[1]) == ([INTENT], [FAILED]) and "99" in text(outcome, 14)
    # What is only asked is a call like others; what is an order is not told twice.
    found = [each for each in calls.read() if each.kind == CALL]
    assert [(each.method, each.status) for each in found if "Load" in each.method] == [
        ("vencejo.v1.ModelControlService/Load", 0)]
    agent.close()


def test_tritons_load_is_an_order_too(audited, ring):
    server = audited("--repository-mode", "explicit", control="127.0.0.1:0")
    with (agent := Agent(ring, ring=JOURNAL)).working() as records:
        inference_grpc.GRPCInferenceServiceStub(server.channel(server.control)).RepositoryModelLoad(
            inference.RepositoryModelLoadRequest(model_name="left"), timeout=PATIENCE)
        inference_grpc.GRPCInferenceServiceStub(server.channel(server.control)).RepositoryModelUnload(
            inference.RepositoryModelUnloadRequest(model_name="left"), timeout=PATIENCE)
    assert [(each[1], text(each, 3)) for each in admins(records)] == [
        ([phase], verb) for verb in ("load", "swap", "unload") for phase in (INTENT, DONE)]
    agent.close()


def test_without_an_agent_no_order_is_carried_out(audited, ring):
    server = audited("--repository-mode", "explicit", control="127.0.0.1:0")
    refused(grpc.StatusCode.UNAVAILABLE, lambda: controls(server).Load(
        control.ControlRequest(model="left", version=2), timeout=PATIENCE), "not carried out", "vencejo-audit")
    refused(grpc.StatusCode.NOT_FOUND, lambda: prediction_grpc.PredictionServiceStub(server.channel()).Predict(request("left")))


def test_the_servers_life(audited, ring):
    server = audited()
    rings = Rings(ring)
    server.stop()
    records = rings.read(JOURNAL)
    life = [fields(each.payload) for each in records if each.kind == SERVER]
    assert [each[1] for each in life] == [[1], [2], [3]]
    assert life[0][2][0][:8] == rings.instance.to_bytes(8, "big") and len(life[0][2][0]) == 16
    assert any(b"answers=raw" == option for option in life[0][5])
    loads = admins(records)
    assert {text(fields(each[9][0]), 1) for each in loads} == {"left", "right"}
    assert all(each[15] == [1] and each[1] == [DONE] for each in loads)


def test_refused_handshakes_are_few_records_and_close_nothing(serve, repository, ring, tmp_path):
    tls.make_certificates(tmp_path)
    server = serve("--audit-ring", ring, *SHARD, *tls.tls_flags(tmp_path, client_ca=True), repository=repository,
                   credentials=tls.credentials(tmp_path, "client"), listeners=("localhost:0",))
    rings = Rings(ring)
    port = int(server.address.rpartition(":")[2])
    count = 2000
    for _ in range(count):
        with socket.create_connection(("localhost", port)) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            connection.settimeout(PATIENCE)
            try:
                while connection.recv(100):
                    pass
            except ConnectionResetError:
                pass

    def told(found):
        return sum(fields(each.payload)[4][0] for each in found if each.kind == REFUSED)
    records = rings.until(lambda found: told(found) >= count, JOURNAL)
    found = [fields(each.payload) for each in records if each.kind == REFUSED]
    assert told(records) == count and len(found) < 10
    assert {text(each, 1) for each in found} == {"handshake"} and {text(each, 2) for each in found} <= {
        "127.0.0.0/24", "0:0:0:0::/64"}
    assert {text(each, 3) for each in found} == {f"127.0.0.1:{port}"}
    prediction_grpc.PredictionServiceStub(server.channel()).Predict(request("left"))


def test_closed_for_long_is_not_ready_and_comes_back(audited, ring):
    server = audited("--audit-predictions", "disk,closed")
    health = health_pb2_grpc.HealthStub(server.channel())

    def status(service=""):
        return health.Check(health_pb2.HealthCheckRequest(service=service)).status
    end = time.monotonic() + PATIENCE
    while status() == health_pb2.HealthCheckResponse.SERVING:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert status("liveness") == health_pb2.HealthCheckResponse.SERVING
    with (agent := Agent(ring)).working():
        while status() != health_pb2.HealthCheckResponse.SERVING:
            assert time.monotonic() < end
            time.sleep(0.05)
        prediction_grpc.PredictionServiceStub(server.channel()).Predict(request("left"))
    agent.close()
