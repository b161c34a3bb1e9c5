"""Everything an operator writes, read and checked together."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from monitord.config.load import load as load_config
from monitord.config.outputs import AlertLogConfig
from monitord.config.schema import Config, Scope
from monitord.dataclass import dataclass
from monitord.model.problem import Problem, errors
from monitord.rules.rule import RuleSet
from monitord.rules.ruleset import load as load_rules
from monitord.rules.ruleset import no_rules
from monitord.tables.syscalls import SyscallTable


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line says instead of the configuration; None or empty leaves it as it is."""

    scope: Scope | None = None
    rules: Sequence[Path] = ()
    alert_log: Path | None = None
    metrics: tuple[str, int] | None = None

    def applied(self, config: Config) -> Config:
        """The configuration with these in place."""
        if self.scope is not None:
            config = replace(config, scope=self.scope)
        if self.rules:
            config = replace(config, rules=replace(config.rules, paths=tuple(self.rules)))
        if self.alert_log is not None:
            log = config.outputs.alert_log
            log = replace(log, path=self.alert_log) if log else AlertLogConfig(self.alert_log)
            config = replace(config, outputs=replace(config.outputs, alert_log=log))
        if self.metrics is not None:
            address, port = self.metrics
            config = replace(config, metrics=replace(config.metrics, enabled=True, address=address, port=port))
        return config


def load(path: Path, overrides: Overrides, table: SyscallTable) -> tuple[Config, RuleSet, list[Problem]]:
    """
    The configuration and the rules that it names.

    :return: with the mistakes of all files; what is wrong is left out or at its default.
    """
    config, problems = load_config(path)
    config = overrides.applied(config)
    rules, rule_problems = load_rules(config.rules.paths, table, config.rules, runtimes=bool(config.containers.sockets))
    problems += rule_problems
    if not errors(problems):
        problems += no_rules(config.rules.paths, rules)
    return config, rules, problems
