"""What a server does under two loads, under too much load, with two cores, over TLS; measured by `vencejo bench`.

    scenarios.py BINARY [mixed] [overload] [shards] [tls]      none named: all

The server runs on core 0 (shards: on all), the load comes from the last core. Times are printed and judged by nobody: a
machine with other work makes them worse. Needs a machine with two cores at least, and Linux's taskset.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

LAST_CORE = str(os.cpu_count() - 1)
ENDPOINT = "127.0.0.1:8390"


def model(folder, width, layers):
    """x [-1, 16] through `layers` square products of `width`, to y [-1, 1]."""
    random = numpy.random.default_rng(0)

    def weights(name, *shape):
        values = random.standard_normal(shape) / shape[0] ** 0.5
        return numpy_helper.from_array(values.astype(numpy.float32), name)

    nodes = [helper.make_node("MatMul", ["x", "first"], ["t"])]
    for layer in range(layers):
        product, wave = f"m{layer}", f"t{layer}"
        nodes.append(helper.make_node("MatMul", [nodes[-1].output[0], f"w{layer % 8}"], [product]))
        nodes.append(helper.make_node("Tanh", [product], [wave]))
    nodes.append(helper.make_node("ReduceMean", [nodes[-1].output[0]], ["y"], axes=[1], keepdims=1))
    graph = helper.make_graph(
        nodes, "layers", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [-1, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [-1, 1])],
        [weights("first", 16, width)] + [weights(f"w{number}", width, width) for number in range(8)])
    folder.mkdir(parents=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), folder / "model.onnx")


def repository(folder):
    (folder / "echo").mkdir()
    (folder / "echo" / "model.yaml").write_text("engine: identity\n")
    model(folder / "medium" / "1", 512, 24)
    model(folder / "slow" / "1", 2048, 32)
    (folder / "slow" / "model.yaml").write_text("batching: off\n")
    random = numpy.random.default_rng(1)
    for name, columns in ("echo", 30), ("medium", 16), ("slow", 16):
        numpy.save(folder / f"{name}.npy", random.standard_normal((256, columns)).astype(numpy.float32))


class Server:
    def __init__(self, binary, folder, *arguments, cores="0", shards=1):
        self.binary, self.folder = binary, folder
        self.process = subprocess.Popen(
            ["taskset", "-c", cores, binary, "serve", "--repository", str(folder), "--grpc", ENDPOINT, "--shards",
             str(shards), *arguments], stdout=subprocess.PIPE, text=True)
        while "[3/3]" not in self.process.stdout.readline():
            assert self.process.poll() is None, "the server does not start"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def start(self, name, *arguments):
        command = ["taskset", "-c", LAST_CORE, self.binary, "bench", name, "--endpoint", ENDPOINT, "--protocol", "oip",
                   "--input", f"x={self.folder / name}.npy", "--server-pid", str(self.process.pid), "-o", "json", *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def bench(self, name, *arguments):
        return result(self.start(name, *arguments))


def result(process):
    report = json.loads(process.communicate()[0])
    server = report["servers"][0]
    server["ok_per_second"] = server["statuses"].get("OK", 0) / report["duration_seconds"]
    return server


def mixed(server):
    """Short calls alone, and beside a model that is never idle."""
    short = ("echo", "--rate", "40000", "--duration", "4s", "--in-flight", "100")
    for _ in range(3):
        alone = server.bench(*short)["latency_microseconds"]
        slow = server.start("slow", "--rate", "max", "--connections", "1", "--in-flight", "4", "--duration", "7s")
        beside = server.bench(*short)["latency_microseconds"]
        rate = result(slow)["ok_per_second"]
        print(f"mixed: echo alone p50 {alone['p50']:.0f} p99 {alone['p99']:.0f} us; beside slow p50 {beside['p50']:.0f} "
              f"p99 {beside['p99']:.0f} us, {beside['p99'] / alone['p99']:.2f} times; slow {rate:.1f}/s", flush=True)


def overload(server):
    """Twice what the server can do, with deadlines."""
    capacity = server.bench("medium", "--rate", "max", "--connections", "2", "--in-flight", "64", "--duration", "5s")
    rate = round(2 * capacity["ok_per_second"])
    twice = server.bench("medium", "--rate", str(rate), "--deadline", "100ms", "--connections", "8", "--duration", "8s")
    print(f"overload: {capacity['ok_per_second']:.0f}/s is all it can; at {rate}/s {twice['ok_per_second']:.0f}/s, "
          f"{twice['ok_per_second'] / capacity['ok_per_second']:.0%}, {twice['statuses']}", flush=True)


def shards(binary, folder):
    """The server's CPU for a call with one shard and with two."""
    load = ("echo", "--rate", "max", "--connections", "8", "--in-flight", "32", "--duration", "4s")
    for _ in range(3):
        with Server(binary, folder, cores="0") as one:
            single = one.bench(*load)["server_cpu_microseconds_per_request"]
        with Server(binary, folder, cores=f"0-{LAST_CORE}", shards=2) as two:
            double = two.bench(*load)["server_cpu_microseconds_per_request"]
        print(f"shards: {single:.2f} us a call with one, {double:.2f} with two, {double / single - 1:+.0%}", flush=True)


def tls(binary, folder):
    """The server's CPU for a call in cleartext and over TLS."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out",
                    str(certificate)], check=True, capture_output=True)
    load = ("echo", "--rate", "max", "--connections", "8", "--in-flight", "32", "--duration", "4s")
    for _ in range(3):
        with Server(binary, folder) as plain:
            clear = plain.bench(*load)["server_cpu_microseconds_per_request"]
        with Server(binary, folder, "--tls-certificate", str(certificate), "--tls-key", str(key)) as secure:
            sealed = secure.bench(*load, "--tls-ca", str(certificate))["server_cpu_microseconds_per_request"]
        print(f"tls: {clear:.2f} us a call in cleartext, {sealed:.2f} over TLS, {sealed / clear - 1:+.0%}", flush=True)


def main():
    binary, names = sys.argv[1], sys.argv[2:] or ["mixed", "overload", "shards", "tls"]
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place)
        repository(folder)
        for name in names:
            if name in ("mixed", "overload"):
                with Server(binary, folder) as server:
                    globals()[name](server)
            else:
                globals()[name](binary, folder)


main()
