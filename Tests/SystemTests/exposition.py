"""Reads bodies that Prometheus scrapes, and refuses what breaks a rule of their format; scrapers let much of that pass.

Text 0.0.4: prometheus.io, "Exposition formats". OpenMetrics 1.0.0: its specification, and prometheus_client's parser, which
checks the structure. Beyond both: no family in two places, no sample twice, exemplars inside their buckets, buckets that grow.
"""
import atexit
import dataclasses
import importlib
import itertools
import math
import pathlib
import re
import shutil
import sys
import tempfile

from grpc_tools import protoc
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client import parser as text_parser

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

_NAME = "[a-zA-Z_][a-zA-Z0-9_]*"
_VALUE = r'(?:[^"\\\n]|\\["\\n])*'
_LABEL = re.compile(f'({_NAME})="({_VALUE})"')
_LABELS = f'{_NAME}="{_VALUE}"(?:,{_NAME}="{_VALUE}")*'
_NUMBER = r"NaN|[+-]Inf|[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABELS})\}})? ({_NUMBER})")
_EXEMPLAR = re.compile(rf" # \{{({_LABELS})?\}} ({_NUMBER})(?: ({_NUMBER}))?")
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


class Malformed(ValueError):
    """The rule that a body breaks."""


@dataclasses.dataclass
class Sample:
    name: str
    labels: dict
    value: float
    exemplar: float | None = None

    @property
    def key(self):
        return self.name, tuple(sorted(self.labels.items()))


@dataclasses.dataclass
class Family:
    name: str
    help: str
    type: str = ""
    unit: str = ""
    samples: list = dataclasses.field(default_factory=list)


def refuse(is_wrong, rule):
    if is_wrong:
        raise Malformed(rule)


def read(body, content_type):
    """The families of a body by their names, whatever its format."""
    if content_type.startswith("application/vnd.google.protobuf"):
        return protobuf(body)
    return openmetrics(body) if content_type.startswith("application/openmetrics-text") else text(body)


def text(body, has_totals=True):
    """`has_totals`: that counters are named by the usual rule; Triton's are not."""
    lines = _lines(body)
    families = _families(lines, is_open=False)
    for family in families.values():
        refuse(family.type not in ("counter", "gauge", "histogram"), f"{family.name} is a {family.type}")
        refuse(has_totals and (family.type == "counter") != family.name.endswith("_total"), f"a {family.type} {family.name}")
    try:
        list(text_parser.text_string_to_metric_families(body.decode()))
    except ValueError as error:
        raise Malformed(str(error)) from error
    return families


def openmetrics(body):
    lines = _lines(body)
    refuse(not lines or lines[-1] != "# EOF", "no # EOF at its end")
    families = _families(lines[:-1], is_open=True)
    for family in families.values():
        refuse(family.unit and not family.name.endswith("_" + family.unit), f"{family.name} in {family.unit}")
        refuse(family.type == "counter" and family.name.endswith("_total"), f"a counter {family.name}")
    try:
        list(openmetrics_parser.text_string_to_metric_families(body.decode()))
    except ValueError as error:
        raise Malformed(str(error)) from error
    return families


def _lines(body):
    try:
        written = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("it is not UTF-8") from error
    refuse(written and not written.endswith("\n"), "its last line has no end")
    lines = written.split("\n")[:-1]
    refuse("" in lines, "an empty line")
    return lines


_SUFFIXES = {
    False: {"counter": [""], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]},
    True: {"counter": ["_total", "_created"], "gauge": [""], "info": ["_info"],
           "histogram": ["_bucket", "_sum", "_count", "_created"]},
}


def _families(lines, is_open):
    families, family, seen, owners = {}, None, set(), {}
    for line in lines:
        if line.startswith("#"):
            parts = line.split(" ", 3)
            refuse(len(parts) < 4 or parts[0] != "#", f"a line that says nothing: {line}")
            kind, name, rest = parts[1:]
            if kind == "HELP":
                refuse(name in families, f"{name} stands in two places")
                _unescape(rest, is_open)
                family = families[name] = Family(name, rest)
                continue
            refuse(family is None or family.name != name or family.samples, f"{kind} of {name} out of place")
            refuse(kind not in ("TYPE", "UNIT")[:1 + is_open], f"a line that says nothing: {line}")
            refuse(getattr(family, kind.lower()), f"{kind} of {name} twice")
            setattr(family, kind.lower(), rest)
            continue
        refuse(family is None, "a sample of no family")
        sample, suffix = _sample(line, family, is_open)
        refuse(owners.setdefault(sample.name, family.name) != family.name, f"{sample.name} belongs to two families")
        refuse(sample.key in seen, f"{line} stands there twice")
        seen.add(sample.key)
        family.samples.append(sample)
    for family in families.values():
        refuse(not family.type, f"{family.name} has no type")
        if family.type == "histogram":
            _check_histograms(family)
    return families


def _unescape(written, quotes):
    known = r'\\[\\n"]' if quotes else r"\\[\\n]"
    refuse("\\" in re.sub(known, "", written), f"an escape that there is not: {written}")
    refuse(quotes and '"' in re.sub(known, "", written), f"a bare quotation mark: {written}")


def _labels(written):
    labels = {}
    for name, value in _LABEL.findall(written or ""):
        refuse(name in labels, f"the label {name} twice")
        refuse(name.startswith("__"), f"the label {name}")
        labels[name] = re.sub(r'\\[\\n"]', lambda found: _ESCAPES[found[0]], value)
    return labels


def _sample(line, family, is_open):
    found = _SAMPLE.match(line)
    refuse(not found, f"no sample: {line}")
    name, written, number = found.groups()
    suffix = next((each for each in _SUFFIXES[is_open].get(family.type, []) if family.name + each == name), None)
    refuse(suffix is None, f"a sample in another's family: {line}")
    sample = Sample(name, _labels(written), float(number))
    if found.end() < len(line):
        exemplar = _EXEMPLAR.fullmatch(line, found.end())
        refuse(not exemplar or not is_open or suffix not in ("_bucket", "_total"), f"more than a sample: {line}")
        marks = _labels(exemplar[1])
        refuse(sum(len(key) + len(value) for key, value in marks.items()) > 128, f"a long exemplar: {line}")
        sample.exemplar = float(exemplar[2])
    if family.type in ("counter", "histogram"):
        refuse(not sample.value >= 0, f"{name} is {number}")
    refuse(family.type == "info" and sample.value != 1, f"{name} is {number}")
    return sample, suffix


def _check_histograms(family):
    """Of each combination of labels buckets first, then the sum and the count."""
    def of(sample):
        return tuple(sorted((key, value) for key, value in sample.labels.items() if key != "le"))

    begun = set()
    for labels, group in itertools.groupby(family.samples, of):
        group = list(group)
        refuse(labels in begun, f"{family.name}: {labels} in two places")
        begun.add(labels)
        names = [sample.name.removeprefix(family.name) for sample in group]
        buckets = [sample for sample in group if sample.name.endswith("_bucket")]
        tail = [name for name in names[len(buckets):] if name != "_created"]
        refuse(tail != ["_sum", "_count"], f"{family.name}: {labels} has {names}")
        bounds = [sample.labels.get("le", "") for sample in buckets]
        refuse(not all(re.fullmatch(_NUMBER, bound) for bound in bounds), f"{family.name}: {labels} up to {bounds}")
        _check_buckets([(float(sample.labels["le"]), sample.value, sample.exemplar) for sample in buckets],
                       group[len(buckets) + 1].value, f"{family.name} {labels}")


def _check_buckets(buckets, count, name):
    bounds = [bound for bound, _, _ in buckets]
    refuse(any(not low < high for low, high in zip(bounds, bounds[1:])), f"{name}: boundaries {bounds}")
    refuse(not bounds or bounds[-1] != math.inf, f"{name} has no +Inf")
    counts = [each for _, each, _ in buckets]
    refuse(any(low > high for low, high in zip(counts, counts[1:])), f"{name}: counts {counts}")
    refuse(any(each != int(each) for each in counts), f"{name}: counts {counts}")
    refuse(counts[-1] != count, f"{name}: {count} in all, +Inf has {counts[-1]}")
    for low, (high, _, exemplar) in zip([-math.inf, *bounds], buckets):
        refuse(exemplar is not None and not low < exemplar <= high, f"{name}: an exemplar of {exemplar} in ({low}, {high}]")


def samples(families):
    """By name and labels."""
    return {sample.key: sample.value for family in families.values() for sample in family.samples}


def check_growth(before, after):
    """Two bodies of one server: what counts does not fall, and what was counted once goes on being shown."""
    now = samples(after)
    for family in before.values():
        if family.type not in ("counter", "histogram"):
            continue
        for sample in family.samples:
            refuse(sample.key not in now, f"{sample.key} is gone")
            is_created = sample.name.endswith("_created")
            refuse(now[sample.key] < sample.value, f"{sample.key} fell from {sample.value} to {now[sample.key]}")
            refuse(is_created and now[sample.key] != sample.value, f"{sample.key} began anew")


# Protobuf

_compiled = None


def messages():
    """Stubs of prometheus_metrics.proto, made when they are first needed."""
    global _compiled
    if not _compiled:
        folder = tempfile.mkdtemp(prefix="vencejo-prometheus-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        code = protoc.main(["protoc", f"-I{pathlib.Path(__file__).parent}", f"--python_out={folder}", "prometheus_metrics.proto"])
        assert code == 0, "protoc refused prometheus_metrics.proto"
        sys.path.insert(0, folder)
        _compiled = importlib.import_module("prometheus_metrics_pb2")
    return _compiled


def delimited(body):
    """Messages, each behind its length."""
    at = 0
    while at < len(body):
        length = shift = 0
        while True:
            refuse(at == len(body) or shift > 63, "a length that does not end")
            length |= (body[at] & 0x7f) << shift
            at, shift = at + 1, shift + 7
            if not body[at - 1] & 0x80:
                break
        refuse(length > len(body) - at, "a message that does not end")
        yield body[at:at + length]
        at += length


def protobuf(body):
    """As families of the text format; of histograms both forms are checked, one against the other."""
    families, seen = {}, set()
    types = messages().MetricType
    for message in delimited(body):
        written = messages().MetricFamily()
        try:
            written.ParseFromString(message)
        except Exception as error:
            raise Malformed("no message of a family") from error
        refuse(not re.fullmatch(_NAME, written.name), f"the name {written.name}")
        refuse(written.name in families, f"{written.name} stands in two places")
        family = families[written.name] = Family(written.name, written.help, types.Name(written.type).lower(), written.unit)
        refuse(family.type not in ("counter", "gauge", "histogram"), f"{family.name} is a {family.type}")
        refuse((family.type == "counter") != family.name.endswith("_total"), f"a {family.type} {family.name}")
        for metric in written.metric:
            labels = {pair.name: pair.value for pair in metric.label}
            refuse(len(labels) != len(metric.label), f"{family.name}: a label twice")
            kinds = [kind for kind in ("gauge", "counter", "histogram") if metric.HasField(kind)]
            refuse(kinds != [family.type], f"{family.name} has {kinds}")
            for sample in _samples(family, labels, metric):
                refuse(sample.key in seen, f"{sample.key} twice")
                seen.add(sample.key)
                family.samples.append(sample)
    return families


def _samples(family, labels, metric):
    if family.type != "histogram":
        value = getattr(metric, family.type).value
        refuse(family.type == "counter" and not value >= 0, f"{family.name} is {value}")
        return [Sample(family.name, labels, value)]
    histogram = metric.histogram
    buckets = [(each.upper_bound, each.cumulative_count, each.exemplar.value if each.HasField("exemplar") else None)
               for each in histogram.bucket]
    name = f"{family.name} {labels}"
    _check_buckets(buckets, histogram.sample_count, name)
    check_native(histogram, name)
    return [Sample(family.name + "_bucket", labels | {"le": "+Inf" if bound == math.inf else repr(bound)}, count, exemplar)
            for bound, count, exemplar in buckets] + [
        Sample(family.name + "_sum", labels, histogram.sample_sum), Sample(family.name + "_count", labels, histogram.sample_count)]


def native(histogram):
    """Counts by exponent: how many were above base**(exponent - 1) and not above base**exponent."""
    exponents, at = [], 0
    for span in histogram.positive_span:
        at += span.offset
        exponents += range(at, at + span.length)
        at += span.length
    refuse(len(exponents) != len(histogram.positive_delta), f"{len(exponents)} buckets, {len(histogram.positive_delta)} deltas")
    refuse(len(set(exponents)) != len(exponents) or exponents != sorted(exponents), f"spans that overlap: {exponents}")
    return dict(zip(exponents, itertools.accumulate(histogram.positive_delta)))


def check_native(histogram, name):
    """Every classic count lies between what the native buckets around its boundary say."""
    counts = native(histogram)
    refuse(not histogram.positive_span, f"{name}: without a span it is no native histogram")
    refuse(any(count < 0 for count in counts.values()), f"{name}: {counts}")
    total = histogram.zero_count + sum(counts.values())
    refuse(total != histogram.sample_count, f"{name}: {total} in native buckets, {histogram.sample_count} in all")
    slack = 1e-6
    for bucket in histogram.bucket:
        bound = bucket.upper_bound

        def boundary(exponent):
            return 2 ** (exponent * 2 ** -histogram.schema)
        least = most = 0
        if histogram.zero_threshold <= bound * (1 + slack):
            least = most = histogram.zero_count
        least += sum(count for exponent, count in counts.items() if boundary(exponent) <= bound * (1 + slack))
        most = max(most, histogram.zero_count) + sum(
            count for exponent, count in counts.items() if boundary(exponent - 1) < bound * (1 - slack) or bound == math.inf)
        refuse(bound != math.inf and not least <= bucket.cumulative_count <= most,
               f"{name}: {bucket.cumulative_count} up to {bound}, natively {least} to {most}")
