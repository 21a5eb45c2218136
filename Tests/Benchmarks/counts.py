"""Reads what valgrind's tools wrote: costs by function (callgrind), calls of the allocator with their stacks, copies (dhat).

Format: valgrind's manual, "Callgrind Format Specification"; dh_main.c for dhat's JSON.
"""
import collections
import dataclasses
import json
import re

ALLOCATORS = ("malloc", "calloc", "realloc", "aligned_alloc", "posix_memalign", "memalign")
#: Below them is not our code: what a model's runtime allocates inside a run is its own.
RUNTIME = ("libonnxruntime", "libstdc++")


@dataclasses.dataclass
class Profile:
    """Counts of one process. Keys are functions as (object, name); of allocations stacks, innermost first."""
    instructions: collections.Counter
    system_calls: collections.Counter
    allocations: collections.Counter

    def __sub__(self, other):
        return Profile(*(subtract(getattr(self, field.name), getattr(other, field.name))
                         for field in dataclasses.fields(self)))


def subtract(left, right):
    return collections.Counter({key: value for key in left | right if (value := left[key] - right[key])})


def object_name(path):
    return re.sub(r"\.so.*", "", path.rpartition("/")[2])


def read_callgrind(path):
    names = {"ob": {}, "fn": {}}
    profile = Profile(*(collections.Counter() for _ in range(3)))
    events, obj, function, callee, calls = [], "?", "?", "?", 0

    def named(kind, text):
        number, _, name = text.partition(" ")
        if name:
            names[kind][number] = name
        return names[kind][number]

    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            key, _, value = line.rstrip("\n").partition("=")
            if line.startswith("events:"):
                events = line.split()[1:]
            elif key == "ob":
                obj = object_name(named("ob", value))
            elif key == "fn":
                function = named("fn", value)
            elif key == "cob":
                named("ob", value)
            elif key == "cfn":
                callee = named("fn", value)
            elif key == "calls":
                calls = int(value.split()[0])
                next(lines)  # what the callee cost, which is counted where the callee stands
                stack = tuple(callee.split("'"))
                if stack[0] in ALLOCATORS:
                    profile.allocations[obj, stack] += calls
            elif line[:1] in "0123456789+-*":
                costs = dict(zip(events, map(int, line.split()[1:])))
                name = obj, function.partition("'")[0]
                profile.instructions[name] += costs.get("Ir", 0)
                profile.system_calls[name] += costs.get("sysCount", 0)
    return profile


def read_copies(path):
    """Bytes copied, by stack."""
    with open(path, encoding="utf-8") as file:
        written = json.load(file)
    frames = [re.sub(r"^0x[0-9A-F]+: ", "", frame) for frame in written["ftbl"]]
    copies = collections.Counter()
    for point in written["pps"]:
        copies[tuple(frames[index] for index in point["fs"])] += point["tb"]
    return copies
