"""The binary's client commands as processes, and their exit codes."""
import os
import subprocess

from server import binary

DONE, FAILED, USAGE, NOT_READY, UNREACHABLE, UNDECIDED = range(6)


def command(*arguments, **environment):
    """(exit code, stdout, stderr). What fails says so in one line, what succeeds says nothing on stderr."""
    # Of a command that ends at once the address sanitizer takes for leaked what the argument parser still refers to by tagged
    # references. Servers are looked at.
    quiet = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
    done = subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **quiet, **environment})
    if done.returncode == DONE:
        assert done.stderr == ""
    else:
        assert done.stderr.startswith("vencejo: ") and done.stderr.count("\n") == 1 and done.stderr.endswith("\n")
    return done.returncode, done.stdout, done.stderr
