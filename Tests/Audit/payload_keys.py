"""AUDKEYS1 files and what their keys open: payloads, digests and subjects of audit records."""
import dataclasses
import hashlib
import hmac
import struct

from audit_format import COMMITMENT_BYTES, GCM, KID, committed_keys, expand
from checkpoints import Malformed

MAGIC = b"AUDKEYS1"
ENTRY_BYTES = 80
HELD = 1
_FIXED = struct.Struct(">8sII32s")
_NAMED = struct.Struct(">8s16sII")


@dataclasses.dataclass(frozen=True)
class PayloadKey:
    name: bytes
    subject: bytes
    month: int
    flags: int
    key: bytes


def read_key_file(data, store_keys):
    """(entries that a reader keeps, whether a bad one is before a good one), or Malformed. store_keys: {kid: key}."""
    gcm, header_bytes = _read_header(data, store_keys)
    kept, is_bad, is_alarm = [], False, False
    for number in range((len(data) - header_bytes) // ENTRY_BYTES):
        start = header_bytes + number * ENTRY_BYTES
        named = data[start:start + _NAMED.size]
        key = gcm.open(number, data[start + _NAMED.size:start + ENTRY_BYTES], named)
        if key is None:
            is_bad = True
            continue
        is_alarm |= is_bad
        kept.append(PayloadKey(*_NAMED.unpack(named), key))
    for entry in kept:
        if entry.flags & ~HELD:
            raise Malformed(f"the entry {entry.name.hex()} has unknown flags {entry.flags:#x}")
    for what in [{entry.name for entry in kept}, {(entry.subject, entry.month) for entry in kept}]:
        if len(what) < len(kept):
            raise Malformed("a name, or a subject's month, stands there twice")
    return kept, is_alarm


def _read_header(data, store_keys):
    if len(data) < _FIXED.size + 1:
        raise Malformed("the header is cut")
    magic, length, zero, _ = _FIXED.unpack_from(data)
    kid = data[_FIXED.size + 1:_FIXED.size + 1 + data[_FIXED.size]].decode("latin-1")
    if magic != MAGIC or zero or not KID.fullmatch(kid):
        raise Malformed("the header is none")
    if length != _FIXED.size + 1 + len(kid) + COMMITMENT_BYTES or length > len(data):
        raise Malformed(f"header_len is {length}")
    if kid not in store_keys:
        raise Malformed(f"there is no key {kid}")
    gcm, commitment = committed_keys(store_keys[kid], b"audkeys-v1", data[:length - COMMITMENT_BYTES])
    if commitment != data[length - COMMITMENT_BYTES:length]:
        raise Malformed("the commitment is wrong")
    return gcm, length


def write_key_file(kid, store_key, salt, payload_keys):
    length = _FIXED.size + 1 + len(kid) + COMMITMENT_BYTES
    header = _FIXED.pack(MAGIC, length, 0, salt) + bytes([len(kid)]) + kid.encode()
    gcm, commitment = committed_keys(store_key, b"audkeys-v1", header)
    written = header + commitment
    for number, entry in enumerate(payload_keys):
        named = _NAMED.pack(entry.name, entry.subject, entry.month, entry.flags)
        written += named + gcm.seal(number, entry.key, named)
    return written


def payload_gcm(payload_key, log_id, salt):
    """GCM of the payloads that a segment with `salt` holds under a payload key."""
    output = expand(payload_key, b"audpay-v1\x00" + log_id + salt, 44)
    return GCM(output[:32], output[32:])


def subject_of(index_key, name):
    """The pseudonym of a subject's id."""
    return hmac.digest(index_key, b"audsub-v1\x00" + name.encode(), "sha256")[:16]


def body_digest(salt, body, is_answer=False):
    """`request_digest` or `answer_digest` of a message's bytes under its payload's salt."""
    return hmac.digest(salt, bytes([1 + is_answer]) + hashlib.sha256(body).digest(), "sha256")
