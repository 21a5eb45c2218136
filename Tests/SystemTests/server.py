"""The built binary as a process: start it, learn its addresses, wait until it serves, stop it and look at how it went.

VENCEJO_BIN          the binary, default .build/release/vencejo
VENCEJO_ONNXRUNTIME  the runtime's shared library, default the one inside Python's onnxruntime package
"""
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


class Server:
    def __init__(self, *arguments, repository=MODELS, listeners=("127.0.0.1:0",), control=None, credentials=None):
        command = [binary(), "serve", "--repository", str(repository), "--onnxruntime", runtime(), *map(str, arguments)]
        for listener in listeners:
            command += ["--grpc", listener]
        if control:
            command += ["--control", control]
        self.credentials = credentials
        self.stderr = tempfile.TemporaryFile("w+")
        self.terminated = False
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.stderr, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.channels = []
        try:
            self.addresses = [self._next_address() for _ in listeners]
            self.address = self.addresses[0]
            self.control = self._next_address("gRPC and model control") if control else None
            self._wait_until_serving()
        except BaseException:
            self.process.kill()
            self.process.wait()
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
        watch = health_pb2_grpc.HealthStub(self.channel()).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE,
                                                                 wait_for_ready=True)
        assert any(answer.status == SERVING for answer in watch)
        watch.cancel()

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
        if not self.terminated:
            self.terminated = True
            self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """Polite end; what the whole life of the process must show. May be called again."""
        for channel in self.channels:
            channel.close()
        if self.process.poll() is None:
            self.terminate()
        try:
            code = self.process.wait(timeout=PATIENCE)
        finally:
            self.process.kill()
        log = self.log()
        assert code == 0, f"exit code {code}\n{log[-8000:]}"
        assert not any(sign in log for sign in CRASHED), log[-8000:]


def run(*arguments):
    """A start that should not succeed: (exit code, stdout, stderr)."""
    done = subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr
