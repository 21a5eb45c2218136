"""What it costs a busy server that its page is read: throughput and CPU of S, scraped at a rate, against the same server alone.

usage: scrapes.py VENCEJO VENCEJO_METRICS [--hertz 10] [--rounds 9] [--rate max] [--away | --before OTHER_VENCEJO]

Two servers on one core, generator, agent and scraper on the other; `vencejo bench --compare` takes turns. With --away both
servers tell of each call, and the second one's agent sends the spans to a collector that is not there; nobody scrapes. With
--before the first server is another build, and there is no agent: what a change costs.
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


def metrics():
    return urllib.request.urlopen(f"http://127.0.0.1:{AGENT}/metrics", timeout=10).read().decode()


def scrape(hertz, stop, counts):
    while not stop.is_set():
        began = time.monotonic()
        counts.append(len(metrics()))
        stop.wait(max(0, 1 / hertz - (time.monotonic() - began)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vencejo")
    parser.add_argument("agent", nargs="?")
    parser.add_argument("--hertz", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--rate", default="max")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--away", action="store_true")
    either.add_argument("--before")
    options = parser.parse_args()
    folder = tempfile.mkdtemp()
    row = pathlib.Path(folder, "row.json")
    row.write_text(str([[float(number) for number in range(30)]]))
    page = f"{folder}/page"
    processes, stop, counts = [], threading.Event(), []
    try:
        traced = ["--trace-ratio", "1"] if options.away else []
        alone = [] if options.before else ["--metrics-page", f"{folder}/alone"]
        first = serve(options.before or options.vencejo, 9001, folder, *alone, *traced)
        second = serve(options.vencejo, 9002, folder, "--metrics-page", page, *traced)
        processes += [first, second]
        time.sleep(3)
        if not options.before:
            os.sched_setaffinity(0, {1})
            # Nobody listens at port 9.
            away = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"} if options.away else {}
            processes.append(subprocess.Popen([options.agent, "--page", page, "--listen", f"127.0.0.1:{AGENT}"],
                                              env=os.environ | away, stderr=subprocess.DEVNULL))
            time.sleep(1)
            if not options.away:
                threading.Thread(target=scrape, args=(options.hertz, stop, counts), daemon=True).start()
        return subprocess.run(
            ["taskset", "-c", "1", options.vencejo, "bench", "identity", "--protocol", "oip", "--input", f"x=@{row}",
             "--rate", options.rate, "--connections", "2", "--in-flight", "128", "--endpoint", "127.0.0.1:9001", "--compare",
             "127.0.0.1:9002", "--server-pid", str(first.pid), "--compare-pid", str(second.pid), "--rounds",
             str(options.rounds), "--duration", "3s"]).returncode
    finally:
        stop.set()
        if counts:
            print(f"{len(counts)} scrapes of {counts[-1]} bytes")
        if options.away:
            print(*(line for line in metrics().splitlines() if line.startswith("vencejo_trace_spans")), sep="\n")
        for process in processes:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
