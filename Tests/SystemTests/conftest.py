import os
import pathlib
import shutil
import sys
import tempfile

import pytest

# Servers sync their state at each order, and a disk that a build is writing to may take seconds for that.
MEMORY = "/dev/shm"
if "TMPDIR" not in os.environ and os.path.isdir(MEMORY) and shutil.disk_usage(MEMORY).free > 2 << 30:
    os.environ["TMPDIR"] = tempfile.tempdir = MEMORY

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Fixtures")]

from models import put  # noqa: E402
from server import Server, binary  # noqa: E402
from stubs import inference_grpc, prediction_grpc  # noqa: E402
from tls import make_certificates  # noqa: E402
from tritonclient_process import Tritonclient  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def built():
    if not pathlib.Path(binary()).exists():
        pytest.exit(f"{binary()} is not there: build it, or name it by VENCEJO_BIN", returncode=2)


@pytest.fixture(scope="session")
def server():
    """One server on the sample models for all tests that do not change it."""
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def serve():
    """Starts further servers; each must end as cleanly as the first, unless the test kills it."""
    started = []

    def start(*arguments, **settings):
        started.append(Server(*arguments, **settings))
        return started[-1]
    yield start
    for server in started:
        server.stop()


@pytest.fixture
def repository(tmp_path):
    """Two models in four versions, of which each answers with its own number."""
    folder = tmp_path / "models"
    for name in "left", "right":
        for version in 1, 2, 3, 4:
            put(folder, name, version)
    return folder


@pytest.fixture
def serve_repository(serve, repository):
    """Starts servers on the test's own repository, with model control."""
    def start(*arguments, **settings):
        return serve(*arguments, repository=repository, control="127.0.0.1:0", **settings)
    return start


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest.fixture(scope="session")
def triton():
    """Takes an address and steps, and gives what each gave: triton_client.py."""
    client = Tritonclient()
    yield client
    client.stop()


@pytest.fixture(scope="session")
def channel(server):
    return server.channel()


@pytest.fixture(scope="session")
def predictions(channel):
    return prediction_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="session")
def oip(channel):
    return inference_grpc.GRPCInferenceServiceStub(channel)


@pytest.fixture
def ring():
    """A folder for audit rings: in memory, with a path that is short enough for sockets in it."""
    with tempfile.TemporaryDirectory(prefix="vj-", dir=MEMORY) as folder:
        yield folder
