"""
The slow, obvious evaluator: one condition, one event. It says what a condition means; faster ones are tested
against it.
"""

from collections.abc import Mapping

from monitord.model.event import Event
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.ast import And, Check, Macro, Node, Not, Op, Or
from monitord.rules.compare import Test, make_test, read_literal
from monitord.rules.field import Field
from monitord.rules.fields import CATALOGUE
from monitord.rules.operand import has_sides, is_any_of, type_of, value_of


def evaluate(node: Node, event: Event, context: Context, catalogue: Mapping[str, Field] = CATALOGUE) -> bool:
    """Whether a checked condition, macros put in, holds for an event."""
    if isinstance(node, And):
        return all(evaluate(child, event, context, catalogue) for child in node.children)
    if isinstance(node, Or):
        return any(evaluate(child, event, context, catalogue) for child in node.children)
    if isinstance(node, Not):
        return not evaluate(node.child, event, context, catalogue)
    if isinstance(node, Macro):
        raise TypeError(f"the macro '{node.name}' was not put in")
    return _holds(node, event, context, catalogue)


def _holds(check: Check, event: Event, context: Context, catalogue: Mapping[str, Field]) -> bool:
    value = value_of(check.operand, event, context, catalogue)
    if check.other is None:
        return check_test(check, catalogue)(value)
    other = value_of(check.other, event, context, catalogue)
    if isinstance(other, Missing):
        return False
    test = make_test(check.op, other if isinstance(other, tuple) else (other,), check.quantifier)
    return _of_candidates(test, check, catalogue)(value)


def check_test(check: Check, catalogue: Mapping[str, Field] = CATALOGUE) -> Test:
    """The test that a check with literals makes of its operand's value; made once, it may be asked many times."""
    type_ = type_of(check.operand, catalogue)
    literals = (read_literal(text, check.op, type_) for text in check.values)
    test = make_test(check.op, tuple(literal for literal in literals if literal is not None), check.quantifier)
    return _of_candidates(test, check, catalogue)


def _of_candidates(test: Test, check: Check, catalogue: Mapping[str, Field]) -> Test:
    """The test of a value that may be several, one of which makes it hold; or all, for ``!=`` of two sides."""
    if not is_any_of(check.operand, catalogue):
        return test
    some = all if check.op is Op.NE and has_sides(check.operand, catalogue) else any

    def candidates_test(value: Value) -> bool:
        return some(map(test, value)) if isinstance(value, tuple) else test(value)

    return candidates_test
