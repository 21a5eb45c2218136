"""k8s/monitoring: rules, dashboards and routes, by the programs that read them, and against a server's own metrics."""
import json
import math
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from busy import busy
from monitoring import MONITORING, Process, Prometheus, Sink, run, tool
from server import binary

RULES = sorted((MONITORING / "rules").glob("*.yaml"))
UNIT_TESTS = sorted((MONITORING / "tests").glob("*.yaml"))
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((MONITORING / "dashboards").glob("*.json"))}
RUNBOOKS = (MONITORING / "runbooks.md").read_text()
EXAMPLE = MONITORING / "alertmanager" / "alertmanager.yaml"

ALL_RULES = [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
RECORDS = [rule for rule in ALL_RULES if "record" in rule]
ALERTS = [rule for rule in ALL_RULES if "alert" in rule]
UNIT_TEST_CASES = [case for path in UNIT_TESTS for case in yaml.safe_load(path.read_text())["tests"]]
ALERT_NAMES = sorted({rule["alert"] for rule in ALERTS})
# Alerts are ready for what is not there yet.
LATER = re.compile("vencejo_(signing|drift|backup)_")


def queries(panels):
    """(panel, target) of a dashboard, rows left out."""
    return [(panel, target) for panel in panels if panel["type"] != "row" for target in panel["targets"]]


EXPRESSIONS = {f"{name}: {panel['title']}, {target['refId']}": (name, target["expr"])
               for name, dashboard in DASHBOARDS.items() for panel, target in queries(dashboard["panels"])}
EXPRESSIONS |= {f"{name}: {note['name']}": (name, note["expr"])
                for name, dashboard in DASHBOARDS.items() for note in dashboard["annotations"]["list"]}


# What the programs say of the files.


def test_promtool_takes_the_rules():
    run(tool("promtool", "prometheus"), "check", "rules", *RULES)


def test_promtool_takes_the_configuration():
    run(tool("promtool", "prometheus"), "check", "config", "prometheus.yaml")


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_rules_do_what_their_tests_say(path):
    run(tool("promtool", "prometheus"), "test", "rules", path)


def test_a_wrong_threshold_is_found(tmp_path):
    """The same tests, on rules of which one asks for more."""
    shutil.copytree(MONITORING, tmp_path, dirs_exist_ok=True)
    rules = tmp_path / "rules" / "server.yaml"
    rules.write_text(rules.read_text().replace("> 0.8\n", "> 0.9\n"))
    done = run(tool("promtool", "prometheus"), "test", "rules", "tests/server.yaml", cwd=tmp_path, check=False)
    assert done.returncode == 1 and "VencejoQueueSaturated" in done.stdout, done.stdout


def test_what_is_generated_is_what_the_rules_say(tmp_path):
    run(sys.executable, "generate.py", "--check")

    shutil.copytree(MONITORING, tmp_path, dirs_exist_ok=True)
    server = tmp_path / "rules" / "server.yaml"
    server.write_text(server.read_text().replace("vencejo_up == 0", "vencejo_up < 1"))
    done = run(sys.executable, "generate.py", "--check", cwd=tmp_path, check=False)
    assert done.returncode == 1 and "run generate.py" in done.stdout


@pytest.mark.skipif(not shutil.which("kubectl"), reason="Debian has no kubectl of today")
def test_kustomize_puts_it_together():
    rendered = list(yaml.safe_load_all(run("kubectl", "kustomize", ".")))
    kinds = sorted(document["kind"] for document in rendered)
    assert kinds == ["ConfigMap"] * len(DASHBOARDS) + ["PodMonitor", "PrometheusRule"]
    for document in rendered:
        assert document["metadata"]["labels"]["app.kubernetes.io/name"] == "vencejo"

    maps = [document for document in rendered if document["kind"] == "ConfigMap"]
    assert all(document["metadata"]["labels"]["grafana_dashboard"] == "1" for document in maps)
    carried = {name: json.loads(text) for document in maps for name, text in document["data"].items()}
    assert carried == {f"{name}.json": dashboard for name, dashboard in DASHBOARDS.items()}

    made = next(document for document in rendered if document["kind"] == "PrometheusRule")
    assert [rule for group in made["spec"]["groups"] for rule in group["rules"]] == ALL_RULES


def test_pods_are_scraped_as_the_plain_configuration_scrapes():
    monitor = yaml.safe_load((MONITORING / "pod-monitor.yaml").read_text())["spec"]
    [job] = yaml.safe_load((MONITORING / "prometheus.yaml").read_text())["scrape_configs"]
    [endpoint] = monitor["podMetricsEndpoints"]
    assert endpoint["portNumber"] == 9464
    assert monitor["selector"]["matchLabels"][monitor["jobLabel"]] == job["job_name"] == "vencejo"
    for ours, theirs in (("sampleLimit", "sample_limit"), ("labelLimit", "label_limit"),
                         ("labelValueLengthLimit", "label_value_length_limit")):
        assert monitor[ours] == job[theirs]


# Alerts.


@pytest.mark.parametrize("name", ALERT_NAMES)
def test_an_alert_says_what_to_do(name):
    for rule in (rule for rule in ALERTS if rule["alert"] == name):
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["runbook_url"] == f"k8s/monitoring/runbooks.md#{name.lower()}"
    section = re.search(rf"^## {name}$(.*?)(?=^## |\Z)", RUNBOOKS, re.MULTILINE | re.DOTALL)
    assert section and "**Means.**" in section[1] and "**Do.**" in section[1]


def test_every_runbook_has_its_alert():
    assert sorted(re.findall(r"^## (\w+)$", RUNBOOKS, re.MULTILINE)) == ALERT_NAMES


@pytest.mark.parametrize("name", ALERT_NAMES)
def test_an_alert_is_tested_both_ways(name):
    fires = []
    for case in UNIT_TEST_CASES:
        fires += [bool(found["exp_alerts"]) for found in case.get("alert_rule_test", []) if found["alertname"] == name]
        fires += [bool(found["exp_samples"]) for found in case.get("promql_expr_test", [])
                  if f'alertname="{name}"' in found["expr"]]
    assert True in fires and False in fires


def verbs(text):
    """What is told to be typed: vencejo VERB, in a line of its own or in a sentence."""
    return set(re.findall(r"\bvencejo ([a-z]+)\b", text))


TOLD = sorted(verbs(RUNBOOKS) | {verb for rule in ALERTS for verb in verbs(rule["annotations"]["description"])}
              | {verb for dashboard in DASHBOARDS.values() for verb in verbs(json.dumps(dashboard))})


@pytest.mark.parametrize("verb", TOLD)
def test_a_command_that_is_told_exists(verb):
    listed = subprocess.run([binary(), "--help"], capture_output=True, text=True, check=True).stdout
    assert re.search(rf"^  {verb} ", listed, re.MULTILINE)


# Dashboards.


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_is_complete(name):
    dashboard = DASHBOARDS[name]
    panels = dashboard["panels"]
    assert dashboard["uid"] == f"vencejo-{name}" and dashboard["schemaVersion"] == 39 and "id" not in dashboard
    assert len({panel["id"] for panel in panels}) == len(panels)

    for panel in panels:
        assert panel["title"]
        if panel["type"] == "row":
            continue
        assert panel["description"] and panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        places = [target["refId"] for target in panel["targets"]]
        assert len(set(places)) == len(places), panel["title"]

    taken = {}
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])):
            assert taken.setdefault(cell, panel["title"]) == panel["title"], "two panels overlap"


def sources(value):
    """All data sources that are named anywhere inside."""
    if isinstance(value, dict):
        yield from [value["datasource"]] if "datasource" in value else []
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from sources(item)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_fits_into_any_grafana(name):
    dashboard = DASHBOARDS[name]
    found = list(sources(dashboard))
    assert found and all(source == {"type": "prometheus", "uid": "${datasource}"} for source in found)
    variables = [variable["name"] for variable in dashboard["templating"]["list"]]
    assert variables == ["datasource", "job", "instance", "model", "version"]
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(dashboard))) - {"__all"}
    assert used <= {*variables, "__rate_interval", "__range"}
    [changes] = dashboard["annotations"]["list"]
    assert "vencejo_model_last_transition_timestamp_seconds" in changes["expr"] and changes["useValueForTime"]


@pytest.mark.parametrize("query", EXPRESSIONS)
def test_a_query_follows_the_dashboard(query):
    _, expression = EXPRESSIONS[query]
    assert set(re.findall(r"\[(.*?)\]", expression)) <= {"$__rate_interval", "$__range"}
    for selector in re.findall(r"\b(?:vencejo|process|scrape)_\w+\{(.*?)\}", expression):
        assert 'job=~"$job"' in selector and 'instance=~"$instance"' in selector


# Against a Prometheus that scrapes a server.


@pytest.fixture(scope="module")
def exposition_endpoint():
    """host:port of a metrics agent beside a server that is busy."""
    with busy() as (_, agent):
        yield f"127.0.0.1:{agent.port}"


@pytest.fixture(scope="module")
def prometheus(exposition_endpoint, tmp_path_factory):
    """It has scraped for a while, and evaluated every rule on what it scraped."""
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), exposition_endpoint)
    try:
        prometheus.until(lambda: prometheus.query("count_over_time(vencejo_up[1m]) >= 6"), "six scrapes")
        prometheus.until(lambda: prometheus.query("count_over_time(model:vencejo_requests:rate3d[1m]) >= 3"), "rules")
        yield prometheus
    finally:
        prometheus.stop()


def is_answer(samples):
    """0/0 is none."""
    return any(math.isfinite(value) for _, value in samples)


def without_strings(expression):
    return re.sub(r'"[^"]*"', '""', expression)


def test_metrics_and_labels_are_there(prometheus):
    metrics = set(prometheus.api("label/__name__/values"))
    labels = set(prometheus.api("labels")) | {"namespace"}
    expressions = [rule["expr"] for rule in ALL_RULES] + [expression for _, expression in EXPRESSIONS.values()]
    for expression in map(without_strings, expressions):
        for name in re.findall(r"(?<![\w:$])(?:model:)?(?:vencejo|process|scrape)_[\w:]+", expression):
            assert name in metrics or LATER.match(name), expression
        told = re.findall(r"([\w]+)\s*(?:=~|!~|!=|=)\s*\"", expression)
        for group in re.findall(r"\b(?:by|on|group_left|ignoring)\s*\(([^()]*)\)", expression):
            told += re.findall(r"\w+", group)
        if not LATER.search(expression):
            assert set(told) <= labels, expression


@pytest.mark.parametrize("record", [rule["record"] for rule in RECORDS])
def test_a_recording_rule_gives_data(prometheus, record):
    assert is_answer(prometheus.query(record))


def test_all_rules_are_evaluated(prometheus):
    rules = [rule for group in prometheus.api("rules")["groups"] for rule in group["rules"]]
    assert len(rules) == len(ALL_RULES)
    for rule in rules:
        assert rule["health"] == "ok", (rule["name"], rule.get("lastError"))
        for alert in rule.get("alerts", []):
            assert "<error" not in json.dumps(alert["annotations"]), alert


@pytest.mark.parametrize("place", range(len(ALERTS)), ids=lambda place: ALERTS[place]["alert"])
def test_an_alert_can_be_asked(prometheus, place):
    prometheus.query(ALERTS[place]["expr"])


def interpolated(prometheus, name, text, known=()):
    """As Grafana does it: All is a variable's allValue, or all that its query gives."""
    values = dict(known)
    for variable in DASHBOARDS[name]["templating"]["list"][1:]:
        if variable["name"] in values or f"${variable['name']}" not in text:
            continue
        metric, selector, label = re.fullmatch(r"label_values\((\w+)(\{.*\})?, (\w+)\)", variable["definition"]).groups()
        found = prometheus.label_values(metric + interpolated(prometheus, name, selector or "", values), label)
        assert found, f"{variable['name']} has no values"
        found = [re.escape(value).replace("\\", "\\\\") for value in found]
        values[variable["name"]] = variable.get("allValue") or "|".join(found if variable["includeAll"] else found[:1])
    for variable, value in values.items():
        text = text.replace(f"${variable}", value)
    return text.replace("$__rate_interval", "5s").replace("$__range", "10s")


@pytest.mark.parametrize("query", EXPRESSIONS)
def test_a_query_of_a_dashboard_is_answered(prometheus, query):
    name, expression = EXPRESSIONS[query]
    asked = interpolated(prometheus, name, expression)
    assert is_answer(prometheus.query(asked)), asked


def test_a_query_that_nothing_answers_is_found(prometheus):
    """The test above, on a metric that is not there, and on one where 0 is divided by 0."""
    asked = interpolated(prometheus, "service", 'sum(rate(vencejo_reqests_total{job=~"$job"}[$__rate_interval]))')
    assert not is_answer(prometheus.query(asked))
    assert not is_answer(prometheus.query("sum(vencejo_up * 0) / sum(vencejo_up * 0)"))


# Who hears of what.


def test_amtool_takes_the_example():
    assert "1 templates" in run(tool("amtool", "prometheus-alertmanager"), "check-config", EXAMPLE)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_an_alert_finds_its_way(rule):
    severity = rule["labels"]["severity"]
    to = {"page": "pages", "ticket": "tickets"}[severity]
    if rule["alert"] in ("VencejoModelLoadFailed", "VencejoRollback", "VencejoRolloutWaiting", "VencejoDriftHigh"):
        to = f"model-makers,{to}"
    run(tool("amtool", "prometheus-alertmanager"), "config", "routes", "test", f"--config.file={EXAMPLE}",
        f"--verify.receivers={to}", f"alertname={rule['alert']}", f"severity={severity}", "model=iris", "job=vencejo")


def test_an_alert_arrives(tmp_path):
    """The example, with addresses of ours: each channel gets what it should, and a ticket of who was called nobody."""
    sink = Sink()
    example = yaml.safe_load(EXAMPLE.read_text())
    (tmp_path / "slack-url").write_text(f"{sink.url}/slack")
    for key in ("smtp_auth_username", "smtp_auth_password_file"):
        del example["global"][key]
    example["global"] |= {"smtp_smarthost": sink.smarthost, "smtp_require_tls": False, "telegram_api_url": sink.url}
    example["templates"] = [str(EXAMPLE.parent / "*.tmpl")]
    example["route"]["group_wait"] = "1s"
    for receiver in example["receivers"]:
        for slack in receiver.get("slack_configs", []):
            slack["api_url_file"] = str(tmp_path / "slack-url")
        for webhook in receiver.get("webhook_configs", []):
            webhook["url"] = f"{sink.url}/webhook"
        for discord in receiver.get("discord_configs", []):
            discord["webhook_url"] = f"{sink.url}/discord"
    (tmp_path / "alertmanager.yml").write_text(json.dumps(example))

    def alert(name, severity):
        rule = next(rule for rule in ALERTS if rule["alert"] == name)
        return {"labels": {"alertname": name, "severity": severity, "job": "vencejo", "model": "iris"},
                "annotations": rule["annotations"] | {"summary": f"what {name} says"}}

    alertmanager = Process(tmp_path, tool("prometheus-alertmanager", "prometheus-alertmanager"),
                           f"--config.file={tmp_path}/alertmanager.yml", f"--storage.path={tmp_path}/data",
                           "--cluster.listen-address=")
    try:
        alertmanager.request("/api/v2/alerts", body=[
            alert("VencejoErrorBudgetBurn", "page"), alert("VencejoErrorBudgetBurn", "ticket"),
            alert("VencejoRollback", "ticket")])
        alertmanager.until(lambda: len(sink.posts) >= 5 and sink.mails, "five messages and a mail")
    finally:
        alertmanager.stop()
        sink.stop()

    slack = {message["channel"]: message["attachments"][0] for message in sink.posted("/slack")}
    assert slack.keys() == {"#vencejo-oncall", "#vencejo"} and len(sink.posts) == 5
    assert slack["#vencejo-oncall"]["title"] == "PAGE VencejoErrorBudgetBurn iris"
    assert slack["#vencejo-oncall"]["color"] == "danger"
    assert "runbooks.md#vencejoerrorbudgetburn" in slack["#vencejo-oncall"]["text"]
    [telegram] = sink.posted("/bot")
    assert telegram["text"].startswith("PAGE VencejoErrorBudgetBurn iris\n\nwhat VencejoErrorBudgetBurn says\n")
    [webhook] = sink.posted("/webhook")
    assert [alert["labels"]["severity"] for alert in webhook["alerts"]] == ["page"]
    [discord] = sink.posted("/discord")
    assert discord["embeds"][0]["title"] == "TICKET VencejoRollback iris"
    [mail] = sink.mails
    assert "Subject: TICKET VencejoRollback iris" in mail and "what VencejoRollback says" in mail
