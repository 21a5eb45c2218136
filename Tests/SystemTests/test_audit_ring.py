"""What the server puts into its audit rings, and which answers leave: read by a second implementation of the ring."""
import concurrent.futures
import contextlib
import hashlib
import os
import pathlib
import ssl
import time

import grpc
import numpy as np
import pytest

import slow
import tls
from audit_ring import CALL, GAP, WITHHELD, Agent, Rings
from calls import PATIENCE, controls, refused, request, swap
from models import WIDTH, put
from stubs import control, inference, inference_grpc, prediction, prediction_grpc

ANSWERED, RUN_FAILED, ACCESS, QUOTA, INPUT, LIMIT, EXPIRED, CANCELLED = range(1, 9)
OK, UNAVAILABLE = 0, 14
SHARD = ("--shards", 1, "--executors", 2)


@pytest.fixture
def audited(serve, repository, ring):
    """Starts a server on `repository` that records its calls in `ring`."""
    def start(*arguments, **settings):
        return serve("--audit-ring", ring, *SHARD, *arguments, repository=repository, **settings)
    return start


def stub(server):
    return prediction_grpc.PredictionServiceStub(server.channel())


def digest(message):
    return hashlib.sha256(message.SerializeToString()).digest()


def test_an_answered_call(audited, ring, repository):
    server = audited("--audit-subject", "metadata:tenant")
    rings = Rings(ring)
    before = time.time_ns()
    asked = request("left", rows=3)
    asked.request_id = "call-1"
    asked.labels["team"] = "blue"
    answer, call = stub(server).Predict.with_call(asked, metadata=[
        ("tenant", "acme"), ("vencejo-routing-key", "k"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")])
    record, = rings.read()
    assert before - 50_000_000 < record.time < time.time_ns()
    assert record.method == "vencejo.v1.PredictionService/Predict"
    assert (record.principal, record.auth, record.credential) == ("anonymous", 0, "")
    assert (record.verdict, record.status, record.reason) == (ANSWERED, OK, "")
    assert (record.asked, record.model, record.version) == ("left", "left", answer.version)
    assert record.artifact == hashlib.sha256((repository / "left" / str(answer.version) / "model.onnx").read_bytes()).digest()
    assert record.epoch == answer.epoch and record.slot == answer.slot
    assert record.request == asked.SerializeToString() and record.answer == answer.SerializeToString()
    assert (record.request_bytes, record.answer_bytes) == (len(record.request), len(record.answer))
    assert (record.rows, record.batch_rows, record.batch_first) == (3, 3, 0) and record.batch > 0
    assert (record.request_id, record.subject, record.draw, record.message) == ("call-1", "acme", 0, 0)
    assert record.labels == b"\4\0\4\0teamblue" and record.label_count == 1
    assert record.routing_key and (record.trace_high, record.trace_low) == (0x0af7651916cd43dd, 0x8448eb211c80319c)
    assert record.peer.startswith("127.0.0.1:")
    assert 0 < record.run <= record.total and record.read + record.queue + record.run <= record.total


@pytest.mark.parametrize("selector, asked", [
    ({"version": 4}, "left@4"), ({"version": 9}, "left@9"), ({"label": "stable"}, "left:stable"),
    ({"slot": prediction.BLUE}, "left/blue"), ({"slot": prediction.SHADOW}, "left/shadow")])
def test_what_was_asked_for_as_a_client_writes_it(audited, ring, selector, asked):
    server = audited()
    # Whether there is such a version or not.
    with contextlib.suppress(grpc.RpcError):
        stub(server).Predict(request("left", **selector))
    record, = Rings(ring).until(len)
    assert record.asked == asked


def test_a_refused_call_keeps_its_message_and_labels(audited, ring):
    server = audited()
    asked = request("nothing")
    # As many as there may be: they need room of their own.
    for number in range(16):
        asked.labels[f"{number:0256}"] = 256 * "v"
    with contextlib.suppress(grpc.RpcError):
        stub(server).Predict(asked)
    record, = Rings(ring).until(len)
    assert record.verdict == INPUT and record.label_count == 16 and record.request == asked.SerializeToString()


def test_verdicts_of_calls_that_are_refused(audited, ring, repository):
    slow.write(repository)
    server = audited()
    rings, ask = Rings(ring), stub(server)
    bad = request("left")
    bad.inputs[0].name = "z"
    for refusal, verdict, status, reason in [
            (lambda: ask.Predict(request("nothing")), INPUT, 5, "unknown_model"),
            (lambda: ask.Predict(bad), INPUT, 3, "bad_input"),
            (lambda: ask.Predict(slow_request(), timeout=0.02), EXPIRED, 4, "deadline"),
            (lambda: ask.Predict(slow_request(slow.NOWHERE)), RUN_FAILED, 13, "")]:
        with contextlib.suppress(grpc.RpcError):
            refusal()
        records = rings.until(len)
        found = records[-1]
        # A caller may give up at its deadline before the server does.
        if not (verdict == EXPIRED and found.verdict == CANCELLED):
            assert (found.verdict, found.status, found.reason) == (verdict, status, reason), found
    # An order where none is taken.
    orders = server.channel().unary_unary("/vencejo.v1.ModelControlService/Load")
    refused(grpc.StatusCode.PERMISSION_DENIED, lambda: orders(b""))
    assert rings.until(len)[-1].verdict == ACCESS
    # A method that is none.
    refused(grpc.StatusCode.UNIMPLEMENTED, lambda: server.channel().unary_unary("/a.B/C")(b""))
    record = rings.until(len)[-1]
    assert (record.method, record.verdict, record.status) == ("a.B/C", INPUT, 12)


def slow_request(place=0, rows=1):
    return prediction.PredictRequest(model=prediction.ModelSelector(name="slow"), inputs=[
        prediction.Tensor(name="x", type=prediction.FP32, shape=[rows, slow.WIDTH], data=bytes(4 * rows * slow.WIDTH)),
        prediction.Tensor(name="place", type=prediction.INT64, shape=[rows], data=np.full(rows, place, "<i8").tobytes())])


def test_a_call_that_nobody_waits_for(audited, ring, repository):
    slow.write(repository)
    server = audited()
    rings = Rings(ring)
    call = stub(server).Predict.future(slow_request())
    time.sleep(0.02)
    call.cancel()
    record, = rings.until(len)
    assert (record.verdict, record.status) == (CANCELLED, 1)
    assert record.request == slow_request().SerializeToString() and record.asked == "slow"


def test_an_executor_and_its_batches(audited, ring, repository):
    slow.write(repository)
    server = audited()
    rings = Rings(ring)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda place: stub(server).Predict(slow_request(place % 8)), range(32)))
    records = rings.until(lambda found: len(found) >= 32)
    assert len(records) == 32 and {each.verdict for each in records} == {ANSWERED}
    assert sorted(each.answer for each in records) == sorted(each.SerializeToString() for each in answers)
    runs = {}
    for each in records:
        runs.setdefault(each.batch, []).append(each)
    assert any(len(run) > 1 for run in runs.values()), "nothing ran together"
    for run in runs.values():
        assert sorted(each.batch_first for each in run) == list(range(len(run)))
        assert {each.batch_rows for each in run} == {len(run)}


def test_messages_of_streams(audited, ring):
    server = audited()
    rings = Rings(ring)
    asked = [request("left"), request("nothing"), request("right", rows=2)]
    answers = list(stub(server).PredictStream(iter(asked)))
    records = rings.until(lambda found: len(found) >= 3)
    assert [each.message for each in records] == [1, 2, 3]
    assert [each.verdict for each in records] == [ANSWERED, INPUT, ANSWERED]
    assert [each.request for each in records] == [each.SerializeToString() for each in asked]
    assert [each.answer for each in records] == [each.SerializeToString() for each in answers]
    assert {each.method for each in records} == {"vencejo.v1.PredictionService/PredictStream"}
    whole = stub(server).PredictMany(iter(asked))
    records = rings.until(lambda found: len(found) >= 4)
    assert [each.message for each in records] == [1, 2, 3, 0]
    assert records[3].answer == whole.SerializeToString() and records[3].verdict == ANSWERED
    assert [each.answer for each in records[:3]] == [b""] * 3
    oip = inference.ModelInferRequest(model_name="left", inputs=[
        inference.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[1, WIDTH])],
        raw_input_contents=[bytes(4 * WIDTH)])
    answer, = inference_grpc.GRPCInferenceServiceStub(server.channel()).ModelStreamInfer(iter([oip]))
    record, = rings.until(len)
    assert record.answer == answer.SerializeToString() and record.message == 1


def test_digests_of_large_messages(audited, ring, repository):
    put(repository, "wide", 1, width=8)
    server = audited()
    rings = Rings(ring)
    rows = (128 << 10) // 32
    asked = prediction.PredictRequest(model=prediction.ModelSelector(name="wide"), inputs=[
        prediction.Tensor(name="x", type=prediction.FP32, shape=[rows, 8], data=os.urandom(32 * rows))])
    answer = stub(server).Predict(asked)
    record, = rings.until(len)
    assert (record.request_kind, record.answer_kind) == ("digest", "digest")
    assert record.request == digest(asked) and record.answer == digest(answer)
    streamed, = stub(server).PredictStream(iter([asked]))
    record, = rings.until(len)
    assert record.request == digest(asked) and record.answer == digest(streamed)
    oip = inference.ModelInferRequest(model_name="wide", inputs=[
        inference.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[rows, 8])],
        raw_input_contents=[asked.inputs[0].data])
    answer = inference_grpc.GRPCInferenceServiceStub(server.channel()).ModelInfer(oip)
    record, = rings.until(len)
    assert record.request == digest(oip) and record.answer == digest(answer)


def test_large_messages_that_are_skipped(audited, ring, repository):
    put(repository, "wide", 1, width=8)
    server = audited("--audit-large", "skip")
    rows = (128 << 10) // 32
    stub(server).Predict(prediction.PredictRequest(model=prediction.ModelSelector(name="wide"), inputs=[
        prediction.Tensor(name="x", type=prediction.FP32, shape=[rows, 8], data=bytes(32 * rows))]))
    record, = Rings(ring).read()
    assert (record.request_kind, record.answer_kind) == (None, None)
    assert record.request_bytes > 128 << 10


def test_principals(serve, repository, ring, tmp_path):
    tls.make_certificates(tmp_path)
    server = serve("--audit-ring", ring, *SHARD, *tls.tls_flags(tmp_path, client_ca=True), repository=repository,
                   credentials=tls.credentials(tmp_path, "client"), listeners=("localhost:0",))
    stub(server).Predict(request("left"))
    record, = Rings(ring).read()
    assert (record.auth, record.principal) == (1, "CN=client")
    der = ssl.PEM_cert_to_DER_cert((tmp_path / "client.pem").read_text())
    assert record.credential == hashlib.sha256(der).hexdigest()


def test_a_unix_socket_says_which_user_calls(serve, repository, ring):
    server = serve("--audit-ring", ring, *SHARD, repository=repository, listeners=(f"unix:{ring}/s",))
    stub(server).Predict(request("left"))
    record, = Rings(ring).read()
    assert (record.auth, record.principal, record.peer) == (4, f"uid:{os.getuid()}", "unix:")


def test_questions_are_recorded_and_probes_are_not(audited, ring):
    server = audited()
    rings = Rings(ring)
    stub(server).ListModels(prediction.ListModelsRequest())
    inference_grpc.GRPCInferenceServiceStub(server.channel()).ServerLive(inference.ServerLiveRequest())
    records = rings.until(lambda found: len(found) >= 2)
    assert [each.method.rpartition("/")[2] for each in records] == ["ListModels", "ServerLive"]


# What may leave

def test_closed_refuses_what_there_is_no_room_for_and_loses_nothing(audited, ring):
    server = audited("--audit-ring-bytes", "256K")
    rings, ask = Rings(ring), stub(server)
    answered = 0
    for _ in range(2000):
        try:
            ask.Predict(request("left"))
            answered += 1
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE and "--audit-ring-bytes" in error.details()
            assert dict(error.trailing_metadata())["grpc-retry-pushback-ms"] == "1000"
            break
    else:
        raise AssertionError("the ring was never full")
    records = rings.read()
    assert len(records) == answered > 100
    # The agent comes: there is room again.
    agent = Agent(ring)
    agent.acknowledge(records)
    ask.Predict(request("left"))
    agent.close()


def test_open_answers_and_tells_of_the_gap(audited, ring):
    server = audited("--audit-ring-bytes", "256K", "--audit-predictions", "ring,open")
    rings, ask = Rings(ring), stub(server)
    calls = 2000
    for _ in range(calls):
        ask.Predict(request("left"))
    records = rings.read()
    assert len(records) < calls
    agent = Agent(ring)
    agent.acknowledge(records)
    ask.Predict(request("left"))
    more = rings.until(lambda found: any(each.kind == GAP for each in found))
    gap, = [each for each in more if each.kind == GAP]
    count = calls + 1 - len(records) - len([each for each in more if each.kind == CALL])
    assert b"\x0a\x04call\x12\x09ring_full" in gap.payload
    assert gap.payload.split(b"ring_full")[1][:1] == b"\x18" and varint(gap.payload.split(b"ring_full\x18")[1]) == count
    agent.close()


def varint(data):
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return value
    raise AssertionError("no end")


DISK = ("--audit-predictions", "disk,closed", "--audit-questions", "disk,closed")


def test_disk_waits_for_the_agent_and_gives_a_receipt(audited, ring):
    server = audited(*DISK)
    agent = Agent(ring)
    ask = stub(server)
    call = ask.Predict.future(request("left"))
    record, = agent.rings.until(len)
    time.sleep(0.2)
    assert not call.done(), "an answer left before its record was durable"
    agent.acknowledge([record])
    call.result(timeout=PATIENCE)
    log = "0007" + bytes(range(14)).hex()
    assert dict(call.trailing_metadata())["vencejo-audit"] == f"{log}/{agent.indexes[record.sequence]}"
    # A refusal waits too, and has its receipt.
    call = ask.Predict.future(request("nothing"))
    record, = agent.rings.until(len)
    time.sleep(0.1)
    assert not call.done()
    agent.acknowledge([record])
    assert call.exception(timeout=PATIENCE).code() == grpc.StatusCode.NOT_FOUND
    agent.close()


def test_disk_streams_keep_their_order(audited, ring):
    server = audited(*DISK)
    with (agent := Agent(ring)).working() as records:
        answers = list(stub(server).PredictStream(request("left", rows=1 + n % 3) for n in range(300)))
        whole = stub(server).PredictMany(request("left") for _ in range(50))
    rows = [each.response.outputs[0].shape[0] for each in answers]
    assert rows == [1 + n % 3 for n in range(300)] and len(whole.results) == 50
    assert [each.message for each in records if each.kind == CALL] == [*range(1, 301), *range(1, 51), 0]
    agent.close()


def test_disk_withholds_what_is_not_durable_in_two_seconds(audited, ring):
    server = audited(*DISK)
    agent = Agent(ring)
    began = time.monotonic()
    refused(grpc.StatusCode.UNAVAILABLE, lambda: stub(server).Predict(request("left"), timeout=PATIENCE), "withheld")
    assert 1.5 < time.monotonic() - began < 10
    records = agent.rings.until(lambda found: len(found) >= 2)
    assert [each.kind for each in records] == [CALL, WITHHELD]
    assert varint(records[1].payload[1:]) == records[0].sequence
    # A caller's own deadline comes first.
    began = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        stub(server).Predict(request("left"), timeout=0.3)
    assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    agent.close()


def test_disk_without_an_agent_is_refused_at_once(audited, ring):
    server = audited(*DISK)
    time.sleep(2.1)
    began = time.monotonic()
    refused(grpc.StatusCode.UNAVAILABLE, lambda: stub(server).Predict(request("left")), "audit agent is away")
    assert time.monotonic() - began < 1
    with (agent := Agent(ring)).working():
        stub(server).Predict(request("left"))
    agent.close()
    time.sleep(2.3)
    refused(grpc.StatusCode.UNAVAILABLE, lambda: stub(server).Predict(request("left")), "audit agent is away")


def test_disk_open_leaves_after_two_seconds_and_tells(audited, ring):
    server = audited("--audit-predictions", "disk,open")
    agent = Agent(ring)
    stub(server).Predict(request("left"), timeout=PATIENCE)
    records = agent.rings.until(lambda found: len(found) >= 2)
    assert [each.kind for each in records] == [CALL, GAP] and b"not_durable" in records[1].payload
    agent.close()


def is_closed(agent):
    """The server closed the socket, whatever of what was sent it had read by then."""
    try:
        return agent.socket.recv(1) == b""
    except ConnectionResetError:
        return True


def test_an_agent_that_forgot_what_it_acknowledged_is_refused(audited, ring):
    server = audited(*DISK)
    with (agent := Agent(ring)).working():
        stub(server).Predict(request("left"))
    agent.close()
    assert is_closed(Agent(ring, size=5)), "an agent with a shorter log was taken"
    assert "rolled back" in server.log()


@pytest.mark.parametrize("packet", [b"", b"x" * 32, b"VCJACK1\n", bytes(4096)])
def test_what_is_no_agent_is_refused(audited, ring, packet):
    server = audited()
    agent = Agent(ring)
    agent.socket.send(packet or b"y")
    assert is_closed(agent)
    stub(server).Predict(request("left"))
    assert server.process.poll() is None


def test_another_user_is_refused(audited, ring):
    server = audited("--audit-agent-user", "12345")
    # What the agent's group may read and write.
    modes = {path.suffix: path.stat().st_mode & 0o777 for path in pathlib.Path(ring).iterdir()}
    assert modes == {".ring": 0o660, ".sock": 0o660}
    # The server may have closed it before the agent says a word.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        assert is_closed(Agent(ring))
    assert "--audit-agent-user" in server.log()


def test_swaps_under_load_lose_no_record(audited, ring):
    server = audited("--repository-mode", "explicit", control="127.0.0.1:0")
    orders = controls(server)
    with Agent(ring, ring=1).working(), (agent := Agent(ring)).working() as records:
        for version in 1, 2:
            orders.Load(control.ControlRequest(model="left", version=version), timeout=PATIENCE)
        swap(orders, ("left", 1))
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(lambda: stub(server).Predict(request("left"))) for _ in range(200)]
            for turn in range(10):
                swap(orders, ("left", 1 + turn % 2))
            answers = [each.result() for each in calls]
        end = time.monotonic() + PATIENCE
        while len([each for each in records if each.kind == CALL]) < 200 and time.monotonic() < end:
            time.sleep(0.01)
    found = [each for each in records if each.kind == CALL and each.method.endswith("Predict")]
    assert sorted((each.version, each.epoch) for each in found) == sorted((each.version, each.epoch) for each in answers)
    agent.close()


def test_kill_leaves_whole_records(audited, ring):
    server = audited()
    ask, answered = stub(server), []
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        def calls(thread):
            for number in range(500):
                asked = request("left")
                asked.request_id = f"{thread}-{number}"
                try:
                    ask.Predict(asked)
                except grpc.RpcError:
                    return
                answered.append(asked.request_id)
        running = [pool.submit(calls, thread) for thread in range(4)]
        while len(answered) < 200:
            time.sleep(0.005)
        server.kill()
        for each in running:
            each.result()
    ids = [each.request_id for each in Rings(ring).read()]
    assert len(ids) == len(set(ids)) and set(answered) <= set(ids)
