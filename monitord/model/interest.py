"""Which calls somebody wants as events: asked for by rules and enrichers, installed in the kernel."""

import enum
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from types import MappingProxyType

from monitord.abi.arch import NR_UNKNOWN, Abi
from monitord.dataclass import dataclass
from monitord.model.clause import Clause, Clauses, only, union
from monitord.model.event import Event
from monitord.model.facts import FOREIGN, MAX_ERRNO, RESULT
from monitord.model.limit import Numbers


class Outcome(enum.IntFlag):
    """When a call is wanted."""

    NONE = 0
    SUCCESS = 1  # it returned 0 or more, or never returns
    FAILURE = 2  # it returned -1 to -4095
    FOREIGN = 4  # whatever it returned, when a 32-bit or x32 call is made by 64-bit code
    ANY = SUCCESS | FAILURE


class Along(enum.IntFlag):
    """What an event carries along beside what the caller passed: it costs a cell or two, so only for who asks."""

    NONE = 0
    TASK = 1  # `Event.task`
    DESCRIPTOR = 2  # `Event.file`, `Event.socket`
    PROGRAM = 4  # `Event.program`
    ENVIRONMENT = 8  # of execs alone, `monitord.model.event.environment_in`
    ALL = TASK | DESCRIPTOR | PROGRAM


Call = tuple[Abi, int]
"""A syscall: its ABI and its number there."""

SUCCEEDED = only(RESULT, Numbers.among((0,), MAX_ERRNO))
FAILED = only(RESULT, ~Numbers.among((0,), MAX_ERRNO))
IS_FOREIGN = only(FOREIGN, Numbers.among((1,), 1))


@dataclass(frozen=True, slots=True)
class Interest:
    """
    The calls wanted as events. Immutable; `|` makes a union.

    A sound interest may hold more than needed, never less: the kernel drops what is not in it.

    :ivar calls: each with its outcomes.
    :ivar along: what events of a call carry along, if somebody wants them; nothing for calls that are not in it.
    :ivar lifecycle: whether processes that begin and end, and new cgroups, are wanted, too: `monitord.abi.event.Kind`.
    :ivar clauses: of those of whose events not all with these outcomes are wanted.
    """

    calls: Mapping[Call, Outcome] = field(default_factory=lambda: MappingProxyType({}))
    along: Mapping[Call, Along] = field(default_factory=lambda: MappingProxyType({}))
    lifecycle: bool = False
    clauses: Mapping[Call, Clauses] = field(default_factory=lambda: MappingProxyType({}))

    def __or__(self, other: "Interest") -> "Interest":
        return Interest.union((self, other))

    @staticmethod
    def of_clauses(clauses: "Mapping[Call, Clauses]") -> "Interest":
        """The calls that have a clause."""
        # Calls of one kind have the same clauses, the very same objects, so that hardly any is looked at twice.
        outcomes = {id(some): some for some in clauses.values() if some}
        possible = {key: _outcome_of(some) for key, some in outcomes.items()}
        calls = {call: possible[id(some)] for call, some in clauses.items() if some}
        limited = {call: some for call, some in clauses.items() if some and some != _CLAUSES[calls[call]]}
        return Interest(MappingProxyType(calls), clauses=MappingProxyType(limited))

    @staticmethod
    def union(interests: "Iterable[Interest]") -> "Interest":
        """The union of any number of interests."""
        alternatives: defaultdict[Call, dict[int, Clauses]] = defaultdict(dict)
        along: defaultdict[Call, Along] = defaultdict(lambda: Along.NONE)
        lifecycle = False
        for interest in interests:
            lifecycle |= interest.lifecycle
            for call, more in interest.along.items():
                along[call] |= more
            for call in interest.calls:
                clauses = interest.wanted(call)
                alternatives[call][id(clauses)] = clauses
        # Calls of one kind have the same clauses, the very same objects, so that hardly any union is made twice.
        made: dict[tuple[int, ...], Clauses] = {}
        total: dict[Call, Clauses] = {}
        for call, some in alternatives.items():
            key = tuple(some)
            if key not in made:
                made[key] = union(tuple(some.values()))
            total[call] = made[key]
        return replace(Interest.of_clauses(total), along=MappingProxyType(dict(along)), lifecycle=lifecycle)

    def carrying(self, along: Mapping[Call, Along]) -> "Interest":
        """The same, whose events of some calls carry something along."""
        more = {call: self.along.get(call, Along.NONE) | wanted for call, wanted in along.items()}
        return replace(self, along=MappingProxyType({**self.along, **more}))

    def wanted(self, call: Call) -> Clauses:
        """The events of a call that are wanted; none if it is empty."""
        clauses = self.clauses.get(call)
        return _CLAUSES[self.calls.get(call, Outcome.NONE)] if clauses is None else clauses

    def admits(self, event: Event) -> bool:
        """Whether the kernel lets an event through; the reference for bpf/filter.h."""
        return any(clause.admits(event) for clause in self.of(event))

    def of(self, event: Event) -> Clauses:
        """What is wanted of the call that an event is of."""
        return self.wanted((event.abi, event.nr if 0 <= event.nr < NR_UNKNOWN else NR_UNKNOWN))


def _clauses_of(outcome: Outcome) -> Clauses:
    results: tuple[Clause, ...] = ()
    if outcome & Outcome.ANY == Outcome.ANY:
        return (Clause(),)
    if outcome & Outcome.SUCCESS:
        results += SUCCEEDED
    if outcome & Outcome.FAILURE:
        results += FAILED
    return results + (IS_FOREIGN if outcome & Outcome.FOREIGN else ())


_CLAUSES: Mapping[Outcome, Clauses] = MappingProxyType({Outcome(bits): _clauses_of(Outcome(bits)) for bits in range(8)})


def _outcome_of(clauses: Clauses) -> Outcome:
    """The outcomes that clauses leave possible."""
    outcome, foreign = Outcome.NONE, Outcome.NONE
    for clause in clauses:
        results = clause.get(RESULT)
        limit = clause.get(FOREIGN)
        possible = Outcome.ANY
        if isinstance(results, Numbers):
            possible = Outcome.SUCCESS if 0 in results else Outcome.NONE
            if results.spans[-1][1] > 0:
                possible |= Outcome.FAILURE
        if isinstance(limit, Numbers) and 0 not in limit:
            foreign |= possible
        else:
            outcome |= possible
    return outcome | (Outcome.FOREIGN if foreign & ~outcome else Outcome.NONE)
