"""What tests of arguments, users and results mean for the registers that a call begins with and ends with."""

import functools
import math
from itertools import groupby, pairwise

from monitord.dataclass import dataclass
from monitord.model.clause import EVERYTHING, Clauses, both, only, simplified
from monitord.model.facts import MAX_ERRNO, RESULT, UID, Key
from monitord.model.limit import Numbers, Span
from monitord.model.value import Missing, Value
from monitord.rules.ast import Check, Op, Quantifier
from monitord.rules.compare import read_literal
from monitord.rules.evaluate import check_test
from monitord.rules.field import FieldType
from monitord.rules.opens import ANY_EXECUTE, FLAGS_ARG, MODE_ARG, O_ACCMODE, O_CREAT, O_RDWR, O_TMPFILE, OPEN_CALLS
from monitord.tables.arguments import bits_of_text, bits_told, names_in_text, value_of_text
from monitord.tables.canonical import canonical
from monitord.tables.constants import errno_name
from monitord.tables.syscalls import Syscall

_NUMERALS = frozenset("0123456789abcdefx|")
"""What stands in an argument's text beside names."""

_CHANGES_UID = frozenset(("setuid", "setreuid", "setresuid", "execve", "execveat"))
"""
The calls that return as another user than they began, an exec by the setuid bit; `monitord.model.facts.UID` is asked
when a call begins.
"""


@dataclass(frozen=True, slots=True)
class Truth:
    """Where a test may be true, and where it may be false: together all events of a call."""

    true: Clauses
    false: Clauses

    def __invert__(self) -> "Truth":
        return Truth(self.false, self.true)


UNKNOWN = Truth(EVERYTHING, EVERYTHING)


def of_cases(check: Check, cases: "list[tuple[Value, Clauses]]") -> Truth:
    """A test of a field that has one of a few values, each for some events."""
    test = check_test(check)
    true = simplified(clause for value, events in cases if test(value) for clause in events)
    return Truth(true, simplified(clause for value, events in cases if not test(value) for clause in events))


def of_number(check: Check, key: Key) -> Truth:
    """A test of a number that is never missing."""
    test = check_test(check)
    edges = {0, key.mask + 1}
    for text in check.values:
        literal = read_literal(text, check.op, FieldType.NUMBER)
        if isinstance(literal, (int, float)) and math.isfinite(literal):
            edges.update(edge for edge in (math.floor(literal), math.floor(literal) + 1) if 0 < edge <= key.mask)
    begins = sorted(edges)
    # A test of a number does not change its mind between its literals.
    spans = [(begin, end - 1) for begin, end in pairwise(begins) if test(begin)]
    true = Numbers.of(spans, key.mask)
    return Truth(only(key, true), only(key, ~true))


def of_user(check: Check, syscall: Syscall | None) -> Truth:
    """A test of ``user.uid``."""
    if syscall is None or canonical(syscall.name) in _CHANGES_UID:
        return UNKNOWN
    return of_number(check, UID)


@functools.lru_cache(maxsize=4096)
def of_result(check: Check, by_name: bool) -> Truth:
    """
    A test of ``evt.res``, or of ``evt.rawres``, as far as it tells errors apart.

    What it says of a call that succeeded or did not return is left open.
    """
    test = check_test(check)
    spans: dict[bool, list[Span]] = {True: [(0, 0)], False: [(0, 0)]}
    for holds, run in groupby(range(1, MAX_ERRNO + 1), lambda errno: test(errno_name(errno) if by_name else -errno)):
        errnos = list(run)
        spans[holds].append((errnos[0], errnos[-1]))
    true, false = (only(RESULT, Numbers.of(spans[holds], MAX_ERRNO)) for holds in (True, False))
    return Truth(true, false)


def of_open(check: Check, field: str, syscall: Syscall | None) -> Truth:
    """A test of ``evt.is_open_*``."""
    if syscall is None:
        return UNKNOWN
    cases = _open_cases(field, syscall.name)
    return UNKNOWN if cases is None else of_cases(check, cases)


def _open_cases(field: str, name: str) -> "list[tuple[Value, Clauses]] | None":
    """As `monitord.rules.opens` has it; None for openat2, whose flags are in memory."""
    if name not in OPEN_CALLS:
        return [(False, EVERYTHING)]
    flags, mode = FLAGS_ARG.get(name), MODE_ARG.get(name)
    if flags is None and name != "creat":
        return None
    if field in ("evt.is_open_read", "evt.is_open_write"):
        if flags is None:
            return [(False, EVERYTHING)]
        ways = (0, O_RDWR) if field == "evt.is_open_read" else (1, O_RDWR)
        opened = Numbers.among(ways, O_ACCMODE)
        key = Key(flags, O_ACCMODE)
        return [(True, only(key, opened)), (False, only(key, ~opened))]
    creates = EVERYTHING if flags is None else _any_bit(flags, O_CREAT | O_TMPFILE)
    if field == "evt.is_open_exec":
        if mode is None:
            return [(False, EVERYTHING)]
        stays = () if flags is None else _no_bit(flags, O_CREAT | O_TMPFILE)
        executable = both(creates, _any_bit(mode, ANY_EXECUTE))
        return [(True, executable), (False, stays + _no_bit(mode, ANY_EXECUTE))]
    values: list[Value] = [True, Missing.UNKNOWN, Missing.UNFINISHED]
    succeeded = both(creates, only(RESULT, Numbers.among((0,), MAX_ERRNO)))
    return [(False, EVERYTHING), *((value, succeeded) for value in values)]


def _any_bit(arg: int, mask: int) -> Clauses:
    return only(Key(arg, mask), ~Numbers.among((0,), mask))


def _no_bit(arg: int, mask: int) -> Clauses:
    return only(Key(arg, mask), Numbers.among((0,), mask))


def of_argument(check: Check, syscall: Syscall, index: int) -> Truth:
    """A test of the text of an argument that is a number."""
    if check.op in (Op.EQ, Op.NE, Op.IN) and check.quantifier is None:
        equal = _is_one_of(syscall, index, check.values)
        return ~equal if check.op is Op.NE else equal
    anyof = check.quantifier is Quantifier.ANYOF or len(check.values) == 1
    if check.op in (Op.CONTAINS, Op.ICONTAINS) and anyof:
        truths = [_has(syscall, index, text, check.op is Op.ICONTAINS) for text in check.values]
        false = EVERYTHING
        for truth in truths:
            false = both(false, truth.false)
        return Truth(simplified(clause for truth in truths for clause in truth.true), false)
    return UNKNOWN


def _is_one_of(syscall: Syscall, index: int, texts: tuple[str, ...]) -> Truth:
    values = []
    for text in texts:
        value = value_of_text(syscall, index, text)
        if value is None:
            return UNKNOWN
        values.append(value)
    told, every = bits_told(syscall, index), bits_of_text(syscall, index)
    true = Numbers.among((value & told for value in values), told)
    return Truth(only(Key(index, told), true), only(Key(index, every), ~Numbers.among(values, every)))


def _has(syscall: Syscall, index: int, text: str, fold: bool) -> Truth:
    """Whether a text is part of the argument's."""
    names = names_in_text(syscall, index)
    if names is None or not set(text.lower() if fold else text) - _NUMERALS or not text.isascii():
        return UNKNOWN
    if "|" in text:
        return UNKNOWN
    found = [bits for bits in names if text in bits.name or (fold and text.lower() in bits.name.lower())]
    true: Clauses = ()
    false = EVERYTHING
    for bits in found:
        if bits.value > bits.mask or bits.mask > bits_of_text(syscall, index):
            return UNKNOWN
        there = Numbers.among((bits.value,), bits.mask)
        true += only(Key(index, bits.mask), there)
        if bits.sure:
            false = both(false, only(Key(index, bits.mask), ~there))
    return Truth(simplified(true), false)
