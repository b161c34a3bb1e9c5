"""What the events that a rule asks for have to carry along."""

from collections.abc import Iterator, Mapping

from monitord.model.interest import Along
from monitord.rules.ast import And, Check, FieldRef, Node, Not, Or
from monitord.rules.field import Field
from monitord.rules.operand import fields_of
from monitord.rules.output import Output, Slot
from monitord.rules.rule import Rule


def along_of(rule: Rule, catalogue: Mapping[str, Field]) -> Along:
    """What the fields of a rule follow from, those of its output included."""
    along = Along.NONE
    for field in _fields_in(rule):
        if field.name in catalogue:  # one that is not was reported, in an output appended by the configuration
            along |= catalogue[field.name].along
    return along


def _fields_in(rule: Rule) -> Iterator[FieldRef]:
    yield from _of_condition(rule.condition)
    yield from _of_output(rule.output)
    if rule.throttle:
        yield from fields_of(*rule.throttle.keys)
    if rule.correlation:
        for base in rule.correlation.bases:
            yield from _of_condition(base.condition)
            yield from fields_of(*base.keys, base.field)


def _of_condition(node: Node) -> Iterator[FieldRef]:
    match node:
        case And(children=children) | Or(children=children):
            for child in children:
                yield from _of_condition(child)
        case Not(child=child):
            yield from _of_condition(child)
        case Check(operand=operand, other=other):
            yield from fields_of(operand, other)


def _of_output(output: Output) -> Iterator[FieldRef]:
    for pieces in (output.pieces, *(extra.pieces for extra in output.extra)):
        for piece in pieces:
            if isinstance(piece, Slot):
                yield from fields_of(piece.operand)
