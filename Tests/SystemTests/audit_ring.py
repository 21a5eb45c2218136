"""A second reader of a server's audit rings, and an agent that acknowledges: from the tables in RecordLayout.swift alone.

It stands in for `vencejo-audit run` where a test decides what is durable, and when.
"""
import contextlib
import pathlib
import socket
import struct
import threading
import time

from server import PATIENCE

CALL, ADMIN, REFUSED, GAP, WITHHELD, SERVER = 3, 4, 5, 6, 7, 8
TEXTS = "method principal credential reason asked model artifact request_id peer subject labels".split()
BODIES = {0: None, 1: "copy", 2: "digest", 3: "left out"}


def unpacked(word, *widths):
    numbers = []
    for width in widths:
        numbers.append(word & (1 << width) - 1)
        word >>= width
    return numbers


class Record(dict):
    """A record's fields, by name."""
    __getattr__ = dict.__getitem__


def call(words):
    """A call's fields, from the words of its record."""
    names = ("version epoch read queue run total request_bytes answer_bytes batch exposure routing_key trace_high "
             "trace_low").split()
    found = Record(zip(names, words[4:17]))
    *codes, bits = unpacked(words[17], *[8] * 8)
    found.update(zip("auth verdict status slot cache fallback draw".split(), codes))
    found.update(zip(("rows", "batch_rows"), unpacked(words[18], 32, 32)))
    found.update(zip(("batch_first", "imputed"), unpacked(words[19], 32, 32)))
    found.update(zip(("clipped", "outliers"), unpacked(words[20], 32, 32)))
    found.update(zip(("share_ppm", "message"), unpacked(words[21], 32, 32)))
    _, found["label_count"] = unpacked(words[22], 32, 32)
    sizes = [size for word in words[24:27] for size in unpacked(word, 16, 16, 16, 16)][:11] + unpacked(words[23], 32, 32)
    place = 27
    for name, size in zip([*TEXTS, "request", "answer"], sizes):
        count = (size + 7) // 8
        found[name] = struct.pack(f"<{count}Q", *words[place:place + count])[:size]
        place += count
    assert place == len(words), "a call's parts are as long as its record"
    for name in set(TEXTS) - {"artifact", "labels"}:
        found[name] = found[name].decode()
    found["request_kind"], found["answer_kind"] = BODIES[bits & 3], BODIES[bits >> 2 & 3]
    return found


class Rings:
    """The ring file of the one server that uses a folder."""

    def __init__(self, folder):
        self.path, = pathlib.Path(folder).glob("ring-*.ring")
        words = self._words(0, 16)
        assert words[0].to_bytes(8, "little") == b"VCJRING1" and words[1] == 1
        self.count, self.words_per_ring = words[2], words[3]
        self.instance = words[4]
        self.positions = [0] * self.count

    def _words(self, first, count):
        with self.path.open("rb") as file:
            file.seek(8 * first)
            return struct.unpack(f"<{count}Q", file.read(8 * count))

    def _start(self, ring):
        data = (16 + 16 * self.count + 511) // 512 * 512
        return data + ring * self.words_per_ring

    def _read(self, ring, position, count):
        place = position % self.words_per_ring
        first = min(count, self.words_per_ring - place)
        start = self._start(ring)
        return self._words(start + place, first) + self._words(start, count - first)

    def read(self, ring=0):
        """The records that came since it was last asked."""
        head = self._words(16 + 16 * ring, 1)[0]
        found = []
        while self.positions[ring] < head:
            length, kind = unpacked(self._read(ring, self.positions[ring], 1)[0], 32, 8)
            words = self._read(ring, self.positions[ring], length)
            if kind == CALL:
                record = call(words)
            else:
                record = Record(payload=struct.pack(f"<{length - 5}Q", *words[5:])[:words[4]])
            record.update(kind=kind, sequence=words[1], time=words[3], end=self.positions[ring] + length)
            found.append(record)
            self.positions[ring] += length
        return found

    def until(self, enough, ring=0):
        """The records up to when `enough` of them says so."""
        found, end = [], time.monotonic() + PATIENCE
        while not enough(found):
            assert time.monotonic() < end, f"only these came: {found}"
            found += self.read(ring)
            time.sleep(0.005)
        return found

    def store_durable(self, record, ring=0):
        """What the agent does before it acknowledges: from here on the server writes over what is durable."""
        def mixed(number):
            number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9 & MASK
            number = (number ^ number >> 27) * 0x94d049bb133111eb & MASK
            return number ^ number >> 31
        check = mixed(record.end ^ mixed(record.sequence + 0x9e3779b97f4a7c15 & MASK))
        with self.path.open("r+b") as file:
            file.seek(8 * (16 + 16 * ring + 8))
            file.write(struct.pack("<3Q", record.end, record.sequence, check))


MASK = (1 << 64) - 1
LOG = bytes([0, 7]) + bytes(range(14))


class Agent:
    """Acknowledges what it is told to, or all that comes."""

    def __init__(self, folder, ring=0, log=LOG, size=100):
        self.rings, self.ring, self.index = Rings(folder), ring, size
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(str(self.rings.path.with_suffix("")) + f".{ring}.sock")
        self.socket.send(b"VCJACK1\n" + log + struct.pack(">Q", size))
        self.indexes, self._ends = {}, False

    def acknowledge(self, records):
        """All of them are durable, as the next entries of the log."""
        if not records:
            return
        for record in records:
            self.indexes[record.sequence] = self.index
            self.index += 1
        self.rings.store_durable(records[-1], self.ring)
        self.socket.send(struct.pack(">IIQQ", self.ring, len(records), records[-1].sequence, self.index - 1))

    @contextlib.contextmanager
    def working(self):
        """Acknowledges all, on a thread. Gives the list of what came."""
        found = []

        def work():
            while not self._ends:
                records = self.rings.read(self.ring)
                self.acknowledge(records)
                found.extend(records)
                time.sleep(0.001)
        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield found
        finally:
            self._ends = True
            thread.join()

    def close(self):
        self.socket.close()


def fields(message):
    """{number: [values]} of a protobuf message, as numbers and bytes: read without its schema."""
    found, place = {}, 0

    def varint():
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value
    while place < len(message):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            value = varint()
        elif kind == 1:
            value = struct.unpack_from("<Q", message, place)[0]
            place += 8
        else:
            size = varint()
            value = message[place:place + size]
            place += size
        found.setdefault(number, []).append(value)
    return found
