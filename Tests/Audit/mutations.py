"""Seeded mutations of an audit log's folder, to try verifiers on: each is what an attacker without the keys can do."""
import dataclasses
import itertools
import random

import audit_format
from audit_format import CHECKPOINT, SEAL
from forgeries import forged_seal, renumbered, taken_over

RANGE_BYTES_MAX = 400


def mutations(files, seed, count, other=None):
    """Yields `count` of (description, files) of a good log. `files`: {name: bytes}; other: of a log to splice from."""
    source, log = random.Random(seed), parse(files)
    log.other = other or files
    made = 0
    for kind in itertools.cycle(KINDS):
        if made == count:
            return
        what, mutated = kind(log, source)
        if mutated != files:
            made += 1
            yield f"{kind.__name__.replace('_', ' ')}: {what}", mutated


def header_mutations(files, seed=0):
    """Yields a mutation for every byte of every header."""
    source, log = random.Random(seed), parse(files)
    for _ in range(sum(len(log.headers[name].raw) for name in log.names)):
        what, mutated = header_byte(log, source)
        yield f"header byte: {what}", mutated


def is_same_log(files, mutated):
    """Whether only bytes differ that are no part of the log: those behind prev_len of a segment that a crash ended."""
    if files.keys() != mutated.keys():
        return False
    counted = audit_format.counted_lengths(files)
    for name, length in counted.items():
        kinds = [kind for kind, _, _ in audit_format.frames(files[name], length)]
        may_differ = name != max(counted) and kinds[-2:] != [SEAL, CHECKPOINT]
        if files[name][:length] != mutated[name][:length] or not may_differ and len(mutated[name]) != length:
            return False
    return True


@dataclasses.dataclass
class Parsed:
    """A good log. frames: {name: [(type, start, end)]} of what counts; header_bytes: each in turn, and again."""
    files: dict
    names: list
    headers: dict
    counted: dict
    frames: dict
    header_bytes: object
    other: dict = None


def parse(files):
    counted = audit_format.counted_lengths(files)
    names, headers = list(counted), {name: audit_format.parse_header(files[name]) for name in counted}
    frames = {name: list(audit_format.frames(files[name], counted[name])) for name in names}
    places = [(name, offset) for name in names for offset in range(len(headers[name].raw))]
    return Parsed(files, names, headers, counted, frames, itertools.cycle(places))


def _replaced(log, name, data):
    return log.files | {name: data}


def _file(log, source):
    """A file, the likelier the longer it is, and its bytes."""
    name = source.choices(log.names, [len(log.files[each]) for each in log.names])[0]
    return name, log.files[name]


def _range(data, source):
    start = source.randrange(len(data))
    return start, min(len(data), start + source.randint(1, RANGE_BYTES_MAX))


def bit_flip(log, source):
    name, data = _file(log, source)
    offset, bit = source.randrange(len(data)), source.randrange(8)
    return f"{name} at {offset}, bit {bit}", _replaced(log, name, _changed(data, offset, data[offset] ^ 1 << bit))


def _changed(data, offset, byte):
    return data[:offset] + bytes([byte]) + data[offset + 1:]


def header_byte(log, source):
    name, offset = next(log.header_bytes)
    data, byte = log.files[name], source.randint(1, 255)
    return f"{name} at {offset}, xor {byte}", _replaced(log, name, _changed(data, offset, data[offset] ^ byte))


def cut(log, source):
    """A file is cut, at any byte or between frames; half of the time the files behind it are gone too."""
    name, data = _file(log, source)
    ends = [len(log.headers[name].raw)] + [end for _, _, end in log.frames[name]]
    length = source.choice(ends) if source.random() < 0.5 else source.randrange(len(data))
    gone = log.names[log.names.index(name) + 1:] if source.random() < 0.5 else []
    mutated = {each: content for each, content in _replaced(log, name, data[:length]).items() if each not in gone}
    return f"{name} to {length}, {len(gone)} files behind it gone", mutated


def segments(log, source):
    """A segment is gone, two have changed places, or one has another's name."""
    name, second = source.choice(log.names), source.choice(log.names)
    action = source.choice(["gone", "swapped", "copied", "renamed"])
    mutated = dict(log.files)
    if action == "gone":
        del mutated[name]
    elif action == "renamed":
        mutated[audit_format.segment_name(log.headers[name].seq + source.choice([1, 2, 10]))] = mutated.pop(name)
    else:
        mutated[second] = log.files[name]
        if action == "swapped":
            mutated[name] = log.files[second]
    return f"{name} {action}, {second}", mutated


def bytes_range(log, source):
    """A range of bytes is overwritten, zeroed, removed, doubled, or random bytes are put in front of it."""
    name, data = _file(log, source)
    start, end = _range(data, source)
    middle, noise = data[start:end], source.randbytes(end - start)
    action = source.choice(["overwritten", "zeroed", "removed", "doubled", "inserted"])
    middle = {"overwritten": noise, "zeroed": bytes(end - start), "removed": b"", "doubled": middle + middle,
              "inserted": noise + middle}[action]
    return f"{name} {start} to {end} {action}", _replaced(log, name, data[:start] + middle + data[end:])


def appended(log, source):
    """Bytes behind a file's end: noise, zeros, or frames of the log."""
    name, data = _file(log, source)
    noise = source.randbytes(source.randint(1, RANGE_BYTES_MAX))
    kind, start, end = source.choice(log.frames[name])
    tail = source.choice([noise, bytes(len(noise)), data[start:end], data[start:]])
    return f"{name}, {len(tail)} bytes", _replaced(log, name, data + tail)


def splice(log, source):
    """A range of one file, or of another log's, stands in another place."""
    name, data = _file(log, source)
    from_name = source.choice(sorted(log.other))
    start, end = _range(log.other[from_name], source)
    place = source.randrange(len(data))
    taken = log.other[from_name][start:end]
    behind = place + (len(taken) if source.random() < 0.5 else 0)
    what = f"{from_name} {start} to {end} in {name} at {place} over {behind - place} bytes"
    return what, _replaced(log, name, data[:place] + taken + data[behind:])


def frames(log, source):
    """Frames are removed, doubled, swapped, retyped or taken from elsewhere; half of the time all are numbered anew."""
    name = source.choice(log.names)
    pieces = [log.files[name][start:end] for _, start, end in log.frames[name]]
    at, second = source.randrange(len(pieces)), source.randrange(len(pieces))
    action = source.choice(["removed", "doubled", "swapped", "retyped", "taken"])
    if action == "removed":
        del pieces[at]
    elif action == "doubled":
        pieces.insert(second, pieces[at])
    elif action == "swapped":
        pieces[at], pieces[second] = pieces[second], pieces[at]
    elif action == "retyped":
        pieces[at] = _changed(pieces[at], 0, source.choice([0, 1, 2, 3, 4, 255]))
    else:
        other = source.choice(log.names)
        _, start, end = source.choice(log.frames[other])
        pieces[at] = log.files[other][start:end]
    is_renumbered = source.random() < 0.5
    if is_renumbered:
        pieces = renumbered(pieces, log.headers[name].first + 1)
    data = log.headers[name].raw + b"".join(pieces) + log.files[name][log.counted[name]:]
    what = f"{name} frame {at} {action}, {second}{', numbered anew' if is_renumbered else ''}"
    return what, _replaced(log, name, data)


KINDS = [bit_flip, header_byte, cut, frames, bytes_range, splice, segments, frames, appended, forged_seal, bit_flip,
         taken_over]
