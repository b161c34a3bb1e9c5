"""Says which rules lean on fields that are not supplied, and what follows."""

from collections.abc import Iterable, Mapping

from monitord.rules.code import Code
from monitord.rules.field import Field
from monitord.rules.items import Problems
from monitord.rules.polarity import Consequence
from monitord.rules.rule import Rule

_CONSEQUENCES: Mapping[Consequence, tuple[Code, str]] = {
    Consequence.NEVER: (Code.NEVER_FIRES, "and all of the condition hangs on that; disable it, or do without"),
    Consequence.OFTEN: (
        Code.FIRES_OFTEN,
        "so a requirement goes without saying; disable it, or require something else",
    ),
    Consequence.EXCEPTION: (Code.WEAK_EXCEPTION, "so nothing is excepted by that; expect more alerts"),
    Consequence.MISSES: (Code.MISSES_CASES, "so only the other alternatives can match"),
}
"""Consequence -> its code, and the rest of the sentence."""

_ASK_RUNTIMES = ". What container runtimes know is supplied where 'containers.sockets' is configured"


def report_unsupplied(rules: Iterable[Rule], catalogue: Mapping[str, Field], problems: Problems) -> None:
    """A warning for each rule that is on, and each consequence."""
    for rule in rules:
        if not rule.enabled:
            continue
        for consequence, fields in rule.consequences.items():
            code, why = _CONSEQUENCES[consequence]
            are = "are" if len(fields) > 1 else "is"
            what = f"rule '{rule.name}' {consequence.value}: {', '.join(fields)} {are} not supplied, {why}"
            known = (catalogue.get(field.partition("[")[0]) for field in fields)
            if any(field is not None and field.of_runtime for field in known):
                what += _ASK_RUNTIMES
            problems.warn(rule.place, code, what)
