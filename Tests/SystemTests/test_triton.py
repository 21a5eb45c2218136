"""tritonclient[grpc], unmodified: one run of triton_client.py, one test per case that it tells of."""
import pytest

from tensors import CASES

MODES = ("infer", "infer gzip", "async_infer", "stream")
TITLES = ["about", *(f"{name} v{version} batch {batch} {mode}" for name, version, batch in CASES for mode in MODES)]


@pytest.fixture(scope="module")
def told(server, triton):
    told, = triton(server.address, ["cases"])
    return told


@pytest.mark.parametrize("title", TITLES)
def test_tritonclient(told, title):
    assert told[title] == ""


def test_every_case_is_told(told):
    assert sorted(told) == sorted(TITLES)
