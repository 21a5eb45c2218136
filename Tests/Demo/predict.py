"""Two predictions with generated stubs: what a hand-written digit is, and what a customer writes about.

`make demo` runs it. It asks the server at VENCEJO_ENDPOINT, 127.0.0.1:8001 unless set; where none answers it starts one
for itself, on the sample models.
"""
import contextlib
import os
import pathlib
import struct
import subprocess
import time

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sklearn.datasets import load_digits
from vencejo.v1 import prediction_pb2 as api
from vencejo.v1 import prediction_pb2_grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENDPOINT = os.environ.get("VENCEJO_ENDPOINT", "127.0.0.1:8001")


@contextlib.contextmanager
def connected():
    """A channel to the server that runs, or else to one of our own."""
    with grpc.insecure_channel(ENDPOINT) as channel:
        with contextlib.suppress(grpc.FutureTimeoutError):
            grpc.channel_ready_future(channel).result(timeout=2)
            print(f"The server at {ENDPOINT} answers.\n")
            yield channel
            return
    print(f"No server answers at {ENDPOINT}: starting one on the sample models.\n")
    command = [ROOT / ".build/release/vencejo", "serve", "--repository", ROOT / "Tests/Fixtures/models",
               "--grpc", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            lines = iter(server.stdout.readline, "")
            address = next(line.split()[-1] for line in lines if line.startswith("serving gRPC on "))
            with grpc.insecure_channel(address) as channel:
                health = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=60)
                next(answer for answer in health if answer.status == answer.SERVING)  # all models are loaded
                yield channel
        finally:
            server.terminate()


def predict(channel, model, tensor):
    """The outputs by name, and who answered."""
    stub = prediction_pb2_grpc.PredictionServiceStub(channel)
    request = api.PredictRequest(model=api.ModelSelector(name=model), inputs=[tensor])
    start = time.perf_counter()
    answer = stub.Predict(request, timeout=10)
    milliseconds = (time.perf_counter() - start) * 1000
    who = f"{answer.model} version {answer.version} ({api.Slot.Name(answer.slot).lower()}), sha256 " \
          f"{answer.artifact_digest.hex()[:12]}…, {milliseconds:.2f} ms"
    return {output.name: output.data for output in answer.outputs}, who


def digit(channel):
    image = load_digits().images[-1].astype("<f4") / 16  # 8 x 8; the model did not learn this one
    for row in image:
        print("    " + "".join(" ░▒▓█"[round(float(gray) * 4)] * 2 for gray in row))
    outputs, who = predict(channel, "digits", api.Tensor(name="image", type=api.FP32, shape=[1, 1, 8, 8],
                                                         data=image.tobytes()))
    label = np.frombuffer(outputs["label"], "<i8")[0]
    chance = np.frombuffer(outputs["probabilities"], "<f4")[label]
    print(f"This is the digit {label} ({chance:.0%}).\n    {who}\n")


def ticket(channel):
    text = b"I was charged twice, please refund the second payment"
    outputs, who = predict(channel, "tickets", api.Tensor(name="text", type=api.BYTES, shape=[1, 1],
                                                          data=struct.pack("<I", len(text)) + text))
    print(f"    {text.decode()}\nThis is about {outputs['label'][4:].decode()}.\n    {who}")


if __name__ == "__main__":
    with connected() as channel:
        digit(channel)
        ticket(channel)
