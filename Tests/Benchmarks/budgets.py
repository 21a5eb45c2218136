"""What a request may cost, in counts that are the same on every machine; Budgets.json says how much.

usage: budgets.py [--only NAME]... [--profile N] [--output table|json] [--write]

Counts instructions, calls of the allocator, bytes copied and system calls of the release server for each request of the
workloads (workloads.py), and instructions and calls of the allocator for each operation of the micro benchmarks (Micro).
measure.py says how. Exit 1: a count is above its budget. Times are printed and judged by nobody.
"""
import argparse
import collections
import concurrent.futures
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

import measure
from workloads import WORKLOADS

BUDGETS = pathlib.Path(__file__).resolve().parent / "Budgets.json"
#: What `--write` adds to what was measured. A run repeats another to less than 0.1 % of its instructions; of system calls,
#: which a busy machine divides otherwise, to about 5 %; one more for each write would be 40 %.
HEADROOM = {"instructions": 0.03, "instructions with runtime": 0.1, "mallocs": 0, "bytes copied": 0.02,
            "system calls": 0.3}
#: And this: what is nothing for each request may happen now and then. A server that loads files (forest)
#: keeps a note of each load, and two starts of it differ by some mallocs: its budget was given 0.1 by hand.
SLACK = {"mallocs": 0.01}
#: A count that fell by so much has a budget that guards nothing.
STALE = 0.25


def allowed(count, measured):
    most = measured * (1 + HEADROOM[count]) + SLACK.get(count, 0)
    return round(most, 4) if most < 100 else math.ceil(most)


def judge(measured, budgets):
    """Sentences about what is not as it should be: counts above their budgets, counts without one."""
    for name, counts in measured.items():
        for count, value in counts.items():
            budget = budgets.get(name, {}).get(count)
            if budget is None:
                yield f"{name}: no budget says how many {count} are allowed: write one with --only {name!r} --write"
            elif value > budget:
                yield f"{name}: {number(value)} {count}, allowed are {number(budget)} ({value / budget - 1:+.1%})"


def stale(measured, budgets):
    """Names of counts that are far below their budgets."""
    return [f"{name}: {count}" for name, counts in measured.items() for count, value in counts.items()
            if count != "mallocs" and value < budgets.get(name, {}).get(count, 0) * (1 - STALE)]


def number(value):
    return f"{value:,.0f}".replace(",", " ") if value >= 1000 else f"{value:.4g}" if value < 1 else f"{value:.1f}"


def table(counted, budgets):
    yield f"{'':42}{'COUNT':28}{'MEASURED':>10}{'BUDGET':>10}{'HEADROOM':>10}{'TIME, us':>10}"
    for each in counted:
        time = f"{each.nanoseconds / 1000:.2f}"
        for count, value in each.values().items():
            budget = budgets.get(each.name, {}).get(count)
            left = f"{1 - value / budget:.1%}" if budget else "-"
            shown = number(budget) if budget else "-"
            name = each.name if time else ""
            yield f"{name:42}{count:28}{number(value):>10}{shown:>10}{left:>10}{time:>10}"
            time = ""


def report(counted, budgets):
    return {each.name: {"count": each.count, "nanoseconds": round(each.nanoseconds, 1), "budgets": budgets.get(each.name),
                        "measured": each.values(), "instructions by object": dict(each.by_object().most_common())}
            for each in counted}


def profile(each, lines):
    """Where the counts of one workload come from."""
    instructions = collections.Counter()
    for (obj, name), n in each.profile.instructions.items():
        instructions[f"{name}  [{obj}]"] += n
    yield f"{each.name}: instructions by object"
    yield from (f"{n:12.1f}  {obj}" for obj, n in each.by_object().most_common(lines))
    yield f"{each.name}: instructions by function"
    yield from (f"{n / each.count:12.1f}  {name}" for name, n in instructions.most_common(lines))
    calls = collections.Counter({name: n for (_, name), n in each.profile.system_calls.items() if n > 0})
    yield f"{each.name}: system calls"
    yield from (f"{n / each.count:12.4f}  {name}" for name, n in calls.most_common(lines))
    for what, stacks in (("mallocs", each.own_allocations()), ("bytes copied", each.own_copies())):
        yield f"{each.name}: {what} by stack"
        for stack, n in collections.Counter(stacks).most_common(lines):
            yield f"{n / each.count:12.4f}  {' < '.join(frame.partition(' (in ')[0] for frame in stack)}"


def demangled(lines):
    text = "\n".join(lines)
    return subprocess.run(["swift", "demangle", "--simplified"], input=text, capture_output=True, text=True).stdout or text


def count(place, chosen):
    """Counts side by side, one run for each core; then times, one after another."""
    workloads = [workload for workload in WORKLOADS if chosen(workload.name)]
    operations = [name for name in measure.micro_names(place) if chosen(name)]
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        # The longest first.
        longest = sorted(workloads, key=lambda workload: not workload.has_runtime)
        begun = {workload.name: measure.begin_workload(pool, place, workload) for workload in longest}
        begun |= {name: measure.begin_micro(pool, place, name) for name in operations}
        counted = [measure.counted_workload(workload, begun[workload.name]) for workload in workloads]
        counted += [measure.counted_micro(name, begun[name]) for name in operations]
    times = {workload.name: measure.time_workload(place, workload) for workload in workloads}
    times |= {name: measure.time_micro(place, name) for name in operations}
    for each in counted:
        each.nanoseconds = times[each.name]
    return counted


def settled(place, each, budgets):
    """A busy machine divides the same work over more system calls: where nothing else is above its budget the least of three
    counts is what counts."""
    for _ in range(2):
        limits = budgets.get(each.name, {})
        if [count for count, value in each.values().items() if value > limits.get(count, math.inf)] != ["system calls"]:
            break
        other, = count(place, each.name.__eq__)
        each = min(each, other, key=lambda one: one.values()["system calls"])
    return each


def write(counted, budgets):
    for each in counted:
        budgets[each.name] = {count: allowed(count, value) for count, value in each.values().items()}
    unit = "for each request or operation; bytes copied by memcpy and its like, not by the kernel"
    BUDGETS.write_text(json.dumps({"unit": unit, "budgets": budgets}, indent=2) + "\n")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="NAME", help="a workload or a micro benchmark")
    parser.add_argument("--profile", type=int, default=0, metavar="N", help="the N functions and stacks that count most")
    parser.add_argument("--output", choices=["table", "json"], default="table")
    parser.add_argument("--write", action="store_true", help="make what is measured, and some headroom, the budget")
    return parser.parse_args()


def main():
    given = arguments()
    budgets = json.loads(BUDGETS.read_text())["budgets"] if BUDGETS.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        place = measure.Place(folder)
        counted = [settled(place, each, budgets)
                   for each in count(place, lambda name: given.only is None or name in given.only)]
    if not counted:
        sys.exit(f"--only {' '.join(given.only)}: names neither a workload nor a micro benchmark")
    if given.write:
        write(counted, budgets)
    if given.output == "json":
        print(json.dumps(report(counted, budgets), indent=2))
    else:
        print("\n".join(table(counted, budgets)))
    if given.profile:
        print(demangled(line for each in counted for line in profile(each, given.profile)))
    measured = {each.name: each.values() for each in counted}
    if fallen := stale(measured, budgets):
        print(f"far below their budgets, which --write lowers: {', '.join(fallen)}", file=sys.stderr)
    if wrong := list(judge(measured, budgets)):
        print("\n".join(wrong), file=sys.stderr)
        print("what grew: budgets.py --only NAME --profile 20, here and at the commit before; where it is worth its price: "
              "budgets.py --only NAME --write, and say why in the commit", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
