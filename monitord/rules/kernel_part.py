"""
What of a condition the kernel can test for one call: registers, results, users, names, paths and files.

`monitord.rules.interest` says which calls a condition can be true for. Here the condition is worked out once more for
one of them: each test becomes the events where it may be true and those where it may be false, as clauses. A test that
the kernel cannot make, or not exactly, has more events in both than it should, up to all. So what comes out can hold
events that never match, and never lacks one that does.
"""

from collections.abc import Mapping

from monitord.model.clause import EVERYTHING, Clauses, both, simplified
from monitord.model.facts import Key
from monitord.model.value import Missing
from monitord.rules.argument import RESULT, argument_index
from monitord.rules.ast import And, Check, FieldRef, Node, Not, Or
from monitord.rules.namings import of_directory, of_name, of_opened, of_path
from monitord.rules.opens import OPEN_CALLS
from monitord.rules.registers import UNKNOWN, Truth, of_argument, of_cases, of_number, of_open, of_result, of_user
from monitord.tables.arguments import bits_of_text, id_kind
from monitord.tables.captures import ArgCapture, captures_of
from monitord.tables.descriptors import captured_at
from monitord.tables.syscalls import Syscall

_PATHS = frozenset(("fd.name", "fd.nameraw"))

FIELDS = _PATHS | {
    *("evt.res", "evt.rawres", "evt.arg", "evt.rawarg", "user.uid", "proc.name", "fd.directory", "fd.realpath"),
    *("evt.is_open_read", "evt.is_open_write", "evt.is_open_exec", "evt.is_open_create"),
}
"""The fields that are told more of than by `monitord.rules.interest`."""


def truth_of(check: Check, syscall: Syscall | None) -> Truth:
    """
    Where a test may be true and where it may be false, for the events of one call.

    :param syscall: None for a number outside the table.
    """
    operand = check.operand
    if not isinstance(operand, FieldRef) or check.other is not None:
        return UNKNOWN
    match operand.name:
        case "evt.res" | "evt.rawres":
            return of_result(check, by_name=operand.name == "evt.res")
        case "user.uid":
            return of_user(check, syscall)
        case "proc.name":
            return of_name(check)
        case "evt.is_open_read" | "evt.is_open_write" | "evt.is_open_exec" | "evt.is_open_create":
            return of_open(check, operand.name, syscall)
        case "fd.realpath":
            return _of_file(check, syscall)
    path = None if syscall is None else _path_of(syscall)
    if operand.name in _PATHS and path is not None:
        return of_path(check)
    if operand.name == "fd.directory" and path is not None:
        return of_directory(check)
    if operand.name == "evt.arg" and operand.arg is not None and syscall is not None:
        index = argument_index(syscall, operand.arg)
        if index is not None and path is not None and path.arg == index:
            return of_path(check)
        if index is not None and not any(capture.arg == index for capture in captures_of(syscall)):
            # The name of a user is found in user space: a database says it, and may say another one tomorrow.
            if id_kind(syscall, index) is not None:
                return UNKNOWN
            return of_argument(check, syscall, index)
    if operand.name == "evt.rawarg" and operand.arg is not None and syscall is not None:
        index = argument_index(syscall, operand.arg)
        if index is not None and operand.arg != RESULT and id_kind(syscall, index) is not None:
            return of_number(check, Key(index, bits_of_text(syscall, index)))
    return UNKNOWN


def _of_file(check: Check, syscall: Syscall | None) -> Truth:
    """A test of ``fd.realpath``, which is missing for calls without a descriptor."""
    if syscall is not None and syscall.name in OPEN_CALLS:
        return of_opened(check)
    if captured_at(syscall) is None:
        return of_cases(check, [(Missing.NOT_APPLICABLE, EVERYTHING)])
    return UNKNOWN


def _path_of(syscall: Syscall) -> ArgCapture | None:
    """The first string of a call, if it is the path that ``fd.name`` is about."""
    captures = captures_of(syscall)
    return captures[0] if captures and captures[0].is_path and not captures[0].filled_at_exit else None


def clauses_of(node: Node, truths: Mapping[int, Truth], wanted: bool = True) -> Clauses:
    """
    The events for which a condition may be true, or with `wanted` False may be false.

    :param truths: of the tests in it, by their `id`; those that are not there are not known.
    """
    if isinstance(node, Check):
        truth = truths.get(id(node), UNKNOWN)
        return truth.true if wanted else truth.false
    if isinstance(node, Not):
        return clauses_of(node.child, truths, not wanted)
    if not isinstance(node, (And, Or)):
        raise TypeError(f"the macro '{node.name}' was not put in")
    if isinstance(node, And) is wanted:
        clauses = EVERYTHING
        for child in node.children:
            clauses = both(clauses, clauses_of(child, truths, wanted))
            if not clauses:
                break
        return clauses
    alternatives: list[Clauses] = []
    for child in node.children:
        some = clauses_of(child, truths, wanted)
        if some == EVERYTHING:
            return EVERYTHING
        alternatives.append(some)
    return simplified(clause for some in alternatives for clause in some)
