"""The audit log, from a call to its proof: predict, verify, change one byte, verify again, prove one call, erase one subject, report.

`make demo-audit` runs it, with a server, an agent and keys of its own. VENCEJO_BIN and VENCEJO_AUDIT_BIN name other builds.
"""
import os
import pathlib
import shlex
import signal
import subprocess
import tempfile

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from vencejo.v1 import prediction_pb2 as api
from vencejo.v1 import prediction_pb2_grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
VENCEJO = os.environ.get("VENCEJO_BIN", ROOT / ".build/release/vencejo")
AUDIT = os.environ.get("VENCEJO_AUDIT_BIN", ROOT / ".build-agents/release/vencejo-audit")


def say(text):
    print(f"\n# {text}")


def run(program, *arguments, lines=8, code=0):
    """Runs a command and prints it with the first lines of what it says."""
    name = pathlib.Path(program).name
    print("$", name, shlex.join(map(str, arguments)))
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == code, f"{name} ended with {done.returncode}: {done.stderr}"
    told = (done.stdout + done.stderr).splitlines()
    print("\n".join(f"  {line[:150]}" for line in told[:lines]), "  …" if len(told) > lines else "", sep="\n")
    return done.stdout


def started(ring):
    """A server on the sample models whose answers wait for the log, and its agent."""
    agent = subprocess.Popen([AUDIT, "run", "--log", "log", "--ring", ring, "--keys", "keys", "--deployment", "demo",
                              "--anchor", "anchors.jsonl"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = subprocess.Popen(
        [VENCEJO, "serve", "--repository", ROOT / "Tests/Fixtures/models", "--state", "state.json", "--grpc", "127.0.0.1:0",
         "--audit-ring", ring, "--audit-predictions", "disk,closed", "--audit-subject", "metadata:customer"],
        stdout=subprocess.PIPE, text=True)
    address = next(line.split()[-1] for line in iter(server.stdout.readline, "") if line.startswith("serving gRPC on "))
    return server, agent, address


def predict(address):
    with grpc.insecure_channel(address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for told in health.Watch(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=60):
            if told.status == health_pb2.HealthCheckResponse.SERVING:
                break
        stub = prediction_pb2_grpc.PredictionServiceStub(channel)
        for customer in "ada", "bob":
            text = b"I was charged twice"
            asked = api.PredictRequest(model=api.ModelSelector(name="tickets"), request_id=f"of-{customer}", inputs=[
                api.Tensor(name="text", type=api.BYTES, shape=[1, 1], data=len(text).to_bytes(4, "little") + text)])
            _, call = stub.Predict.with_call(asked, metadata=[("customer", customer)], timeout=30)
            receipt = dict(call.trailing_metadata())["vencejo-audit"]
            print(f"  {customer} asks; the answer's trailer says vencejo-audit: {receipt}")
    return receipt.split("/")


def main():
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory(prefix="vj-", dir="/dev/shm") as ring:
        os.chdir(place)
        say("Four rings of keys. Of the checkpoints' key the auditor gets the public half")
        os.mkdir("keys")
        for purpose in "audit", "checkpoint", "subject-store", "subject-index":
            run(VENCEJO, "key", "generate", "--ring", f"keys/{purpose}", "--purpose", purpose, lines=1)
        listed = subprocess.run([VENCEJO, "key", "list", "--ring", "keys/checkpoint"], capture_output=True, text=True).stdout
        pathlib.Path("checkpoint.pub").write_text(listed.split()[-1] + "\n")
        say("Two calls, whose answers leave when their records are on the disk")
        server, agent, address = started(ring)
        try:
            log, index = predict(address)
            say("Bob asks to be forgotten, while all goes on")
            run(AUDIT, "erase", "--log", "log", "--subject", "bob", "--reason", "asked on the phone", lines=1)
        finally:
            for process in server, agent:
                process.send_signal(signal.SIGTERM)
                process.wait()
        folder, = pathlib.Path("log").glob("log-*")
        verify = ("verify", folder, "--pubkey", "checkpoint.pub", "--expect-checkpoint", "anchors.jsonl", "--keys", "keys/audit")
        say("The auditor verifies the log")
        run(AUDIT, *verify)
        say("Of Bob's call the envelope is there, and nothing of its content; the log still verifies")
        run(AUDIT, "export", folder, "--keys", "keys/audit", "--payload-keys", "log/payload.keys", "--store-keys",
            "keys/subject-store", lines=40)
        say(f"A proof that entry {index} is in the log, which a third party checks with the public key alone")
        pathlib.Path("proof").write_text(run(AUDIT, "prove", folder, "--index", index, lines=3))
        run(AUDIT, "check", "proof", "--pubkey", "checkpoint.pub")
        say("A report")
        run(AUDIT, "report", "--profile", "gdpr", "--since", "2020-01-01", "--until", "2100-01-01", folder, "--keys",
            "keys/audit", "--pubkey", "checkpoint.pub", lines=24)
        say("One byte is changed")
        segment = next(folder.glob("segment-*.aud"))
        data = bytearray(segment.read_bytes())
        data[len(data) // 2] ^= 1
        segment.write_bytes(data)
        run(AUDIT, *verify, code=1)


if __name__ == "__main__":
    main()
