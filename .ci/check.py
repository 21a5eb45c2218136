#!/usr/bin/env python3
"""The inner loop: lints what changed and runs its tests, in debug builds. `make check`; CI runs everything.

    .ci/check.py             since the upstream branch, or since HEAD where there is none; uncommitted files included
    .ci/check.py REVISION    since REVISION

Swift: the tests of each target that changed and of the targets that use it. System tests: the modules that changed, and a
short selection when the server or what the modules share changed, against the debug binary.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
SWIFT = ["--explicit-target-dependency-import-check", "error"]
SELECTION = ["test_answers.py", "test_bad_wire.py"]  # each protocol, each type, each rule of the wire, in seconds
began = time.monotonic()


def output(*command):
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def step(name, *command, **environment):
    """Runs a command; a failure ends the check."""
    start = time.monotonic()
    print(f"==> {name}", flush=True)
    code = subprocess.run(command, cwd=ROOT, env=os.environ | environment).returncode
    print(f"==> {name}: {time.monotonic() - start:.0f} s", flush=True)
    if code != 0:
        sys.exit(f"check: {name} failed after {time.monotonic() - began:.0f} s: {' '.join(command)}")


def changed(base):
    """Files that exist and differ from `base`."""
    names = output("git", "diff", "--name-only", base) + output("git", "ls-files", "--others", "--exclude-standard")
    return sorted(name for name in set(names.splitlines()) if (ROOT / name).is_file())


def default_base():
    base = output("git", "merge-base", "HEAD", "@{upstream}").strip() or "HEAD"
    return base if changed(base) else "HEAD~1"


def affected(files):
    """The test targets of the top package that a change of these files can reach."""
    package = json.loads(output("swift", "package", "dump-package") or '{"targets": []}')
    uses, folders = {}, {}
    for target in package["targets"]:
        uses[target["name"]] = {next(iter(each.values()))[0] for each in target["dependencies"]}
        folders[target["name"]] = target.get("path") or f"Tests/{target['name']}"
    if "Package.swift" in files:
        reached = set(uses)
    else:
        reached = {name for name, folder in folders.items() if any(file.startswith(f"{folder}/") for file in files)}
    while more := {name for name, below in uses.items() if below & reached} - reached:
        reached |= more
    return sorted(target["name"] for target in package["targets"] if target["type"] == "test" and target["name"] in reached)


def main(base):
    files = changed(base)
    print(f"==> {len(files)} files changed since {base}", flush=True)
    step("wording", sys.executable, ".ci/wording.py")
    swift = [file for file in files if file.endswith(".swift")]
    if swift:
        step("format", "swift", "format", "lint", "--strict", *swift)
    if any(file.startswith("proto/") for file in files):
        step("generated", "proto/check.sh")
    server = [file for file in files if re.match(r"(Sources/|Package\.swift)", file)]
    helpers = [file for file in files if re.match(r"Tests/(SystemTests/(?!test_)|Fixtures/).*\.py", file)]
    if targets := affected(files):
        step("build", "swift", "build", "--build-tests", "--quiet", *SWIFT)
        step("Swift tests", "swift", "test", "--skip-build", "--quiet", "--filter", f"^({'|'.join(targets)})\\.")
    if any(re.match(r"agents/.*\.swift", file) for file in files):
        step("agents", "make", "build-agents")
    modules = {pathlib.Path(file).name for file in files if re.match(r"Tests/SystemTests/test_\w+\.py", file)}
    if modules or helpers or server:
        python = ROOT / ".venv/bin/python"
        if not python.exists():
            step("Python packages", "make", ".venv/ready")
        if not server:
            step("build", "swift", "build", "--quiet", *SWIFT)
        selected = [f"Tests/SystemTests/{name}" for name in sorted(modules | set(SELECTION if helpers or server else []))]
        step("system tests", str(python), "-m", "pytest", "-q", "-n", "4", "--dist", "worksteal", *selected, VENCEJO_BIN=".build/debug/vencejo")
    print(f"==> checked in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main(*(sys.argv[1:2] or [default_base()]))
