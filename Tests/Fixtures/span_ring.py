"""The ring of span records in the server's shared memory, written and read by somebody who does not know the Swift code.

A ring is words of 64 bits, little-endian:

    header, 8 words    magic "VCJSPAN1" · records · identity of the server's start · head (records ever written) · 4 free
    record, 104 words   0 sequence: records written before it, plus one
                        1 checksum over the other words that are used
                        2, 3 trace id · 4 span id · 5 parent id or 0 · 6 start, unix ns
                        7 flags, status, bytes of method, model, peer (8 bits each), 8 free, bytes of trace state (16 bits)
                        8 version · 9 rows of the batch
                        10-14 read, gathered, runBegan, runEnded, left: ns after the start; all bits one: never
                        15 free · 16 method · 24 model · 32 peer (8 words each) · 40 trace state (up to 64 words)
"""
import dataclasses
import struct

HEADER, RECORD, TEXT, MASK = 8, 104, 8, 2**64 - 1
MAGIC = struct.unpack("<Q", b"VCJSPAN1")[0]
STEP = 0x9E3779B97F4A7C15
STATUSES = ("OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED "
            "RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS "
            "UNAUTHENTICATED").split()
#: part's number, name, begins at and ends at (places in `stamps`)
PARTS = [(1, "input", 0, 1), (2, "queue", 1, 2), (3, "infer", 2, 3), (4, "output", 3, 4)]


@dataclasses.dataclass
class Span:
    trace_id: int
    span_id: int
    parent_id: int = 0
    flags: int = 1
    start: int = 1_700_000_000_000_000_000
    #: read, gathered, runBegan, runEnded, left
    stamps: tuple = (1000, 2000, 3000, 4000, 5000)
    method: str = "vencejo.v1.PredictionService/Predict"
    status: int = 0
    model: str = ""
    version: int = 0
    rows: int = 0
    peer: str = ""
    trace_state: str = ""

    def parts(self):
        """number, name, begin and end of those that the call came to"""
        for number, name, begin, end in PARTS:
            began, ended = self.stamps[begin], self.stamps[end]
            if began is not None and ended is not None and began <= ended:
                yield number, name, self.start + began, self.start + ended

    @property
    def count(self):
        return 1 + len(list(self.parts()))


def mixed(word):
    """SplitMix64's last step"""
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & MASK
    word = (word ^ word >> 27) * 0x94D049BB133111EB & MASK
    return word ^ word >> 31


def part_id(span_id, number):
    return max(1, mixed((span_id + number * STEP) & MASK))


def checksum(words):
    total = STEP
    for word in words:
        total = (total ^ word) * STEP & MASK
        total ^= total >> 32
    return total


def text(value, words):
    raw = value.encode().ljust(8 * words, b"\0")
    return list(struct.unpack(f"<{words}Q", raw))


def record(span, sequence):
    """The words of one record, as many as it uses."""
    state = span.trace_state.encode()
    lengths = [len(part.encode()) for part in (span.method, span.model, span.peer)]
    facts = span.flags | span.status << 8 | lengths[0] << 16 | lengths[1] << 24 | lengths[2] << 32 | len(state) << 48
    words = [sequence, 0, span.trace_id >> 64, span.trace_id & MASK, span.span_id, span.parent_id, span.start, facts,
             span.version & MASK, span.rows, *(MASK if stamp is None else stamp for stamp in span.stamps), 0,
             *text(span.method, TEXT), *text(span.model, TEXT), *text(span.peer, TEXT),
             *text(span.trace_state, (len(state) + 7) // 8)]
    words[1] = checksum(words[:1] + words[2:])
    return words


class Ring:
    """A ring as its writer has it."""

    def __init__(self, records, identity=1):
        self.records = records
        self.words = [MAGIC, records, identity, 0] + [0] * (HEADER - 4 + records * RECORD)

    def write(self, span):
        head = self.words[3]
        first = HEADER + head % self.records * RECORD
        words = record(span, head + 1)
        self.words[first:first + len(words)] = words
        self.words[3] = head + 1

    @property
    def data(self):
        return struct.pack(f"<{len(self.words)}Q", *self.words)


def read(data):
    """The spans that are whole in a ring's bytes, oldest first."""
    words = struct.unpack(f"<{len(data) // 8}Q", data)
    assert words[0] == MAGIC
    records, head = words[1], words[3]
    spans = []
    for number in range(max(0, head - records), head):
        part = words[HEADER + number % records * RECORD:][:RECORD]
        facts = part[7]
        used = 40 + ((facts >> 48) + 7) // 8
        if part[0] != number + 1 or checksum(part[:1] + part[2:used]) != part[1]:
            continue

        def string(place, length):
            here = part[place:]
            return struct.pack(f"<{len(here)}Q", *here)[:length].decode()
        spans.append(Span(
            trace_id=part[2] << 64 | part[3], span_id=part[4], parent_id=part[5], start=part[6], flags=facts & 255,
            status=facts >> 8 & 255, version=part[8] - (1 << 64 if part[8] >> 63 else 0), rows=part[9],
            stamps=tuple(None if stamp == MASK else stamp for stamp in part[10:15]),
            method=string(16, facts >> 16 & 255), model=string(24, facts >> 24 & 255),
            peer=string(32, facts >> 32 & 255), trace_state=string(40, facts >> 48)))
    return spans
