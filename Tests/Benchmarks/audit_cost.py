"""What a record of each call costs: CPU and latency of S with an audit log, against the same server without one.

usage: audit_cost.py VENCEJO VENCEJO_AUDIT [--policy ring,closed] [--rate 20000] [--rounds 9] [--log DIR]

Two servers on one core; generator and agent on the other; `vencejo bench --compare` takes turns. Then what the agent took for a
record, and what a write and fdatasync(2) of 4 KiB takes in the log's folder. A rate that the agent cannot follow fills the ring:
then calls are refused, and the report says so.
"""
import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

from scrapes import serve


def processor_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sync_milliseconds(folder):
    taken = []
    with open(folder / "sync", "wb", buffering=0) as file:
        for _ in range(200):
            began = time.monotonic()
            file.write(bytes(4096))
            os.fdatasync(file)
            taken.append(1000 * (time.monotonic() - began))
    return statistics.median(taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vencejo")
    parser.add_argument("agent")
    parser.add_argument("--policy", default="ring,closed")
    parser.add_argument("--rate", default="20000")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--log", help="a folder on the disk to measure; default: a temporary one")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(dir=options.log))
    row = folder / "row.json"
    row.write_text(str([[float(number) for number in range(30)]]))
    (folder / "keys").mkdir()
    for purpose in "audit", "checkpoint", "subject-store", "subject-index":
        subprocess.run([options.vencejo, "key", "generate", "--ring", folder / "keys" / purpose, "--purpose", purpose],
                       check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix="vj-", dir="/dev/shm") as ring:
        first = serve(options.vencejo, 9001, folder, "--metrics-page", "off")
        second = serve(options.vencejo, 9002, folder, "--metrics-page", "off", "--audit-ring", ring, "--audit-ring-bytes", "64M",
                       "--audit-predictions", options.policy)
        agent = subprocess.Popen(["taskset", "-c", "1", options.agent, "run", "--log", folder / "log", "--ring", ring, "--keys",
                                  folder / "keys", "--deployment", "bench", "--anchor", folder / "anchors"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(3)
            before = processor_seconds(agent)
            code = subprocess.run(
                ["taskset", "-c", "1", options.vencejo, "bench", "identity", "--protocol", "oip", "--input", f"x=@{row}", "--rate",
                 options.rate, "--connections", "2", "--in-flight", "128", "--endpoint", "127.0.0.1:9001", "--compare",
                 "127.0.0.1:9002", "--server-pid", str(first.pid), "--compare-pid", str(second.pid), "--rounds",
                 str(options.rounds), "--duration", "3s"]).returncode
            time.sleep(1)
            taken = processor_seconds(agent) - before
        finally:
            for process in first, second, agent:
                process.terminate()
                process.wait()
    told = subprocess.run([options.agent, "verify", folder / "log", "--keys", folder / "keys" / "audit"], capture_output=True,
                          text=True).stdout
    records = int(re.search(r"(\d+) of them records", told)[1])
    size = sum(file.stat().st_size for file in (folder / "log").glob("log-*/*"))
    print(f"agent: {1e6 * taken / records:.2f} us of a core a record, {records} records, {size / records:.0f} bytes each; "
          f"write and fdatasync: {sync_milliseconds(folder):.2f} ms (median)")
    return code


if __name__ == "__main__":
    sys.exit(main())
