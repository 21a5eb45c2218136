"""The second verifier of audit logs: the specification's vectors, a naive tree, and mutations of written logs."""
import dataclasses
import functools
import hashlib
import json
import pathlib
import random
import subprocess
import sys

import pytest

import audit_format
import audit_inputs
import audit_log
import audit_record
import audit_verify
import audit_write
import checkpoints
import merkle
import mutations
import payload_keys
from checkpoints import Malformed

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = json.loads((HERE / "vectors" / "audit.json").read_text(encoding="utf-8"))
SECRETS = {purpose: bytes.fromhex(key) for purpose, key in VECTORS["secrets"].items()}
PUBLIC = bytes.fromhex(VECTORS["checkpoint_public_key"])
LOG_ID, ORIGIN = bytes.fromhex(VECTORS["log_id"]), VECTORS["origin"]
FILES = {name: bytes.fromhex(data) for name, data in VECTORS["files"].items()}
NAMES = {"K": "keys", "P": "pubkey", "E": "expect"}
COLUMNS = {"with_keys": "KP", "without_keys": "P", "with_anchor": "PE", "without_pubkey": "K"}


def expected_exits(where, exits, given):
    """Runs verify once for each column, on files."""
    assert set(exits) <= set(COLUMNS) and (("with_anchor" in exits) == ("E" in given))
    found = {}
    for column in exits:
        names = {name: given[letter] for letter, name in NAMES.items() if letter in COLUMNS[column]}
        found[column] = audit_verify.verify(where, **names)
    assert {column: report["exit"] for column, report in found.items()} == exits, found
    return found


def write(folder, files):
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def given(folder, keys={"audit-1": SECRETS["audit"]}, pubkey=checkpoints.encode64(PUBLIC) + "\n", expect=None):
    paths = {"K": write(folder / "keys", {f"{kid}.key": key for kid, key in keys.items()}), "P": folder / "pubkey"}
    paths["P"].write_text(pubkey)
    if expect is not None:
        paths["E"] = folder / "expected"
        paths["E"].write_bytes(expect.encode())
    return paths


# The vectors' log.

def test_segments():
    for fields, data in zip(VECTORS["segments"], FILES.values(), strict=True):
        header = audit_format.parse_header(data)
        for name in ("seq", "first", "prev_len", "oldest", "created", "kid"):
            assert getattr(header, name) == fields[name]
        assert len(header.raw) == fields["header_bytes"]
        assert (header.salt.hex(), [root.hex() for root in header.roots]) == (fields["salt"], fields["range"])
        assert (header.log_id, header.origin, header.signer) == (LOG_ID, ORIGIN, PUBLIC)
        gcm, commitment = header.keys(SECRETS["audit"])
        assert [gcm.key.hex(), gcm.base.hex()] == [fields["key"], fields["base"]]
        assert commitment.hex() == fields["commitment"]
        assert header.commitment == commitment
        info = b"audseg-v1\x00" + hashlib.sha256(header.raw[:-32]).digest()
        assert info.hex() == fields["info"]


def test_entries():
    tree = merkle.CompactRange()
    for fields, (name, offset, entry) in zip(VECTORS["entries"], audit_format.entries(FILES), strict=True):
        assert (name, offset) == (audit_format.segment_name(fields["segment"]), fields["offset"])
        assert len(entry) == fields["bytes"]
        leaf = hashlib.sha256(entry).digest()
        assert fields["index"] == tree.size
        assert fields["kind"] == ("header" if offset == 0 else {1: "record", 3: "seal"}[entry[0]])
        tree.append(merkle.leaf_hash(leaf))
        assert [leaf.hex(), merkle.leaf_hash(leaf).hex(), tree.root().hex()] == [
            fields[name] for name in ("leaf_data", "leaf_hash", "root")]
        if "plaintext" in fields:
            check_record(fields, audit_format.parse_header(FILES[name]), entry)


def check_record(fields, header, entry):
    gcm, _ = header.keys(SECRETS["audit"])
    plaintext = audit_format.open_record(gcm, fields["index"], entry)
    assert [plaintext.hex(), audit_format.record_digest(entry).hex()] == [fields["plaintext"], fields["digest"]]
    assert audit_format.opens(entry, fields["index"], plaintext)
    assert audit_format.record_frame(gcm, fields["index"], plaintext) == entry
    record = audit_record.decode(plaintext)
    assert record == fields["record"] and audit_record.encode(record) == plaintext
    assert audit_record.remarks(plaintext) == []
    if "payload" not in fields:
        return
    data = bytes.fromhex(record["sealed"]["data"])
    opened = []
    for state in "before", "after":
        keys = {entry["name"]: bytes.fromhex(entry["key"]) for entry in VECTORS["payload_keys"][f"entries_{state}"]}
        key = keys.get(record["sealed"]["key"])
        opened.append(key and payload_keys.payload_gcm(key, LOG_ID, header.salt).open(fields["index"], data))
    assert bytes.fromhex(fields["payload_plaintext"]) in opened
    assert (opened[1] is None) == (fields["payload_after_erasure"] == "erased")
    payload = audit_record.decode(bytes.fromhex(fields["payload_plaintext"]), "Payload")
    assert payload == fields["payload"]
    assert audit_record.encode(payload, "Payload").hex() == fields["payload_plaintext"]
    for name, is_answer in ("request", False), ("answer", True):
        if f"{name}_digest" in record["call"]:
            salt, body = bytes.fromhex(payload["salt"]), bytes.fromhex(fields[f"{name}_body"])
            digest = payload_keys.body_digest(salt, body, is_answer)
            assert digest.hex() == record["call"][f"{name}_digest"]


def tree_of(files):
    return merkle.Tree(merkle.leaf_hash(hashlib.sha256(entry).digest()) for *_, entry in audit_format.entries(files))


def test_checkpoints():
    notes, tree = [], tree_of(FILES)
    for data in FILES.values():
        notes += [data[start + 16:end] for kind, start, end in audit_format.frames(data) if kind == 2]
    for fields, note in zip(VECTORS["checkpoints"], notes, strict=True):
        checkpoint = checkpoints.good_checkpoint(note, ORIGIN, PUBLIC)
        assert (checkpoint.size, checkpoint.root.hex()) == (fields["size"], fields["root"])
        assert checkpoint.root == tree.root(checkpoint.size)
        signed = checkpoints.sign_checkpoint(ORIGIN, checkpoint.size, checkpoint.root, SECRETS["checkpoint"])
        assert note.decode() == fields["note"] == signed
    assert checkpoints.public_key(SECRETS["checkpoint"]) == PUBLIC
    assert checkpoints.verifier_key(ORIGIN, PUBLIC) == VECTORS["vkey"]
    assert checkpoints.parse_public_key(VECTORS["vkey"]) == (ORIGIN, PUBLIC)


def test_consistency():
    tree, sizes = tree_of(FILES), [fields["size"] for fields in VECTORS["checkpoints"]]
    assert [(each["from"], each["to"]) for each in VECTORS["consistency"]] == list(zip(sizes, sizes[1:]))
    for fields in VECTORS["consistency"]:
        old, new, path = fields["from"], fields["to"], [bytes.fromhex(each) for each in fields["hashes"]]
        assert path == tree.consistency(old, new)
        assert merkle.is_consistent(old, tree.root(old), new, tree.root(new), path)


def test_proof():
    proof, tree, entries = VECTORS["proof"], tree_of(FILES), [entry for *_, entry in audit_format.entries(FILES)]
    index, size = proof["index"], proof["size"]
    newest = VECTORS["checkpoints"][-1]["note"]
    text = checkpoints.proof_text(entries[index], index, tree.inclusion(index, size), newest)
    assert text == proof["text"]
    entry, found, checkpoint = checkpoints.check_proof(text, PUBLIC)
    assert (entry, found, checkpoint.size, checkpoint.origin) == (entries[index], index, size, ORIGIN)
    assert audit_format.opens(entry, index, bytes.fromhex(proof["opening"]))


@pytest.mark.parametrize("fields", VECTORS["proofs"], ids=lambda fields: fields["what"])
def test_proofs(fields):
    try:
        entry, index, _ = checkpoints.check_proof(fields["text"], PUBLIC)
        is_good = audit_format.opens(entry, index, bytes.fromhex(fields["opening"]))
    except Malformed:
        is_good = False
    assert is_good == fields["good"]


def test_openings():
    (_, _, entry), plaintext = list(audit_format.entries(FILES))[1], bytes.fromhex(VECTORS["entries"][1]["plaintext"])
    assert audit_format.opens(entry, 1, plaintext)
    assert not audit_format.opens(entry, 2, plaintext)
    assert not audit_format.opens(entry, 1, plaintext[:-1] + b"x")
    assert not audit_format.opens(entry[:-1], 1, plaintext)
    assert not audit_format.opens(next(audit_format.entries(FILES))[2], 0, b"")


def test_anchor_file(tmp_path):
    (tmp_path / "anchors").write_text(VECTORS["anchor_file"], encoding="utf-8")
    anchors = audit_inputs.read_anchors(tmp_path / "anchors")
    assert [note for _, _, note in anchors] == [fields["note"] for fields in VECTORS["checkpoints"]]
    written = "".join(audit_write.anchor_line(time, note) + "\n" for _, time, note in anchors)
    assert written == VECTORS["anchor_file"]


def test_payload_keys():
    fields = VECTORS["payload_keys"]
    kid, store = VECTORS["kids"]["subject-store"], SECRETS["subject-store"]
    first = read_keys(fields["file_after_the_first_life"])
    before, after = read_keys(fields["file_before_erasure"]), read_keys(fields["file_after_erasure"])
    assert {entry.name for entry in first} <= {entry.name for entry in before}
    for entries, listed in (before, fields["entries_before"]), (after, fields["entries_after"]):
        assert [{"name": entry.name.hex(), "subject": entry.subject.hex(), "month": entry.month, "flags": entry.flags,
                 "key": entry.key.hex()} for entry in entries] == listed
        assert {entry.month for entry in entries} == {fields["month"]}
    subjects = {name: payload_keys.subject_of(SECRETS["subject-index"], name) for name in fields["subjects"]}
    assert {name: subject.hex() for name, subject in subjects.items()} == fields["subjects"]
    for file, entries in (fields["file_before_erasure"], before), (fields["file_after_erasure"], after):
        assert payload_keys.write_key_file(kid, store, bytes.fromhex(file)[16:48], entries).hex() == file


def read_keys(text):
    store_keys = {VECTORS["kids"]["subject-store"]: SECRETS["subject-store"]}
    return payload_keys.read_key_file(bytes.fromhex(text), store_keys)[0]


@pytest.mark.parametrize("fields", VECTORS["key_files"], ids=lambda fields: fields["what"])
def test_key_files(fields):
    store_keys = {"subject-store-1": SECRETS["subject-store"]}
    data = joined(fields["file"], VECTORS["key_pieces"])
    if fields["kept"] is None:
        with pytest.raises(Malformed):
            payload_keys.read_key_file(data, store_keys)
        return
    kept, is_alarm = payload_keys.read_key_file(data, store_keys)
    assert [entry.name.hex() for entry in kept] == fields["kept"]
    assert is_alarm == ("alarm" in fields["what"] or "swapped" in fields["what"])


def joined(text, pieces):
    def piece(word):
        if word[0] == "#":
            return bytes.fromhex(pieces[int(word[1:])])
        if word[0] == "!":
            return VECTORS["notes"][int(word[1:])].encode()
        return bytes(int(word[1:])) if word[0] == "z" else bytes.fromhex(word)
    return b"".join(map(piece, text.split()))


# What verify says.

def test_verify(tmp_path):
    fields = VECTORS["verify"]
    folder = write(tmp_path / VECTORS["folder"], FILES)
    found = expected_exits(folder, fields["exit"], given(tmp_path / "given", expect=VECTORS["anchor_file"]))
    for report in found.values():
        log, = report["logs"]
        for name in ("entries", "records", "root"):
            assert log[name] == fields[name]
        assert (log["origin"], log["checkpoints"]) == (ORIGIN, len(VECTORS["checkpoints"]))
        assert log["covered"] == fields["entries"]


@pytest.mark.parametrize("fields", VECTORS["changes"], ids=lambda fields: fields["what"])
def test_changes(tmp_path, fields):
    files, name = dict(FILES), fields["file"]
    if fields["op"] == "append":
        files[name] += bytes.fromhex(fields["hex"])
    elif fields["op"] == "delete":
        del files[name]
    elif fields["op"] == "truncate":
        files[name] = files[name][:fields["to"]]
    else:
        data = bytearray(files[name])
        data[fields["at"]] ^= fields["xor"]
        files[name] = bytes(data)
    folder = write(tmp_path / "changed", files)
    expected_exits(folder, fields["exit"], given(tmp_path / "given", expect=VECTORS["anchor_file"]))


@pytest.mark.parametrize("fields", VECTORS["scenarios"], ids=lambda fields: fields["what"])
def test_scenarios(tmp_path, fields):
    root = write(tmp_path / "logs", {})
    folders = [write(root / name, {file: joined(text, VECTORS["pieces"]) for file, text in files.items()})
               for name, files in fields["logs"].items()]
    arguments = {name: fields[name] for name in ("pubkey", "expect") if name in fields}
    if "audit_keys" in fields:
        arguments["keys"] = {kid: bytes.fromhex(key) for kid, key in fields["audit_keys"].items()}
    where = folders[0] if fields["dir"] == "log" else root
    expected_exits(where, fields["exit"], given(tmp_path / "given", **arguments))


@pytest.mark.parametrize("what, noted", [
    ("a crash inside, nothing torn", ["no seal at its end: a crash"]),
    ("a crash inside, torn bytes behind prev_len", ["6 bytes are no part", "no seal at its end: a crash"]),
    ("an error of fsync: a whole batch behind prev_len, and again in the next segment", ["228 bytes", "no seal"]),
    ("sealed inside without the seal's checkpoint", ["a seal without its checkpoint at its end: a crash"]),
    ("a plaintext that is no record (a note)", ["entry 3: no Record"]),
    ("a call without sealed (a note)", ["entry 3: a Call without sealed"]),
    ("a record with an unknown field", []),
    ("files torn at birth lie aside", [])])
def test_notes(what, noted):
    fields, = (fields for fields in VECTORS["scenarios"] if fields["what"] == what)
    (name, files), = fields["logs"].items()
    files = {file: joined(text, VECTORS["pieces"]) for file, text in files.items()}
    log = audit_log.verify_log(name, files, {"audit-1": SECRETS["audit"]})
    assert len(log.notes) == len(noted) and not log.problems
    assert all(start in note["text"] for start, note in zip(noted, log.notes))


NEWEST = VECTORS["checkpoints"][-1]["note"]
LINE = audit_write.anchor_line(1, NEWEST)


@pytest.mark.parametrize("expect, status", [
    ("", 0), ("\n\n", 0), (NEWEST, 0), (LINE, 0), (LINE + "\n\n" + LINE, 0), (LINE + " ", 0),
    (LINE[:-1] + "\n" + LINE, 0), (NEWEST + "— w.example AAAAAAA=\n", 0),
    (NEWEST[:-1], 4), (NEWEST + "\n", 4), ("nothing of the kind\n", 4), (LINE.replace(":1,", ":1e0,"), 4),
    (LINE.replace(":1,", ":true,"), 4), (LINE.replace(":1,", ":1,\"time\":1,"), 4), (LINE.replace(":1,", ":-1,"), 4),
    (LINE.replace(":1,", ":1,\"more\":1,"), 4), (f"[{LINE}]\n{{}}", 4), (audit_write.anchor_line(1, 2), 4),
    (NEWEST + "— w.example AAAAAA==\n", 4), (NEWEST + "— w.\x01example AAAAAAA=\n", 4),
    (NEWEST + "— w.example+ AAAAAAA=\n", 4), (NEWEST + "- w.example AAAAAAA=\n", 4),
    (LINE.replace('\\n"', '\\n— \\ud800 AAAAAAA=\\n"'), 4)])
def test_expected_files(tmp_path, expect, status):
    paths = given(tmp_path / "given", expect=expect)
    report = audit_verify.verify(write(tmp_path / "log", FILES), pubkey=paths["P"], expect=paths["E"])
    assert report["exit"] == status, report


@pytest.mark.parametrize("files, status", [
    ({"audit-1.key": SECRETS["audit"], "of no kid.key": b"", "keyring.json": b""}, 0),
    ({"audit-1.key": checkpoints.encode64(SECRETS["audit"]).encode() + b"\n"}, 0), ({"audit-1": SECRETS["audit"]}, 3),
    ({"audit-1.key": SECRETS["audit"][:31]}, 4), ({"audit-1.key": checkpoints.encode64(bytes(31)).encode()}, 4),
    ({"audit-1.key": bytes(32)}, 1)])
def test_key_folders(tmp_path, files, status):
    paths = given(tmp_path / "given")
    report = audit_verify.verify(write(tmp_path / "log", FILES), write(tmp_path / "ring", files), paths["P"])
    assert report["exit"] == status, report


def test_a_segment_0_with_entries_before_it_is_refused():
    """All of it is signed and fits, but for what the header says was there before."""
    key, header = SECRETS["audit"], audit_format.parse_header(next(iter(FILES.values())))
    for first in 0, 1:
        tree = merkle.CompactRange(first, [bytes(32)] * first)
        written = audit_format.write_header(dataclasses.replace(header, first=first, roots=tuple(tree.roots)), key)
        seal = audit_format.seal_frame(first + 1, audit_format.END, 0)
        for entry in written.raw, seal:
            tree.append(merkle.leaf_hash(hashlib.sha256(entry).digest()))
        note = checkpoints.sign_checkpoint(ORIGIN, tree.size, tree.root(), SECRETS["checkpoint"]).encode()
        data = written.raw + seal + audit_format.frame(audit_format.CHECKPOINT, tree.size, note)
        log = audit_log.verify_log(VECTORS["folder"], {audit_format.segment_name(0): data}, {header.kid: key})
        assert (log.is_tampered, log.is_unclean) == (first == 1, False)


def test_a_torn_record_is_no_entry():
    """Without keys, too."""
    *_, last = FILES
    cut = FILES | {last: FILES[last][:VECTORS["entries"][-2]["offset"] + 100]}
    assert audit_log.verify_log(VECTORS["folder"], cut).entries == len(VECTORS["entries"]) - 2


COMMANDS = [
    ([], 4), (["DIR"], 3), (["DIR", "--keys", "K", "--pubkey", "P", "--expect-checkpoint", "E", "--json"], 0),
    (["DIR", "--expect-checkpoint", "E"], 4), (["DIR", "--pubkey", "absent"], 4), (["absent", "--pubkey", "P"], 4),
    (["DIR", "--keys", "P", "--pubkey", "P"], 4), (["DIR", "--what"], 4)]


def test_command_line(tmp_path, capsys):
    paths = given(tmp_path / "given", expect=VECTORS["anchor_file"])
    paths["DIR"] = write(tmp_path / VECTORS["folder"], FILES)
    for words, status in COMMANDS:
        capsys.readouterr()
        words = [str(paths.get(word, word)) for word in words]
        try:
            assert audit_verify.main(words) == status, words
        except SystemExit as exit:
            assert exit.code == status, words
        if "--json" in words:
            report = json.loads(capsys.readouterr().out)
            assert (report["exit"], report["logs"][0]["root"]) == (0, VECTORS["verify"]["root"])
    words = [sys.executable, HERE / "audit_verify.py", paths["DIR"], "--pubkey", paths["P"]]
    done = subprocess.run(words, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


# The tree.

SIZES = 300


def leaf(number):
    return merkle.leaf_hash(number.to_bytes(4, "big"))


@functools.cache
def naive(low, high):
    """RFC 6962, 2.1, as it stands there."""
    if high - low <= 1:
        return leaf(low) if low < high else hashlib.sha256().digest()
    k = 1
    while k * 2 < high - low:
        k *= 2
    return hashlib.sha256(b"\x01" + naive(low, low + k) + naive(low + k, high)).digest()


def test_compact_ranges_and_inclusion():
    tree, growing = merkle.Tree(map(leaf, range(SIZES))), merkle.CompactRange()
    for size in range(SIZES + 1):
        root = naive(0, size)
        assert growing.root() == tree.root(size) == root
        assert merkle.CompactRange(size, growing.roots).root() == root
        for index in range(size):
            path = tree.inclusion(index, size)
            assert merkle.includes(root, size, index, leaf(index), path)
            if (index * 7 + size) % 11 == 0:
                assert not merkle.includes(root, size, index ^ 1, leaf(index), path)
                assert not merkle.includes(root, size, index, leaf(index + 1), path)
                assert not merkle.includes(root, size, index, leaf(index), path + [root])
                assert not path or not merkle.includes(root, size, index, leaf(index), path[:-1])
        growing.append(leaf(size))
    with pytest.raises(ValueError):
        merkle.CompactRange(3, [naive(0, 2)])


def test_consistency_proofs():
    tree = merkle.Tree(map(leaf, range(SIZES)))
    sizes = [*range(1, 66), 127, 128, 129, 255, 256, 257, 299, 300]
    for new in sizes:
        for old in range(1, new + 1):
            if new > 66 and old % 5 > 1:
                continue
            path, roots = tree.consistency(old, new), (naive(0, old), naive(0, new))
            assert merkle.is_consistent(old, roots[0], new, roots[1], path)
            assert not merkle.is_consistent(old, roots[0], new, leaf(SIZES), path)
            if old < new:
                assert not merkle.is_consistent(old, leaf(old), new, roots[1], path)
                assert not merkle.is_consistent(old, roots[0], new, roots[1], path[:-1])
                assert not merkle.is_consistent(old, roots[0], new, roots[1], path + [leaf(1)])


@pytest.mark.parametrize("place, path", [
    ((0, 0), "tile/0/000"), ((1, 999), "tile/1/999"), ((0, 1000), "tile/0/x001/000"), ((0, 0, 256), "tile/0/000"),
    ((2, 1234067), "tile/2/x001/x234/067"), (("entries", 5, 17), "tile/entries/005.p/17")])
def test_tile_paths(place, path):
    assert merkle.tile_path(*place) == path


# The writer, and mutations of what it wrote.

KEYS = audit_write.random_keys(1)
OTHER_KEYS = audit_write.random_keys(2, kid="audit-2")


def plaintexts(seed, count):
    source = random.Random(seed)
    events = [lambda n: {"clock": {"max_error": n}}, lambda n: {"log": {"reason": 1 + n % 4}},
              lambda n: {"gap": {"kind": "predict", "count": n, "first": n, "last": 2 * n}}]
    for number in range(count):
        yield audit_record.encode({"time": audit_write.START_NANOSECONDS + number, "blind": source.randbytes(32).hex(),
                                   **source.choice(events)(number)})


SCRIPTS = {
    "rolled": [
        ("batch", 3), ("checkpoint",), ("batch", 2), ("roll", 1),
        ("batch", 4), ("checkpoint",), ("batch", 1), ("end",)],
    "crashed": [
        ("batch", 2), ("checkpoint",), ("batch", 2), ("crash", b"\x01\x00\x00\x00\x00\x00\x00\x70torn"), ("life",),
        ("batch", 3), ("end", 3), ("life", None, OTHER_KEYS), ("batch", 2), ("checkpoint",), ("batch", 1), ("end",)],
    "pruned": [
        ("batch", 1), ("checkpoint",), ("batch", 1), ("roll", 2), ("batch", 2), ("roll", 5, 1), ("batch", 3),
        ("checkpoint",), ("prune",), ("roll", 2), ("batch", 1), ("end",)],
    "one": [("batch", 1), ("end",)],
}


@functools.cache
def written(name, seed=7):
    return audit_write.write_log(KEYS, plaintexts(seed, 50), SCRIPTS[name], seed)


def judged(log, files, keys=True, expected=None):
    both = {keys.kid: keys.audit for keys in (KEYS, OTHER_KEYS)} if keys else None
    public = [(None, KEYS.public), (None, OTHER_KEYS.public)]
    return audit_verify.judge({log.folder: files}, True, both, public, expected or [newest(log)])


def newest(log):
    return checkpoints.parse_checkpoint(log.notes[-1])


@pytest.mark.parametrize("name", SCRIPTS)
def test_written_logs(name):
    log = written(name)
    assert audit_write.write_log(KEYS, plaintexts(7, 50), SCRIPTS[name], 7) == log
    assert written(name, 8).files != log.files
    report = judged(log, log.files, expected=[checkpoints.parse_checkpoint(note) for note in log.notes])
    assert report["exit"] == 0, report
    described, = report["logs"]
    assert (described["entries"], described["root"]) == (newest(log).size, newest(log).root.hex())
    assert described["records"] == sum(entry[0] == 1 for *_, entry in audit_format.entries(log.files))
    assert report["passed_over"] == (1 if name == "pruned" else 0)


def test_writer_makes_the_vectors_log():
    times = sorted([fields["created"] for fields in VECTORS["segments"]] + [
        json.loads(line)["time"] for line in VECTORS["anchor_file"].splitlines()])
    keys = audit_write.Keys(VECTORS["kids"]["audit"], SECRETS["audit"], SECRETS["checkpoint"])
    script = []
    for data in FILES.values():
        script += [("life",)] if script else []
        for kind, start, _ in audit_format.frames(data):
            if kind == audit_format.SEAL:
                script.append(("end", data[start + 16]))
            elif script[-1:] and script[-1][0] == "end":
                continue
            else:
                script.append(("batch", 1) if kind == audit_format.RECORD else ("checkpoint",))
    log = audit_write.write_log(
        keys, [bytes.fromhex(fields["plaintext"]) for fields in VECTORS["entries"] if "plaintext" in fields], script,
        log_id=LOG_ID, salts=[bytes.fromhex(fields["salt"]) for fields in VECTORS["segments"]], times=times)
    assert (log.folder, log.origin, log.files) == (VECTORS["folder"], ORIGIN, FILES)
    assert "".join(line + "\n" for line in log.anchors) == VECTORS["anchor_file"]


def check_found(log, what, files):
    """A mutation is found with and without content keys, unless it changed nothing that is part of the log."""
    exits = [judged(log, files, keys)["exit"] for keys in (True, False)]
    if mutations.is_same_log(log.files, files):
        assert set(exits) <= {0, 1}, what
    elif files.keys() == log.files.keys() and is_inner(log.files, files):
        assert set(exits) == {1}, what
    else:
        assert set(exits) <= {1, 2}, what
    return exits


def is_inner(files, mutated):
    """Whether what counts of a segment that is not the last one differs."""
    lengths = audit_format.counted_lengths(files)
    return any(files[name][:lengths[name]] != mutated[name][:lengths[name]] for name in list(files)[:-1])


@pytest.mark.parametrize("name, count", [("rolled", 500), ("crashed", 500), ("pruned", 300), ("one", 100)])
def test_mutations_are_found(name, count):
    log, other = written(name), written("rolled", 9)
    same = 0
    for what, files in mutations.mutations(log.files, seed=11, count=count, other=other.files):
        check_found(log, what, files)
        same += mutations.is_same_log(log.files, files)
    assert same == 0 or name == "crashed" and same < count // 4


@pytest.mark.parametrize("name", ["crashed", "pruned"])
def test_every_header_byte_is_found(name):
    log = written(name)
    found = [check_found(log, what, files) for what, files in mutations.header_mutations(log.files, seed=12)]
    assert len(found) == sum(len(audit_format.parse_header(data).raw) for data in log.files.values())


def test_mutations_are_the_same_under_a_seed():
    log = written("rolled")
    first, again, other = (list(mutations.mutations(log.files, seed, 60)) for seed in (1, 1, 2))
    assert first == again != other
    assert len({what.split(":")[0] for what, _ in first}) == len(set(mutations.KINDS))


def test_without_a_checkpoint_from_outside_the_end_can_be_lost():
    """The kind of mutation that a log cannot show by itself: whole segments gone from its end."""
    log = written("rolled")
    first = dict(list(log.files.items())[:1])
    assert judged(log, first, expected=[checkpoints.parse_checkpoint(log.notes[0])])["exit"] == 0
    assert judged(log, first)["exit"] == 1
