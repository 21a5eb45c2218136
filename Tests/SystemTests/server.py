"""The built binary as a process: start it, learn its addresses, wait until it serves, stop it and check how it ended.

VENCEJO_BIN          the binary, default .build/release/vencejo
VENCEJO_ONNXRUNTIME  the runtime's shared library, default the one inside Python's onnxruntime package
"""
import contextlib
import os
import pathlib
import queue
import re
import signal
import subprocess
import tempfile
import threading

import grpc
import onnxruntime
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "Tests" / "Fixtures"
MODELS = FIXTURES / "models"
PATIENCE = 120  # seconds; a build with sanitizers on a busy machine is slow
CRASHED = ("Sanitizer", "Program crashed", "Segmentation fault")
SERVING = health_pb2.HealthCheckResponse.SERVING


def binary():
    return str(pathlib.Path(os.environ.get("VENCEJO_BIN") or ROOT / ".build/release/vencejo").resolve())


def runtime():
    found = sorted((pathlib.Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    return os.environ.get("VENCEJO_ONNXRUNTIME") or str(found[-1])


def threads(process):
    """Where the threads of a process and of its children wait in the kernel, for a failure that comes once in thousands."""
    found = []
    children = pathlib.Path(f"/proc/{process}/task/{process}/children")
    for each in [process, *(children.read_text().split() if children.exists() else [])]:
        for task in sorted(pathlib.Path(f"/proc/{each}/task").glob("*")):
            texts = []
            for name in "comm", "stat", "wchan", "syscall", "stack":
                with contextlib.suppress(OSError):
                    texts.append(f"{name}: {(task / name).read_text().strip()}")
            found.append("\n  ".join([f"{each}/{task.name}", *texts]))
    return "\n".join(found)


class Server:
    def __init__(self, *arguments, repository=MODELS, listeners=("127.0.0.1:0",), control=None, credentials=None, wait=True):
        command = [binary(), "serve", "--repository", str(repository), "--onnxruntime", runtime(), *map(str, arguments)]
        for listener in listeners:
            command += ["--grpc", listener]
        if control:
            command += ["--control", control]
        self.folder = tempfile.TemporaryDirectory(prefix="vencejo-server-")
        if repository == MODELS and "--state" not in arguments:
            # Many servers serve the sample models side by side: each keeps its state in a file of its own.
            command += ["--state", f"{self.folder.name}/state.json"]
        self.credentials = credentials
        self.stderr = tempfile.TemporaryFile("w+")
        self.is_terminated = self.is_killed = False
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.stderr, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.channels, self.addresses = [], []
        try:
            self.addresses = [self._next_address() for _ in listeners]
            self.address = self.addresses[0]
            self.control = self._next_address("gRPC and model control") if control else None
            if wait:
                self._wait_until_serving()
        except BaseException:
            self.kill()
            raise

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def _next_address(self, what="gRPC"):
        while (line := self.lines.get(timeout=PATIENCE)) is not None:
            if found := re.fullmatch(rf"serving {what} on (\S+)", line):
                return found[1]
        raise AssertionError(f"the server ended before it served:\n{self.log()}")

    def _wait_until_serving(self):
        # Loads are over: a model that failed keeps the server from being ready, and is some tests' business.
        watch = health_pb2_grpc.HealthStub(self.channel()).Watch(
            health_pb2.HealthCheckRequest(service="startup"), timeout=PATIENCE, wait_for_ready=True)
        told = []
        try:
            for answer in watch:
                told.append(answer.status)
                if answer.status == SERVING:
                    return watch.cancel()
        except grpc.RpcError as error:
            raise AssertionError(f"not started; health said {told}, then {error.code()}\n{threads(self.process.pid)}\n"
                                 f"{self.log()}") from error
        raise AssertionError(f"health said {told} and ended:\n{self.log()}")

    def channel(self, address=None, credentials=None, **options):
        settings = [(key.replace("__", "."), value) for key, value in options.items()]
        credentials, address = credentials or self.credentials, address or self.address
        # Channels of one process share connections unless told otherwise.
        settings.append(("grpc.use_local_subchannel_pool", 1))
        self.channels.append(grpc.secure_channel(address, credentials, settings) if credentials
                             else grpc.insecure_channel(address, settings))
        return self.channels[-1]

    def log(self):
        self.stderr.seek(0)
        return self.stderr.read()

    def terminate(self):
        """Once: a second signal ends the process at once, with another exit code."""
        if not self.is_terminated:
            self.is_terminated = True
            self.process.send_signal(signal.SIGTERM)

    def kill(self):
        """kill -9, after which `stop` checks nothing."""
        self.is_killed = True
        self.process.kill()
        self.process.wait()
        self._free()

    def _free(self):
        for channel in self.channels:
            channel.close()  # else it goes on trying to connect, and the next server may get this port
        self.folder.cleanup()
        # Where a server of a port that the test chose counts by default.
        for address in self.addresses:
            pathlib.Path(f"/dev/shm/vencejo-{address.rpartition(':')[2]}.metrics").unlink(missing_ok=True)

    def stop(self):
        """Ends the process by SIGTERM and checks its exit code and its log. May be called again."""
        if self.is_killed:
            return
        for channel in self.channels:
            channel.close()
        if self.process.poll() is None:
            self.terminate()
        try:
            code = self.process.wait(timeout=PATIENCE)
        finally:
            self.process.kill()
            self._free()
        log = self.log()
        assert code == 0, f"exit code {code}\n{log[-8000:]}"
        assert not any(sign in log for sign in CRASHED), log[-8000:]


def run(*arguments):
    """A start that should not succeed: (exit code, stdout, stderr)."""
    done = subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr
