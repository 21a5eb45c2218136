"""A hunt for wrong answers: models made to break batching, caches of shapes, alignment and swaps; many clients with mixed rows;
every answer compared with ONNX Runtime, one call alone.

usage: hunt.py [--calls 1000000] [--seed N] [--clients 2]
"""
import argparse
import multiprocessing
import pathlib
import random
import sys
import tempfile
import time

import grpc
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Fixtures")]

import rows  # noqa: E402
from batch_cases import FLOAT, TEXT, Case, all_cases, node, weights  # noqa: E402
from models import put  # noqa: E402
from server import Server  # noqa: E402
from stubs import control as control_messages  # noqa: E402
from stubs import control_grpc, inference, inference_grpc  # noqa: E402
from tensors import infer_request  # noqa: E402

KINDS = {np.dtype(np.float32): "FP32", np.dtype(np.int64): "INT64", np.dtype(object): "BYTES", np.dtype(np.bool_): "BOOL"}
TYPES = {"FP32": np.float32, "INT64": np.int64, "BOOL": np.bool_}
#: Of the table of the proof: what mixes rows, and what is close to it.
NAMES = ["ReduceMax of all", "Softmax over rows", "CumSum over rows", "DynamicQuantizeLinear", "If by a value of the rows",
         "Loop for as long as rows say", "Scan that hands on", "Range of the rows", "a number of rows", "Concat with a constant",
         "MatMul over rows", "a small network", "heads", "LSTM", "Scan of the rows", "a text's words", "fillers that are counted",
         "Reshape to what Shape says", "LinearClassifier", "Slice of all rows"]
POOL = 48
VERSIONS = 2


def models():
    """{name: [the case of each version]}"""
    known = {case.name: case for case in all_cases()}
    made = {f"m{number}": [known[name]] * VERSIONS for number, name in enumerate(NAMES) if name in known}
    # Sizes that change from call to call, and weights that change from version to version.
    free = [Case("free", [node("MatMul", "x w", "m"), node("Add", "m b", "a"), node("Softmax", "a")], {"x": (FLOAT, (None, 6))},
                 {"w": weights(6, 4), "b": weights(4)}) for _ in range(VERSIONS)]
    largest = [Case("largest", [node("ReduceMax", "x", "m", keepdims=0), node("Greater", "m two", "big"), node("Div", "x k", "d"),
                                node("Where", "big d x", "v"), node("MatMul", "v w")], {"x": (FLOAT, (6,))},
                    {"two": np.float32(2), "k": np.float32(255), "w": weights(6, 5)}) for _ in range(VERSIONS)]
    odd = [Case("odd", [node("Mul", "x w", "m"), node("ReduceSum", "m axes", keepdims=0)], {"x": (FLOAT, (7,))},
                {"w": weights(7), "axes": np.int64([1])}) for _ in range(VERSIONS)]
    return made | {"free": free, "largest": largest, "odd": odd}


def asked(case, dice):
    """Inputs of one call; a dimension of None has another size each time."""
    count = int(dice.integers(1, 5))
    shapes = {name: (kind, tuple(int(dice.integers(1, 9)) if size is None else size for size in shape))
              for name, (kind, shape) in case.inputs.items()}
    return {name: rows.values(rows.KINDS[kind], (count, *shape), dice, case.whole) for name, (kind, shape) in shapes.items()}


class Pool:
    """Calls of one model, and what each version gives to each alone; None: the runtime refuses it."""

    def __init__(self, name, cases, seed):
        dice = np.random.default_rng(seed)
        self.cases, self.calls, self.wanted, self.requests = cases, [], [], []
        sessions = [rows.session(case.content()) for case in cases]
        for _ in range(POOL):
            inputs = asked(cases[0], dice)
            given = {key: (KINDS[value.dtype], value if value.dtype != object else np.array(
                [text.encode() for text in value.ravel()], object).reshape(value.shape)) for key, value in inputs.items()}
            answers = []
            for session in sessions:
                names = [output.name for output in session.get_outputs()]
                try:
                    answers.append(dict(zip(names, session.run(names, {key: rows.aligned(value) for key, value in inputs.items()}))))
                except Exception as error:
                    if "onnxruntime" not in type(error).__module__:
                        raise
                    answers.append(None)
            self.calls.append(inputs)
            self.wanted.append(answers)
            self.requests.append(infer_request(name, given))


def differs(response, wanted, case):
    for position, tensor in enumerate(response.outputs):
        expected = wanted[tensor.name]
        content = response.raw_output_contents[position]
        if tensor.datatype == "BYTES":
            continue
        if content == expected.tobytes():
            continue
        got = np.frombuffer(content, expected.dtype).reshape(list(tensor.shape))
        if not rows.same(expected, got, tensor.name in case.jumps):
            return f"{tensor.name}: {got.ravel()[:6]}, alone {expected.ravel()[:6]}"
    return None


def client(address, number, calls, seed, report):
    """Sends streams and unary calls of random models; tells (calls, wrong, examples)."""
    pools = {name: Pool(name, cases, seed) for name, cases in models().items()}
    chance, names = random.Random(seed * 1000 + number), list(pools)
    channel = grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)])
    stub, done, wrong, examples, refused = inference_grpc.GRPCInferenceServiceStub(channel), 0, 0, [], 0

    def check(name, index, response):
        nonlocal wrong, refused
        pool = pools[name]
        wanted = pool.wanted[index]
        if response is None:
            refused += 1
            if all(each is not None for each in wanted):
                wrong += 1
                examples.append(f"{name}: refused, although the runtime answers it")
            return
        version = int(response.model_version) - 1
        difference = "answered, although the runtime refuses it" if wanted[version] is None else differs(
            response, wanted[version], pool.cases[version])
        if difference:
            wrong += 1
            examples.append(f"{name} version {version + 1}, call {index}: {difference}")

    while done < calls:
        # One model gets many calls at once, so that they meet in a batch; others come between.
        favourite = chance.choice(names)
        batch = []
        for _ in range(64):
            name = favourite if chance.random() < 0.6 else chance.choice(names)
            index = chance.randrange(POOL)
            request = inference.ModelInferRequest()
            request.CopyFrom(pools[name].requests[index])
            request.id = "x" * chance.randrange(9)
            batch.append((name, index, request))
        if chance.random() < 0.5:
            for (name, index, _), answer in zip(batch, stub.ModelStreamInfer(iter([each[2] for each in batch]))):
                check(name, index, None if answer.error_message else answer.infer_response)
        else:
            futures = [stub.ModelInfer.future(request, timeout=60) for _, _, request in batch]
            for (name, index, _), future in zip(batch, futures):
                try:
                    check(name, index, future.result())
                except grpc.RpcError as error:
                    if error.code() not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT):
                        examples.append(f"{name}: {error.code()} {error.details()}")
                        wrong += 1
                        continue
                    check(name, index, None)
        done += len(batch)
        if number == 0 and done % (64 * 500) == 0:
            print(f"{done} of {calls} calls of this client, {wrong} wrong", flush=True)
    report.put((done, wrong, refused, examples[:5]))


def hunt(calls, seed, clients=2):
    """(calls, wrong answers, refusals that the runtime has too, examples, what the log said of batches)"""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name, cases in models().items():
            for version, case in enumerate(cases, 1):
                put(folder, name, version, case.content())
        server = Server("--probe", "off", repository=folder, control="127.0.0.1:0")
        try:
            report = multiprocessing.get_context("spawn").Queue()
            workers = [multiprocessing.get_context("spawn").Process(
                target=client, args=(server.address, number, calls // clients, seed, report)) for number in range(clients)]
            for worker in workers:
                worker.start()
            control = control_grpc.ModelControlServiceStub(server.channel(server.control))
            results, chance = [], random.Random(seed)
            while len(results) < clients:
                # Versions change places all the while.
                name = chance.choice(list(models()))
                try:
                    control.Rollback(control_messages.ControlRequest(model=name))
                except grpc.RpcError:
                    control.Swap(control_messages.ControlRequest(swaps=[control_messages.ModelVersion(model=name)]))
                time.sleep(0.02)
                while not report.empty():
                    results.append(report.get())
                if any(not worker.is_alive() and worker.exitcode for worker in workers):
                    raise AssertionError("a client ended before its time")
            for worker in workers:
                worker.join()
            complaints = [line for line in server.log().splitlines() if "gave other answers" in line]
        finally:
            server.stop()
    return tuple(sum(each[index] for each in results) for index in range(3)) + (
        [example for each in results for example in each[3]], complaints)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=2)
    arguments = parser.parse_args()
    done, wrong, refused, examples, complaints = hunt(arguments.calls, arguments.seed, arguments.clients)
    print(f"{done} calls of {len(models())} models, {refused} refused as the runtime does, {wrong} wrong", *examples, *complaints, sep="\n")
    sys.exit(1 if wrong or complaints else 0)
