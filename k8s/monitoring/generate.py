#!/usr/bin/env python3
"""Writes prometheus-rule.yaml: what rules/*.yaml say, for the Prometheus operator. With --check: says whether it is so.

The plain files are the source: promtool reads and tests them. Nothing but Python is needed.
"""
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE / "prometheus-rule.yaml"
HEAD = """\
# Made by generate.py from rules/*.yaml: change those.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: vencejo
  labels:
    app.kubernetes.io/name: vencejo
spec:
  groups:
"""


def groups(path):
    """A file's groups, two columns deeper; the comments above them stay in the file."""
    _, found, below = path.read_text().partition("\ngroups:\n")
    if not found:
        sys.exit(f"{path}: a line \"groups:\" is expected, below a comment that says what the file is for")
    return "".join(f"  {line}\n" if line else "\n" for line in below.splitlines())


def generated():
    return HEAD + "".join(groups(path) for path in sorted((HERE / "rules").glob("*.yaml")))


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit("usage: generate.py [--check]")
    if not sys.argv[1:]:
        TARGET.write_text(generated())
    elif not TARGET.exists() or TARGET.read_text() != generated():
        sys.exit(f"{TARGET.name} is not what rules/*.yaml say: run generate.py and commit what it wrote")
