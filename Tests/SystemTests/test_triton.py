"""tritonclient[grpc], unmodified: one run of triton_client.py, one test per case that it tells of."""
import json
import pathlib
import subprocess
import sys

import pytest

from tensors import CASES

MODES = ("infer", "infer gzip", "async_infer", "stream")
TITLES = ["about", *(f"{name} v{version} batch {batch} {mode}" for name, version, batch in CASES for mode in MODES)]


@pytest.fixture(scope="module")
def told(server):
    program = pathlib.Path(__file__).with_name("triton_client.py")
    done = subprocess.run([sys.executable, str(program), server.address], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("title", TITLES)
def test_tritonclient(told, title):
    assert told[title] == ""


def test_every_case_is_told(told):
    assert sorted(told) == sorted(TITLES)
