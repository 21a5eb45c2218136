"""What the checker of expositions refuses; a scraper would let most of it pass."""
import pytest

import exposition
from exposition import Malformed

TEXT = r"""# HELP a_total All of "them", C:\\new\nand more.
# TYPE a_total counter
a_total{x="1"} 3
a_total{x="\"\\\n"} 4
# HELP b_seconds B.
# TYPE b_seconds histogram
b_seconds_bucket{x="1",le="0.5"} 1
b_seconds_bucket{x="1",le="1.0"} 1
b_seconds_bucket{x="1",le="+Inf"} 4
b_seconds_sum{x="1"} 9.5
b_seconds_count{x="1"} 4
b_seconds_bucket{x="2",le="0.5"} 0
b_seconds_bucket{x="2",le="1.0"} 0
b_seconds_bucket{x="2",le="+Inf"} 0
b_seconds_sum{x="2"} 0.0
b_seconds_count{x="2"} 0
# HELP c C.
# TYPE c gauge
c -2.5e-07
"""

OPEN_METRICS = r"""# HELP a All of \"them\", C:\\new\nand more.
# TYPE a counter
a_total{x="1"} 3 # {trace_id="0123456789abcdef"} 1.0 1.5
a_created{x="1"} 1700000000.25
# HELP b_seconds B.
# TYPE b_seconds histogram
# UNIT b_seconds seconds
b_seconds_bucket{le="0.5"} 1 # {trace_id="ab"} 0.5 1700000000.5
b_seconds_bucket{le="1.0"} 1
b_seconds_bucket{le="+Inf"} 4 # {trace_id="ab"} 7.0
b_seconds_sum 9.5
b_seconds_count 4
# HELP c_model C.
# TYPE c_model info
c_model_info{slot="blue"} 1.0
# EOF
"""


def test_what_is_well_formed():
    families = exposition.text(TEXT.encode())
    assert list(families) == ["a_total", "b_seconds", "c"]
    assert exposition.samples(families)["a_total", (("x", '"\\\n'),)] == 4
    families = exposition.openmetrics(OPEN_METRICS.encode())
    assert [family.type for family in families.values()] == ["counter", "histogram", "info"]
    assert [sample.exemplar for sample in families["b_seconds"].samples] == [0.5, None, 7, None, None]
    assert exposition.text(b"") == {}
    assert exposition.openmetrics(b"# EOF\n") == {}


@pytest.mark.parametrize("what, old, new", [
    ("no end of the last line", "c -2.5e-07\n", "c -2.5e-07"),
    ("an empty line", "# HELP c", "\n# HELP c"),
    ("CRLF", "c -2.5e-07\n", "c -2.5e-07\r\n"),
    ("a comment", "# HELP c", "# hello\n# HELP c"),
    ("a family in two places", "c -2.5e-07\n", 'c -2.5e-07\n# HELP a_total A.\n# TYPE a_total counter\na_total{x="3"} 1\n'),
    ("a sample behind another family", "c -2.5e-07\n", 'c -2.5e-07\na_total{x="3"} 1\n'),
    ("a sample twice", "# HELP b", 'a_total{x="1"} 3\n# HELP b'),
    ("a sample twice, its labels turned", "c -2.5e-07", 'c{a="1",b="2"} 1\nc{b="2",a="1"} 2'),
    ("TYPE twice", "# TYPE c gauge", "# TYPE c gauge\n# TYPE c gauge"),
    ("TYPE of another", "# TYPE c gauge", "# TYPE d gauge"),
    ("no TYPE", "# TYPE c gauge\n", ""),
    ("no such type", "c gauge", "c level"),
    ("UNIT", "# TYPE c gauge", "# TYPE c gauge\n# UNIT c seconds"),
    ("a counter without _total", "a_total", "a"),
    ("a gauge with _total", "# HELP c C.\n# TYPE c gauge\nc ", "# HELP c_total C.\n# TYPE c_total gauge\nc_total "),
    ("a counter that is NaN", 'a_total{x="1"} 3', 'a_total{x="1"} NaN'),
    ("a counter below zero", 'a_total{x="1"} 3', 'a_total{x="1"} -3'),
    ("a label twice", 'a_total{x="1"}', 'a_total{x="1",x="1"}'),
    ("a reserved label", 'a_total{x="1"}', 'a_total{__name__="1"}'),
    ("a quotation mark", 'a_total{x="1"}', 'a_total{x="1"2"}'),
    ("an escape that there is not", 'a_total{x="1"}', r'a_total{x="\t"}'),
    ("an escape in help", "# HELP c C.", r"# HELP c C:\new \x"),
    ("no value", "c -2.5e-07", "c"),
    ("a value that is none", "c -2.5e-07", "c 0x10"),
    ("a timestamp", "c -2.5e-07", "c -2.5e-07 1700000000000"),
    ("an exemplar", 'x="1",le="0.5"} 1', 'x="1",le="0.5"} 1 # {trace_id="ab"} 0.2'),
    ("counts that fall", 'x="1",le="1.0"} 1', 'x="1",le="1.0"} 0'),
    ("a count that is no whole number", 'x="1",le="1.0"} 1', 'x="1",le="1.0"} 1.5'),
    ("boundaries that fall", 'x="1",le="1.0"', 'x="1",le="0.25"'),
    ("no +Inf", 'b_seconds_bucket{x="1",le="+Inf"} 4\n', ""),
    ("+Inf is not the count", 'b_seconds_count{x="1"} 4', 'b_seconds_count{x="1"} 5'),
    ("no sum", 'b_seconds_sum{x="1"} 9.5\n', ""),
    ("a histogram in two places", 'b_seconds_sum{x="2"} 0.0', 'b_seconds_sum{x="1"} 0.0'),
    ("a bucket without le", 'b_seconds_bucket{x="1",le="0.5"}', 'b_seconds_bucket{x="1"}'),
])
def test_text_that_is_refused(what, old, new):
    assert old in TEXT
    with pytest.raises(Malformed):
        exposition.text(TEXT.replace(old, new).encode())


def test_bytes_that_are_no_text():
    for read in exposition.text, exposition.openmetrics:
        with pytest.raises(Malformed):
            read(b'# HELP a A.\n# TYPE a gauge\na{x="\xff"} 1\n# EOF\n')


def test_tritons_counters():
    body = b"# HELP nv_inference_count N\n# TYPE nv_inference_count counter\nnv_inference_count 1\n"
    assert exposition.text(body, has_totals=False)
    with pytest.raises(Malformed):
        exposition.text(body)


@pytest.mark.parametrize("what, old, new", [
    ("no EOF", "# EOF\n", ""),
    ("more behind EOF", "# EOF\n", "# EOF\n# EOF\n"),
    ("a free comment", "# HELP b", "# hello\n# HELP b"),
    ("an empty line", "# HELP b", "\n# HELP b"),
    ("a counter's name with _total", "# HELP a All", "# HELP a_total All"),
    ("a counter's sample without it", "a_total{", "a{"),
    ("another unit", "# UNIT b_seconds seconds", "# UNIT b_seconds bytes"),
    ("UNIT behind samples", "# HELP c_model C.", "# UNIT b_seconds seconds\n# HELP c_model C."),
    ("an info that is not 1", 'slot="blue"} 1.0', 'slot="blue"} 2.0'),
    ("a bare quotation mark in help", "# HELP b_seconds B.", '# HELP b_seconds "B".'),
    ("an exemplar outside its bucket", "} 0.5 1700000000.5", "} 0.6 1700000000.5"),
    ("an exemplar of the bucket before", '"ab"} 7.0', '"ab"} 1.0'),
    ("a long exemplar", 'trace_id="ab"} 7.0', f'trace_id="{"a" * 128}"}} 7.0'),
    ("an exemplar of a sum", "b_seconds_sum 9.5", 'b_seconds_sum 9.5 # {trace_id="ab"} 7.0'),
    ("an exemplar of an info", 'slot="blue"} 1.0', 'slot="blue"} 1.0 # {trace_id="ab"} 7.0'),
    ("a boundary that is no float", 'le="1.0"', 'le="one"'),
    ("interleaved histograms", 'b_seconds_sum 9.5', 'b_seconds_bucket{x="2",le="+Inf"} 0\nb_seconds_sum 9.5'),
    ("one name of two families", "# HELP c_model C.\n# TYPE c_model info\nc_model_info",
     "# HELP a_total C.\n# TYPE a_total gauge\na_total"),
])
def test_openmetrics_that_is_refused(what, old, new):
    assert old in OPEN_METRICS
    with pytest.raises(Malformed):
        exposition.openmetrics(OPEN_METRICS.replace(old, new).encode())


@pytest.mark.parametrize("what, old, new", [
    ("a counter", 'a_total{x="1"} 3', 'a_total{x="1"} 2'),
    ("a count", 'x="1",le="0.5"} 1', 'x="1",le="0.5"} 0'),
    ("a sum", 'b_seconds_sum{x="1"} 9.5', 'b_seconds_sum{x="1"} 9.25'),
    ("a series that is gone", 'a_total{x="1"} 3\n', ""),
])
def test_what_counts_does_not_fall(what, old, new):
    before, after = exposition.text(TEXT.encode()), exposition.text(TEXT.replace(old, new).encode())
    exposition.check_growth(before, before)
    with pytest.raises(Malformed):
        exposition.check_growth(before, after)
    gauge = exposition.text(TEXT.replace("c -2.5e-07", "c -9").encode())
    exposition.check_growth(before, gauge)


def body(change=lambda families: None):
    """A counter, a gauge, and a histogram of 0.3 (twice), 0.9 and 5 s, natively with boundaries at powers of two."""
    pb = exposition.messages()
    families = [
        pb.MetricFamily(name="a_total", type=pb.COUNTER, metric=[
            pb.Metric(label=[pb.LabelPair(name="x", value=value)], counter=pb.Counter(value=3)) for value in "12"]),
        pb.MetricFamily(name="c", type=pb.GAUGE, metric=[pb.Metric(gauge=pb.Gauge(value=-1))]),
        pb.MetricFamily(name="b_seconds", type=pb.HISTOGRAM, unit="seconds", metric=[pb.Metric(histogram=pb.Histogram(
            sample_count=4, sample_sum=6.5, schema=0, zero_threshold=0.25,
            bucket=[pb.Bucket(cumulative_count=2, upper_bound=0.5),
                    pb.Bucket(cumulative_count=3, upper_bound=1, exemplar=pb.Exemplar(value=0.9)),
                    pb.Bucket(cumulative_count=4, upper_bound=float("inf"))],
            positive_span=[pb.BucketSpan(offset=-1, length=2), pb.BucketSpan(offset=2, length=1)],
            positive_delta=[2, -1, 0]))]),
    ]
    change(families)
    messages = [family.SerializeToString() for family in families]
    assert all(len(message) < 1 << 14 for message in messages)
    return b"".join(bytes([len(message) & 0x7f | 0x80, len(message) >> 7]) + message for message in messages)


def test_protobuf_that_is_well_formed():
    families = exposition.protobuf(body())
    assert list(families) == ["a_total", "c", "b_seconds"]
    assert exposition.samples(families)["b_seconds_bucket", (("le", "+Inf"),)] == 4
    pb = exposition.messages()
    histogram = pb.Histogram(positive_span=[pb.BucketSpan(offset=-1, length=2), pb.BucketSpan(offset=2, length=1)],
                             positive_delta=[2, -1, 0])
    assert exposition.native(histogram) == {-1: 2, 0: 1, 3: 1}


def histogram(families):
    return families[2].metric[0].histogram


@pytest.mark.parametrize("what, change", [
    ("a family in two places", lambda all: all.append(all[0])),
    ("a series twice", lambda all: all[0].metric.append(all[0].metric[0])),
    ("a label twice", lambda all: all[0].metric[0].label.append(all[0].metric[0].label[0])),
    ("a counter without _total", lambda all: setattr(all[0], "name", "a")),
    ("a counter below zero", lambda all: setattr(all[0].metric[0].counter, "value", -1)),
    ("of another type", lambda all: setattr(all[1], "type", 0)),
    ("a type that there is not", lambda all: setattr(all[1], "type", 3)),
    ("no name", lambda all: setattr(all[1], "name", "")),
    ("+Inf is not the count", lambda all: setattr(histogram(all), "sample_count", 5)),
    ("counts that fall", lambda all: setattr(histogram(all).bucket[1], "cumulative_count", 1)),
    ("an exemplar outside", lambda all: setattr(histogram(all).bucket[1].exemplar, "value", 1.1)),
    ("a native count too many", lambda all: histogram(all).positive_delta.__setitem__(2, 1)),
    ("a count in another native bucket", lambda all: setattr(histogram(all).positive_span[0], "offset", 0)),
    ("a native count below zero", lambda all: histogram(all).positive_delta.__setitem__(1, -3)),
    ("zeros that are not in the count", lambda all: setattr(histogram(all), "zero_count", 1)),
    ("another schema", lambda all: setattr(histogram(all), "schema", 3)),
    ("a delta of no bucket", lambda all: histogram(all).positive_delta.append(0)),
    ("spans that overlap", lambda all: setattr(histogram(all).positive_span[1], "offset", -1)),
    ("no native buckets", lambda all: (histogram(all).ClearField("positive_span"), histogram(all).ClearField("positive_delta"))),
])
def test_protobuf_that_is_refused(what, change):
    with pytest.raises(Malformed):
        exposition.protobuf(body(change))


@pytest.mark.parametrize("cut", [1, 2, 10, -1])
def test_protobuf_that_is_cut_short(cut):
    with pytest.raises(Malformed):
        exposition.protobuf(body()[:cut])
