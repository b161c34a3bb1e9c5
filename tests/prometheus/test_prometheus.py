"""A real monitord, scraped by Debian's Prometheus, whose alerting rules send to Debian's Alertmanager."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.alertmanager import alertmanager, alerts
from tests.support.daemon import configured, running, shell, until
from tests.support.prometheus import prometheus

pytestmark = pytest.mark.bpf

ROOT = Path(__file__).parents[2]
RULES = ROOT / "config/prometheus/monitord.rules.yml"
DASHBOARD = json.loads((ROOT / "config/grafana/monitord.json").read_text())

CONFIG = """
- rule: Nowhere
  desc: A file that is not there.
  condition: evt.type=openat and fd.name startswith /nowhere/
  output: opened %fd.name
  priority: NOTICE
  tags: [files]
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Iterator[SimpleNamespace]:
    """All of them, and a shell that is busy until the end."""
    directory = tmp_path_factory.mktemp("service")
    with alertmanager(directory) as manager, shell() as opened:
        config = configured(
            directory,
            CONFIG,
            outputs={"alertmanager": {"urls": [manager]}},
            bpf={"program_stats": True},
        )
        # Waiting for minutes would test the patience of Prometheus alone.
        rules = directory / "monitord.rules.yml"
        rules.write_text(re.sub("for: .*", "for: 1s", RULES.read_text()))
        with running(directory, opened.scope, config) as daemon:
            target = re.search(r"http://([\d.:]+)/metrics", daemon.log)[1]
            with prometheus(directory, target, manager, [rules]) as server:
                stop = threading.Event()
                busy = threading.Thread(target=_be_busy, args=(opened, stop))
                busy.start()
                yield SimpleNamespace(
                    daemon=daemon, prometheus=server, manager=manager, rules=directory / "rules.yaml", target=target
                )
                stop.set()
                busy.join()


def _be_busy(opened, stop: threading.Event) -> None:
    while not stop.wait(0.2):
        opened.run("cat /nowhere/x 2>/dev/null; ls / ; true")


def names(found: list[dict]) -> set[str]:
    return {alert["labels"]["alertname"] for alert in found}


class TestScrape:
    def test_promtool_finds_nothing_wrong_with_the_metrics(self, service):
        until(lambda: service.daemon.scrape().total("monitord_alerts_total"))
        done = subprocess.run(
            ["promtool", "check", "metrics"], input=service.daemon.scrape().text, capture_output=True, text=True
        )

        assert (0, "") == (done.returncode, done.stdout + done.stderr)

    def test_prometheus_reaches_it(self, service):
        assert until(lambda: service.prometheus.query('up{job="monitord"} == 1'))


def queries() -> list[tuple[str, str, str]]:
    """Title, query and legend of each target."""
    return [
        (panel["title"], target["expr"], target["legendFormat"])
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
    ]


def filled(expr: str) -> str:
    """A query with its variables replaced, as Grafana does."""
    text = expr.replace("$__rate_interval", "10s").replace("$job", ".+").replace("$instance", ".+")
    assert "$" not in text
    return text


class TestDashboard:
    @pytest.mark.parametrize(
        ("title", "expr", "legend"), queries(), ids=[f"{title}-{n}" for n, (title, *_) in enumerate(queries())]
    )
    def test_every_query_has_an_answer_with_the_labels_of_its_legend(self, service, title, expr, legend):
        def numbers():
            """What there is, once there has been something to divide by."""
            found = service.prometheus.query(filled(expr))
            return all(sample["value"][1] != "NaN" for sample in found) and found

        found = until(numbers)
        labels = re.findall(r"\{\{(\w+)\}\}", legend)
        assert [] == [sample["metric"] for sample in found for label in labels if label not in sample["metric"]]

    @pytest.mark.parametrize(
        "title", ["Matches by rule", "Alerts by output", "Busiest calls", "CPU", "Time in BPF programs"]
    )
    def test_and_what_is_busy_is_not_nothing(self, service, title):
        (expr,) = [expr for name, expr, _ in queries() if name == title]

        assert until(lambda: any(float(sample["value"][1]) > 0 for sample in service.prometheus.query(filled(expr))))

    def test_its_variables_have_values(self, service):
        for variable in DASHBOARD["templating"]["list"][1:]:
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
            (sample,) = until(lambda selector=selector: service.prometheus.query(filled(selector)))

            assert variable["name"] == label
            assert {"job": "monitord", "instance": service.target}[label] == sample["metric"][label]


class TestAlertmanager:
    def test_an_alert_of_ours_is_there(self, service):
        found = until(lambda: [alert for alert in alerts(service.manager) if alert["labels"]["alertname"] == "Nowhere"])

        assert [("Notice", "files", "opened /nowhere/x")] == [
            (alert["labels"]["priority"], alert["labels"]["tags"], alert["annotations"]["summary"]) for alert in found
        ]

    def test_nothing_fires_while_all_is_well(self, service):
        until(lambda: service.prometheus.query("monitord_rules_loaded"))

        # A scrape that took more than its second may be waited for; nothing else is pending, and nothing fires.
        seen = service.prometheus.alerts()
        assert {("MonitordDown", "pending")} >= {(one["labels"]["alertname"], one["state"]) for one in seen}
        until(lambda: not service.prometheus.alerts())

    def test_a_refused_reload_comes_through_prometheus_and_goes_again(self, service):
        service.rules.write_text("- rule: broken\n")
        service.daemon.reload()
        until(lambda: "MonitordReloadFailed" in names(alerts(service.manager)))
        (found,) = [
            alert for alert in alerts(service.manager) if alert["labels"]["alertname"] == "MonitordReloadFailed"
        ]
        service.rules.write_text(CONFIG)
        service.daemon.reload()

        assert {"alertname", "severity", "job", "instance"} == found["labels"].keys()
        assert f"monitord on {service.target} refused its configuration or rules" == found["annotations"]["summary"]
        until(lambda: not service.prometheus.alerts())

    def test_a_dead_output_comes_through_prometheus(self, service):
        """Alertmanager hears of a webhook that nobody answers."""
        directory = service.rules.parent
        outputs = {
            "alertmanager": {"urls": [service.manager]},
            "webhook": {"url": "http://127.0.0.1:9/", "timeout_s": 1},
        }
        configured(directory, CONFIG, outputs=outputs, bpf={"program_stats": True})
        service.daemon.reload()

        until(lambda: "MonitordOutputFailing" in names(alerts(service.manager)))
        (found,) = [
            alert for alert in alerts(service.manager) if alert["labels"]["alertname"] == "MonitordOutputFailing"
        ]
        assert "webhook" == found["labels"]["sink"]

    def test_a_daemon_that_is_killed_comes_through_prometheus(self, service):
        """The last test: there is no daemon any more behind it."""
        service.daemon.process.kill()

        until(lambda: "MonitordDown" in names(alerts(service.manager)))
