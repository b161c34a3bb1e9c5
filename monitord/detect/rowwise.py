"""One test, asked about one event after the other."""

from collections.abc import Callable, Mapping

from monitord.model.event import Event
from monitord.model.process import Context
from monitord.rules.ast import Check
from monitord.rules.evaluate import check_test, evaluate
from monitord.rules.field import Field
from monitord.rules.operand import value_of

Holds = Callable[[Event, Context], bool]


def holds_of(check: Check, catalogue: Mapping[str, Field]) -> Holds:
    """`monitord.rules.evaluate` of a test, with its literals read once."""
    if check.other is not None:
        return lambda event, context: evaluate(check, event, context, catalogue)
    operand, test = check.operand, check_test(check, catalogue)
    return lambda event, context: test(value_of(operand, event, context, catalogue))
