#!/usr/bin/env python3
"""Makes spans.json beside this file: what W3C's headers mean to OpenTelemetry's SDK, a ring of span records, and its spans as
opentelemetry-proto writes them.

    make_spans.py           write spans.json
    make_spans.py --check   write nothing: ask whether spans.json is what would be written

Needs opentelemetry-api, opentelemetry-sdk and opentelemetry-proto. Bytes are in base64, words in hexadecimal digits.
"""
import argparse
import base64
import json
import pathlib
import sys

from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse)
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from span_ring import STATUSES, Ring, Span, part_id

FILE = pathlib.Path(__file__).resolve().parent / "spans.json"
ERRORS = {2, 4, 12, 13, 14, 15}
RESOURCE = {"service.name": "vencejo", "service.instance.id": "pod-1", "empty": ""}
VERSION = "0.1"

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADERS = [
    f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-03", f"00-{TRACE}-{SPAN}-ff",
    f"00-{TRACE.upper()}-{SPAN}-01", f"00-{TRACE}-{SPAN.upper()}-01", f"00-{TRACE}-{SPAN}-0A", f"0A-{TRACE}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01", f"ff-{TRACE}-{SPAN}-01",
    f"00-{'0' * 31}1-{'0' * 15}1-01", f"00-{'0' * 16}{TRACE[16:]}-{SPAN}-01", f"00-{TRACE[:16]}{'0' * 16}-{SPAN}-01",
    f"00-{TRACE}-{SPAN}-01-", f"00-{TRACE}-{SPAN}-01-what", f"01-{TRACE}-{SPAN}-01", f"01-{TRACE}-{SPAN}-01-what-the",
    f"01-{TRACE}-{SPAN}-01-", f"01-{TRACE}-{SPAN}-01.what", f"cc-{TRACE}-{SPAN}-01", f"fe-{TRACE}-{SPAN}-00-x",
    f"01-{TRACE}-{SPAN}-01-{'x' * 456}", f"01-{TRACE}-{SPAN}-01-{'x' * 457}",
    f"00-{TRACE}-{SPAN}-0", f"00-{TRACE}-{SPAN}", f"00-{TRACE[1:]}-{SPAN}-01", f"00-{TRACE}-{SPAN[1:]}-01",
    f"00_{TRACE}-{SPAN}-01", f"00-{TRACE}_{SPAN}-01", f"00-{TRACE}-{SPAN}_01", f"0g-{TRACE}-{SPAN}-01",
    f"00-{TRACE[:-1]}g-{SPAN}-01", f"00-{TRACE[:-1]}:-{SPAN}-01", f"00-{TRACE}-{SPAN[:-1]}`-01", f"00-{TRACE}-{SPAN}-0/",
    "", "00", "-", "garbage", "0" * 55, "-" * 55, "ñ" * 27 + "x",
]


def contexts():
    for header in HEADERS:
        context = trace.get_current_span(
            TraceContextTextMapPropagator().extract({"traceparent": header})).get_span_context()
        found = None if not context.is_valid else dict(
            high=f"{context.trace_id >> 64:x}", low=f"{context.trace_id & 2**64 - 1:x}", span=f"{context.span_id:x}",
            flags=int(context.trace_flags))
        yield dict(header=header, context=found)


def samples():
    ids = [1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**64 + 2**62, int(TRACE, 16), 2**127 + 2**61]
    for ratio in (0, 1e-9, 0.1, 0.25, 0.5, 0.999, 1):
        for number in ids:
            decision = TraceIdRatioBased(ratio).should_sample(None, number, "").decision
            yield dict(ratio=ratio, high=f"{number >> 64:x}", low=f"{number & 2**64 - 1:x}",
                       sampled=decision.is_sampled())


def spans():
    trace_id, none = int(TRACE, 16), None
    yield Span(trace_id, 1, model="iris", version=3, rows=32, peer="127.0.0.1:50100")
    yield Span(trace_id, int(SPAN, 16), parent_id=77, flags=3, model="größe", version=-1, rows=1,
               peer="[::1]:443", trace_state="rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")
    yield Span(1, 2**64 - 1, parent_id=2**64 - 1, flags=0xFF, status=5, stamps=(10, none, none, none, 20),
               peer="unix:/run/p", trace_state="k=" + "v" * 510)
    yield Span(2**128 - 1, 2**63, method="", status=12, stamps=(none, none, none, none, 0))
    yield Span(3 << 64, 9, method="x" * 31 + "/" + "y" * 32, status=0, model="m" * 64, version=2**63 - 1, rows=2**31,
               peer="p" * 64, stamps=(0, 0, 0, 0, 2**40))
    yield Span(4, 10, status=4, stamps=(10, 20, none, none, 30), model="iris", version=0)
    yield Span(5, 11, status=13, stamps=(10, 20, 15, 40, 35), method="noslash")
    for status in range(17):
        yield Span(100 + status, 100 + status, status=status)


def attributes(span, conventions):
    """Names and values, in the order in which they are written."""
    new, old = conventions != "old", conventions == "old"
    both = conventions == "both"
    service, _, method = span.method.rpartition("/")
    if new:
        yield "rpc.system.name", "grpc"
    if old or both:
        yield "rpc.system", "grpc"
    if new:
        yield "rpc.method", span.method or "_OTHER"
    if (old or both) and span.method:
        yield "rpc.service", service
    if old:
        yield "rpc.method", method if span.method else "_OTHER"
    if new:
        yield "rpc.response.status_code", STATUSES[span.status]
    if old or both:
        yield "rpc.grpc.status_code", span.status
    if span.status in ERRORS:
        yield "error.type", STATUSES[span.status]
    yield "server.address", "10.0.0.7"
    yield "server.port", 8001
    if span.peer.startswith("unix:"):
        yield "network.peer.address", span.peer[5:]
    elif ":" in span.peer:
        host, _, port = span.peer.rpartition(":")
        yield "network.peer.address", host.strip("[]")
        yield "network.peer.port", int(port)
    elif span.peer:
        yield "network.peer.address", span.peer
    if span.model:
        yield "vencejo.model", span.model
        if span.version:
            yield "vencejo.version", span.version
    if span.rows:
        yield "vencejo.batch_size", span.rows


def request(rows, conventions):
    message = ExportTraceServiceRequest()
    part = message.resource_spans.add()

    def say(attributes, pairs):
        for key, value in pairs:
            where = attributes.add(key=key).value
            if isinstance(value, str):
                where.string_value = value
            else:
                where.int_value = value
    say(part.resource.attributes, RESOURCE.items())
    scope = part.scope_spans.add()
    scope.scope.name, scope.scope.version = "vencejo", VERSION
    for span in rows:
        flags = span.flags & 3
        common = dict(trace_id=span.trace_id.to_bytes(16, "big"), trace_state=span.trace_state)
        server = scope.spans.add(
            **common, span_id=span.span_id.to_bytes(8, "big"), name=span.method or "_OTHER", kind=2,
            start_time_unix_nano=span.start, end_time_unix_nano=span.start + span.stamps[4],
            flags=flags | (0x300 if span.parent_id else 0x100),
            parent_span_id=span.parent_id.to_bytes(8, "big") if span.parent_id else b"")
        say(server.attributes, attributes(span, conventions))
        if span.status in ERRORS:
            server.status.code = 2
        for number, name, begin, end in span.parts():
            scope.spans.add(
                **common, span_id=part_id(span.span_id, number).to_bytes(8, "big"), name=name, kind=1,
                parent_span_id=span.span_id.to_bytes(8, "big"), start_time_unix_nano=begin, end_time_unix_nano=end,
                flags=flags | 0x100)
    return message.SerializeToString(deterministic=True)


def answers():
    yield b"", 0, ""
    yield ExportTraceServiceResponse().SerializeToString(), 0, ""
    for rejected, message in [(7, "no room"), (0, "a warning"), (2**62, ""), (-1, "ñ")]:
        yield ExportTraceServiceResponse(partial_success=ExportTracePartialSuccess(
            rejected_spans=rejected, error_message=message)).SerializeToString(), max(0, rejected), message
    yield b"\xff\xff\xff", 0, ""


def fixtures():
    def base64d(data):
        return base64.b64encode(data).decode()
    rows = list(spans())
    ring = Ring(len(rows) + 3, identity=42)
    for span in rows:
        ring.write(span)
    return dict(
        contexts=list(contexts()), samples=list(samples()), ring=base64d(ring.data),
        requests={name: base64d(request(rows, name)) for name in ("new", "old", "both")},
        answers=[dict(answer=base64d(data), rejected=rejected, message=message)
                 for data, rejected, message in answers()])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    text = json.dumps(fixtures(), indent=1, sort_keys=True, ensure_ascii=True) + "\n"
    if not check:
        FILE.write_text(text)
    elif not FILE.exists() or FILE.read_text() != text:
        sys.exit(f"{FILE} is not what {pathlib.Path(__file__).name} makes: run it and commit what changed")


if __name__ == "__main__":
    main()
