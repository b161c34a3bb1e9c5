"""The alerting rules, as Debian's promtool sees them."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.test_docs import scraped

ROOT = Path(__file__).parents[2]
RULES = ROOT / "config/prometheus/monitord.rules.yml"
TESTS = ROOT / "tests/prometheus/monitord.rules.test.yml"


def promtool(*words: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True)


def alerts() -> list[dict]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def test_they_are_right():
    done = promtool("check", "rules", RULES)

    assert (0, "") == (done.returncode, done.stderr)


def test_they_fire_when_they_are_to():
    done = promtool("test", "rules", TESTS)

    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("alert", [alert["alert"] for alert in alerts()])
def test_each_is_tested_to_fire_and_not_to_fire(alert):
    cases = [case for test in yaml.safe_load(TESTS.read_text())["tests"] for case in test["alert_rule_test"]]

    assert {True, False} == {bool(case.get("exp_alerts")) for case in cases if case["alertname"] == alert}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_each_asks_for_metrics_that_are_there(alert):
    asked = set(re.findall(r"\b(?:monitord|process)_\w+", alert["expr"]))

    assert set() == asked - scraped().keys()


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_a_rule_that_is_broken_is_found(alert, tmp_path):
    """The tests are worth something: without any one rule they fail."""
    document = yaml.safe_load(RULES.read_text())
    for rule in document["groups"][0]["rules"]:
        if rule["alert"] == alert["alert"]:
            rule["expr"] = "vector(0) > 1"
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(document))
    (tmp_path / "test.yml").write_text(TESTS.read_text().replace("../../config/prometheus/monitord.", ""))

    assert 1 == promtool("test", "rules", tmp_path / "test.yml").returncode
