"""A client of grpc-swift-2 with generated stubs (agents/interop): one line for each of its checks."""
import base64
import subprocess

from server import ROOT
from tensors import case

CLIENT = ROOT / ".build-agents/debug/grpc-swift-client"


def test_grpc_swift(server):
    asked, answered = case("breast_cancer", 2, 1)
    tensors = [asked["X"][1].tobytes(), *(data for _, _, _, data in answered)]
    host, _, port = server.address.rpartition(":")
    done = subprocess.run([CLIENT, host, port, *map(base64.b64encode, tensors)],
                          capture_output=True, text=True, timeout=300)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
