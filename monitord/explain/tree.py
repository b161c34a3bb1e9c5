"""A condition and its parts: how they stand below each other, and what each says of an event."""

from collections.abc import Iterator, Mapping

from monitord.dataclass import dataclass
from monitord.explain.page import WIDTH, Paint, wrapped
from monitord.model.event import Event
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.ast import And, Check, FieldRef, Macro, Node, Not, Or
from monitord.rules.evaluate import evaluate
from monitord.rules.field import Field
from monitord.rules.operand import value_of
from monitord.rules.output import text_of_value
from monitord.rules.written import written_check
from monitord.sinks.format import one_line, valid_text

STEP = 2
"""Columns by which a part is further to the right than what it is a part of."""


MARGIN = 8
"""Columns in front of a part for what it says."""

_KINDS = frozenset(("evt.type", "evt.nr", "evt.abi"))
_OF_ANOTHER_KIND = 10
"""How much further away an event is of a call that a rule is not about, in tests."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What a condition, or a part of one, says of an event.

    :ivar asked: whether the verdict of the whole needed it, left to right.
    :ivar values: of the operands of a test, left and, for ``val()``, right.
    """

    node: Node
    holds: bool
    asked: bool
    parts: tuple["Verdict", ...] = ()
    values: tuple[Value, ...] = ()


def judged(node: Node, event: Event, context: Context, catalogue: Mapping[str, Field], asked: bool = True) -> Verdict:
    """What a checked condition, macros put in, says of an event, with all its parts, asked or not."""
    if isinstance(node, Check):
        operands = (node.operand,) if node.other is None else (node.operand, node.other)
        values = tuple(value_of(operand, event, context, catalogue) for operand in operands)
        return Verdict(node, evaluate(node, event, context, catalogue), asked, values=values)
    if isinstance(node, Not):
        part = judged(node.child, event, context, catalogue, asked)
        return Verdict(node, not part.holds, asked, (part,))
    if isinstance(node, Macro):
        raise TypeError(f"the macro '{node.name}' was not put in")
    settling = isinstance(node, Or)  # what a part has to say for the rest not to be asked
    parts = []
    open_ = asked
    for child in node.children:
        parts.append(judged(child, event, context, catalogue, open_))
        open_ = open_ and parts[-1].holds is not settling
    holds = (any if settling else all)(part.holds for part in parts)
    return Verdict(node, holds, asked, tuple(parts))


def distance(verdict: Verdict, wanted: bool = True) -> int:
    """
    How many tests would have to say something else for a condition to hold, or not to.

    Those that ask which call it is count `_OF_ANOTHER_KIND` times.
    """
    node = verdict.node
    if isinstance(node, Check):
        of_kind = isinstance(node.operand, FieldRef) and node.operand.name in _KINDS
        return (_OF_ANOTHER_KIND if of_kind else 1) * (verdict.holds is not wanted)
    if isinstance(node, Not):
        return distance(verdict.parts[0], not wanted)
    counts = [distance(part, wanted) for part in verdict.parts]
    return sum(counts) if isinstance(node, And) is wanted else min(counts)


def against(verdict: Verdict, wanted: bool = True) -> Iterator[Verdict]:
    """The fewest tests that would have to say something else, as `distance` counts them."""
    node = verdict.node
    if isinstance(node, Check):
        if verdict.holds is not wanted:
            yield verdict
    elif isinstance(node, Not):
        yield from against(verdict.parts[0], not wanted)
    elif isinstance(node, And) is wanted:
        for part in verdict.parts:
            yield from against(part, wanted)
    else:
        yield from against(min(verdict.parts, key=lambda part: distance(part, wanted)), wanted)


def condition_lines(node: Node, indent: int) -> Iterator[str]:
    """A condition, one line for each part of it; long lists take more."""
    yield from wrapped(_label(node), indent, 2 * STEP)
    for child in _parts(node):
        yield from condition_lines(child, indent + STEP)


def verdict_lines(verdict: Verdict, indent: int, paint: Paint) -> Iterator[str]:
    """
    A condition with what each part says: ``true`` or ``false`` in front, in parentheses what was not asked; below a
    test, the value that it is about.
    """
    word = "true" if verdict.holds else "false"
    margin = f"{word if verdict.asked else f'({word})':{MARGIN}}"
    lines = list(part_lines(verdict, indent, WIDTH - MARGIN))
    if verdict.asked:
        yield paint.truth(margin, verdict.holds) + lines[0]
    else:
        yield paint.dim(margin + lines[0])
    for line in lines[1:]:
        yield " " * MARGIN + (line if verdict.asked else paint.dim(line))
    for part in verdict.parts:
        yield from verdict_lines(part, indent + STEP, paint)


def part_lines(verdict: Verdict, indent: int, room: int, most: int | None = None) -> Iterator[str]:
    """
    A part without what it is made of; the values behind the test, or below it where there is no room.

    :param room: columns.
    :param most: literals that are written out; None for all.
    """
    label = _label(verdict.node, most)
    values = "".join(f"   <- {shown_value(value)}" for value in verdict.values)
    if indent + len(label) + len(values) <= room:
        yield " " * indent + label + values
        return
    yield from wrapped(label, indent, 2 * STEP, room)
    for value in verdict.values:
        yield from wrapped(f"<- {shown_value(value)}", indent + 2 * STEP, 3, room)


def shown_value(value: Value) -> str:
    """A value on one line; of a missing one, why it is."""
    if isinstance(value, Missing):
        return f"missing: {value.value}"
    text = one_line(valid_text(text_of_value(value)))
    return text if text else '""'


def _parts(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Not):
        return (node.child,)
    return node.children if isinstance(node, (And, Or)) else ()


def _label(node: Node, most: int | None = None) -> str:
    if isinstance(node, Check):
        return written_check(node, most)
    if isinstance(node, Macro):
        return node.name
    return type(node).__name__.lower()
