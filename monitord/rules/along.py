"""What the events that a rule asks for have to carry along."""

from collections.abc import Iterator, Mapping

from monitord.model.interest import Along, Interest
from monitord.rules.argument import EXECS
from monitord.rules.ast import And, Check, FieldRef, Node, Not, Or
from monitord.rules.field import Field
from monitord.rules.operand import fields_of
from monitord.rules.output import Output, Slot
from monitord.rules.rule import Rule
from monitord.tables.captures import captures_of
from monitord.tables.syscalls import Syscall, SyscallTable


def carrying(rule: Rule, catalogue: Mapping[str, Field], table: SyscallTable) -> Interest:
    """The interest of a rule with what its fields follow from, those of its output included."""
    fields = frozenset(fields_in(rule))
    always = by_descriptor = Along.NONE
    for field in fields:
        known = catalogue.get(field.name)  # one that is not was reported, in an output appended by the configuration
        if known is not None and known.by_path:
            by_descriptor |= known.along
        elif known is not None:
            always |= known.along
    along = {}
    for call in rule.interest.calls:
        syscall = table.find(*call)
        wanted = always if _names_path(syscall) else always | by_descriptor
        if syscall is not None and syscall.name in EXECS and _SAID_OF_PROGRAM in fields:
            wanted |= Along.PROGRAM
        if wanted:
            along[call] = wanted
    if always & Along.ENVIRONMENT:  # whatever the rule is about, the process was given it when it executed its program
        for syscall in (one for name in EXECS for one in table.calls_named(name)):
            call = syscall.abi, syscall.nr
            along[call] = along.get(call, Along.NONE) | Along.ENVIRONMENT
    return rule.interest.carrying(along)


_SAID_OF_PROGRAM = FieldRef("evt.arg", "flags")
"""Of an exec, `monitord.rules.fields.executable.executable_flags`."""


def _names_path(syscall: Syscall | None) -> bool:
    return syscall is not None and any(one.is_path for one in captures_of(syscall))


def fields_in(rule: Rule) -> Iterator[FieldRef]:
    """The fields that a rule asks for, those of its output included."""
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
