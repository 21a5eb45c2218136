"""Writes audit logs for tests, byte for byte as the specification says: plaintexts and a script in, files out."""
import dataclasses
import hashlib
import itertools
import json
import random

import audit_format
from audit_format import Header
from checkpoints import public_key, sign_checkpoint
from merkle import CompactRange, leaf_hash

START_NANOSECONDS = 1_785_240_000_000_000_000


@dataclasses.dataclass(frozen=True)
class Keys:
    """kid: of `audit`. checkpoint: the seed of an Ed25519 key."""
    kid: str
    audit: bytes
    checkpoint: bytes

    @property
    def public(self):
        return public_key(self.checkpoint)


def random_keys(seed, kid="audit-1"):
    source = random.Random(seed)
    return Keys(kid, source.randbytes(32), source.randbytes(32))


@dataclasses.dataclass
class Written:
    """A log: its folder's name, files, notes in order (those of files that were pruned too), and anchor lines."""
    log_id: bytes
    origin: str
    files: dict
    notes: list
    anchors: list

    @property
    def folder(self):
        return audit_format.log_name(self.log_id)


def write_log(keys, plaintexts, script, seed=0, *, number=0, oldest_log=0, deployment="example.org/vencejo",
              log_id=None, salts=None, times=None):
    """A log of `script`, a list of actions, by name with what each needs:

    batch N            the next N plaintexts as records
    checkpoint         a checkpoint of all entries
    end REASON         a seal and its checkpoint; life must follow, if anything does
    crash BYTES        the segment ends as it is; BYTES are behind what counts
    life OLDEST KEYS   a new segment, OLDEST its field (default: as before), under other KEYS (default: as before)
    roll REASON OLDEST end and life in one
    prune              files below `oldest` are unlinked

    It begins with segment 0 open. The log's id, salts and times are drawn from the seed unless they are given.
    """
    source = random.Random(seed)
    log_id = log_id or number.to_bytes(2, "big") + source.randbytes(14)
    salts = iter(salts) if salts else (source.randbytes(32) for _ in itertools.count())
    times = iter(times) if times else itertools.count(START_NANOSECONDS, 1_000_003)
    writer = _Writer(keys, Written(log_id, f"{deployment}/{log_id.hex()}", {}, [], []), salts, times, oldest_log)
    plaintexts = iter(plaintexts)
    writer.life()
    for action, *operands in script:
        if action == "batch":
            writer.batch(itertools.islice(plaintexts, *operands))
        else:
            getattr(writer, action)(*operands)
    return writer.written


class _Writer:
    def __init__(self, keys, written, salts, times, oldest_log):
        self.keys = keys
        self.written = written
        self.salts = salts
        self.times = times
        self.oldest_log = oldest_log
        self.seq, self.oldest, self.counted = -1, 0, 0
        self.tree = CompactRange()

    def _append(self, data, is_entry=True):
        self.written.files[audit_format.segment_name(self.seq)] += data
        self.counted += len(data)
        if is_entry:
            self.tree.append(leaf_hash(hashlib.sha256(data).digest()))

    def life(self, oldest=None, keys=None):
        self.keys = keys or self.keys
        self.seq += 1
        self.oldest = self.oldest if oldest is None else oldest
        log_id, origin = self.written.log_id, self.written.origin
        header = audit_format.write_header(
            Header(self.oldest_log, log_id, self.seq, self.tree.size, self.counted, self.oldest, next(self.times),
                   next(self.salts), self.keys.public, self.keys.kid, origin, tuple(self.tree.roots)), self.keys.audit)
        self.gcm, _ = header.keys(self.keys.audit)
        self.written.files[audit_format.segment_name(self.seq)] = b""
        self.counted, self.checkpoints = 0, 0
        self._append(header.raw)

    def batch(self, plaintexts):
        for plaintext in plaintexts:
            self._append(audit_format.record_frame(self.gcm, self.tree.size, plaintext))

    def checkpoint(self):
        size, time = self.tree.size, next(self.times)
        note = sign_checkpoint(self.written.origin, size, self.tree.root(), self.keys.checkpoint)
        self._append(audit_format.frame(audit_format.CHECKPOINT, size, note.encode()), is_entry=False)
        self.checkpoints += 1
        self.written.notes.append(note)
        self.written.anchors.append(anchor_line(time, note))

    def end(self, reason=audit_format.END):
        self._append(audit_format.seal_frame(self.tree.size, reason, self.checkpoints))
        self.checkpoint()

    def crash(self, behind=b""):
        self.written.files[audit_format.segment_name(self.seq)] += behind

    def roll(self, reason=audit_format.SIZE, oldest=None):
        self.end(reason)
        self.life(oldest)

    def prune(self):
        for seq in range(self.oldest):
            self.written.files.pop(audit_format.segment_name(seq), None)


def anchor_line(time, note):
    return json.dumps({"time": time, "checkpoint": note}, ensure_ascii=False, separators=(",", ":"))
