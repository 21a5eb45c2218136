"""Bytes of an audit log's segments: headers, the keys that they derive, frames. Bytes in, values or Malformed out."""
import dataclasses
import hashlib
import re
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from checkpoints import ORIGIN, Malformed

MAGIC = b"AUDSEG1\n"
HEADER_BYTES_MAX = 2507
BODY_BYTES_MAX = 1 << 20
RECORD_BYTES_MIN = 48
RECORD, CHECKPOINT, SEAL = 1, 2, 3
SIZE, AGE, KEY, END, RETENTION = 1, 2, 3, 4, 5
HEAD_BYTES = 16
COMMITMENT_BYTES = 32

KID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
SEGMENT_NAME = re.compile(r"segment-([0-9]{12})\.aud(\.torn(\.[1-9][0-9]*)?)?")
LOG_NAME = re.compile(r"log-([0-9]{4})-([0-9a-f]{32})")
_FIXED = struct.Struct(">8sII16sQQQQQ32s32s")
_HEAD = struct.Struct(">B3sIQ")
_SEAL = struct.Struct(">BI")


def segment_name(seq):
    return f"segment-{seq:012}.aud"


def log_name(log_id):
    return f"log-{int.from_bytes(log_id[:2], 'big'):04}-{log_id.hex()}"


def expand(key, info, length):
    """HKDF-Expand with SHA-512 (RFC 5869, step 2)."""
    return HKDFExpand(algorithm=hashes.SHA512(), length=length, info=info).derive(key)


@dataclasses.dataclass(frozen=True)
class GCM:
    """AES-256-GCM whose nonce is `base` XOR a number of 96 bits."""
    key: bytes
    base: bytes

    def _nonce(self, number):
        return (int.from_bytes(self.base, "big") ^ number).to_bytes(12, "big")

    def seal(self, number, plaintext, associated=b""):
        return AESGCM(self.key).encrypt(self._nonce(number), plaintext, associated)

    def open(self, number, sealed, associated=b""):
        """The plaintext; None: the tag is wrong."""
        try:
            return AESGCM(self.key).decrypt(self._nonce(number), sealed, associated)
        except InvalidTag:
            return None


def committed_keys(key, label, header):
    """GCM and commitment that `key` derives for a header; `header` is given without its commitment."""
    output = expand(key, label + b"\x00" + hashlib.sha256(header).digest(), 76)
    return GCM(output[:32], output[32:44]), output[44:]


@dataclasses.dataclass(frozen=True)
class Header:
    """`raw`: all its bytes, the commitment included. `roots`: the compact range of the `first` entries before it."""
    oldest_log: int
    log_id: bytes
    seq: int
    first: int
    prev_len: int
    oldest: int
    created: int
    salt: bytes
    signer: bytes
    kid: str
    origin: str
    roots: tuple
    raw: bytes = b""

    @property
    def commitment(self):
        return self.raw[-COMMITMENT_BYTES:]

    @property
    def number(self):
        return int.from_bytes(self.log_id[:2], "big")

    def keys(self, audit_key):
        return committed_keys(audit_key, b"audseg-v1", self.raw[:-COMMITMENT_BYTES])


def write_header(header, audit_key=None, commitment=bytes(COMMITMENT_BYTES)):
    """The same header with `raw`; its commitment is that of `audit_key`, or the one given."""
    kid, origin = header.kid.encode(), header.origin.encode()
    rest = bytes([len(kid)]) + kid + bytes([len(origin)]) + origin + bytes([len(header.roots)]) + b"".join(header.roots)
    length = _FIXED.size + len(rest) + COMMITMENT_BYTES
    fixed = _FIXED.pack(MAGIC, length, header.oldest_log, header.log_id, header.seq, header.first, header.prev_len,
                        header.oldest, header.created, header.salt, header.signer)
    written = dataclasses.replace(header, raw=fixed + rest + commitment)
    if audit_key is None:
        return written
    return dataclasses.replace(written, raw=fixed + rest + written.keys(audit_key)[1])


def parse_header(data):
    """The header at the start of a segment's bytes, its commitment unread."""
    if len(data) < _FIXED.size:
        raise Malformed(f"a header is cut after {len(data)} bytes")
    magic, length, *fields = _FIXED.unpack_from(data)
    if magic != MAGIC:
        raise Malformed("a header has another magic")
    if not _FIXED.size < length <= min(len(data), HEADER_BYTES_MAX):
        raise Malformed(f"header_len is {length} in a file of {len(data)} bytes")
    raw, texts, offset = data[:length], [], _FIXED.size
    for _ in range(2):
        text = raw[offset + 1:offset + 1 + raw[offset]] if offset < length else b""
        texts.append(text.decode("latin-1"))
        offset += 1 + len(text)
    kid, origin = texts
    if not KID.fullmatch(kid):
        raise Malformed(f"{kid!r} is not a key id")
    if not ORIGIN.fullmatch(origin):
        raise Malformed(f"{origin!r} is not an origin")
    count = raw[offset] if offset < length else -1
    if offset + 1 + 32 * count + COMMITMENT_BYTES != length:
        raise Malformed("header_len is not the length of a header's fields")
    roots = tuple(raw[offset + 1 + 32 * each:offset + 33 + 32 * each] for each in range(count))
    header = Header(*fields, kid, origin, roots, raw)
    if count != header.first.bit_count():
        raise Malformed(f"a compact range of {header.first} entries has {count} hashes")
    return header


def parse_head(data, offset, end):
    """(type, body's start, body's end, index) of the frame at `offset`, whole before `end`."""
    if end - offset < HEAD_BYTES:
        raise Malformed(f"a frame's head is cut after {end - offset} bytes")
    kind, zero, length, index = _HEAD.unpack_from(data, offset)
    if kind not in (RECORD, CHECKPOINT, SEAL) or any(zero):
        raise Malformed(f"a frame begins with {data[offset:offset + 4].hex()}")
    if length > BODY_BYTES_MAX:
        raise Malformed(f"a frame's body has {length} bytes: at most {BODY_BYTES_MAX} are allowed")
    body = offset + HEAD_BYTES
    if body + length > end:
        raise Malformed(f"a frame of {HEAD_BYTES + length} bytes goes {body + length - end} beyond the end")
    return kind, body, body + length, index


def frame(kind, index, body):
    return _HEAD.pack(kind, bytes(3), len(body), index) + body


def record_frame(gcm, index, plaintext):
    digest = hashlib.sha256(plaintext).digest()
    head = _HEAD.pack(RECORD, bytes(3), len(plaintext) + RECORD_BYTES_MIN, index)
    return head + digest + gcm.seal(index, plaintext, head + digest)


def open_record(gcm, index, entry):
    """The plaintext of a record's whole frame; None: the tag is wrong. Whether c is its hash is left to the caller."""
    associated, sealed = entry[:HEAD_BYTES + 32], entry[HEAD_BYTES + 32:]
    return gcm.open(index, sealed, associated)


def record_digest(entry):
    """c of a record's frame."""
    return entry[HEAD_BYTES:HEAD_BYTES + 32]


def seal_frame(index, reason, checkpoints):
    return frame(SEAL, index, _SEAL.pack(reason, checkpoints))


def is_seal_body(body, checkpoints):
    """Whether it is a seal's body, behind so many checkpoints of its segment."""
    if len(body) != _SEAL.size:
        return False
    reason, count = _SEAL.unpack(body)
    return SIZE <= reason <= RETENTION and count == checkpoints


def frames(data, end=None):
    """(type, start, end) of each frame of a good segment, its header left out."""
    end, offset = len(data) if end is None else end, int.from_bytes(data[8:12], "big")
    while offset < end:
        kind, _, behind, _ = parse_head(data, offset, end)
        yield kind, offset, behind
        offset = behind


def counted_lengths(files):
    """How many bytes of each segment of a good log count: what the next header says, of the last one all."""
    names = sorted(name for name in files if SEGMENT_NAME.fullmatch(name) and name.endswith(".aud"))
    following = [parse_header(files[name]).prev_len for name in names[1:]]
    return dict(zip(names, [*following, *(len(files[name]) for name in names[-1:])]))


def entries(files):
    """(segment's name, offset, bytes) of each entry of a good log, in order."""
    for name, end in counted_lengths(files).items():
        data = files[name]
        yield name, 0, parse_header(data).raw
        for kind, start, behind in frames(data, end):
            if kind != CHECKPOINT:
                yield name, start, data[start:behind]


def opens(entry, index, plaintext):
    """Whether `entry` is the record with this index and `plaintext` is what it holds."""
    try:
        kind, _, behind, numbered = parse_head(entry, 0, len(entry))
    except Malformed:
        return False
    is_record = kind == RECORD and behind == len(entry) >= HEAD_BYTES + RECORD_BYTES_MIN and numbered == index
    return is_record and len(plaintext) == len(entry) - HEAD_BYTES - RECORD_BYTES_MIN and (
        record_digest(entry) == hashlib.sha256(plaintext).digest())
