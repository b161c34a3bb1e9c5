"""Runs tests, and says of each what is wrong."""

from collections.abc import Iterator, Sequence

from monitord.dataclass import dataclass
from monitord.explain.tree import against, distance, judged, shown_value
from monitord.model.alert import Alert
from monitord.model.amount import amount
from monitord.rules.ast import Check
from monitord.rules.items import Problems, nearest
from monitord.rules.lexer import ConditionError
from monitord.rules.operand import fields_of, value_of
from monitord.rules.output import text_of_value
from monitord.rules.parser import parse_operand
from monitord.rules.rule import Rule, RuleSet
from monitord.rules.written import written_check
from monitord.ruletest.code import Code
from monitord.ruletest.judge import alerts_of
from monitord.ruletest.testfile import Expected, RuleTest, TestFile
from monitord.sinks.format import one_line, valid_text
from monitord.tables.syscalls import SyscallTable


@dataclass(frozen=True, slots=True)
class Result:
    """
    What came of a test.

    :ivar wrong: lines that say what was expected and what was there; none for a test that passed.
    """

    test: RuleTest
    wrong: tuple[str, ...]


def mistakes(file: TestFile, rules: RuleSet, problems: Problems) -> None:
    """Names of rules and fields that are not there."""
    names = [rule.name for rule in rules.rules]
    for test in file.tests:
        named = [(expected.rule, expected.place) for expected in test.expect or ()]
        for name, place in (*named, *test.forbidden):
            if name not in names:
                problems.error(place, Code.RULE, f"there is no rule '{name}'{nearest(name, names)}")
        for expected in test.expect or ():
            for field in expected.fields:
                if not _is_field(field, rules):
                    message = f"there is no field '{field}'{nearest(field, rules.catalogue)}"
                    problems.error(expected.place, Code.VALUE, message)


def run(test: RuleTest, rules: RuleSet, table: SyscallTable, match_all: bool) -> Result:
    """One test, by the detector of the daemon."""
    alerts = alerts_of(test.events, rules, table, match_all)
    wrong: list[str] = []
    for expected in test.expect or ():
        wrong += _missing(expected, alerts, test, rules)
    if test.expect == ():
        wrong += [f"expected no alert, got {_shown(alert)}" for alert in alerts]
    forbidden = {name for name, _ in test.forbidden}
    wrong += [f"expected none of '{alert.rule}', got {_shown(alert)}" for alert in alerts if alert.rule in forbidden]
    return Result(test, tuple(wrong))


def _missing(expected: Expected, alerts: Sequence[Alert], test: RuleTest, rules: RuleSet) -> Iterator[str]:
    of_rule = [alert for alert in alerts if alert.rule == expected.rule]
    fitting = [alert for alert in of_rule if not list(_differences(expected, alert, rules))]
    if len(fitting) == expected.count or (expected.count is None and fitting):
        return
    wanted = "an alert" if expected.count is None else amount(expected.count, "alert")
    yield f"expected {wanted} of '{expected.rule}', got {len(fitting) or 'none'}"
    for alert in of_rule:
        for difference in _differences(expected, alert, rules):
            yield f"  {difference}"
    for alert in alerts:
        if alert.rule != expected.rule:
            yield f"  there was {_shown(alert)}"
    if not of_rule:
        rule = next(rule for rule in rules.rules if rule.name == expected.rule)
        yield from (f"  {line}" for line in _reasons(rule, test, rules))


def _differences(expected: Expected, alert: Alert, rules: RuleSet) -> Iterator[str]:
    if expected.output not in alert.output:
        yield f"output: expected a part {expected.output!r}, got {alert.output!r}"
    for name, wanted in expected.fields.items():
        got = _field(name, alert, rules)
        if got != wanted:
            yield f"{name}: expected {wanted!r}, got {got!r}"


def _field(name: str, alert: Alert, rules: RuleSet) -> str:
    if name in alert.fields:
        return text_of_value(alert.fields[name])
    operand, _ = parse_operand(name, 0)
    return text_of_value(value_of(operand, alert.event, alert.context, rules.catalogue))


def _is_field(name: str, rules: RuleSet) -> bool:
    try:
        operand, end = parse_operand(name, 0)
    except ConditionError:
        return False
    return end == len(name) and all(field.name in rules.catalogue for field in fields_of(operand))


def _reasons(rule: Rule, test: RuleTest, rules: RuleSet) -> Iterator[str]:
    """Why a rule did not match the event that it is nearest to."""
    if not rule.enabled:
        yield "the rule is disabled"
    elif rule.correlation is None and test.events:
        verdicts = [judged(rule.condition, event, context, rules.catalogue) for event, context in test.events]
        verdict = min(verdicts, key=distance)
        for part in against(verdict):
            assert isinstance(part.node, Check)
            says = "true" if part.holds else "false"
            values = ", ".join(map(shown_value, part.values))
            yield f"{says}: {written_check(part.node, 3)}   <- {values}"
        if verdict.holds:
            yield "its condition holds: another rule takes the event, or the kernel does not deliver it"


def _shown(alert: Alert) -> str:
    return f"'{alert.rule}': {one_line(valid_text(alert.output))}"
