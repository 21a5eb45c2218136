"""Go's sumdb/note and sumdb/tlog on what `vencejo-audit` writes. `make gotlog` runs it: CI has no Go."""
import base64
import os
import subprocess

import pytest

from server import ROOT
from test_audit import VECTORS, auditor, log, run  # noqa: F401

pytestmark = pytest.mark.skipif("VENCEJO_GO" not in os.environ, reason="make gotlog has Go")


@pytest.fixture(scope="module")
def gotlog(tmp_path_factory):
    binary = tmp_path_factory.mktemp("go") / "gotlog"
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "-buildvcs=false"}
    subprocess.run([os.environ["VENCEJO_GO"], "build", "-o", binary, "."], cwd=ROOT / "Tests" / "Audit" / "gotlog",
                   env=environment, check=True)
    return binary


def check(gotlog, folder, log_folder, vkey, indexes, steps):
    assert run("export", log_folder, "--tiles", folder)[0] == 0
    for index in indexes:
        code, proof, error = run("prove", log_folder, "--index", index)
        assert code == 0, error
        (folder / f"proof-{index}").write_text(proof)
    (folder / "consistency").write_text("\n".join(steps) + "\n")
    return subprocess.run([gotlog, vkey, folder], capture_output=True, text=True)


def in_base64(text):
    return base64.b64encode(bytes.fromhex(text)).decode()


def test_go_accepts_the_vectors_log(gotlog, log, tmp_path):  # noqa: F811
    roots = {checkpoint["size"]: checkpoint["root"] for checkpoint in VECTORS["checkpoints"]}
    steps = [" ".join([str(step["from"]), in_base64(roots[step["from"]]), str(step["to"]), in_base64(roots[step["to"]]),
                       *map(in_base64, step["hashes"])]) for step in VECTORS["consistency"]]
    tiles = tmp_path / "tiles"
    done = check(gotlog, tiles, log, VECTORS["vkey"], range(25), steps)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "a tree of 25 entries, 25 proofs, 8 steps\n"
    # It is no rubber stamp.
    checkpoint = (tiles / "checkpoint").read_text()
    (tiles / "checkpoint").write_text(checkpoint.replace("\n25\n", "\n24\n"))
    assert subprocess.run([gotlog, VECTORS["vkey"], tiles], capture_output=True).returncode != 0
    (tiles / "checkpoint").write_text(checkpoint)
    tile = tiles / "tile" / "0" / "000.p" / "25"
    tile.write_bytes(tile.read_bytes()[:-1] + bytes([tile.read_bytes()[-1] ^ 1]))
    assert subprocess.run([gotlog, VECTORS["vkey"], tiles], capture_output=True).returncode != 0
