"""
Which calls a condition can be true for: what a rule asks the kernel to deliver.

Worked out by evaluating the condition over all *situations* at once: a situation is a call (abi, nr), whether it
failed, and whether it was made by 64-bit code through another ABI. A set of situations is an integer with one bit for
each, four to a call. Every part of a condition gets two sets, where it may be true and where it may be false:
a test of what a situation decides (``evt.type``, ``evt.res``, ...) gets them exactly, any other test gets all in
both, and ``and``, ``or``, ``not`` are ``&``, ``|`` and a swap. So the result can hold calls that never match, but
never lacks one that does.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from monitord.abi.arch import NR_SLOTS, NR_UNKNOWN, Abi
from monitord.model.interest import Call, Interest, Outcome
from monitord.model.value import Missing, Value
from monitord.rules.ast import And, Check, FieldRef, Node, Not, Or
from monitord.rules.compare import Literal, make_test, read_literal
from monitord.rules.evaluate import check_test
from monitord.rules.field import FieldType
from monitord.rules.opens import OPEN_CALLS
from monitord.tables.canonical import canonical
from monitord.tables.constants import errno_name
from monitord.tables.syscalls import SyscallTable

MAX_ERRNO = 4095
_NATIVE = frozenset((Abi.X86_64, Abi.ARM64))

_SUCCESS, _FAILURE, _FOREIGN_SUCCESS, _FOREIGN_FAILURE = 1, 2, 4, 8
_FAILED_RETURNS = ((-MAX_ERRNO, -1),)
_OTHER_RETURNS = ((-(1 << 63), -MAX_ERRNO - 1), (0, (1 << 63) - 1))
_OUTSIDE_TABLE = ((-(1 << 31), -1), (NR_UNKNOWN, (1 << 31) - 1))
_SEQUENCE = ((1, (1 << 64) - 1),)

Situations = int
Bounds = Iterable[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Truth:
    """Where a part of a condition may be true, and where it may be false."""

    true: Situations
    false: Situations


def interest_of(node: Node, table: SyscallTable) -> Interest:
    """The calls that a condition, macros put in, can be true for. For many conditions keep an `InterestFinder`."""
    return InterestFinder(table).interest_of(node)


class InterestFinder:
    """All situations of a syscall table, ready to judge any number of conditions."""

    def __init__(self, table: SyscallTable) -> None:
        abis = tuple(dict.fromkeys(syscall.abi for syscall in table))
        self._calls: tuple[Call, ...] = tuple((abi, nr) for abi in abis for nr in range(NR_SLOTS))
        self._types: dict[Call, Value] = {}
        self._all = 0
        native_bits, any_bits = 0b0011, 0b1111
        sets: defaultdict[tuple[str, Value], Situations] = defaultdict(int)
        unnumbered = 0
        per_abi = (1 << 4 * NR_SLOTS) - 1
        for position, abi in enumerate(abis):
            bits = native_bits if abi in _NATIVE else any_bits
            of_abi = (per_abi // any_bits * bits) << 4 * NR_SLOTS * position
            self._all |= of_abi
            sets["evt.abi", abi.label] |= of_abi
            for nr in range(NR_SLOTS):
                call = bits << 4 * (NR_SLOTS * position + nr)
                syscall = table.find(abi, nr)
                type_ = Missing.UNKNOWN if syscall is None else canonical(syscall.name)
                self._types[abi, nr] = type_
                sets["evt.type", type_] |= call
                if nr != NR_UNKNOWN:
                    sets["evt.nr", nr] |= call
                else:
                    unnumbered |= call
        every_call = ((1 << 4 * len(self._calls)) - 1) // any_bits
        self._failed = every_call * (_FAILURE | _FOREIGN_FAILURE) & self._all
        foreign = every_call * (_FOREIGN_SUCCESS | _FOREIGN_FAILURE) & self._all
        returned = self._all & ~self._failed
        opens = 0
        for name in OPEN_CALLS:
            opens |= sets.get(("evt.type", name), 0)
        self._opens = opens
        sets["evt.dir", "<"] = self._all
        sets["evt.is_foreign_abi", True] = foreign
        sets["evt.is_foreign_abi", False] = self._all & ~foreign
        sets["evt.failed", True] = self._failed
        sets["evt.failed", False] = returned
        # A call that never returns counts as one that did not fail, and has no result.
        sets["evt.failed", Missing.UNFINISHED] = returned
        sets["evt.res", "SUCCESS"] = returned
        sets["evt.res", Missing.UNFINISHED] = returned
        for errno in range(1, MAX_ERRNO + 1):
            sets["evt.res", errno_name(errno)] = self._failed
        self._unnumbered = unnumbered
        self._undecided: dict[str, Situations] = {}
        for name in ("evt.is_open_read", "evt.is_open_write", "evt.is_open_exec", "evt.is_open_create"):
            sets[name, False] = self._all
            self._undecided[name] = opens
        self._values: defaultdict[str, list[tuple[Value, Situations]]] = defaultdict(list)
        for (name, value), situations in sets.items():
            self._values[name].append((value, situations))
        self._numbers: Mapping[str, Callable[[Check], _Truth]] = {
            "evt.num": lambda check: self._number(check, _SEQUENCE, _SEQUENCE),
            "evt.rawres": lambda check: self._number(check, _OTHER_RETURNS, _FAILED_RETURNS),
            "evt.nr": self._call_number,
            "fd.num": self._fd_number,
        }
        self._known: dict[Check, _Truth] = {}

    def interest_of(self, node: Node) -> Interest:
        """The calls that a condition, macros put in, can be true for."""
        situations = self._truth(node).true
        calls = {}
        for call, digit in zip(self._calls, reversed(f"{situations:x}"), strict=False):
            if digit != "0":
                calls[call] = _OUTCOMES[int(digit, 16)]
        return Interest(MappingProxyType(calls))

    def can_hold(self, node: Node) -> bool:
        """Whether there is a call that a condition, macros put in, can be true for."""
        return self._truth(node).true != 0

    def count_types(self, interest: Interest) -> int:
        """How many kinds of calls, by ``evt.type``, an interest holds."""
        return len({self._types.get(call) for call in interest.calls})

    def _truth(self, node: Node) -> _Truth:
        if isinstance(node, Not):
            truth = self._truth(node.child)
            return _Truth(truth.false, truth.true)
        if isinstance(node, And):
            true, false = self._all, 0
            for truth in map(self._truth, node.children):
                true, false = true & truth.true, false | truth.false
            return _Truth(true, false)
        if isinstance(node, Or):
            true, false = 0, self._all
            for truth in map(self._truth, node.children):
                true, false = true | truth.true, false & truth.false
            return _Truth(true, false)
        if not isinstance(node, Check):
            raise TypeError(f"the macro '{node.name}' was not put in")
        if node not in self._known:
            self._known[node] = self._check(node)
        return self._known[node]

    def _check(self, check: Check) -> _Truth:
        if isinstance(check.operand, FieldRef) and check.other is None:
            name = check.operand.name
            if name in self._numbers:
                return self._numbers[name](check)
            if name in self._values:
                return self._value(check, name)
        return _Truth(self._all, self._all)

    def _value(self, check: Check, name: str) -> _Truth:
        """A field that has one of a few values in each situation: the test is asked about each of them."""
        test = check_test(check)
        true = false = self._undecided.get(name, 0)
        for value, situations in self._values[name]:
            if test(value):
                true |= situations
            else:
                false |= situations
        return _Truth(true, false)

    def _number(self, check: Check, success: Bounds, failure: Bounds) -> _Truth:
        """A number within bounds that depend on whether the call failed; a call that never returns has none."""
        may = [_outcomes(check, bounds) for bounds in (success, failure)]
        returned = self._all & ~self._failed
        true = (returned if True in may[0] else 0) | (self._failed if True in may[1] else 0)
        return _Truth(true, returned | (self._failed if False in may[1] else 0))

    def _call_number(self, check: Check) -> _Truth:
        """Known for each slot of the kernel's maps but the one that stands for all numbers outside."""
        truth = self._value(check, "evt.nr")
        may = _outcomes(check, _OUTSIDE_TABLE)
        return _Truth(
            truth.true | (self._unnumbered if True in may else 0),
            truth.false | (self._unnumbered if False in may else 0),
        )

    def _fd_number(self, check: Check) -> _Truth:
        """For calls that open a file it is what they returned, and -1 if they failed; for others it is not known."""
        truth = self._number(check, ((0, (1 << 31) - 1),), ((-1, -1),))
        others = self._all & ~self._opens
        return _Truth(truth.true & self._opens | others, truth.false & self._opens | others)


def _outcomes(check: Check, bounds: Bounds) -> set[bool]:
    """
    What a test of a number can say within bounds.

    Between its literals a test of a number does not change its mind, so it is asked at and beside each, and at the
    bounds.
    """
    literals: list[Literal] = []
    for text in check.values:
        literal = read_literal(text, check.op, FieldType.NUMBER)
        if literal is not None:
            literals.append(literal)
    test = make_test(check.op, tuple(literals), check.quantifier)
    beside = []
    for literal in literals:
        if isinstance(literal, (int, float)) and math.isfinite(literal):
            beside += [math.floor(literal) + step for step in (-1, 0, 1, 2)]
    said: set[bool] = set()
    for low, high in bounds:
        said.update(test(number) for number in (low, high, *beside) if low <= number <= high)
    return said


def _outcome(bits: int) -> Outcome:
    """The kernel's bits for the situations of one call."""
    outcome = Outcome(bits & (_SUCCESS | _FAILURE))
    if (bits & _FOREIGN_SUCCESS and not bits & _SUCCESS) or (bits & _FOREIGN_FAILURE and not bits & _FAILURE):
        outcome |= Outcome.FOREIGN
    return outcome


_OUTCOMES = tuple(_outcome(bits) for bits in range(16))
