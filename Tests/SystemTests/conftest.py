import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "Fixtures")]

from server import Server, binary  # noqa: E402
from stubs import inference_grpc, prediction_grpc  # noqa: E402


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
    """Starts further servers; each must end as cleanly as the first."""
    started = []

    def start(*arguments, **settings):
        started.append(Server(*arguments, **settings))
        return started[-1]
    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def channel(server):
    return server.channel()


@pytest.fixture(scope="session")
def predictions(channel):
    return prediction_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="session")
def oip(channel):
    return inference_grpc.GRPCInferenceServiceStub(channel)
