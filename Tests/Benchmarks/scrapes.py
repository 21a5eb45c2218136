"""What it costs a busy server that its page is read: throughput and CPU of S, scraped at a rate, against the same server alone.

usage: scrapes.py VENCEJO VENCEJO_METRICS [--hertz 10] [--rounds 9] [--before OTHER_VENCEJO]

Two servers on one core, generator, agent and scraper on the other; `vencejo bench --compare` takes turns. With --before the
first server is another build, and nobody scrapes: what a change costs.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT / "Tests/Fixtures/models"
AGENT = 9465


def serve(binary, port, folder, *arguments):
    return subprocess.Popen(
        ["taskset", "-c", "0", binary, "serve", "--repository", str(MODELS), "--grpc", f"127.0.0.1:{port}", "--shards",
         "1", "--state", f"{folder}/{port}.json", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def scrape(hertz, stop, counts):
    while not stop.is_set():
        began = time.monotonic()
        counts.append(len(urllib.request.urlopen(f"http://127.0.0.1:{AGENT}/metrics", timeout=10).read()))
        stop.wait(max(0, 1 / hertz - (time.monotonic() - began)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vencejo")
    parser.add_argument("agent", nargs="?")
    parser.add_argument("--hertz", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--before")
    options = parser.parse_args()
    folder = tempfile.mkdtemp()
    row = pathlib.Path(folder, "row.json")
    row.write_text(str([[float(number) for number in range(30)]]))
    page = f"{folder}/page"
    processes, stop, counts = [], threading.Event(), []
    try:
        first = serve(options.before or options.vencejo, 9001, folder, *([] if options.before else ["--metrics-page", f"{folder}/alone"]))
        second = serve(options.vencejo, 9002, folder, "--metrics-page", page)
        processes += [first, second]
        time.sleep(3)
        if not options.before:
            os.sched_setaffinity(0, {1})
            processes.append(subprocess.Popen([options.agent, "--page", page, "--listen", f"127.0.0.1:{AGENT}"],
                                              stderr=subprocess.DEVNULL))
            time.sleep(1)
            threading.Thread(target=scrape, args=(options.hertz, stop, counts), daemon=True).start()
        return subprocess.run(
            ["taskset", "-c", "1", options.vencejo, "bench", "identity", "--protocol", "oip", "--input", f"x=@{row}",
             "--rate", "max", "--connections", "2", "--in-flight", "128", "--endpoint", "127.0.0.1:9001", "--compare",
             "127.0.0.1:9002", "--server-pid", str(first.pid), "--compare-pid", str(second.pid), "--rounds",
             str(options.rounds), "--duration", "3s"]).returncode
    finally:
        stop.set()
        if counts:
            print(f"{len(counts)} scrapes of {counts[-1]} bytes")
        for process in processes:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
