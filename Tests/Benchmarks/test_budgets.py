"""The gate's arithmetic, and what is read from valgrind's files."""
import collections
import json

import budgets
import counts
import load
import pytest

CALLGRIND = """events: Ir sysCount sysTime
ob=(1) /usr/bin/vencejo
fn=(1) turn
0 100
cob=(2) /lib/libc.so.6
cfn=(2) malloc'turn
calls=3 0
0 60
0 5 2 9
ob=(2)
fn=(2)
+1 60
ob=(3) /lib/libonnxruntime.so.1.31.1
fn=(3) run
0 1000
cob=(2)
cfn=(4) malloc'run'turn
calls=7 0
0 70
"""


def test_callgrind_files(tmp_path):
    (tmp_path / "out").write_text(CALLGRIND)
    profile = counts.read_callgrind(tmp_path / "out")
    assert profile.instructions == {("vencejo", "turn"): 105, ("libc", "malloc"): 60, ("libonnxruntime", "run"): 1000}
    assert profile.system_calls["vencejo", "turn"] == 2
    assert profile.allocations == {("vencejo", ("malloc", "turn")): 3, ("libonnxruntime", ("malloc", "run", "turn")): 7}
    twice = counts.Profile(*(each + each for each in (profile.instructions, profile.system_calls, profile.allocations)))
    counted = budgets.measure.Counted("forest", 2, twice - profile, collections.Counter(x=1), has_runtime=True)
    assert counted.values() == {"instructions": 82.5, "instructions with runtime": 582.5, "mallocs": 1.5,
                                "bytes copied": 0.5, "system calls": 1}


def test_dhat_files(tmp_path):
    file = {"pps": [{"tb": 8, "fs": [1, 2]}, {"tb": 4, "fs": [1]}], "ftbl": ["[root]", "0x4A: memmove (in x)", "0x1: turn"]}
    (tmp_path / "out").write_text(json.dumps(file))
    assert counts.read_copies(tmp_path / "out") == {("memmove (in x)", "turn"): 8, ("memmove (in x)",): 4}


def test_what_vanished_is_a_difference_too():
    assert counts.subtract(collections.Counter(a=1, b=2), collections.Counter(b=2, c=5)) == {"a": 1, "c": -5}


@pytest.mark.parametrize("value, is_wrong", [(0, False), (100, False), (100.5, True), (200, True)])
def test_the_gate(value, is_wrong):
    wrong = list(budgets.judge({"S": {"mallocs": value}}, {"S": {"mallocs": 100}}))
    assert bool(wrong) == is_wrong
    assert not wrong or "S: " in wrong[0] and "mallocs" in wrong[0] and "allowed are 100" in wrong[0]


def test_a_count_without_a_budget_is_wrong():
    assert "--write" in next(budgets.judge({"S": {"mallocs": 0}}, {}))


@pytest.mark.parametrize("count", budgets.HEADROOM)
def test_what_is_written_is_kept(count):
    for value in (0, 0.07, 1, 23_000):
        assert not list(budgets.judge({"S": {count: value}}, {"S": {count: budgets.allowed(count, value)}}))


def test_one_malloc_more_is_too_many():
    assert list(budgets.judge({"S": {"mallocs": 1}}, {"S": {"mallocs": budgets.allowed("mallocs", 0)}}))


def test_a_budget_that_guards_nothing():
    assert budgets.stale({"S": {"instructions": 50}}, {"S": {"instructions": 100}}) == ["S: instructions"]
    assert not budgets.stale({"S": {"instructions": 90}}, {"S": {"instructions": 100}})


def test_heads_are_hpack():
    import hpack
    decoder, (first, later) = hpack.Decoder(), load.heads("/a.B/C", "http")
    expected = [(":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), (":authority", "localhost"),
                ("content-type", "application/grpc"), ("te", "trailers"), ("user-agent", "vencejo-budgets/1"),
                ("grpc-timeout", "5000000u")]
    assert decoder.decode(first) == expected == decoder.decode(later)
