"""What the verifier of audit logs is given: folders, key rings, public keys and expected checkpoints; else Unusable."""
import json
import os
import pathlib
import stat

from audit_format import KID, LOG_NAME, SEGMENT_NAME
from checkpoints import Malformed, decode64, is_signed_by, parse_checkpoint, parse_public_key


class Unusable(Exception):
    """An argument, a file or a line that cannot be used: exit 4."""


def read_logs(folder):
    """({folder's name: {file's name: bytes}}, whether DIR is one log's folder)."""
    path, names = pathlib.Path(os.path.abspath(folder)), os.listdir(folder)
    if any(name.startswith("segment-") for name in names):
        return {path.name: _read_segments(path)}, True
    return {name: _read_segments(path / name) for name in names if LOG_NAME.fullmatch(name)}, False


def _read_segments(folder):
    """The content of files that are no segments does not matter, but their names do."""
    files = {}
    for name in os.listdir(folder):
        if name.startswith("segment-"):
            is_segment = SEGMENT_NAME.fullmatch(name) and name.endswith(".aud")
            files[name] = _read(folder / name) if is_segment else b""
    return files


def _read(path):
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise Unusable(f"{path}: it must be a regular file")
    return pathlib.Path(path).read_bytes()


def read_keys(folder):
    """{kid: key} of an audit keyring's folder: each <kid>.key, of any state."""
    keys = {}
    for name in sorted(os.listdir(folder)):
        kid = name.removesuffix(".key")
        if kid == name or not KID.fullmatch(kid):
            continue
        key = _read(os.path.join(folder, name))
        if len(key) != 32:
            try:
                key = decode64(key.removesuffix(b"\n").decode())
            except (Malformed, UnicodeDecodeError):
                key = b""
        if len(key) != 32:
            raise Unusable(f"{os.path.join(folder, name)}: a key must be 32 bytes, or these in base64 and a newline")
        keys[kid] = key
    return keys


def _lines(path):
    """(where it stands, bytes) of each line."""
    return [(f"{path}, line {number}", line) for number, line in enumerate(_read(path).split(b"\n"), 1)]


def read_public_keys(path):
    """(origin, key) of each line; a key in base64 has the origin None and is good for each."""
    keys = []
    for where, line in _lines(path):
        if not line.strip():
            continue
        try:
            keys.append(parse_public_key(line.decode()))
        except (Malformed, UnicodeDecodeError) as error:
            raise Unusable(f"{where}: {error}") from error
    return keys


def read_expected(path, public_keys):
    """The checkpoints in a note's file or an anchor file, each good under one of the keys."""
    if public_keys is None:
        raise Unusable("--expect-checkpoint needs --pubkey")
    data = _read(path)
    if data.strip() and not data.lstrip().startswith(b"{"):
        try:
            notes = [(path, data.decode())]
        except UnicodeDecodeError as error:
            raise Unusable(f"{path}: {error}") from error
    else:
        notes = [(where, note) for where, _, note in read_anchors(path)]
    return [_expected(note, public_keys, where) for where, note in notes]


def _expected(note, public_keys, where):
    try:
        note.encode()  # JSON may hold surrogates
        checkpoint = parse_checkpoint(note)
    except (Malformed, UnicodeEncodeError) as error:
        raise Unusable(f"{where}: {error}") from error
    if not any(is_signed_by(checkpoint, key) for origin, key in public_keys if origin in (None, checkpoint.origin)):
        raise Unusable(f"{where}: no key of pubkey signed this checkpoint")
    return checkpoint


def read_anchors(path):
    """(where, time, note) of each line of an anchor file. A line that does not end in } was cut, and is passed over."""
    anchors = []
    for where, line in _lines(path):
        if not line.endswith(b"}"):
            continue
        try:
            fields = json.loads(line.decode(), object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            raise Unusable(f"{where}: {error}") from error
        if type(fields) is not dict or set(fields) != {"time", "checkpoint"}:
            raise Unusable(f"{where}: it must have the names time and checkpoint")
        time, note = fields["time"], fields["checkpoint"]
        if type(time) is not int or not 0 <= time < 1 << 64 or type(note) is not str:
            raise Unusable(f"{where}: time must be an integer of 64 bits, and checkpoint a string")
        anchors.append((where, time, note))
    return anchors


def _object(pairs):
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a name stands there twice")
    return dict(pairs)
