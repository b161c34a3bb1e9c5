"""
Rules that can never alert, because another one is asked first and takes every event.

A condition is compared with an earlier one by its parts: what is found is certain, what is not found may still be so.
"""

from collections.abc import Iterator, Mapping, Sequence

from monitord.rules.ast import And, Check, FieldRef, Node, Not, Op, Or
from monitord.rules.compare import read_literal
from monitord.rules.evaluate import check_test
from monitord.rules.field import Field, FieldType
from monitord.rules.rule import Rule

_COMPARED = frozenset((FieldType.TEXT, FieldType.NUMBER, FieldType.BOOL))
_ABOVE, _BELOW = (Op.GT, Op.GE), (Op.LT, Op.LE)


def shadowed(rules: Sequence[Rule], catalogue: Mapping[str, Field]) -> Iterator[tuple[Rule, Rule]]:
    """
    Rules that never alert while the first match takes an event, each with the one that takes them.

    :param rules: in the order in which they are asked.
    """
    calls = [rule.interest.calls.keys() for rule in rules]
    for place, rule in enumerate(rules):
        for earlier in range(place) if calls[place] else ():
            # Most pairs are about other calls, which is seen sooner than that their conditions differ.
            if calls[place] <= calls[earlier] and implies(rule.condition, rules[earlier].condition, catalogue):
                yield rule, rules[earlier]
                break


def implies(node: Node, other: Node, catalogue: Mapping[str, Field]) -> bool:
    """Whether a condition holds only where the other one does, as far as their parts tell; sound, not complete."""
    if node == other:
        return True
    if isinstance(node, Or):
        return all(implies(child, other, catalogue) for child in node.children)
    if isinstance(other, And):
        return all(implies(node, child, catalogue) for child in other.children)
    if isinstance(other, Or) and any(implies(node, child, catalogue) for child in other.children):
        return True
    if isinstance(node, And):
        return any(implies(child, other, catalogue) for child in node.children)
    if isinstance(node, Not) and isinstance(other, Not):
        return implies(other.child, node.child, catalogue)
    return isinstance(node, Check) and isinstance(other, Check) and _check_implies(node, other, catalogue)


def _check_implies(check: Check, other: Check, catalogue: Mapping[str, Field]) -> bool:
    operand = check.operand
    if operand != other.operand or not isinstance(operand, FieldRef) or check.other or other.other:
        return False
    field = catalogue[operand.name]
    if field.type not in _COMPARED or field.sides or check.quantifier or other.quantifier:
        return False
    if other.op is Op.EXISTS:
        return True  # nothing holds of a value that is missing
    if check.op in (Op.EQ, Op.IN, Op.INTERSECTS):
        return _each_passes(check, other, catalogue, field.type)
    if check.op is other.op is Op.PMATCH:
        return set(check.values) <= set(other.values)
    if field.type is FieldType.TEXT:
        return _text_implies(check, other)
    return field.type is FieldType.NUMBER and _range_implies(check, other)


def _each_passes(check: Check, other: Check, catalogue: Mapping[str, Field], type_: FieldType) -> bool:
    """Whether each of the values that a field may have passes the other test."""
    test = check_test(other, catalogue)
    values = [read_literal(text, check.op, type_) for text in check.values]
    return all(isinstance(value, (str, int)) and test(value) for value in values)


def _text_implies(check: Check, other: Check) -> bool:
    """By what a text begins or ends with, or contains."""
    if len(check.values) != 1 or len(other.values) != 1:
        return False
    [text], [wanted] = check.values, other.values
    if other.op is Op.CONTAINS:
        return check.op in (Op.CONTAINS, Op.STARTSWITH, Op.ENDSWITH) and wanted in text
    if check.op is not other.op:
        return False
    if check.op is Op.STARTSWITH:
        return text.startswith(wanted)
    return check.op is Op.ENDSWITH and text.endswith(wanted)


def _range_implies(check: Check, other: Check) -> bool:
    """By the numbers above or below a bound."""
    bound = read_literal(check.values[0], check.op, FieldType.NUMBER) if len(check.values) == 1 else None
    wanted = read_literal(other.values[0], other.op, FieldType.NUMBER) if len(other.values) == 1 else None
    if not isinstance(bound, (int, float)) or not isinstance(wanted, (int, float)):
        return False
    for side, sign in ((_ABOVE, 1), (_BELOW, -1)):
        if check.op in side:
            if other.op is Op.NE:
                beyond = sign * bound > sign * wanted
                return beyond or (check.op in (Op.GT, Op.LT) and bound == wanted)
            if other.op not in side:
                return False
            inside = sign * bound > sign * wanted
            return inside or (bound == wanted and (check.op in (Op.GT, Op.LT) or other.op in (Op.GE, Op.LE)))
    return False
