"""Which calls somebody wants as events: asked for by rules and enrichers, installed in the kernel."""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from monitord.abi.arch import Abi


class Outcome(enum.IntFlag):
    """When a call is wanted. The bits are the kernel's: bpf/include/filter.h has the same."""

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
    ALL = TASK | DESCRIPTOR | PROGRAM


Call = tuple[Abi, int]
"""A syscall: its ABI and its number there."""


@dataclass(frozen=True, slots=True)
class Interest:
    """
    The calls wanted as events, each with its outcome. Immutable; `|` makes a union.

    A sound interest may hold more calls than needed, never fewer: the kernel drops what is not in it.

    :ivar along: what events of a call carry along; nothing for calls that are not in it.
    :ivar lifecycle: whether processes that begin and end are wanted, too: `monitord.abi.event.Kind.FORK`, `EXIT`.
    """

    calls: Mapping[Call, Outcome] = field(default_factory=lambda: MappingProxyType({}))
    along: Mapping[Call, Along] = field(default_factory=lambda: MappingProxyType({}))
    lifecycle: bool = False

    def __or__(self, other: "Interest") -> "Interest":
        calls = dict(self.calls)
        for call, outcome in other.calls.items():
            calls[call] = calls.get(call, Outcome.NONE) | outcome
        along = dict(self.along)
        for call, wanted in other.along.items():
            along[call] = along.get(call, Along.NONE) | wanted
        return Interest(MappingProxyType(calls), MappingProxyType(along), self.lifecycle or other.lifecycle)

    def carrying(self, along: Mapping[Call, Along]) -> "Interest":
        """The same, whose events of some calls carry something along."""
        more = {call: self.along.get(call, Along.NONE) | wanted for call, wanted in along.items()}
        return replace(self, along=MappingProxyType({**self.along, **more}))

    @staticmethod
    def union(interests: "Iterable[Interest]") -> "Interest":
        """The union of any number of interests."""
        total = Interest()
        for interest in interests:
            total |= interest
        return total

    def admits(self, call: Call, failed: bool, foreign: bool) -> bool:
        """Whether the kernel lets such an event through; the reference for bpf/include/filter.h."""
        outcome = self.calls.get(call, Outcome.NONE)
        return bool(outcome & (Outcome.FAILURE if failed else Outcome.SUCCESS)) or (
            foreign and bool(outcome & Outcome.FOREIGN)
        )
