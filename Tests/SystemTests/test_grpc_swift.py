"""A client of grpc-swift-2 with generated stubs (Tests/Interop/grpc-swift): one line for each of its checks."""
import base64
import subprocess

from server import ROOT
from tensors import case

PACKAGE = ROOT / "Tests/Interop/grpc-swift"
CLIENT = ROOT / ".build-interop/debug/grpc-swift-client"


def test_stubs_are_those_of_proto():
    done = subprocess.run([PACKAGE / "generate.sh", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_grpc_swift(server):
    built = subprocess.run([PACKAGE / "build.sh"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert built.returncode == 0, built.stdout[-8000:]

    asked, answered = case("breast_cancer", 2, 1)
    tensors = [asked["X"][1].tobytes(), *(data for _, _, _, data in answered)]
    host, _, port = server.address.rpartition(":")
    done = subprocess.run([CLIENT, host, port, *map(base64.b64encode, tensors)],
                          capture_output=True, text=True, timeout=300)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
