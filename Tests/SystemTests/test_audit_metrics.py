"""What `vencejo-audit run --metrics-page` shows, as Prometheus reads it from `vencejo-metrics --audit-page`."""
import time

import pytest

import exposition
from agent import Agent
from audit_agent import Auditing, run
from busy import scrape
from calls import PATIENCE, request
from stubs import prediction_grpc


@pytest.fixture
def auditing(tmp_path, ring):
    place = tmp_path / "audit"
    place.mkdir()
    auditing = Auditing(place, ring, "--metrics-page", tmp_path / "audit.page")
    yield auditing
    if auditing.process and auditing.process.poll() is None:
        auditing.kill()


@pytest.fixture
def scraped(tmp_path):
    """Scrapes until what the audit agent shows satisfies a condition; gives {(name, label values): value}."""
    agent = Agent("--audit-page", str(tmp_path / "audit.page"), page=str(tmp_path / "no.page"))

    def scraped(is_enough):
        end = time.monotonic() + PATIENCE
        while True:
            families = exposition.read(*scrape(agent, "application/openmetrics-text; version=1.0.0"))
            found = {(sample.name.removeprefix("vencejo_audit_"), *sample.labels.values()): sample.value
                     for family in families.values() for sample in family.samples if sample.name.startswith("vencejo_audit_")}
            if is_enough(found):
                return found
            assert time.monotonic() < end, found
            time.sleep(0.1)
    yield scraped
    agent.stop()


def predict(server, count):
    stub = prediction_grpc.PredictionServiceStub(server.channel())
    for _ in range(count):
        stub.Predict(request("left"), timeout=PATIENCE, wait_for_ready=True)


def test_metrics_say_what_is_in_the_log(serve, repository, ring, auditing, scraped):
    server = serve("--audit-ring", ring, "--shards", 2, "--audit-predictions", "disk,closed", repository=repository)
    auditing.start()
    predict(server, 50)
    server.stop()
    # Header, Log, Clock, the server's begin and end, 50 calls; all of it signed for.
    shown = scraped(lambda shown: shown.get(("checkpoint_entries",)) == shown.get(("last_sequence",), 0) + 1 > 54)
    assert shown["up",] == 1 and shown["records_total", "dropped"] == 0
    assert shown["lag_bytes",] == shown["ring_fill_ratio",] == shown["write_failures_total",] == 0
    assert 0 < shown["write_seconds_total",] and 0 < shown["batches_total",] <= shown["records_total", "written"]
    assert shown["disk_state", "normal"] == 1 and shown["verify_failures_total", "log"] == 0
    assert shown["payload_keys",] == 1 and shown["process_resident_memory_bytes",] > 1 << 20
    auditing.stop()
    assert scraped(lambda shown: shown["up",] == 0) == {("up",): 0}
    # Of the log itself: its entries are records and the headers of segments, in which no record is.
    indexes = [each["index"] for each in auditing.records()]
    assert len(indexes) == shown["records_total", "written"] and max(indexes) == shown["last_sequence",]


def test_calls_that_have_no_record_are_counted(serve, repository, ring, auditing, scraped):
    server = serve("--audit-ring", ring, "--audit-ring-bytes", "256K", "--audit-predictions", "ring,open", repository=repository)
    predict(server, 2000)
    auditing.start()
    shown = scraped(lambda shown: shown.get(("records_total", "dropped"), 0) > 0)
    predict(server, 1)
    server.stop()
    auditing.stop()
    assert shown["records_total", "dropped"] == 2001 - len(auditing.calls())


def test_a_log_that_is_not_what_was_written_is_counted(ring, auditing, scraped):
    auditing.start()
    scraped(lambda shown: shown.get(("checkpoint_entries",), 0) > 0)
    auditing.stop()
    segment, = auditing.log.glob("log-*/segment-*.aud")
    segment.unlink()
    auditing.start()
    shown = scraped(lambda shown: shown.get(("records_total", "written"), 0) > 0)
    assert shown["verify_failures_total", "log"] == 1 and shown["verify_failures_total", "ring"] == 0
    assert len(list(auditing.log.glob("log-*"))) == 2


def test_a_page_that_cannot_be_is_said(tmp_path, ring, auditing):
    auditing.start()
    end = time.monotonic() + PATIENCE
    while not (tmp_path / "audit.page").exists():
        assert time.monotonic() < end, auditing.said()
        time.sleep(0.05)
    code, _, error = run("run", "--log", tmp_path / "other", "--ring", ring, "--keys", auditing.keys, "--deployment", "test",
                         "--metrics-page", tmp_path / "audit.page")
    assert code == 4 and error.startswith(f"vencejo-audit: --metrics-page: {tmp_path}/audit.page is written by another process")
