from pathlib import Path

import pytest

from monitord.abi.arch import Abi
from monitord.config.schema import Config, MetricsConfig, Scope, ScopeKind
from monitord.pipeline.load import Overrides, load
from monitord.tables.syscalls import SyscallTable

TABLE = SyscallTable.load((Abi.X86_64,))

RULES = """
- rule: Loud
  desc: x
  condition: evt.type=open
  output: x
  priority: WARNING
- rule: Quiet
  desc: x
  condition: evt.type=open
  output: x
  priority: DEBUG
"""


@pytest.fixture
def place(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES)
    (tmp_path / "other.yaml").write_text(RULES.replace("Loud", "Other"))
    (tmp_path / "monitord.yaml").write_text("rules: {paths: [rules.yaml]}\n")
    return tmp_path


def loaded(place, overrides=None):
    return load(place / "monitord.yaml", overrides or Overrides(), TABLE)


def names(rules):
    return [rule.name for rule in rules.rules]


class TestOverrides:
    def test_nothing_leaves_everything(self):
        assert Config() == Overrides().applied(Config())

    def test_a_scope(self):
        scope = Scope(ScopeKind.UID, "1000")

        assert scope == Overrides(scope=scope).applied(Config()).scope

    def test_an_alert_log(self):
        assert Path("x") == Overrides(alert_log=Path("x")).applied(Config()).outputs.alert_log.path

    def test_an_address_switches_metrics_on(self):
        off = Config(metrics=MetricsConfig(enabled=False))

        assert MetricsConfig(True, "::1", 7) == Overrides(metrics=("::1", 7)).applied(off).metrics


class TestLoad:
    def test_the_rules_are_those_of_the_configuration(self, place):
        assert ["Loud", "Quiet"] == names(loaded(place)[1])

    def test_rules_of_the_command_line_stand_in_for_them(self, place):
        assert ["Other", "Quiet"] == names(loaded(place, Overrides(rules=[place / "other.yaml"]))[1])

    def test_rules_below_the_priority_are_off(self, place):
        (place / "monitord.yaml").write_text("rules: {paths: [rules.yaml], priority: warning}\n")

        assert ["Loud"] == [rule.name for rule in loaded(place)[1].rules if rule.enabled]

    def test_mistakes_of_configuration_and_rules_come_together(self, place):
        (place / "monitord.yaml").write_text("rules: {paths: [rules.yaml]}\nscope: cpu\n")
        (place / "rules.yaml").write_text("- rule: x\n")

        assert {str(place / "monitord.yaml"), str(place / "rules.yaml")} == {
            problem.file for problem in loaded(place)[2]
        }
