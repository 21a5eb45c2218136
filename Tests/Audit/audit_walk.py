"""Walks the segments of an audit log frame by frame: steps 3 to 5 of its verification."""
import dataclasses
import hashlib

import audit_format
import audit_record
from audit_format import CHECKPOINT, RECORD
from checkpoints import Malformed, good_checkpoint, newer_checkpoint
from merkle import leaf_hash


class Tampered(Exception):
    """Proof that the log is not as it was written: exit 1, and nothing behind it is read."""

    def __init__(self, file, offset, text):
        super().__init__(text)
        self.place = {"file": file, "offset": offset, "text": text}


class Damage(Exception):
    """A frame that is not good: tampering, unless it may be what a crash left."""


@dataclasses.dataclass
class Segment:
    """`key`: GCM of its records, None without its audit key."""
    name: str
    data: bytes
    header: audit_format.Header
    key: audit_format.GCM = None


def check_chain(segment, before, tree):
    """Step 3, but for prev_len. `before`: the header before this one."""
    header, name = segment.header, segment.name
    if header.first != tree.size or list(header.roots) != tree.roots:
        text = f"a header of {header.first} entries before it, or its range, does not fit the {tree.size} before it"
        raise Tampered(name, 40, text)
    if header.oldest > header.seq or header.oldest_log > header.number:
        raise Tampered(name, 56, f"oldest {header.oldest} in segment {header.seq}, oldest_log {header.oldest_log}")
    if before and (header.oldest < before.oldest or header.oldest_log < before.oldest_log):
        raise Tampered(name, 56, "oldest or oldest_log falls")


class Walk:
    """Steps 4 and 5: takes a log's segments in order, and keeps in `log` what they hold and what is wrong with them."""

    def __init__(self, log, tree, wanted):
        self.log = log
        self.tree = tree
        self.wanted = wanted
        self.last_checkpoint = None
        self._keep()

    def _keep(self):
        self.log.entries = self.tree.size
        if self.tree.size in self.wanted:
            self.log.roots[self.tree.size] = self.tree.root()

    def append(self, entry):
        self.tree.append(leaf_hash(hashlib.sha256(entry).digest()))
        self._keep()

    def segment(self, segment, counted, is_last):
        """One segment, of which `counted` bytes count."""
        log, name, data, header = self.log, segment.name, segment.data, segment.header
        log.headers.append((self.tree.size, header))
        self.append(header.raw)
        self.checkpoints, self.is_sealed, self.is_closed = 0, False, False
        offset = len(header.raw)
        try:
            while offset < counted and not self.is_closed:
                offset = self.frame(segment, offset, counted)
        except Damage as damage:
            if not is_last:
                raise Tampered(name, offset, str(damage)) from damage
            self._check_behind(segment, offset)
            log.unclean(name, offset, str(damage))
            return
        finally:
            log.root = self.tree.root()
        if self.is_closed:
            if offset < len(data):
                raise Tampered(name, offset, f"{len(data) - offset} bytes behind a seal's checkpoint")
            return
        if counted < len(data):
            self._check_behind(segment, counted)
            log.note(name, counted, f"{len(data) - counted} bytes are no part of the log, as the next header says")
        ending = "a seal without its checkpoint" if self.is_sealed else "no seal"
        if is_last:
            log.unclean(name, counted, f"{ending} at the log's end")
        else:
            log.note(name, counted, f"{ending} at its end: a crash")

    def _check_behind(self, segment, offset):
        """A checkpoint is written only over what is durable: one of more entries behind a hole proves tampering."""
        header = segment.header
        place = newer_checkpoint(segment.data[offset:], header.origin, header.signer, self.tree.size)
        if place is not None:
            text = f"a good checkpoint of more than the {self.tree.size} entries that are there"
            raise Tampered(segment.name, offset + place, text)

    def frame(self, segment, offset, counted):
        """Step 4: the offset behind the good frame at `offset`."""
        try:
            kind, body, behind, index = audit_format.parse_head(segment.data, offset, counted)
        except Malformed as error:
            raise Damage(str(error)) from error
        if index != self.tree.size:
            raise Damage(f"a frame with index {index} behind {self.tree.size} entries")
        if self.is_sealed and kind != CHECKPOINT:
            raise Damage("a frame behind a seal that is no checkpoint")
        if kind == CHECKPOINT:
            self._checkpoint(segment, offset, segment.data[body:behind])
            return behind
        if kind == RECORD:
            self._record(segment, offset, segment.data[offset:behind])
        elif audit_format.is_seal_body(segment.data[body:behind], self.checkpoints):
            self.is_sealed = True
        else:
            raise Damage("a seal's body that is none, or counts other checkpoints")
        self.append(segment.data[offset:behind])
        return behind

    def _checkpoint(self, segment, offset, note):
        size = self.tree.size
        if self.last_checkpoint == size:
            raise Damage(f"a second checkpoint of {size} entries")
        checkpoint = good_checkpoint(note, segment.header.origin, segment.header.signer)
        if checkpoint is None:
            raise Damage("a checkpoint whose note is not good")
        if (checkpoint.size, checkpoint.root) != (size, self.tree.root()):
            text = f"a good checkpoint of {checkpoint.size} entries does not fit the {size} that are there"
            raise Tampered(segment.name, offset, text)
        self.last_checkpoint = self.log.covered = size
        self.log.checkpoints += 1
        self.checkpoints += 1
        self.is_closed = self.is_sealed

    def _record(self, segment, offset, frame):
        if len(frame) < audit_format.HEAD_BYTES + audit_format.RECORD_BYTES_MIN:
            raise Damage(f"a record of {len(frame) - audit_format.HEAD_BYTES} bytes")
        if segment.key:
            plaintext = audit_format.open_record(segment.key, self.tree.size, frame)
            if plaintext is None:
                raise Damage("a record whose tag is wrong")
            if hashlib.sha256(plaintext).digest() != audit_format.record_digest(frame):
                raise Tampered(segment.name, offset, "a record's plaintext is not what its c says")
            for remark in audit_record.remarks(plaintext):
                self.log.note(segment.name, offset, f"entry {self.tree.size}: {remark}")
        self.log.records += 1
