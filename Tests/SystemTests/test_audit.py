"""The built `vencejo-audit` beside the verifier in Python (Tests/Audit), which was written from the format's description alone:
both say the same of every log, whatever was done to it."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from server import ROOT

AUDIT = ROOT / "Tests" / "Audit"
sys.path.insert(0, str(AUDIT))

import audit_verify  # noqa: E402
import checkpoints  # noqa: E402
import mutations  # noqa: E402

VECTORS = json.loads((AUDIT / "vectors" / "audit.json").read_text())
LOG = {name: bytes.fromhex(text) for name, text in VECTORS["files"].items()}
#: `make mutations` sets it to 10 000.
MUTATIONS = int(os.environ.get("VENCEJO_MUTATIONS", 120))


def agent():
    return os.environ.get("VENCEJO_AUDIT_BIN", ROOT / ".build-agents" / "debug" / "vencejo-audit")


def run(*arguments):
    """Exit status, standard output, standard error."""
    done = subprocess.run([agent(), *map(str, arguments)], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def auditor(tmp_path):
    """What an auditor has: keys, public key, anchors."""
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "audit-1.key").write_bytes(bytes.fromhex(VECTORS["secrets"]["audit"]))
    store = tmp_path / "store"
    store.mkdir()
    (store / "subject-store-1.key").write_bytes(bytes.fromhex(VECTORS["secrets"]["subject-store"]))
    (tmp_path / "pubkey").write_text(VECTORS["vkey"] + "\n")
    (tmp_path / "anchors").write_text(VECTORS["anchor_file"])
    (tmp_path / "payload.keys").write_bytes(bytes.fromhex(VECTORS["payload_keys"]["file_after_erasure"]))
    return tmp_path


def put(folder, files):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def log(auditor):
    return put(auditor / VECTORS["folder"], LOG)


def test_a_whole_log(log, auditor):
    code, out, _ = run("verify", log, "--pubkey", auditor / "pubkey", "--keys", auditor / "keys", "--expect-checkpoint",
                       auditor / "anchors")
    assert code == 0 and "25 entries in 3 segments, 19 of them records" in out and out.endswith("whole\n")
    code, out, _ = run("verify", log.parent, "--pubkey", auditor / "pubkey", "--json")
    report = json.loads(out)
    assert code == report["exit"] == 0 and report["status"] == "whole" and report["logs"][0]["covered_entries"] == 25
    assert report["logs"][0]["origin"] == VECTORS["origin"]


@pytest.mark.parametrize("arguments, code, words", [
    ([], 4, "Missing expected argument"),
    (["none"], 4, "cannot be listed: No such file or directory"),
    (["LOG", "--expect-checkpoint", "ANCHORS"], 4, "give --pubkey too"),
    (["LOG", "--pubkey", "ANCHORS"], 4, "line 1: it is neither 32 bytes in canonical base64 nor a C2SP verifier key"),
    (["LOG", "--pubkey", "PUBKEY", "--expect-checkpoint", "PUBKEY"], 4, "line 1: it is no checkpoint"),
    (["LOG", "--keys", "PUBKEY"], 4, "--keys: "),
    (["LOG"], 3, ""),
])
def test_what_is_wrong_is_named(log, auditor, arguments, code, words):
    places = {"LOG": log, "ANCHORS": auditor / "anchors", "PUBKEY": auditor / "pubkey"}
    found, _, error = run("verify", *(places.get(argument, argument) for argument in arguments))
    assert found == code and words in error, error


def test_records_are_exported(log, auditor):
    code, out, _ = run("export", log, "--keys", auditor / "keys", "--payload-keys", auditor / "payload.keys",
                       "--store-keys", auditor / "store")
    lines = [json.loads(line) for line in out.splitlines()]
    wanted = [entry for entry in VECTORS["entries"] if entry["kind"] == "record"]
    assert code == 0 and [line["index"] for line in lines] == [entry["index"] for entry in wanted]
    for line, entry in zip(lines, wanted):
        assert line["record"] == {name: value for name, value in entry["record"].items() if name != "sealed"}
        if "payload_after_erasure" in entry:
            assert ("payload" in line) == (entry["payload_after_erasure"] == "open")
            if "payload" in line:
                assert line["payload"] == entry["payload"]
    code, _, error = run("export", log)
    assert code == 4 and "give --keys" in error


def test_one_entry_is_proven_and_opened(log, auditor):
    index = VECTORS["proof"]["index"]
    code, proof, _ = run("prove", log, "--index", index)
    assert code == 0 and proof == VECTORS["proof"]["text"]
    (auditor / "proof").write_text(proof)
    code, opening, _ = run("open", log, "--index", index, "--keys", auditor / "keys")
    assert code == 0 and json.loads(opening)["opening"] == VECTORS["proof"]["opening"]
    (auditor / "opening").write_text(opening)
    code, out, _ = run("check", auditor / "proof", "--pubkey", auditor / "pubkey", "--opening", auditor / "opening")
    assert code == 0 and f"entry {index} is in the log" in out and '"method":"vencejo.v1.PredictionService/Predict"' in out
    (auditor / "opening").write_text(opening.replace('"opening":"09', '"opening":"19'))
    assert run("check", auditor / "proof", "--pubkey", auditor / "pubkey", "--opening", auditor / "opening")[0] == 1
    (auditor / "proof").write_text(proof.replace("index 7", "index 6"))
    code, _, error = run("check", auditor / "proof", "--pubkey", auditor / "pubkey")
    assert code == 1 and "does not prove" in error
    code, _, error = run("prove", log, "--index", 25)
    assert code == 1 and "cover 25 entries" in error


def test_tiles_are_exported(log, auditor):
    tiles = auditor / "tiles"
    assert run("export", log, "--tiles", tiles)[0] == 0
    leaves = [bytes.fromhex(entry["leaf_hash"]) for entry in VECTORS["entries"]]
    assert (tiles / "tile" / "0" / "000.p" / "25").read_bytes() == b"".join(leaves)
    assert (tiles / "checkpoint").read_text() == VECTORS["checkpoints"][-1]["note"]


def test_both_verifiers_agree_on_mutations(auditor):
    """With and without the content's keys, with and without checkpoints from outside."""
    columns = {
        "keys": dict(keys=auditor / "keys", pubkey=auditor / "pubkey"),
        "none": dict(pubkey=auditor / "pubkey"),
        "anchor": dict(keys=auditor / "keys", pubkey=auditor / "pubkey", expect=auditor / "anchors"),
    }
    found = {}
    for what, files in mutations.mutations(LOG, 14, MUTATIONS):
        folder = put(auditor / "mutated", files)
        for name, given in columns.items():
            options = [word for key, value in given.items()
                       for word in (f"--{key}".replace("--expect", "--expect-checkpoint"), value)]
            code, _, error = run("verify", folder, *options)
            wanted = audit_verify.verify(folder, **given)
            wanted = wanted["exit"] if isinstance(wanted, dict) else wanted
            assert code == wanted, (what, name, error)
            found.setdefault(name, []).append((code, what, files))
    # With a checkpoint from outside nothing passes but bytes that are no part of the log.
    missed = [what for code, what, files in found["anchor"] if code == 0 and not mutations.is_same_log(LOG, files)]
    assert missed == []
    assert {code for code, *_ in found["none"]} >= {0, 1, 2}
