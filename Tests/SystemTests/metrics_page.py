"""Reads a metrics page as it is documented: Sources/ServerMetrics/PageLayout.swift says where all lies, CatalogueMessage.swift what
the catalogue's message is. Nothing of the server's or the agent's code is used, so that both can be checked against this.

All of it are little-endian 64-bit words; places are counted in words.
"""
import dataclasses
import fcntl
import itertools
import math
import mmap
import struct

MAGIC = b"VCJSHM01"
#: The version that is read here.
MAJOR = 1
#: The place of each word of the header.
HEADER = {
    "magic": 0, "version": 1, "header_words": 2, "words": 3, "catalogue_hash": 4, "generation": 5, "boot_high": 6,
    "boot_low": 7, "start_unix_nanoseconds": 8, "start_monotonic_nanoseconds": 9, "process_id": 10, "state": 11,
    "heartbeat_monotonic_nanoseconds": 12, "rows_missed": 13, "shards": 14, "model_rows": 15, "version_rows": 16,
    "catalogue": 17, "catalogue_words": 18, "rows": 19, "exemplars": 20, "cells": 21, "shard_words": 22, "spans": 23,
    "span_words": 24,
}
HEADER_WORDS = 512
BUILDING, READY, DRAINING, CLOSED = range(4)
#: Places in a row's record.
ROW = {"state": 0, "created": 1, "model": 2, "version": 18, "slot": 26, "digest": 27, "format": 31, "checksum": 47}
ROW_WORDS = 48
SLOTS = ("none", "blue", "green", "shadow")
EXEMPLAR = {"trace_high": 0, "trace_low": 1, "nanoseconds": 2, "unix_milliseconds": 3, "checksum": 7}
EXEMPLAR_WORDS = 8
COUNTER, LEVEL, GAUGE, HISTOGRAM = 1, 2, 3, 4
SERVER, MODEL, VERSION = 1, 2, 3


class Damaged(ValueError):
    """Why a page cannot be read."""


def refuse(is_wrong, reason):
    if is_wrong:
        raise Damaged(reason)


def checksum(words):
    """FNV-1a over words; the lowest bit is set."""
    hash = 0xcbf29ce484222325
    for word in words:
        hash = (hash ^ word) * 0x100000001b3 & (1 << 64) - 1
    return hash | 1


def fields(message):
    """Of a protobuf message number, wire type and value of each field."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            refuse(at >= len(message), "a message that does not end")
            value |= (message[at] & 0x7f) << shift
            at, shift = at + 1, shift + 7
            if not message[at - 1] & 0x80:
                return value & (1 << 64) - 1

    while at < len(message):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
            continue
        refuse(tag & 7 not in (1, 2), f"wire type {tag & 7}")
        length = 8 if tag & 7 == 1 else varint()
        refuse(at + length > len(message), "a message that does not end")
        content = message[at:at + length]
        at += length
        yield tag >> 3, struct.unpack("<d", content)[0] if tag & 7 == 1 else content


def varints(packed):
    value = shift = 0
    for byte in packed:
        value |= (byte & 0x7f) << shift
        shift += 7
        if not byte & 0x80:
            yield value
            value = shift = 0


@dataclasses.dataclass
class Family:
    name: str = ""
    help: str = ""
    unit: str = ""
    kind: int = 0
    scope: int = 0
    #: Names with their values.
    labels: list = dataclasses.field(default_factory=list)
    divisor: float = 1.0
    #: The largest number of each bucket; positions among them of the classic boundaries, with their names, and of the native.
    bounds: list = dataclasses.field(default_factory=list)
    classic: list = dataclasses.field(default_factory=list)
    le: list = dataclasses.field(default_factory=list)
    native: list = dataclasses.field(default_factory=list)
    first_exponent: int = 0
    schema: int = 0
    #: The place of its first cell in a row.
    first: int = 0

    @classmethod
    def of(cls, message):
        self = cls()
        for number, value in fields(message):
            match number:
                case 1: self.name = value.decode()
                case 2: self.help = value.decode()
                case 3: self.unit = value.decode()
                case 4: self.kind = value
                case 5: self.scope = value
                case 6:
                    parts = list(fields(value))
                    self.labels.append((next(part.decode() for number, part in parts if number == 1),
                                        [part.decode() for number, part in parts if number == 2]))
                case 7: self.divisor = value
                case 8: self.bounds = list(varints(value))
                case 9: self.classic = list(varints(value))
                case 10: self.le = [struct.unpack("<d", struct.pack("<Q", bits))[0] for bits in varints(value)]
                case 11: self.native = list(varints(value))
                case 12: self.first_exponent = value - (value >> 63 << 64)
                case 13: self.schema = value - (value >> 63 << 64)
        return self

    @property
    def points(self):
        """Every combination of label values; the last label's changes fastest."""
        return [dict(zip([name for name, _ in self.labels], values))
                for values in itertools.product(*[values for _, values in self.labels])]

    @property
    def cells_of_point(self):
        """A histogram's buckets, what is above all of them, and the sum."""
        return len(self.bounds) + 2 if self.kind == HISTOGRAM else 1

    @property
    def cells(self):
        return math.prod(len(values) for _, values in self.labels) * self.cells_of_point


@dataclasses.dataclass
class Row:
    scope: int
    number: int
    state: int
    times_given: int
    created: int
    model: str
    version: str
    slot: str
    digest: bytes
    format: str


@dataclasses.dataclass
class Histogram:
    #: How many were not above each classic boundary, the last being infinity.
    le: dict
    #: By exponent: how many were above base**(exponent - 1) and not above base**exponent; None: not above the first boundary.
    native: dict
    count: int
    sum: float


class Page:
    """What a page's bytes say at one moment."""

    def __init__(self, words):
        refuse(len(words) < HEADER_WORDS, "shorter than a header")
        self.words = words
        refuse(struct.pack("<Q", words[0]) != MAGIC, "no metrics page")
        refuse(self.header("version") >> 32 != MAJOR, f"version {self.header('version') >> 32}")
        refuse(self.header("state") == BUILDING, "it is being made")
        refuse(self.header("header_words") != HEADER_WORDS, "another header")
        refuse(self.header("words") != len(self.words), f"{self.header('words')} words, and it has {len(self.words)}")
        self.families = self._catalogue()
        self._check_places()
        self.rows = [row for scope, count in ((MODEL, self.header("model_rows")), (VERSION, self.header("version_rows")))
                     for number in range(count) if (row := self._row(scope, number))]

    @classmethod
    def of(cls, content):
        return cls(struct.unpack(f"<{len(content) // 8}Q", content[:len(content) // 8 * 8]))

    @classmethod
    def at(cls, path):
        """Word by word: what copies bytes, read(2) among it, may take half of a word that is stored meanwhile."""
        with open(path, "rb") as file:
            length = file.seek(0, 2)
            if not length:
                return cls(())
            with mmap.mmap(file.fileno(), length // 8 * 8, prot=mmap.PROT_READ) as memory, memoryview(memory) as view:
                with view.cast("Q") as words:
                    return cls(tuple(words.tolist()))

    def header(self, name):
        return self.words[HEADER[name]]

    def _catalogue(self):
        refuse(self.header("catalogue") != HEADER_WORDS, "the catalogue is not behind the header")
        at, count = self.header("catalogue"), self.header("catalogue_words")
        message = self.words[at + 1:at + count]
        refuse(checksum(message) != self.header("catalogue_hash"), "the catalogue's hash")
        content = struct.pack(f"<{len(message)}Q", *message)[:self.words[at]]
        families = [Family.of(value) for number, value in fields(content) if number == 1]
        cells = dict.fromkeys((SERVER, MODEL, VERSION), 0)
        for family in families:
            family.first = cells[family.scope]
            cells[family.scope] += family.cells
        self.row_cells = cells
        return families

    def _check_places(self):
        """Each part begins where the one before ends; cells on a multiple of 16 words."""
        def aligned(words):
            return -(-words // 16) * 16

        model_rows, version_rows, shards = (self.header(name) for name in ("model_rows", "version_rows", "shards"))
        refuse(self.header("rows") != HEADER_WORDS + self.header("catalogue_words"), "rows")
        exemplars = self.header("rows") + (model_rows + version_rows) * ROW_WORDS
        refuse(self.header("exemplars") != exemplars, "exemplars")
        exemplary = next((each for each in self.families if each.scope == VERSION and each.kind == HISTOGRAM), None)
        self.exemplars_of_row = len(exemplary.points) * (len(exemplary.classic) + 1) if exemplary else 0
        refuse(self.header("cells") != aligned(exemplars + version_rows * self.exemplars_of_row * EXEMPLAR_WORDS), "cells")
        refuse(self.header("shard_words") != aligned(
            self.row_cells[SERVER] + model_rows * self.row_cells[MODEL] + version_rows * self.row_cells[VERSION]), "shards")
        spans = self.header("cells") + (shards + 1) * self.header("shard_words")
        refuse(self.header("spans") != spans, "spans")
        refuse(self.header("words") != spans + shards * self.header("span_words"), "the end")

    def _text(self, at, words):
        return struct.pack(f"<{words}Q", *self.words[at:at + words]).split(b"\0")[0].decode(errors="replace")

    def _row(self, scope, number):
        at = self.header("rows") + (number if scope == MODEL else self.header("model_rows") + number) * ROW_WORDS
        record = self.words[at:at + ROW_WORDS]
        if record[0] & 0xff != 1 or checksum(record[1:ROW["checksum"]]) != record[ROW["checksum"]]:
            return None
        slot = record[ROW["slot"]]
        return Row(scope, number, record[0] & 0xff, record[0] >> 8, record[ROW["created"]],
                   self._text(at + ROW["model"], 16), self._text(at + ROW["version"], 8),
                   SLOTS[slot] if slot < len(SLOTS) else "none", struct.pack("<4Q", *record[ROW["digest"]:ROW["digest"] + 4]),
                   self._text(at + ROW["format"], 4))

    def cells(self, family, row, point):
        """Those of all shards added up, and of everybody else behind them."""
        rows_before = {SERVER: 0, MODEL: self.row_cells[SERVER],
                       VERSION: self.row_cells[SERVER] + self.header("model_rows") * self.row_cells[MODEL]}[family.scope]
        first = rows_before + row * self.row_cells[family.scope] + family.first + point * family.cells_of_point
        sums = [0] * family.cells_of_point
        for shard in range(self.header("shards") + 1):
            at = self.header("cells") + shard * self.header("shard_words") + first
            for index in range(family.cells_of_point):
                sums[index] = sums[index] + self.words[at + index] & (1 << 64) - 1
        return sums

    def exemplar(self, row, point, bucket, buckets):
        """Trace, seconds and time of a call that fell into one of the classic buckets of a version's row; or None."""
        place = row * self.exemplars_of_row + point * buckets + bucket
        at = self.header("exemplars") + place * EXEMPLAR_WORDS
        words = self.words[at:at + EXEMPLAR_WORDS]
        if checksum(words[:7]) != words[EXEMPLAR["checksum"]]:
            return None
        return (f"{words[EXEMPLAR['trace_high']]:016x}{words[EXEMPLAR['trace_low']]:016x}",
                words[EXEMPLAR["nanoseconds"]] / 1e9, words[EXEMPLAR["unix_milliseconds"]] / 1e3)

    def _number(self, family, cells):
        match family.kind:
            case 1: return cells[0] / family.divisor if family.divisor != 1 else cells[0]
            case 2: return cells[0] - (cells[0] >> 63 << 64)
            case 3: return struct.unpack("<d", struct.pack("<Q", cells[0]))[0]
        counts = cells[:-1]
        below = list(itertools.accumulate(counts))
        native, before = {}, 0
        for place, position in enumerate(family.native):
            native[None if place == 0 else family.first_exponent + place] = below[position] - before
            before = below[position]
        native[family.first_exponent + len(family.native)] = below[-1] - before
        le = {bound: below[position] for bound, position in zip(family.le, family.classic)} | {math.inf: below[-1]}
        return Histogram(le, native, below[-1], cells[-1] / family.divisor)

    def series(self):
        """Every one that there is, by name and labels: also those that are zero and that nobody shows."""
        found = {}
        for family in self.families:
            rows = [(0, {})] if family.scope == SERVER else [
                (row.number, {"model": row.model} | ({"version": row.version} if row.scope == VERSION else {}))
                for row in self.rows if row.scope == family.scope]
            for row, labels in rows:
                for point, more in enumerate(family.points):
                    key = family.name, tuple(sorted((labels | more).items()))
                    found.setdefault(key, self._number(family, self.cells(family, row, point)))
        return found


def is_written(path):
    """Whether a process that lives holds the page's lock, whoever it is."""
    with open(path, "rb") as file:
        # struct flock: l_type, l_whence, l_start, l_len, l_pid.
        answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
        return struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK


def read_while_written(path):
    """A page that its server may be writing: words that do not fit together are read again."""
    for attempt in range(100):
        try:
            return Page.at(path)
        except Damaged:
            if attempt == 99:
                raise
