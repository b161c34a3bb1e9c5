"""What a rule asks the kernel for, and whether an event gets through."""

from collections import defaultdict
from collections.abc import Iterator

from monitord.model.event import Event
from monitord.model.interest import Interest, Outcome
from monitord.tables.syscalls import SyscallTable

_WHEN = {Outcome.SUCCESS: "succeeds", Outcome.FAILURE: "fails", Outcome.FOREIGN: "is foreign"}
_MANY = 60
_SHOWN = 20
"""Kinds of calls that are named where there are many."""


def described(interest: Interest, table: SyscallTable) -> Iterator[tuple[str, str]]:
    """When, and which calls: rows of a table, calls with the same answer together."""
    abis: defaultdict[tuple[str, Outcome], list[str]] = defaultdict(list)
    for (abi, nr), outcome in interest.calls.items():
        call = table.find(abi, nr)
        if call is not None:
            abis[call.name, outcome].append(abi.label)
    names: defaultdict[tuple[Outcome, str], list[str]] = defaultdict(list)
    for (name, outcome), labels in abis.items():
        names[outcome, ", ".join(sorted(labels, reverse=True))].append(name)
    for (outcome, where), alike in sorted(names.items()):
        some = sorted(alike)
        more = f" and {len(some) - _SHOWN} more kinds of calls" if len(some) > _MANY else ""
        yield f"{_when(outcome)}, {where}", " ".join(some[:_SHOWN] if more else some) + more


def refusal(interest: Interest, event: Event) -> str | None:
    """Why the kernel would have kept an event back, if the rule were the only one; None when it lets it through."""
    failed = event.failed
    if interest.admits((event.abi, event.nr), failed, bool(event.flags & event.flags.FOREIGN)):
        return None
    outcome = interest.calls.get((event.abi, event.nr))
    if outcome is None:
        return "the rule can never be true for this call"
    return f"the rule wants this call only when it {_when(outcome)}, and it {'failed' if failed else 'succeeded'}"


def _when(outcome: Outcome) -> str:
    if outcome & Outcome.ANY == Outcome.ANY:
        return "always"
    return " or ".join(text for bit, text in _WHEN.items() if outcome & bit)
