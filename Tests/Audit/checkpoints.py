"""C2SP signed notes, tlog-checkpoints of an audit log, vkeys and tlog-proofs: texts in, values or Malformed out."""
import base64
import binascii
import dataclasses
import hashlib
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

import merkle

ED25519 = b"\x01"
ORIGIN = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}(?:/[a-z0-9][a-z0-9._-]{0,62}){0,2}/([0-9a-f]{32})")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SIGNATURE_LINE = re.compile(r"— ([^\s+]+) (\S+)")
PROOF_LINE = "c2sp.org/tlog-proof@v1"


class Malformed(ValueError):
    """The rule that a text or a file breaks."""


def encode64(data):
    return base64.b64encode(data).decode()


def decode64(text):
    """The bytes of canonical base64 with padding: encoded again they are the same text."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("it is not base64") from error
    if encode64(data) != text:
        raise Malformed("its base64 is not canonical")
    return data


def decimal(text):
    """A number of at most 19 digits without a leading zero."""
    if not _DECIMAL.fullmatch(text):
        raise Malformed(f"{text[:40]!r} is not a decimal number")
    return int(text)


def sha256_of(text):
    hashed = decode64(text)
    if len(hashed) != 32:
        raise Malformed(f"a hash has {len(hashed)} bytes: it must have 32")
    return hashed


def key_id(name, key):
    """First four bytes of what names an Ed25519 key in a note's signature lines."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + key).digest()[:4]


@dataclasses.dataclass
class Note:
    """A signed note. signed: the text that was signed, its last line break included; signatures: (name, id, bytes)."""
    signed: str
    signatures: list


def parse_note(text):
    if _CONTROLS.search(text):
        raise Malformed("a note has a control character")
    signed, gap, lines = text.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise Malformed("a note has no signature line behind an empty line")
    signatures = []
    for line in lines[:-1].split("\n"):
        found = _SIGNATURE_LINE.fullmatch(line)
        if not found:
            raise Malformed("a note has a signature line that is none")
        signature = decode64(found[2])
        if len(signature) < 5:
            raise Malformed("a note has a signature line without a signature")
        signatures.append((found[1], signature[:4], signature[4:]))
    return Note(signed + "\n", signatures)


@dataclasses.dataclass
class Checkpoint:
    origin: str
    size: int
    root: bytes
    note: Note

    @property
    def log_id(self):
        return bytes.fromhex(self.origin[-32:])


def parse_checkpoint(text):
    """A checkpoint of exactly three lines under an audit log's origin. Nothing is said of its signatures."""
    note = parse_note(text)
    lines = note.signed.split("\n")
    if len(lines) != 4:
        raise Malformed(f"a checkpoint has {len(lines) - 1} lines: it must have 3")
    if not ORIGIN.fullmatch(lines[0]):
        raise Malformed(f"{lines[0][:300]!r} is not the origin of an audit log")
    return Checkpoint(lines[0], decimal(lines[1]), sha256_of(lines[2]), note)


def is_signed(key, signature, data):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def is_signed_by(checkpoint, key):
    """Whether there are lines of `key` under the origin's name, and the signatures in all of them are right."""
    wanted = checkpoint.origin, key_id(checkpoint.origin, key)
    signatures = [signature for *named, signature in checkpoint.note.signatures if tuple(named) == wanted]
    data = checkpoint.note.signed.encode()
    return bool(signatures) and all(is_signed(key, signature, data) for signature in signatures)


def good_checkpoint(data, origin, key):
    """The checkpoint whose note is exactly `data`, good for a segment of `origin` under its header's key; else None."""
    try:
        checkpoint = parse_checkpoint(data.decode())
    except (Malformed, UnicodeDecodeError):
        return None
    is_good = checkpoint.origin == origin and len(checkpoint.note.signatures) == 1 and is_signed_by(checkpoint, key)
    return checkpoint if is_good else None


def newer_checkpoint(data, origin, key, size):
    """The place of a good note of more than `size` entries, at any byte of `data`; None: there is none."""
    name = re.escape(origin.encode())
    note = b"(?=(" + name + rb"\n([1-9][0-9]{0,18})\n[^\n]{44}\n\n\xe2\x80\x94 " + name + rb" [^\n]{92}\n))"
    for found in re.finditer(note, data):
        if int(found[2]) > size and good_checkpoint(found[1], origin, key):
            return found.start()
    return None


def sign_checkpoint(origin, size, root, seed):
    """The note of a checkpoint, signed by the Ed25519 key of `seed` in the origin's name."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    signed = f"{origin}\n{size}\n{encode64(root)}\n"
    signature = key_id(origin, public_key(seed)) + private.sign(signed.encode())
    return f"{signed}\n— {origin} {encode64(signature)}\n"


def public_key(seed):
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def verifier_key(name, key):
    """A C2SP vkey."""
    return f"{name}+{key_id(name, key).hex()}+{encode64(ED25519 + key)}"


def parse_public_key(line):
    """(origin, key) of a vkey; (None, key) of base64, which is a key for each origin."""
    name, *rest = line.split("+", 2)
    try:
        raw = decode64(line)
    except Malformed:
        raw = b""
    if len(raw) == 32:
        return None, raw
    if len(rest) != 2 or not name or re.search(r"\s", name):
        raise Malformed("it is neither 32 bytes in base64 nor a vkey")
    typed = decode64(rest[1])
    if len(typed) != 33 or typed[:1] != ED25519:
        raise Malformed("its key is not one of Ed25519")
    if rest[0] != key_id(name, typed[1:]).hex():
        raise Malformed(f"its key id must be {key_id(name, typed[1:]).hex()}")
    return name, typed[1:]


def proof_text(entry, index, path, note):
    """A tlog-proof of `entry` under the checkpoint `note`."""
    return "\n".join([PROOF_LINE, f"extra {encode64(entry)}", f"index {index}", *map(encode64, path), "", note])


def check_proof(text, key):
    """(entry, index, checkpoint) of a tlog-proof that is good under `key`; else Malformed."""
    head, gap, note = text.partition("\n\n")
    lines = head.split("\n")
    if not gap or len(lines) < 3 or lines[0] != PROOF_LINE:
        raise Malformed(f"a proof must begin with {PROOF_LINE}, extra and index")
    for line, word in zip(lines[1:3], ("extra ", "index ")):
        if not line.startswith(word):
            raise Malformed(f"a proof has no line {word}")
    entry, index = decode64(lines[1][6:]), decimal(lines[2][6:])
    path, checkpoint = [sha256_of(line) for line in lines[3:]], parse_checkpoint(note)
    if not is_signed_by(checkpoint, key):
        raise Malformed("a proof's checkpoint has no good signature of this key")
    leaf = merkle.leaf_hash(hashlib.sha256(entry).digest())
    if not merkle.includes(checkpoint.root, checkpoint.size, index, leaf, path):
        raise Malformed("a proof's hashes do not lead to its checkpoint's root")
    return entry, index, checkpoint
