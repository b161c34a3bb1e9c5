"""One test, asked about one event."""

from collections.abc import Callable, Mapping

from monitord.detect.group import Group
from monitord.rules.ast import Check
from monitord.rules.evaluate import check_test, evaluate
from monitord.rules.field import Field

Question = Callable[[Group, int], bool]
"""Whether a test holds for a row."""


def question_of(check: Check, catalogue: Mapping[str, Field]) -> Question:
    """`monitord.rules.evaluate` of a test, with its literals read once."""
    if check.other is not None:
        return lambda group, row: evaluate(check, group.event(row), group.context, catalogue)
    operand, test = check.operand, check_test(check, catalogue)
    return lambda group, row: test(group.value(operand, row))
