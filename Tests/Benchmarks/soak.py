"""Memory over a long run of everything that can happen to a connection.

usage: soak.py VENCEJO [--rounds 40] [--repository DIR]

Each round opens connections and on them makes good calls of both dialects, large and small, streams, wrong calls, calls
that are cancelled or whose deadline passes, connections cut in the middle of a message, and bytes that are no HTTP/2.
Prints resident memory after each tenth of the rounds; the last against that after the first tenth is the result. Loopback
only, seeded. Needs stubs: run it through `make soak`.
"""
import argparse
import pathlib
import random
import re
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "SystemTests"), str(HERE.parent / "Fixtures")]
from idle_connections import PREFACE, resident  # noqa: E402


def one_round(address, rng, stubs, grpc):
    prediction, prediction_grpc, oip, oip_grpc = stubs
    done = 0
    host, port = address.rsplit(":", 1)
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        predict = prediction_grpc.PredictionServiceStub(channel)
        infer = oip_grpc.GRPCInferenceServiceStub(channel)

        def request(elements, model="identity", type_=12):
            return prediction.PredictRequest(
                model=prediction.ModelSelector(name=model), request_id=str(rng.random()),
                inputs=[prediction.Tensor(name="x", type=type_, shape=[elements], data=bytes(4 * elements))])

        for _ in range(60):
            predict.Predict(request(rng.choice([1, 30, 5000, 200_000])), timeout=20)
            row = rng.randbytes(4 * 30)
            infer.ModelInfer(oip.ModelInferRequest(
                model_name="breast_cancer", raw_input_contents=[row],
                inputs=[oip.ModelInferRequest.InferInputTensor(name="X", datatype="FP32", shape=[1, 30])]), timeout=20)
            done += 2
        for wrong in (request(3, model="nobody"), request(3, model="digits"), request(3, type_=99)):
            try:
                predict.Predict(wrong, timeout=20)
                raise AssertionError("a wrong call was answered")
            except grpc.RpcError:
                done += 1
        done += len(list(predict.PredictStream(iter([request(10)] * 20), timeout=20)))
        done += len(predict.PredictMany(iter([request(10)] * 20), timeout=20).results)
        for _ in range(10):
            call = predict.Predict.future(request(100_000), timeout=20)
            call.cancel()
            try:
                predict.Predict(request(100_000), timeout=0.0001)
            except grpc.RpcError:
                pass
            done += 2
    for _ in range(20):
        with socket.create_connection((host, int(port))) as sock:
            sock.sendall(PREFACE if rng.random() < 0.5 else rng.randbytes(200))
            if rng.random() < 0.5:
                sock.sendall(rng.randbytes(50))
        done += 1
    return done


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("vencejo")
    arguments.add_argument("--rounds", type=int, default=40)
    arguments.add_argument("--repository", default=str(HERE.parent / "Fixtures" / "models"))
    given = arguments.parse_args()
    import grpc
    import stubs

    command = [given.vencejo, "serve", "--repository", given.repository, "--grpc", "127.0.0.1:0", "--shards", "2"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = re.search(r"on (\S+)$", server.stdout.readline().strip())[1]
        modules = (stubs.prediction, stubs.prediction_grpc, stubs.inference, stubs.inference_grpc)
        with grpc.insecure_channel(address) as channel:
            asks = stubs.inference_grpc.GRPCInferenceServiceStub(channel)
            while not asks.ServerReady(stubs.inference.ServerReadyRequest(), timeout=20).ready:
                time.sleep(0.01)
        rng, done, seen, began = random.Random(1), 0, [], time.monotonic()
        for number in range(given.rounds):
            done += one_round(address, rng, modules, grpc)
            if (number + 1) % max(1, given.rounds // 10) == 0:
                seen.append(resident(server.pid))
                print(f"round {number + 1}/{given.rounds}: {done} events, resident {seen[-1] / 1e6:.1f} MB", flush=True)
        seconds = time.monotonic() - began
        print(f"{done} events in {seconds:.0f} s; resident first {seen[0] / 1e6:.1f} MB, last {seen[-1] / 1e6:.1f} MB, "
              f"growth {(seen[-1] - seen[0]) / done:.1f} bytes an event")
    finally:
        server.terminate()
        assert server.wait(60) == 0, "the server did not end with 0"


if __name__ == "__main__":
    main()
