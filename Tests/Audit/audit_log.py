"""Verifies one audit log: the bytes of its files, keys and expected checkpoints in, a Log with its state out.

Written from the specification alone, to be compared with the agent's own verifier. The steps are numbered as there.
"""
import dataclasses

import audit_format
from audit_format import HEADER_BYTES_MAX, LOG_NAME, SEGMENT_NAME
from audit_walk import Segment, Tampered, Walk, check_chain
from checkpoints import Malformed
from merkle import CompactRange


@dataclasses.dataclass
class Log:
    """What is known of a log so far. roots: at sizes that are expected; headers: (index, header) of those walked."""
    name: str
    origin: str = None
    first: int = 0
    entries: int = 0
    records: int = 0
    checkpoints: int = 0
    covered: int = 0
    root: bytes = None
    notes: list = dataclasses.field(default_factory=list)
    problems: list = dataclasses.field(default_factory=list)
    headers: list = dataclasses.field(default_factory=list)
    roots: dict = dataclasses.field(default_factory=dict)
    passed_over: int = 0
    is_tampered: bool = False
    is_unclean: bool = False
    has_all_keys: bool = True

    def note(self, file, offset, text):
        self.notes.append({"file": file, "offset": offset, "text": text})

    def unclean(self, file, offset, text):
        self.is_unclean = True
        self.problems.append({"file": file, "offset": offset, "text": text})

    def covered_headers(self):
        return [header for index, header in self.headers if index < self.covered]


def verify_log(name, files, keys=None, public_keys=None, expected=()):
    """files: {name: bytes}; keys: {kid: audit key}; public_keys: (origin or None, key) each; expected: checkpoints."""
    log = Log(name)
    try:
        segments = read_headers(log, files, keys, public_keys)
        if not segments:
            log.unclean(None, 0, "nothing is there")
            return log
        walk(log, segments, {checkpoint.size for checkpoint in expected if checkpoint.origin == log.origin})
        check_expected(log, [checkpoint for checkpoint in expected if checkpoint.origin == log.origin])
        first = segments[0].header
        if first.seq > 0 and not any(header.oldest >= first.seq for header in log.covered_headers()):
            raise Tampered(segments[0].name, 56, f"segments below {first.seq} are gone, and no covered header says so")
    except Tampered as tampered:
        log.is_tampered = True
        log.problems.append(tampered.place)
    if log.covered < log.entries:
        log.is_unclean = True
    return log


def read_headers(log, files, keys, public_keys):
    """Step 1: the segments in order; a last file that was torn at birth is passed over."""
    names = [name for name in sorted(files) if name.startswith("segment-")]
    for name in names:
        if not SEGMENT_NAME.fullmatch(name):
            raise Tampered(name, 0, "a file's name is not that of a segment")
    names = [name for name in names if name.endswith(".aud")]
    segments = []
    for name, before in zip(names, [None, *names]):
        seq, data, is_last = _seq(name), files[name], name == names[-1]
        if before and seq != _seq(before) + 1:
            raise Tampered(name, 0, f"between {before} and this file segments are missing")
        try:
            header = audit_format.parse_header(data)
        except Malformed as error:
            if is_last and len(data) <= HEADER_BYTES_MAX:
                log.unclean(name, 0, f"torn at birth: {error}")
                break
            raise Tampered(name, 0, str(error)) from error
        segment = Segment(name, data, header)
        if keys is not None and header.kid not in keys:
            log.has_all_keys = False
            log.note(name, 136, f"there is no key {header.kid}: its records were not opened")
        elif keys is not None:
            segment.key, commitment = header.keys(keys[header.kid])
            if commitment != header.commitment:
                if is_last and len(data) == len(header.raw):
                    log.unclean(name, len(data) - 32, "torn at birth: the commitment is wrong")
                    break
                raise Tampered(name, len(header.raw) - 32, "a header's commitment is wrong")
        _check_identity(log, segment, segments[0].header if segments else header, seq, public_keys)
        segments.append(segment)
    return segments


def _seq(name):
    return int(SEGMENT_NAME.fullmatch(name)[1])


def _check_identity(log, segment, first, seq, public_keys):
    header = segment.header
    if header.seq != seq:
        raise Tampered(segment.name, 32, f"a header of segment {header.seq} under another's name")
    if LOG_NAME.fullmatch(log.name) and audit_format.log_name(header.log_id) != log.name:
        raise Tampered(segment.name, 16, f"a header of {audit_format.log_name(header.log_id)} in the folder {log.name}")
    if (header.log_id, header.origin) != (first.log_id, first.origin):
        raise Tampered(segment.name, 16, "a header of another log")
    if not header.origin.endswith("/" + header.log_id.hex()):
        raise Tampered(segment.name, 137 + len(header.kid), f"the origin {header.origin} does not end in the log's id")
    if public_keys is not None and not any(
            key == header.signer and origin in (None, header.origin) for origin, key in public_keys):
        raise Tampered(segment.name, 104, "a header names a key that pubkey does not have")
    log.origin = header.origin


def walk(log, segments, wanted):
    """Steps 2 to 5. `wanted`: sizes of which the root is kept."""
    first = segments[0].header
    if first.seq == 0 and (first.first, first.prev_len, first.oldest) != (0, 0, 0):
        raise Tampered(segments[0].name, 40, "segment 0 says that there is something before it")
    log.first = first.first
    walked = Walk(log, CompactRange(first.first, first.roots), wanted)
    before = None
    for segment, following in zip(segments, [*segments[1:], None]):
        check_chain(segment, before, walked.tree)
        counted = len(segment.data)
        if following:
            counted = following.header.prev_len
            if not len(segment.header.raw) <= counted <= len(segment.data):
                text = f"prev_len is {counted}, and {segment.name} has {len(segment.data)} bytes"
                raise Tampered(following.name, 48, text)
        walked.segment(segment, counted, following is None)
        before = segment.header


def check_expected(log, expected):
    """Step 6, for checkpoints of this log."""
    for checkpoint in expected:
        if checkpoint.size > log.entries:
            raise Tampered(None, 0, f"a checkpoint of {checkpoint.size} entries is expected: there are {log.entries}")
        if checkpoint.size < log.first:
            log.passed_over += 1
        elif log.roots[checkpoint.size] != checkpoint.root:
            raise Tampered(None, 0, f"another root is expected at {checkpoint.size} entries")
