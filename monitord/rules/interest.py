"""
Which calls a condition can be true for: what a rule asks the kernel to deliver.

Worked out by evaluating the condition over all *situations* at once: a situation is a call (abi, nr), whether it
failed, and whether it was made by 64-bit code through another ABI. A set of situations is an integer with one bit for
each, four to a call. Every part of a condition gets two sets, where it may be true and where it may be false:
a test of what a situation decides (``evt.type``, ``evt.res``, ...) gets them exactly, any other test gets all in
both, and ``and``, ``or``, ``not`` are ``&``, ``|`` and a swap. So the result can hold calls that never match, but
never lacks one that does. For the calls that are left, `monitord.rules.kernel_part` tells which of their events.
"""

import functools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from monitord.abi.arch import NR_SLOTS, NR_UNKNOWN, Abi
from monitord.dataclass import dataclass
from monitord.model.clause import EVERYTHING, Clauses, both, only, simplified
from monitord.model.facts import FOREIGN, MAX_ERRNO, RESULT
from monitord.model.interest import Call, Interest
from monitord.model.limit import Numbers
from monitord.model.value import Missing, Value
from monitord.rules.ast import And, Check, FieldRef, Node, Not, Or, checks_in
from monitord.rules.compare import Literal, make_test, read_literal
from monitord.rules.evaluate import check_test
from monitord.rules.field import FieldType
from monitord.rules.kernel_part import FIELDS, clauses_of, truth_of
from monitord.rules.opens import OPEN_CALLS
from monitord.rules.registers import UNKNOWN, Truth, of_result
from monitord.tables.canonical import canonical
from monitord.tables.syscalls import Syscall, SyscallTable

_NATIVE = frozenset((Abi.X86_64, Abi.ARM64))

_SUCCESS, _FAILURE, _FOREIGN_SUCCESS, _FOREIGN_FAILURE = 1, 2, 4, 8
_ANY_OUTCOME, _ANY_SITUATION = 3, 15
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
        self._unnumbered = unnumbered
        self._undecided: dict[str, Situations] = {}
        for name in ("evt.is_open_read", "evt.is_open_write", "evt.is_open_exec", "evt.is_open_create"):
            sets[name, False] = self._all
            self._undecided[name] = opens
        self._values: defaultdict[str, list[tuple[Value, Situations]]] = defaultdict(list)
        for (name, value), situations in sets.items():
            self._values[name].append((value, situations))
        self._of_field: Mapping[str, Callable[[Check], _Truth]] = {
            "evt.num": lambda check: self._number(check, _SEQUENCE, _SEQUENCE),
            "evt.res": self._result,
            "evt.rawres": lambda check: self._number(check, _OTHER_RETURNS, _FAILED_RETURNS),
            "evt.nr": self._call_number,
            "fd.num": self._fd_number,
        }
        self._known: dict[Check, _Truth] = {}
        self._table = table
        self._refined: dict[Check, dict[Call, Truth]] = {}
        self._truths: dict[Truth, Truth] = {}

    def interest_of(self, node: Node) -> Interest:
        """The events that a condition, macros put in, can be true for."""
        situations = self._truth(node).true
        telling = self._telling(node)
        # Calls of which all tests say the same are worked out together.
        found: dict[tuple[int, ...], Clauses] = {}
        calls = {}
        for number, (call, digit) in enumerate(zip(self._calls, reversed(f"{situations:x}"), strict=False)):
            if digit != "0":
                bits = _both_sides(int(digit, 16), call)
                truths = [one.of_call(number, call) for one in telling]
                key = (bits, *map(id, truths))
                if key not in found:
                    by_check = {id(one.check): truth for one, truth in zip(telling, truths, strict=True)}
                    found[key] = both(_clauses_of(bits), clauses_of(node, by_check) if telling else EVERYTHING)
                calls[call] = found[key]
        return Interest.of_clauses(calls)

    def _telling(self, node: Node) -> "list[_Telling]":
        """The tests of a condition that say something of a call."""
        telling: list[_Telling] = []
        for check in checks_in(node):
            known = self._known[check]
            told = known.true != self._all or known.false != self._all
            refined = isinstance(check.operand, FieldRef) and check.operand.name in FIELDS
            if told or refined:
                of_calls = self._refined.setdefault(check, {})
                telling.append(_Telling(check, known, self._find if refined else None, of_calls, self._truths))
        return telling

    def _find(self, call: Call) -> Syscall | None:
        return None if call[1] == NR_UNKNOWN else self._table.find(*call)

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
            if name in self._of_field:
                return self._of_field[name](check)
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

    def _result(self, check: Check) -> _Truth:
        """A call that failed has the name of its error, whichever."""
        truth, errors = self._value(check, "evt.res"), of_result(check, by_name=True)
        true, false = (bool(both(clauses, _results(_FAILURE))) for clauses in (errors.true, errors.false))
        return _Truth(truth.true | self._failed * true, truth.false | self._failed * false)

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


@dataclass(frozen=True, slots=True)
class _Telling:
    """
    A test that says something of calls.

    :ivar known: what the situations tell.
    :ivar find: the table, where more can be told by the call; None where not.
    :ivar of_calls: what was found out before, by call.
    :ivar truths: equal answers are one object, kept here.
    """

    check: Check
    known: _Truth
    find: Callable[[Call], Syscall | None] | None
    of_calls: dict[Call, Truth]
    truths: dict[Truth, Truth]

    def of_call(self, number: int, call: Call) -> Truth:
        """What the test says of the events of one call, the `number`-th."""
        truth = self.of_calls.get(call)
        if truth is None:
            true = _clauses_of(_both_sides(self.known.true >> 4 * number & _ANY_SITUATION, call))
            false = _clauses_of(_both_sides(self.known.false >> 4 * number & _ANY_SITUATION, call))
            refined = UNKNOWN if self.find is None else truth_of(self.check, self.find(call))
            truth = Truth(both(true, refined.true), both(false, refined.false))
            truth = self.of_calls[call] = self.truths.setdefault(truth, truth)
        return truth


def _both_sides(bits: Situations, call: Call) -> Situations:
    """The situations of one call; where none is foreign, foreign ones as the others, so that nobody needs to ask."""
    return bits | bits << 2 if call[0] in _NATIVE else bits


@functools.cache
def _clauses_of(bits: Situations) -> Clauses:
    """The situations of one call as clauses."""
    sides = enumerate((bits & _ANY_OUTCOME, bits >> 2))
    return simplified(
        clause
        for side, outcome in sides
        for clause in both(only(FOREIGN, Numbers.among((side,), 1)), _results(outcome))
    )


def _results(outcome: int) -> Clauses:
    spans = ((0, 0),) * bool(outcome & _SUCCESS) + ((1, MAX_ERRNO),) * bool(outcome & _FAILURE)
    return only(RESULT, Numbers.of(spans, MAX_ERRNO))
