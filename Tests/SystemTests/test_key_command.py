"""vencejo key: a ring from its first key through a rotation, as an operator types it; and what is refused."""
import base64
import fcntl
import hashlib
import json
import os
import shlex
import stat
import subprocess

import pytest

from command_line import DONE, FAILED, USAGE, command

NAMES = {"v", "purpose", "active", "keys"}


def do(*arguments):
    code, out, err = command("key", *arguments)
    assert code == DONE, err
    return out


def document(*arguments):
    return json.loads(do(*arguments, "-o", "json"))


def refused(words, *arguments, code=FAILED):
    got, out, err = command("key", *arguments)
    assert (got, out) == (code, "") and words in err, err
    return err


def next_command(out):
    """What the last line says to type."""
    line = out.splitlines()[-1]
    assert line.startswith("  vencejo key "), out
    return shlex.split(line)[2:]


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


@pytest.fixture
def ring(tmp_path):
    """A ring for the audit log, with an active key."""
    folder = tmp_path / "ring"
    do("generate", "--purpose", "audit", "--ring", folder, "--kid", "first")
    return folder


def states(ring):
    content = json.loads((ring / "keyring.json").read_text())
    assert set(content) == NAMES and content["v"] == 1
    return {each["kid"]: each["state"] for each in content["keys"]}


def test_a_whole_rotation(tmp_path):
    """Only by what the commands say to type next."""
    ring = tmp_path / "with space" / "ring"
    ring.parent.mkdir()
    out = do("generate", "--purpose", "artifact", "--ring", ring)
    assert out.startswith(f"made the ring {ring} for artifact, with the key ") and "(A256KW, active)" in out
    old, = states(ring)
    assert mode(ring) == 0o700 and {mode(path) for path in ring.iterdir()} == {0o600}
    assert len((ring / f"{old}.key").read_bytes()) == 32
    seen = []
    for _ in range(5):
        assert next_command(do("check", ring)) == next_command(out)
        arguments = next_command(out)
        seen.append(arguments[0])
        out = do(*arguments)
    assert seen == ["rotate", "activate", "retire", "retire", "rotate"]
    kids = list(states(ring))
    assert old not in kids and list(states(ring).values()) == ["active", "verify"]
    assert sorted(path.name for path in ring.iterdir()) == sorted([f"{kid}.key" for kid in kids] + ["keyring.json"])
    assert b" " not in (ring / "keyring.json").read_bytes() and b"\n" not in (ring / "keyring.json").read_bytes()


def test_the_steps_of_a_rotation(ring):
    assert states(ring) == {"first": "active"}
    out = do("rotate", "--ring", ring, "--kid", "second")
    assert "added the key second (A256GCM, verify)" in out and "has loaded it with second:" in out
    assert states(ring) == {"first": "active", "second": "verify"}
    refused("the key second waits to be active; run: vencejo key activate second --ring", "rotate", "--ring", ring)
    out = do("activate", "second", "--ring", f"{ring}/")
    assert "the key second is active; first, which was, is in state verify" in out and "retention" in out
    assert states(ring) == {"first": "verify", "second": "active"}
    refused("is active; make another one active first: vencejo key rotate --ring", "retire", "second", "--ring", ring)
    assert "the key first is revoked" in do("retire", "first", "--ring", ring)
    assert states(ring) == {"first": "revoked", "second": "active"} and (ring / "first.key").exists()
    refused("a revoked key never comes back", "activate", "first", "--ring", ring)
    assert "the key first and its file are deleted" in do("retire", "first", "--ring", ring)
    assert states(ring) == {"second": "active"} and not (ring / "first.key").exists()


def test_lists(ring):
    do("rotate", "--ring", ring, "--kid", "second")
    content = json.loads((ring / "keyring.json").read_text())
    content["keys"][0]["not_after"] = "2099-12-31T23:59:59Z"
    (ring / "keyring.json").write_text(json.dumps(content, indent=2))
    assert do("list", "--ring", ring).splitlines() == [
        "KID     ALG      STATE   NOT BEFORE  NOT AFTER", "first   A256GCM  active  -           2099-12-31T23:59:59Z",
        "second  A256GCM  verify  -           -"]
    listed = document("list", "--ring", ring)
    assert listed == document("check", ring)
    assert listed["next_step"].pop("when")
    assert listed == {
        "schema": 1, "ring": str(ring), "purpose": "audit", "active": "first",
        "keys": [{"kid": "first", "alg": "A256GCM", "state": "active", "not_after": "2099-12-31T23:59:59Z"},
                 {"kid": "second", "alg": "A256GCM", "state": "verify"}],
        "next_step": {"step": "activate", "kid": "second", "command": f"vencejo key activate second --ring {ring}"}}
    done = document("activate", "second", "--ring", ring)
    assert done["done"][0].startswith("the key second is active") and done["next_step"]["step"] == "retire"


def test_no_secret_is_printed(tmp_path):
    """By any command, in any format, of any purpose."""
    for purpose in ("audit", "subject-store", "checkpoint", "subject-index", "sign", "verify", "artifact"):
        ring = tmp_path / purpose
        printed = do("generate", "--purpose", purpose, "--ring", ring, "--kid", "a")
        printed += do("rotate", "--ring", ring, "--kid", "b", "-o", "json")
        printed += do("list", "--ring", ring) + do("list", "--ring", ring, "-o", "json")
        printed += do("check", ring) + do("check", ring, "-o", "json") + do("activate", "b", "--ring", ring)
        for key in ring.glob("*.key"):
            secret = key.read_bytes()
            for form in (secret.hex(), base64.b64encode(secret).decode(), base64.urlsafe_b64encode(secret).decode()):
                assert form[:16] not in printed


def test_checkpoint_keys(tmp_path):
    """The public key as openssl(1) has it, and the vkey as c2sp.org/signed-note writes it."""
    ring = tmp_path / "ring"
    do("generate", "--purpose", "checkpoint", "--ring", ring, "--kid", "a")
    private = bytes.fromhex("302e020100300506032b657004220420") + (ring / "a.key").read_bytes()
    public = subprocess.run(["openssl", "pkey", "-inform", "DER", "-pubout", "-outform", "DER"], input=private,
                            capture_output=True, check=True).stdout[-32:]
    key, = document("list", "--ring", ring)["keys"]
    assert key == {"kid": "a", "alg": "Ed25519", "state": "active", "public_key": base64.b64encode(public).decode()}
    assert key["public_key"] in do("list", "--ring", ring)
    origin = "example.com/" + 32 * "4"
    identity = hashlib.sha256(origin.encode() + b"\n\x01" + public).hexdigest()[:8]
    vkey = f"{origin}+{identity}+{base64.b64encode(bytes([1]) + public).decode()}"
    assert do("list", "--ring", ring, "--origin", origin).splitlines()[1].split() == ["a", "Ed25519", "active", vkey]
    assert document("list", "--ring", ring, "--origin", origin)["keys"][0]["vkey"] == vkey
    refused("--origin", "list", "--ring", ring, "--origin", "a b", code=USAGE)


def test_the_clients_key_goes_into_the_servers_ring(tmp_path):
    sign, verify = tmp_path / "sign", tmp_path / "verify"
    do("generate", "--purpose", "sign", "--ring", sign, "--kid", "billing-1")
    out = do("generate", "--purpose", "verify", "--ring", verify, "--kid", "billing-1", "--from", sign / "billing-1.key")
    assert "(HS256, active)" in out and (verify / "billing-1.key").read_bytes() == (sign / "billing-1.key").read_bytes()
    refused("is a ring for sign, and one for verify is needed", "check", sign, "--purpose", "verify")
    refused("is a ring for sign, and one for audit is needed", "generate", "--purpose", "audit", "--ring", sign)
    refused("holds the same key as", "generate", "--purpose", "verify", "--ring", verify, "--from", sign / "billing-1.key")


def test_public_keys(tmp_path):
    ring = tmp_path / "ring"
    for number, (curve, alg) in enumerate([("P-256", "ES256"), ("P-384", "ES384"), ("P-521", "ES512")]):
        private = subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:{curve}"],
                                 capture_output=True, check=True).stdout
        public = subprocess.run(["openssl", "pkey", "-pubout"], input=private, capture_output=True, check=True).stdout
        (tmp_path / "public.pem").write_bytes(public)
        (tmp_path / "private.pem").write_bytes(private)
        if number == 0:
            refused("give the PEM file of one with --from FILE", "generate", "--purpose", "model", "--ring", ring)
            refused("is no PEM public key", "generate", "--purpose", "model", "--ring", ring, "--from",
                    tmp_path / "private.pem")
        out = do("generate", "--purpose", "model", "--ring", ring, "--kid", alg, "--from", tmp_path / "public.pem")
        assert f"{alg} ({alg}, {'active' if number == 0 else 'verify'})" in out
    assert [key["alg"] for key in document("check", ring)["keys"]] == ["ES256", "ES384", "ES512"]


def test_a_volume_of_kubernetes(ring, tmp_path):
    """Checked as it is mounted; changed where its Secret is made."""
    volume = tmp_path / "volume"
    (volume / "..2027_01_01").mkdir(parents=True)
    os.chmod(volume, 0o1777)
    for path in ring.iterdir():
        inside = volume / "..2027_01_01" / path.name
        inside.write_bytes(path.read_bytes())
        os.chmod(inside, 0o400)
        os.symlink(f"..data/{path.name}", volume / path.name)
    os.symlink("..2027_01_01", volume / "..data")
    assert "it is a volume of Kubernetes; change the folder that its Secret is made from" in do("check", volume)
    refused("is a mounted volume of Kubernetes", "rotate", "--ring", volume)
    for path in (volume / "..2027_01_01").iterdir():
        os.chmod(path, 0o440)
    refused("(here: --group-readable)", "check", volume)
    do("check", volume, "--group-readable", "--purpose", "audit")
    os.symlink("/etc/hostname", volume / "other.key")
    refused("is a symbolic link to \"/etc/hostname\"", "check", volume, "--group-readable")


def replace(old, new):
    def spoil(ring):
        text = (ring / "keyring.json").read_text()
        assert old in text
        (ring / "keyring.json").write_text(text.replace(old, new))
    return spoil


def link(ring):
    os.rename(ring / "first.key", ring.parent / "first.key")
    os.symlink("../first.key", ring / "first.key")


def private(path, content):
    path.write_bytes(content)
    os.chmod(path, 0o600)


REFUSALS = [
    ("readable by others (mode 0644); run: chmod 0600", lambda ring: os.chmod(ring / "first.key", 0o644)),
    ("writable by others than its owner (mode 0620)", lambda ring: os.chmod(ring / "first.key", 0o620)),
    ("readable by its group (mode 0640)", lambda ring: os.chmod(ring / "first.key", 0o640)),
    ("keyring.json\" is readable by others", lambda ring: os.chmod(ring / "keyring.json", 0o604)),
    ("others than its owner can put keys there; run: chmod go-w", lambda ring: os.chmod(ring, 0o770)),
    ("has 31 bytes; a key is 32 raw bytes", lambda ring: (ring / "first.key").write_bytes(31 * b"k")),
    ("not canonical base64 of 32 bytes", lambda ring: (ring / "first.key").write_bytes(43 * b"A" + b"B\n")),
    ("is all zeros", lambda ring: (ring / "first.key").write_bytes(bytes(32))),
    ("is all zeros", lambda ring: (ring / "first.key").write_bytes(43 * b"A" + b"=\n")),
    ("must have at most 4096", lambda ring: (ring / "first.key").write_bytes(bytes(5000))),
    ("must have at most 262144", lambda ring: (ring / "keyring.json").write_bytes(300_000 * b" ")),
    ("is not listed in keyring.json; delete the file", lambda ring: private(ring / "other.key", 32 * b"o")),
    ("is neither keyring.json nor KID.key", lambda ring: private(ring / "notes.txt", b"")),
    ("so the folder is no ring", lambda ring: os.remove(ring / "keyring.json")),
    ("keyring.json lists the key first as active", lambda ring: os.remove(ring / "first.key")),
    ("is a symbolic link to \"../first.key\"", link),
    ("\"comment\" is unknown", replace('"v":1', '"v":1,"comment":""')),
    ("the name \"v\" at byte 8 comes twice", replace('"v":1', '"v":1,"v":1')),
    ("is no integer", replace('"v":1', '"v":1.0')),
    ("\"purpose\" is \"audits\"; allowed are audit, subject-store", replace('"audit"', '"audits"')),
    ("the key first is for HS256; a ring for audit holds keys for A256GCM", replace("A256GCM", "HS256")),
    ("lists the key first twice", replace('"keys":[', '"keys":[{"kid":"first","alg":"A256GCM","state":"verify"},')),
    ("\"active\" is \"second\"", replace('"active":"first"', '"active":"second"')),
    ("has the state verify; its state must be active", replace('"state":"active"', '"state":"verify"')),
    ("must not be used from 2020-01-01T00:00:00Z on",
     replace('"state":"active"', '"state":"active","not_after":"2020-01-01T00:00:00Z"')),
    ("must not be used before 2099-01-01T00:00:00Z",
     replace('"state":"active"', '"state":"active","not_before":"2099-01-01T00:00:00Z"')),
    ("must be a time of the form", replace('"state":"active"', '"state":"active","not_after":"tomorrow"')),
]


@pytest.mark.parametrize("words, spoil", REFUSALS, ids=[words for words, _ in REFUSALS])
def test_rings_that_are_refused(ring, words, spoil):
    do("check", ring)
    spoil(ring)
    refused(words, "check", ring)


def test_two_keys_that_are_the_same(ring):
    do("rotate", "--ring", ring, "--kid", "second")
    (ring / "second.key").write_bytes(base64.b64encode((ring / "first.key").read_bytes()) + b"\n")
    assert "second.key\" holds the same key as" in refused("first.key", "check", ring)


@pytest.mark.parametrize("arguments, code, words", [
    (["generate", "--purpose", "audits", "--ring", "RING"], USAGE, "subject-store"),
    (["generate", "--ring", "RING"], USAGE, "--purpose"), (["generate", "--purpose", "audit"], USAGE, "--ring"),
    (["generate", "--purpose", "audit", "--ring", "RING", "--kid", "a/b"], USAGE, '--kid "a/b" must be 1 to 64'),
    (["generate", "--purpose", "audit", "--ring", "RING", "--kid", "first"], FAILED, "give another --kid"),
    (["generate", "--purpose", "audit", "--ring", "RING/no/ring"], FAILED, "make it first"),
    (["generate", "--purpose", "audit", "--ring", "RING/.."], FAILED, "name an empty folder"),
    (["generate", "--purpose", "audit", "--ring", "RING", "--from", "/no/such"], FAILED, "No such file"),
    (["rotate", "--ring", "RING/no"], FAILED, "does not exist; make it with vencejo key generate"),
    (["activate", "second", "--ring", "RING"], FAILED, 'has no key "second"; its keys are first'),
    (["activate", "first", "--ring", "RING"], FAILED, "is active already"), (["activate", "--ring", "RING"], USAGE, "kid"),
    (["retire", "second", "--ring", "RING"], FAILED, 'has no key "second"'),
    (["list", "--ring", "RING", "--origin", "a"], USAGE, "--origin is for rings of checkpoint keys"),
    (["check", "RING/no"], FAILED, "does not exist"), (["check", "RING/first.key"], FAILED, "is no folder"),
])
def test_what_is_wrong_with_a_command(ring, arguments, code, words):
    before = {path.name: path.read_bytes() for path in ring.iterdir()}
    refused(words, *[argument.replace("RING", str(ring)) for argument in arguments], code=code)
    assert before == {path.name: path.read_bytes() for path in ring.iterdir()}


def test_one_command_at_a_time(ring):
    folder = os.open(ring, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    refused("another command is changing the ring", "rotate", "--ring", ring)
    do("check", ring)
    os.close(folder)
    do("rotate", "--ring", ring)


@pytest.mark.parametrize("name", ["", "generate", "list", "rotate", "activate", "retire", "check"])
def test_help_fits_a_terminal(name):
    help = command("key", *filter(None, [name]), "--help", COLUMNS="80")[1]
    assert max(map(len, help.splitlines())) <= 80
    assert f"  vencejo key {name}" in help
