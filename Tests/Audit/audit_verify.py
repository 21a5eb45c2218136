#!/usr/bin/env python3
"""Verifies audit logs without any of Vencejo's own code: `audit_verify.py DIR [--keys DIR] [--pubkey F] …`.

Exit status: 0 whole, 1 tampered or broken, 2 unclean or not covered, 3 not all could be checked, 4 usage or I/O.
"""
import argparse
import json
import sys
import traceback

import audit_inputs
from audit_format import LOG_NAME
from audit_log import verify_log

WHOLE, TAMPERED, UNCLEAN, UNCHECKED, UNUSABLE = range(5)
FAULT = 70  # of this program: its exit must not be taken for a verdict


def verify(folder, keys=None, pubkey=None, expect=None):
    """The report on DIR as a dict; its `exit` is the exit status. Each argument is a path."""
    try:
        audit_keys = None if keys is None else audit_inputs.read_keys(keys)
        public_keys = None if pubkey is None else audit_inputs.read_public_keys(pubkey)
        expected = [] if expect is None else audit_inputs.read_expected(expect, public_keys)
        logs, is_one = audit_inputs.read_logs(folder)
    except (OSError, audit_inputs.Unusable) as error:
        return {"exit": UNUSABLE, "problems": [str(error)], "passed_over": 0, "logs": []}
    return judge(logs, is_one, audit_keys, public_keys, expected)


def judge(logs, is_one=False, keys=None, public_keys=None, expected=()):
    """The report on logs in memory: {folder's name: {file's name: bytes}}; is_one: DIR is the one log's folder."""
    verified = [verify_log(name, files, keys, public_keys, expected) for name, files in sorted(logs.items())]
    absent, passed_over = check_absent(verified, is_one, expected)
    problems = absent + ([] if is_one else check_numbers(verified))
    if problems or any(log.is_tampered for log in verified):
        status = TAMPERED
    elif public_keys is None or not all(log.has_all_keys for log in verified):
        status = UNCHECKED
    elif not verified or any(log.is_unclean for log in verified):
        status = UNCLEAN
    else:
        status = WHOLE
    passed_over += sum(log.passed_over for log in verified)
    logs = [describe(log) for log in verified]
    return {"exit": status, "problems": problems, "passed_over": passed_over, "logs": logs}


def describe(log):
    return {
        "name": log.name, "origin": log.origin, "first": log.first, "entries": log.entries, "records": log.records,
        "checkpoints": log.checkpoints, "covered": log.covered, "root": log.root.hex() if log.root else None,
        "notes": log.notes, "problems": log.problems}


def _oldest_log(verified):
    """Logs below this number may be gone, as a covered header says."""
    return max((header.oldest_log for log in verified for header in log.covered_headers()), default=0)


def check_numbers(verified):
    """The numbers in a folder of logs are a … n, each once; a covered header says that those below a may be gone."""
    numbers = sorted(int(LOG_NAME.fullmatch(log.name)[1]) for log in verified)
    problems = []
    if numbers and numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        problems.append(f"the logs' numbers are {', '.join(map(str, numbers))}: one is missing or there twice")
    if numbers and numbers[0] > _oldest_log(verified):
        problems.append(f"the logs below {numbers[0]} are gone, and no covered header says so")
    return problems


def check_absent(verified, is_one, expected):
    """(problems, how many are passed over) of expected checkpoints whose log is not here, or without a header."""
    here = {log.origin for log in verified}
    without_header = {log.name[-32:] for log in verified if log.origin is None}
    problems, passed_over = [], 0
    for checkpoint in expected:
        if checkpoint.origin in here:
            continue
        if is_one:
            may_be_absent = not without_header
        else:
            number = int.from_bytes(checkpoint.log_id[:2], "big")
            may_be_absent = number < _oldest_log(verified) and checkpoint.log_id.hex() not in without_header
        if may_be_absent:
            passed_over += 1
        else:
            problems.append(f"a checkpoint of {checkpoint.origin} is expected, and this log is not here")
    return problems, passed_over


def print_report(report):
    for problem in report["problems"]:
        print(problem)
    for log in report["logs"]:
        print(f"{log['name']}: {log['entries']} entries from {log['first']}, {log['records']} records,",
              f"{log['checkpoints']} checkpoints, {log['covered']} covered, root {log['root']}")
        for kind in "problems", "notes":
            for place in log[kind]:
                print(f"  {kind[:-1]}: {place['file'] or 'log'} at {place['offset']}: {place['text']}")
    if report["passed_over"]:
        print(f"{report['passed_over']} expected checkpoints were passed over")
    print(f"exit {report['exit']}")


class Arguments(argparse.ArgumentParser):
    def error(self, message):
        self.print_usage(sys.stderr)
        self.exit(UNUSABLE, f"{self.prog}: {message}\n")


def main(arguments=None):
    parser = Arguments(prog="audit_verify.py", description=__doc__.split("\n")[0])
    parser.add_argument("folder", metavar="DIR", help="one log's folder, or a folder of logs")
    parser.add_argument("--keys", metavar="DIR", help="the audit keyring's folder")
    parser.add_argument("--pubkey", metavar="F", help="public keys: lines of base64 or C2SP vkeys")
    parser.add_argument("--expect-checkpoint", metavar="F", dest="expect", help="a note, or an anchor file")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    report = verify(options.folder, options.keys, options.pubkey, options.expect)
    if options.json:
        print(json.dumps(report))
    else:
        print_report(report)
    return report["exit"]


if __name__ == "__main__":
    try:
        status = main()
    except Exception:  # noqa: BLE001
        traceback.print_exc()
        status = FAULT
    sys.exit(status)
