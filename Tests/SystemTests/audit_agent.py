"""`vencejo-audit run` as a process beside a server, its keys and its log; and what both verifiers say of that."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

from command_line import command
from server import PATIENCE, ROOT

sys.path.insert(0, str(ROOT / "Tests" / "Audit"))

import audit_verify  # noqa: E402


def binary():
    return os.environ.get("VENCEJO_AUDIT_BIN", ROOT / ".build-agents" / "debug" / "vencejo-audit")


def run(*arguments):
    """(exit status, standard output, standard error)"""
    done = subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


class Auditing:
    """Keys, a log, an anchor file, and the agent that writes them, which may be killed and started again."""

    def __init__(self, place, ring, *arguments):
        self.place, self.ring, self.arguments = pathlib.Path(place), pathlib.Path(ring), arguments
        self.log, self.keys, self.anchor = self.place / "log", self.place / "keys", self.place / "anchors"
        self.keys.mkdir()
        for purpose in "audit", "checkpoint", "subject-store", "subject-index":
            code, _, error = command("key", "generate", "--ring", self.keys / purpose, "--purpose", purpose)
            assert code == 0, error
        public = json.loads(command("key", "list", "--ring", self.keys / "checkpoint", "-o", "json")[1])
        self.pubkey = self.place / "pubkey"
        self.pubkey.write_text("".join(f"{key['public_key']}\n" for key in public["keys"]))
        self.process = None

    def start(self, output=subprocess.DEVNULL, **environment):
        self.errors = (self.place / "agent.log").open("a")
        self.process = subprocess.Popen(
            [binary(), "run", "--log", self.log, "--ring", self.ring, "--keys", self.keys, "--deployment", "test",
             "--anchor", self.anchor, *map(str, self.arguments)], stdout=output, stderr=self.errors,
            env=os.environ | environment)
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """By SIGTERM: all that is in the rings is in the log then."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=PATIENCE) == 0, self.said()

    def said(self):
        return (self.place / "agent.log").read_text()

    def records(self):
        """What the log holds, oldest first: {"index", "record", "payload"}."""
        found = []
        for log in sorted(self.log.glob("log-*")):
            code, out, error = run("export", log, "--keys", self.keys / "audit", "--payload-keys", self.log / "payload.keys",
                                   "--store-keys", self.keys / "subject-store")
            assert code == 0, error
            found += [json.loads(line) for line in out.splitlines()]
        return found

    def calls(self):
        return [each for each in self.records() if "call" in each["record"]]

    def until(self, enough):
        """The records, as soon as `enough` of them says so."""
        end = time.monotonic() + PATIENCE
        while not enough(found := self.records() if self.log.exists() else []):
            assert time.monotonic() < end, f"{len(found)} records came; the agent said {self.said()}"
            time.sleep(0.1)
        return found

    def verify(self):
        """The exit status, which both verifiers must give."""
        code, out, error = run("verify", self.log, "--pubkey", self.pubkey, "--keys", self.keys / "audit",
                               "--expect-checkpoint", self.anchor)
        other = audit_verify.verify(self.log, self.keys / "audit", self.pubkey, self.anchor)
        assert code == other["exit"], (out, error, other)
        return code
