"""Conditions made ready to be asked about one event after the other."""

from collections.abc import Callable, Mapping

from monitord.model.event import Event
from monitord.model.process import Context
from monitord.rules.ast import And, Check, Node, Not, Or
from monitord.rules.evaluate import check_test, evaluate
from monitord.rules.field import Field
from monitord.rules.operand import value_of

Holds = Callable[[Event, Context], bool]


def prepare(node: Node, catalogue: Mapping[str, Field]) -> Holds:
    """`monitord.rules.evaluate` of a condition, with its literals read once."""
    if isinstance(node, And):
        return _all_of([prepare(child, catalogue) for child in node.children])
    if isinstance(node, Or):
        return _any_of([prepare(child, catalogue) for child in node.children])
    if isinstance(node, Not):
        child = prepare(node.child, catalogue)
        return lambda event, context: not child(event, context)
    if isinstance(node, Check) and node.other is None:
        operand, test = node.operand, check_test(node, catalogue)
        return lambda event, context: test(value_of(operand, event, context, catalogue))
    return lambda event, context: evaluate(node, event, context, catalogue)


def _all_of(children: list[Holds]) -> Holds:
    def holds(event: Event, context: Context) -> bool:
        return all(child(event, context) for child in children)

    return holds


def _any_of(children: list[Holds]) -> Holds:
    def holds(event: Event, context: Context) -> bool:
        return any(child(event, context) for child in children)

    return holds
