"""A thousand swaps under load: no call fails, every answer is from one commit, and it costs nobody anything.

    swaps.py BINARY [--swaps N] [--rate PER_SECOND] [--rounds N]

Two models are swapped in one commit, back and forth, while `vencejo bench` sends calls at a rate and checkers in Python ask
both models and compare what the answers say of themselves with what was committed. The same load without swaps is measured
before and after. Times are printed and judged by nobody; a failed call, an answer that is not its version's and an answer of
a commit that was over are errors. Server on core 0, load on the last core.
"""
import argparse
import bisect
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import grpc
import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "SystemTests"))
from stubs import control, control_grpc, prediction, prediction_grpc  # noqa: E402

LAST_CORE = str(os.cpu_count() - 1)
SERVE, CONTROL = "127.0.0.1:8391", "127.0.0.1:8392"
MODELS, WIDTH = ("left", "right"), 16


def repository(folder):
    """Version v of a model answers x + v, so that an answer tells who gave it."""
    for model in MODELS:
        for version in (1, 2):
            place = folder / model / str(version)
            place.mkdir(parents=True)
            graph = helper.make_graph(
                [helper.make_node("Add", ["x", "v"], ["y"])], model,
                [helper.make_tensor_value_info("x", TensorProto.FLOAT, [-1, WIDTH])],
                [helper.make_tensor_value_info("y", TensorProto.FLOAT, [-1, WIDTH])],
                [numpy_helper.from_array(numpy.float32([version]), "v")])
            onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8),
                      place / "model.onnx")
    numpy.save(folder / "x.npy", numpy.random.default_rng(0).standard_normal((256, WIDTH)).astype(numpy.float32))


class Checker(threading.Thread):
    """Asks the models in turns, and keeps what the answers say: (epoch, model, version, epoch known when it was sent)."""
    request = {model: prediction.PredictRequest(
        model=prediction.ModelSelector(name=model),
        inputs=[prediction.Tensor(name="x", type=prediction.FP32, shape=[1, WIDTH], data=bytes(4 * WIDTH))])
        for model in MODELS}

    def __init__(self, known):
        super().__init__()
        self.known, self.seen, self.failures, self.over = known, [], [], threading.Event()

    def run(self):
        os.sched_setaffinity(0, {int(LAST_CORE)})
        stub = prediction_grpc.PredictionServiceStub(
            grpc.insecure_channel(SERVE, [("grpc.use_local_subchannel_pool", 1)]))
        while not self.over.is_set():
            for model in MODELS:
                before = self.known[0]
                try:
                    answer = stub.Predict(self.request[model], timeout=10)
                except grpc.RpcError as error:
                    self.failures.append(f"{error.code()}: {error.details()}")
                    continue
                value, = set(numpy.frombuffer(answer.outputs[0].data, numpy.float32))
                if value != answer.version:
                    self.failures.append(f"{value} from version {answer.version}")
                self.seen.append((answer.epoch, model, answer.version, before))


def check(commits, checkers):
    """Every answer is of the version that its epoch made live, and of no commit that was over when its call was sent."""
    epochs = [epoch for epoch, _ in commits]
    wrong = []
    for checker in checkers:
        wrong += checker.failures
        for epoch, model, version, before in checker.seen:
            live = commits[bisect.bisect_right(epochs, epoch) - 1][1]
            if version != live:
                wrong.append(f"{model} {version} in epoch {epoch}, where {live} was live")
            if epoch < before:
                wrong.append(f"{model} answered from epoch {epoch}, after {before} had been told")
    return wrong


def resident(process):
    for line in open(f"/proc/{process.pid}/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0


def bench(binary, folder, process, rate, seconds):
    return subprocess.Popen(
        ["taskset", "-c", LAST_CORE, binary, "bench", "left", "--endpoint", SERVE, "--input", f"x={folder / 'x.npy'}",
         "--server-pid", str(process.pid), "--rate", str(rate), "--duration", f"{seconds}s", "-o", "json"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def result(process):
    report = json.loads(process.communicate()[0])
    server = report["servers"][0]
    failed = {status: count for status, count in server["statuses"].items() if status != "OK"}
    assert not failed and not server["errors"], (failed, server["errors"])
    server["per_second"] = server["statuses"]["OK"] / report["duration_seconds"]
    return server


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--swaps", type=int, default=1000)
    parser.add_argument("--rate", type=int, help="default: 70 % of what it can")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        repository(folder)
        process = subprocess.Popen(
            ["taskset", "-c", "0", given.binary, "serve", "--repository", place, "--grpc", SERVE, "--control", CONTROL,
             "--shards", "1"], stdout=subprocess.PIPE, text=True)
        while "[4/4]" not in process.stdout.readline():
            assert process.poll() is None, "the server does not start"
        threading.Thread(target=process.stdout.read, daemon=True).start()
        try:
            measure(given, folder, process)
        finally:
            process.terminate()
            process.wait()


def measure(given, folder, process):
    os.sched_setaffinity(0, {int(LAST_CORE)})
    rate = given.rate
    if not rate:
        rate = int(0.7 * result(bench(given.binary, folder, process, "max", 4))["per_second"])
    stub = control_grpc.ModelControlServiceStub(grpc.insecure_channel(CONTROL))
    commits, known = [(0, 2)], [0]
    first, spreads, whole, ratios, costs = 0, [], [], [], []
    def swap_beside(load, count):
        """So many swaps while a load runs; what came of the load."""
        time.sleep(1.5)  # it warms up for a second
        for _ in range(count):
            version = 1 if commits[-1][1] == 2 else 2
            began = time.monotonic()
            answer = stub.Swap(control.ControlRequest(
                swaps=[control.ModelVersion(model=model, version=version) for model in MODELS]))
            whole.append(time.monotonic() - began)
            commits.append((answer.epoch, version))
            known[0] = answer.epoch
            spreads.append(answer.spread_nanoseconds / 1000)
            time.sleep(max(0, 5 / count - (time.monotonic() - began)))
        return result(load)

    for round_ in range(given.rounds):
        count = given.swaps // given.rounds // 2
        # What swaps cost others: nobody but them and the load.
        before = result(bench(given.binary, folder, process, rate, 7))
        first = first or resident(process)
        after = swap_beside(bench(given.binary, folder, process, rate, 7), count)
        ratios.append(after["latency_microseconds"]["p99.9"] / before["latency_microseconds"]["p99.9"])
        costs.append((before["server_cpu_microseconds_per_request"], after["server_cpu_microseconds_per_request"]))
        # What callers see of them: checkers ask as fast as they can, beside the same load.
        checkers = [Checker(known) for _ in range(2)]
        for checker in checkers:
            checker.start()
        swap_beside(bench(given.binary, folder, process, rate, 7), count)
        for checker in checkers:
            checker.over.set()
            checker.join()
        wrong = check(commits, checkers)
        assert not wrong, wrong[:10]
        alone, beside = before["latency_microseconds"], after["latency_microseconds"]
        print(f"round {round_ + 1}: {rate:.0f}/s; p99.9 alone {alone['p99.9']:.0f} us, beside {count} swaps {beside['p99.9']:.0f} us, "
              f"{ratios[-1]:.2f} times; p50 {alone['p50']:.0f} and {beside['p50']:.0f} us; "
              f"{sum(len(checker.seen) for checker in checkers)} answers checked beside as many more; "
              f"resident {resident(process):.1f} MB", flush=True)
    spreads.sort()
    whole.sort()
    print(f"{len(whole)} swaps, no call failed, every answer of its commit; commit to every shard p50 {spreads[len(spreads) // 2]:.0f} us, "
          f"p99 {spreads[int(len(spreads) * 0.99)]:.0f} us; the order itself p50 {whole[len(whole) // 2] * 1e3:.1f} ms; "
          f"p99.9 ratio median {statistics.median(ratios):.2f}; resident {first:.1f} MB at first, {resident(process):.1f} MB now; "
          f"CPU a request {costs[0][0]:.2f} us at first, {costs[-1][0]:.2f} at the end")


main()
