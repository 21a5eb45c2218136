"""Counts what the release server does for a request, and the micro benchmarks for an operation.

Each count is the difference of two runs that differ in nothing but the number of requests, so that start, warm-up and end
cancel out. Under valgrind, which needs no privilege: callgrind for instructions, calls of the allocator and system calls
(`--collect-systime`), dhat for the bytes that memcpy and its like move. Nothing in a run depends on time: the clock ticks
by itself (clock.c), and the load waits for the server (load.py).
"""
import collections
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess

from counts import ALLOCATORS, RUNTIME, Profile, read_callgrind, read_copies, subtract
from load import Load
from workloads import MODELS

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RELEASE = ROOT / ".build" / "release"
ONNXRUNTIME = os.environ.get("VENCEJO_ONNXRUNTIME") or str(ROOT / ".venv" / "lib" / "libonnxruntime.so")
STACK = 8
CALLGRIND = ["--tool=callgrind", "--collect-systime=yes", *(f"--separate-callers{STACK}={name}" for name in ALLOCATORS)]
DHAT = ["--tool=dhat", "--mode=copy", f"--num-callers={STACK + 4}"]
#: System calls that are the measurement's own: who is stopped while it waits for signals waits anew, and under valgrind the
#: clock is the kernel's.
NOT_COUNTED = ("sigtimedwait", "clock_gettime")
#: Repetitions of a micro benchmark: before what is counted, counted, and timed.
MICRO_BEFORE, MICRO_COUNTED, MICRO_TIMED = 50, 500, 200_000


class Place:
    """A folder with all that a run needs: binaries that valgrind can read, models, a certificate, the clock."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        # valgrind cannot read what the Swift compiler says for debuggers; names of functions stay.
        for name in ("vencejo", "micro"):
            run("strip", "-g", "-o", self.folder / name, RELEASE / name)
        run("cc", "-shared", "-fPIC", "-O2", "-o", self.folder / "clock.so", HERE / "clock.c")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
            "-subj", "/CN=localhost", "-keyout", self.folder / "key.pem", "-out", self.folder / "certificate.pem")
        for model, version in (("identity", "1"), ("breast_cancer", "2")):
            shutil.copytree(MODELS / model / version, self.folder / model / model / version)
        shutil.copy(MODELS / "identity" / "model.yaml", self.folder / "identity" / "identity")

    def serve(self, workload):
        tls = ["--tls-certificate", self.folder / "certificate.pem", "--tls-key", self.folder / "key.pem"]
        audit = ["--audit-ring", self.folder / "ring"]
        return [self.folder / "vencejo", "serve", "--repository", self.folder / workload.model, "--grpc", "127.0.0.1:0",
                "--shards", "1", "--executors", "1", "--onnxruntime", ONNXRUNTIME, *(tls if workload.is_tls else []),
                *(audit if workload.is_audited else [])]


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, f"{command[0]}: {done.stderr}"
    return done.stdout


@dataclasses.dataclass
class Counted:
    """What the counted requests or operations cost, all of them together."""
    name: str
    count: int
    profile: Profile
    copies: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    has_runtime: bool = False
    nanoseconds: float = 0

    def values(self):
        """Each count, for one request; the runtime's own work stands by itself."""
        profile, is_micro = self.profile, not self.copies
        ours = sum(n for (obj, _), n in profile.instructions.items() if not obj.startswith(RUNTIME))
        values = {"instructions": ours}
        if self.has_runtime:
            values["instructions with runtime"] = sum(profile.instructions.values())
        values["mallocs"] = sum(self.own_allocations().values())
        if not is_micro:
            values["bytes copied"] = sum(self.own_copies().values())
            values["system calls"] = sum(n for (_, name), n in profile.system_calls.items()
                                         if not name.startswith(NOT_COUNTED))
        # What a start happened to do once more or once less is no request's.
        return {name: max(0.0, round(value / self.count, 4)) for name, value in values.items()}

    def own_allocations(self):
        return {stack: n for (obj, stack), n in self.profile.allocations.items() if not obj.startswith(RUNTIME)}

    def own_copies(self):
        return {stack: n for stack, n in self.copies.items()
                if not any(name in frame for frame in stack for name in RUNTIME)}

    def by_object(self):
        objects = collections.Counter()
        for (obj, _), n in self.profile.instructions.items():
            objects[obj] += n / self.count
        return objects


def begin_workload(pool, place, workload):
    """The four runs that `counted_workload` waits for."""
    both = workload.warm_rounds, workload.warm_rounds + workload.rounds
    return [pool.submit(tool, place, lambda valgrind, rounds=rounds: serve(place, workload, rounds, valgrind))
            for tool in (callgrind, dhat) for rounds in both]


def counted_workload(workload, begun):
    few, many, few_copies, many_copies = (each.result() for each in begun)
    return Counted(workload.name, workload.requests, many - few, subtract(many_copies, few_copies), workload.has_runtime)


def begin_micro(pool, place, name):
    return [pool.submit(callgrind, place, lambda valgrind, count=count: run(*valgrind, place.folder / "micro", name, count))
            for count in (MICRO_BEFORE, MICRO_BEFORE + MICRO_COUNTED)]


def counted_micro(name, begun):
    few, many = (each.result() for each in begun)
    return Counted(name, MICRO_COUNTED, many - few)


def micro_names(place):
    return run(place.folder / "micro").splitlines()


def callgrind(place, measured):
    return under_valgrind(place, CALLGRIND, "callgrind-out-file", measured, read_callgrind)


def dhat(place, measured):
    return under_valgrind(place, DHAT, "dhat-out-file", measured, read_copies)


def under_valgrind(place, options, out_flag, measured, read):
    out = place.folder / f"{out_flag}.{os.urandom(8).hex()}"
    measured(["valgrind", "-q", *options, f"--{out_flag}={out}"])
    try:
        return read(out)
    finally:
        out.unlink()


def serve(place, workload, rounds, tool):
    """One life of a server under `tool`, with so many rounds of requests."""
    with Server(place, workload, tool) as server:
        load = server.load()
        bodies = load.first_round()
        assert answered(workload, bodies), f"{workload.name}: the first round's answers are not what was asked for"
        expected = sum(map(len, bodies))
        for _ in range(rounds - 1):
            got = load.round()
            assert got == expected, f"{workload.name}: a round's answers have {got} bytes, the first one's {expected}"
        load.close()


def answered(workload, bodies):
    # The bytes of an answer are known for `identity` only; a call that was refused has none.
    if workload.has_runtime:
        return sum(map(len, bodies)) > workload.in_flight * 16
    return sum(body.count(workload.contents()[0]) for body in bodies) == workload.in_flight


def time_workload(place, workload, rounds=40):
    """The server's processor time for a request, in nanoseconds; without valgrind."""
    with Server(place, workload) as server:
        load = server.load()
        for _ in range(workload.warm_rounds):
            load.round()
        before = server.processor_nanoseconds()
        for _ in range(rounds):
            load.round()
        taken = server.processor_nanoseconds() - before
        load.close()
    return taken / rounds / workload.in_flight


def time_micro(place, name):
    return float(run(place.folder / "micro", name, MICRO_TIMED))


class Server:
    """A server as a process, from its start until all its models are loaded; at the end it drains."""

    def __init__(self, place, workload, tool=()):
        self.workload = workload
        preload = {"LD_PRELOAD": str(place.folder / "clock.so")} if tool else {}
        # Hash tables are laid out by a seed, and the runtime's telemetry works as long as it likes.
        environment = dict(os.environ, SWIFT_DETERMINISTIC_HASHING="1", ORT_DISABLE_TELEMETRY="1", **preload)
        self.log = open(place.folder / f"log.{os.urandom(8).hex()}", "w+")
        self.process = subprocess.Popen(list(map(str, [*tool, *place.serve(workload)])), stdout=subprocess.PIPE,
                                        stderr=self.log, text=True, env=environment)

    def __enter__(self):
        try:
            self.port = int(self.line(r"serving gRPC on \S+:(\d+)")[1])
            while (loaded := self.line(r"\[(\d+)/(\d+)\] .*"))[1] != loaded[2]:
                pass
            return self
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def line(self, pattern):
        for line in self.process.stdout:
            if found := re.fullmatch(pattern, line.strip()):
                return found
        raise AssertionError(f"the server ended before it served:\n{self.text()}")

    def text(self):
        self.log.seek(0)
        return self.log.read()[-4000:]

    def load(self):
        return Load(self.port, self.workload.path, self.workload.messages(), self.workload.connections,
                    self.workload.is_tls, self.process.pid)

    def processor_nanoseconds(self):
        threads = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads)

    def __exit__(self, kind, *_):
        if kind:
            self.process.kill()
        self.process.terminate()
        code = self.process.wait(120)
        self.process.stdout.close()
        text = self.text()
        self.log.close()
        assert kind or code == 0, f"the server ended with {code}:\n{text}"


