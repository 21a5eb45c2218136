"""What a metrics agent says of a busy server, made up: every metric that there is, with counters that move.

Two models, one of them in a rollout, and callers who ask for a third that is not there. All counters grow evenly with time.
"""
import contextlib
import http.server
import threading
import time

LE = "0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 30".split()
ROWS_LE = [str(2 ** power) for power in range(11)]
DIGESTS = {("iris", "6"): "6a" * 32, ("iris", "7"): "7b" * 32, ("tickets", "1"): "c1" * 32}
SLOTS = {("iris", "6"): "blue", ("iris", "7"): "green", ("tickets", "1"): "blue"}
SHARE = {("iris", "6"): 0.75, ("iris", "7"): 0.25, ("tickets", "1"): 1.0}
# Predictions in a second.
RATE = {("iris", "6"): 300, ("iris", "7"): 100, ("tickets", "1"): 40}


def model(name):
    return {"model": name}


def version(of):
    return {"model": of[0], "version": of[1]}


class Page:
    """Lines in the text format. `seconds`: for how long the server has served."""

    def __init__(self, seconds):
        self.seconds, self.lines = seconds, []

    def sample(self, name, labels, value):
        inside = ",".join(f'{key}="{label}"' for key, label in labels.items())
        self.lines.append(f"{name}{{{inside}}} {value}")

    def family(self, kind, name, samples):
        self.lines.append(f"# TYPE {name} {kind}")
        for labels, value in samples:
            self.sample(name, labels, value)

    def gauge(self, name, *samples):
        self.family("gauge", name, samples)

    def counter(self, name, *rates):
        self.family("counter", name, [(labels, rate * self.seconds) for labels, rate in rates])

    def histogram(self, name, limits, *rates):
        """Half of what is counted is in the first bucket, half of the others in the second, and so on."""
        self.lines.append(f"# TYPE {name} histogram")
        for labels, rate in rates:
            count = int(rate * self.seconds)
            for place, limit in enumerate(limits):
                self.sample(f"{name}_bucket", labels | {"le": limit}, count - count // 2 ** (place + 1))
            self.sample(f"{name}_bucket", labels | {"le": "+Inf"}, count)
            self.sample(f"{name}_sum", labels, count * 0.001)
            self.sample(f"{name}_count", labels, count)


def exposition(seconds):
    page = Page(seconds)
    began = time.time() - seconds
    models, versions = ["iris", "tickets"], list(RATE)

    page.counter(
        "vencejo_requests_total",
        *[(version(of) | {"method": method, "code": code}, rate * share)
          for of, rate in RATE.items() for method in ("Predict", "ModelInfer")
          for code, share in (("OK", 0.49), ("INTERNAL", 0.005), ("INVALID_ARGUMENT", 0.005))],
        (model("iris") | {"version": "", "method": "Predict", "code": "RESOURCE_EXHAUSTED"}, 2),
        (model("_unknown") | {"version": "", "method": "Predict", "code": "NOT_FOUND"}, 1))
    page.histogram("vencejo_request_duration_seconds", LE,
                   *[(version(of) | {"outcome": outcome}, rate * share)
                     for of, rate in RATE.items() for outcome, share in (("ok", 0.98), ("error", 0.02))])
    page.histogram("vencejo_queue_duration_seconds", LE, *[(version(of), rate) for of, rate in RATE.items()])
    page.histogram("vencejo_compute_duration_seconds", LE,
                   *[(version(of) | {"phase": phase}, rate)
                     for of, rate in RATE.items() for phase in ("input", "infer", "output")])
    page.histogram("vencejo_batch_size", ROWS_LE, *[(version(of), rate / 4) for of, rate in RATE.items()])
    page.counter("vencejo_inferences_total", *[(version(of), rate) for of, rate in RATE.items()])
    page.counter("vencejo_executions_total", *[(version(of), rate / 4) for of, rate in RATE.items()])
    page.gauge("vencejo_requests_in_flight", *[(version(of), 3) for of in versions])
    page.gauge("vencejo_queue_depth", *[(version(of), 2) for of in versions])
    page.gauge("vencejo_model_info",
               *[(version(of) | {"slot": SLOTS[of], "digest": DIGESTS[of], "format": "onnx"}, 1) for of in versions])
    page.gauge("vencejo_model_state", *[(version(of) | {"state": state}, int(state == "ready"))
                                        for of in versions for state in ("loading", "ready", "draining", "failed")])
    page.gauge("vencejo_model_traffic_ratio", *[(version(of), share) for of, share in SHARE.items()])
    page.gauge("vencejo_model_load_duration_seconds", *[(version(of), 0.25) for of in versions])
    page.gauge("vencejo_model_memory_bytes", *[(version(of), 30e6) for of in versions])

    page.gauge("vencejo_queue_capacity", *[(model(name), 4096) for name in models])
    page.counter("vencejo_requests_rejected_total", *[
        (model(name) | {"reason": reason}, 0.5) for name in [*models, "_unknown"]
        for reason in ("queue_full", "deadline", "draining", "auth", "too_large", "unknown_model", "bad_input")])
    page.counter("vencejo_request_bytes_total", *[(model(name), 80000) for name in models])
    page.counter("vencejo_response_bytes_total", *[(model(name), 20000) for name in models])
    page.counter("vencejo_model_loads_total", *[(model(name) | {"result": result}, 0.1)
                                                for name in models for result in ("ok", "failed")])
    page.counter("vencejo_model_transitions_total", *[
        (model(name) | {"action": action, "trigger": trigger}, 0.1) for name in models
        for action in ("promote", "rollback", "abort", "load", "unload")
        for trigger in ("cli", "api", "auto", "scheduler")])
    page.gauge("vencejo_model_last_transition_timestamp_seconds", *[(model(name), began) for name in models])
    page.counter("vencejo_shadow_comparisons_total", *[
        (model("iris") | {"result": result}, rate)
        for result, rate in (("match", 9), ("mismatch", 0.9), ("error", 0.1))])

    page.counter("vencejo_rpcs_total", *[({"method": method, "code": "OK"}, 2)
                                         for method in ("Check", "Load", "Swap", "ModelReady", "other")])
    page.counter("vencejo_worker_busy_seconds_total", *[({"pool": pool}, 0.6) for pool in ("shard", "executor")])
    page.gauge("vencejo_workers", *[({"pool": pool}, 2) for pool in ("shard", "executor")])
    page.gauge("vencejo_grpc_connections", ({}, 12))
    page.counter("vencejo_grpc_goaways_total",
                 *[({"reason": reason}, 0.1) for reason in ("drain", "max_age", "error")])
    page.gauge("vencejo_call_memory_bytes", ({}, 3e6))
    page.gauge("vencejo_call_memory_limit_bytes", ({}, 1e9))
    page.counter("vencejo_trace_spans_total", ({}, 10))
    page.counter("vencejo_trace_spans_dropped_total", ({}, 0.1))
    page.gauge("vencejo_catalog_epoch", ({}, 7))
    page.histogram("vencejo_commit_duration_seconds", LE, ({}, 1))
    page.gauge("vencejo_build_info",
               *[({"version": "0.1.0", "revision": "abc", "component": name}, 1) for name in ("server", "agent")])
    page.counter("process_cpu_seconds_total", ({}, 1.2))
    page.gauge("process_resident_memory_bytes", ({}, 200e6))
    page.gauge("process_open_fds", ({}, 64))
    page.gauge("process_max_fds", ({}, 1024))
    page.gauge("process_start_time_seconds", ({}, began))

    page.gauge("vencejo_up", ({}, 1))
    page.gauge("vencejo_agent_segment_generation", ({}, 1))
    page.gauge("vencejo_agent_segment_heartbeat_age_seconds", ({}, 0.4))
    page.gauge("vencejo_agent_series", ({}, len(page.lines)))
    page.counter("vencejo_agent_series_dropped_total", ({}, 0))
    page.gauge("vencejo_agent_render_duration_seconds", ({}, 0.002))
    page.gauge("vencejo_agent_incompatible", ({"reason": "layout"}, 0))
    page.counter("vencejo_agent_spans_exported_total", ({}, 9))
    page.counter("vencejo_agent_spans_dropped_total", ({}, 0.1))
    page.counter("vencejo_agent_process_cpu_seconds_total", ({}, 0.01))
    page.gauge("vencejo_agent_process_resident_memory_bytes", ({}, 12e6))
    return "\n".join([*page.lines, ""]).encode()


@contextlib.contextmanager
def endpoint():
    """Serves it on loopback; gives host:port."""
    began = time.monotonic() - 60

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = exposition(time.monotonic() - began)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield "{}:{}".format(*server.server_address)
        server.shutdown()
