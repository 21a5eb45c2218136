"""The server and `vencejo-audit run` together, as an operator runs them: every call is in the log, once, whatever is killed."""
import concurrent.futures
import fcntl
import hashlib
import hmac
import json
import os
import pathlib
import random
import signal
import subprocess
import time

import grpc
import pytest

from audit_agent import Auditing, run
from calls import PATIENCE, controls, refused, request
from stubs import control, prediction_grpc

#: So many of the server and as many of the agent, in four runs side by side; `make kills` sets it to 500.
KILLS = int(os.environ.get("VENCEJO_KILLS", 6))
KILL_SEEDS = range(4 if KILLS > 100 else 1)
DISK = ("--audit-predictions", "disk,closed")


@pytest.fixture
def auditing(tmp_path, ring):
    place = tmp_path / "audit"
    place.mkdir()
    auditing = Auditing(place, ring)
    yield auditing
    if auditing.process and auditing.process.poll() is None:
        auditing.kill()


@pytest.fixture
def audited(serve, repository, ring):
    def start(*arguments, **settings):
        return serve("--audit-ring", ring, "--shards", 2, *arguments, repository=repository, **settings)
    return start


def stub(server):
    return prediction_grpc.PredictionServiceStub(server.channel())


def named(number):
    asked = request("left")
    asked.request_id = f"call-{number}"
    return asked


def test_what_was_asked_and_said_can_be_proven(audited, auditing, tmp_path):
    server = audited(*DISK, "--audit-subject", "metadata:customer")
    auditing.start()
    asked = named(1)
    answer, call = stub(server).Predict.with_call(asked, metadata=[("customer", "ada")], timeout=PATIENCE, wait_for_ready=True)
    log, index = dict(call.trailing_metadata())["vencejo-audit"].split("/")
    server.stop()
    auditing.stop()
    assert auditing.verify() == 0
    entry, = [each for each in auditing.records() if each["index"] == int(index)]
    record, payload = entry["record"]["call"], entry["payload"]
    assert record["model"] == "left" and record["method"] == "vencejo.v1.PredictionService/Predict"
    assert payload["request_id"] == "call-1"
    # The client's own copies are what the record's digests say, with the payload's salt.
    salt = bytes.fromhex(payload["salt"])
    for number, message, digest in (1, asked, "request_digest"), (2, answer, "answer_digest"):
        told = hashlib.sha256(message.SerializeToString()).digest()
        assert record[digest] == hmac.new(salt, bytes([number]) + told, "sha256").hexdigest()
    # And a third party needs nothing but the public key.
    folder, = auditing.log.glob(f"log-*-{log}")
    code, proof, error = run("prove", folder, "--index", index)
    assert code == 0, error
    (tmp_path / "proof").write_text(proof)
    code, _, error = run("check", tmp_path / "proof", "--pubkey", auditing.pubkey)
    assert code == 0, error


def test_erasing_a_subject_leaves_the_others(audited, auditing):
    server = audited(*DISK, "--audit-subject", "metadata:customer")
    auditing.start()
    for customer in "ada", "bob", "ada":
        stub(server).Predict(named(customer), metadata=[("customer", customer)], timeout=PATIENCE, wait_for_ready=True)
    code, _, error = run("hold", "--log", auditing.log, "--subject", "ada", "--reason", "a law suit")
    assert code == 0, error
    erase = ("erase", "--log", auditing.log, "--subject", "ada", "--reason", "she asked for it")
    code, _, error = run(*erase)
    assert code == 1 and "held" in error
    assert run("hold", "--log", auditing.log, "--subject", "ada", "--reason", "it is over", "--lift")[0] == 0
    code, out, error = run(*erase, "--json")
    assert code == 0 and json.loads(out)["keys"] == 1, error
    server.stop()
    auditing.stop()
    assert auditing.verify() == 0
    payloads = [each.get("payload", {}).get("request_id") for each in auditing.calls()]
    assert payloads == [None, "call-bob", None]


def test_a_record_that_is_changed_is_found(audited, auditing):
    server = audited(*DISK)
    auditing.start()
    stub(server).Predict(named(1), timeout=PATIENCE, wait_for_ready=True)
    server.stop()
    auditing.stop()
    segment, = auditing.log.glob("log-*/segment-*.aud")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    assert auditing.verify() == 1


def test_orders_and_their_report(audited, auditing):
    server = audited("--repository-mode", "explicit", control="127.0.0.1:0")
    auditing.start()
    auditing.until(lambda found: any("server" in each["record"] for each in found))
    controls(server).Load(control.ControlRequest(model="left", version=2, author="ada", reason="better"), timeout=PATIENCE)
    server.stop()
    auditing.stop()
    intent, done = [each["record"]["admin"] for each in auditing.records() if "admin" in each["record"]]
    assert (intent["phase"], done["phase"]) == (1, 2) and done["author"] == "ada"
    code, out, error = run("report", "--profile", "sox", "--since", "2020-01-01", "--until", "2100-01-01", auditing.log,
                           "--keys", auditing.keys / "audit", "--pubkey", auditing.pubkey, "--json")
    assert code == 0, error
    assert "ada" in out and json.loads(out)["profile"] == "sox"


def test_an_older_state_that_was_put_back_begins_another_log(audited, auditing, tmp_path):
    server = audited(*DISK)
    auditing.start()
    stub(server).Predict(named(1), timeout=PATIENCE, wait_for_ready=True)
    auditing.stop()
    first, = auditing.log.glob("log-*")
    saved = {path: path.read_bytes() for path in first.glob("*")}
    auditing.start()
    stub(server).Predict(named(2), timeout=PATIENCE, wait_for_ready=True)
    auditing.stop()
    for path in first.glob("*"):
        path.unlink()
    for path, data in saved.items():
        path.write_bytes(data)
    auditing.start()
    auditing.until(lambda found: any("previous_log" in each["record"].get("log", {}) for each in found))
    auditing.stop()
    assert len(list(auditing.log.glob("log-*"))) == 2


def test_an_agent_that_stands_still_lets_no_answer_leave(audited, auditing):
    server = audited(*DISK)
    auditing.start()
    stub(server).Predict(named(0), timeout=PATIENCE, wait_for_ready=True)
    auditing.process.send_signal(signal.SIGSTOP)
    refused(grpc.StatusCode.UNAVAILABLE, lambda: stub(server).Predict(named(1), timeout=PATIENCE), "withheld")
    auditing.process.send_signal(signal.SIGCONT)
    stub(server).Predict(named(2), timeout=PATIENCE)
    server.stop()
    auditing.stop()
    assert auditing.verify() == 0
    assert sorted(each["payload"]["request_id"] for each in auditing.calls()) == ["call-0", "call-1", "call-2"]
    assert sum("withheld" in each["record"] for each in auditing.records()) == 1


@pytest.fixture
def small_disk(auditing):
    """Gives the audit folder a disk of one MiB, and what makes it larger."""
    auditing.log.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", auditing.log], capture_output=True).returncode:
        pytest.skip("this machine lets us mount nothing")
    yield lambda: subprocess.run(["mount", "-o", "remount,size=64m", auditing.log], check=True)
    if auditing.process.poll() is None:
        auditing.kill()
    subprocess.run(["umount", auditing.log], check=True)


def test_a_full_disk_closes_and_loses_nothing(audited, auditing, small_disk):
    """What the agent cannot make durable does not leave; with more room all goes on, in a log that verifies."""
    server = audited(*DISK)
    auditing.start()
    ask, answered = stub(server), []
    ask.Predict(named("first"), timeout=PATIENCE, wait_for_ready=True)
    with pytest.raises(grpc.RpcError) as caught:
        for number in range(20_000):
            ask.Predict(named(number), timeout=PATIENCE)
            answered.append(f"call-{number}")
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE and len(answered) > 100
    small_disk()
    end = time.monotonic() + PATIENCE
    while True:
        try:
            ask.Predict(named("last"), timeout=PATIENCE)
            break
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE and time.monotonic() < end, error.details()
            time.sleep(0.2)
    server.stop()
    auditing.stop()
    assert auditing.verify() == 0
    found = [each["payload"]["request_id"] for each in auditing.calls()]
    assert len([each for each in found if each != "call-last"]) == len({*found} - {"call-last"})
    assert {*answered, "call-first", "call-last"} <= set(found)
    assert any(each["record"].get("alarm", {}).get("name") == "disk" for each in auditing.records())


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_disk_with_errors_closes_and_loses_nothing(call, audited, auditing, tmp_path):
    """EIO: no answer leaves whose record is not durable; without errors all goes on, and what was withheld is in the log once."""
    library, broken = tmp_path / "broken_disk.so", tmp_path / "broken"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, pathlib.Path(__file__).with_name("broken_disk.c")], check=True)
    server = audited(*DISK)
    auditing.start(LD_PRELOAD=str(library), BROKEN_DISK=str(broken))
    ask = stub(server)
    for number in range(20):
        ask.Predict(named(number), timeout=PATIENCE, wait_for_ready=True)
    broken.write_text(call)
    refused(grpc.StatusCode.UNAVAILABLE, lambda: ask.Predict(named(20), timeout=PATIENCE), "withheld")
    assert '"level":"error"' in auditing.said() and f"{call}: Input/output error" in auditing.said()
    broken.unlink()
    for number in range(21, 40):
        ask.Predict(named(number), timeout=PATIENCE)
    server.stop()
    auditing.stop()
    assert auditing.verify() == 0
    assert sorted(int(each["payload"]["request_id"][5:]) for each in auditing.calls()) == list(range(40))
    assert sum("withheld" in each["record"] for each in auditing.records()) == 1


def test_a_reader_that_stands_still_stops_no_agent(auditing):
    """Its standard output is a pipe that is full: lines are left out, which is said, and orders are carried out."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    auditing.start(output=writer)
    os.close(writer)
    auditing.until(lambda found: found)
    for number in range(30):
        code, _, error = run("hold", "--log", auditing.log, "--subject", f"s{number}", "--reason", "a law suit")
        assert code == 0, error
    auditing.stop()
    os.close(reader)
    assert auditing.said().count("standard output takes no checkpoints") == 1
    assert auditing.verify() == 0


@pytest.mark.parametrize("seed", KILL_SEEDS)
def test_kills_of_server_and_agent_lose_nothing_and_double_nothing(seed, serve, repository, ring, auditing):
    """kill -9 of one and the other at moments of a seed, under load: what was answered is in the log once."""
    moments = random.Random(seed)
    victims = [auditing, None] * (KILLS // len(KILL_SEEDS))
    moments.shuffle(victims)
    answered, asked = [], 0
    auditing.start()
    server = None

    def calls(server, first):
        ask, done = stub(server), []
        for number in range(first, first + 400):
            try:
                ask.Predict(named(number), timeout=PATIENCE, wait_for_ready=number == first)
            except grpc.RpcError:
                break
            done.append(f"call-{number}")
        return done
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for victim in victims:
            if server is None:
                server = serve("--audit-ring", ring, "--shards", 2, *DISK, repository=repository)
            running = [pool.submit(calls, server, asked + 1000 * thread) for thread in range(4)]
            asked += 4000
            time.sleep(moments.uniform(0.05, 0.6))
            if victim:
                auditing.kill()
                auditing.start()
            else:
                server.kill()
                server = None
            for each in running:
                answered += each.result()
    if server:
        server.stop()
    auditing.until(lambda found: not list(auditing.ring.glob("*.ring")))
    auditing.stop()
    assert auditing.verify() == 0
    found = [each["payload"]["request_id"] for each in auditing.calls()]
    assert len(found) == len(set(found)), "a record came twice"
    assert set(answered) <= set(found) and len(answered) > 20 * len(victims)
    sources = [tuple(each["record"]["source"].values()) for each in auditing.records() if "source" in each["record"]]
    assert len(sources) == len(set(sources))
    assert not [each for each in auditing.records() if "alarm" in each["record"]], "a false alarm"
