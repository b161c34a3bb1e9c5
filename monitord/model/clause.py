"""
Which events of a call are wanted: any that fits one of a few clauses.

A clause holds limits, all of which an event has to keep. Whoever has no use for so many clauses may widen them: fewer
limits let more through, never less.
"""

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import combinations, count

from monitord.dataclass import dataclass
from monitord.model.event import Event
from monitord.model.facts import COMM, LEAF, PATH, TOP, Key, leaf_of, number_of, plain_path, top_of
from monitord.model.limit import Limit, Names, Numbers, Paths, join, meet

MOST = 32
"""Clauses of a call: as many as the kernel's masks have bits (bpf/filter.h)."""


@dataclass(frozen=True, slots=True)
class Clause:
    """
    Events that keep all limits; without any, all events.

    :ivar limits: sorted by key; none of them is everything, none is empty.
    """

    limits: tuple[tuple[Key, Limit], ...] = ()

    def get(self, key: Key) -> Limit | None:
        """The limit of a fact."""
        return next((limit for known, limit in self.limits if known == key), None)

    def __and__(self, other: "Clause") -> "Clause | None":
        """Events that fit both; None when there are none."""
        if not self.limits or not other.limits:
            return self if self.limits else other
        limits = dict(self.limits)
        for key, limit in other.limits:
            mine = limits.get(key)
            both = limit if mine is None else meet(mine, limit)
            if both.is_empty:
                return None
            limits[key] = both
        return Clause(tuple(sorted(limits.items(), key=_place)))

    def covers(self, other: "Clause") -> bool:
        """Whether all events of the other fit."""
        theirs = dict(other.limits)
        return all(key in theirs and join(limit, theirs[key]) == limit for key, limit in self.limits)

    def admits(self, event: Event) -> bool:
        """Whether an event fits."""
        return all(_keeps(event, key, limit) for key, limit in self.limits)


Clauses = tuple[Clause, ...]
"""Events that fit any of them."""

EVERYTHING: Clauses = (Clause(),)


def only(key: Key, limit: Limit) -> Clauses:
    """Events that keep one limit."""
    if limit.is_all:
        return EVERYTHING
    return () if limit.is_empty else (Clause(((key, limit),)),)


def both(one: Clauses, other: Clauses) -> Clauses:
    """Events that fit some clause of each."""
    if one == EVERYTHING or not other:
        return other
    if other == EVERYTHING or not one:
        return one
    return simplified([met for mine in one for theirs in other if (met := mine & theirs) is not None])


def simplified(clauses: Iterable[Clause], most: int = MOST) -> Clauses:
    """As few clauses as can easily be found that let the same events through; widened if they are more than `most`."""
    kept: list[Clause] = []
    for clause in dict.fromkeys(clauses):
        _put(clause, kept)
    return tuple(kept if len(kept) <= most else _widened(kept, most))


def _widened(clauses: list[Clause], most: int) -> list[Clause]:
    """
    Fewer clauses: the two whose union gives up least become one, the foremost of equals, until they are few enough.

    Each pair is looked at once, however many are joined: a thousand rules of one call took minutes.
    """
    numbers = count()
    kept = dict(zip(numbers, clauses, strict=False))  # by number, in the order of the clauses
    pairs = [(_loss(one, other), a, b) for (a, one), (b, other) in combinations(kept.items(), 2)]
    heapify(pairs)
    while len(kept) > most:
        _, a, b = heappop(pairs)
        if a not in kept or b not in kept:
            continue
        rest = [clause for number, clause in kept.items() if number not in (a, b)]
        _put(_hull(kept[a], kept[b]), rest)
        left = {id(clause) for clause in rest}
        kept = {number: clause for number, clause in kept.items() if id(clause) in left}
        if len(rest) > len(kept):  # what was put is the last
            new = next(numbers)
            for number, clause in kept.items():
                heappush(pairs, (_loss(clause, rest[-1]), number, new))
            kept[new] = rest[-1]
    return list(kept.values())


def _put(clause: Clause, kept: list[Clause]) -> None:
    """Add a clause to others, joined with those that it can be joined with at no loss."""
    while True:
        if any(other.covers(clause) for other in kept):
            return
        kept[:] = [other for other in kept if not clause.covers(other)]
        beside = next((other for other in kept if _differ_in_one(clause, other)), None)
        if beside is None:
            kept.append(clause)
            return
        kept.remove(beside)
        clause = _hull(clause, beside)


def _differ_in_one(one: Clause, other: Clause) -> bool:
    if len(one.limits) != len(other.limits):
        return False
    differing = 0
    for (key, mine), (their_key, theirs) in zip(one.limits, other.limits, strict=True):
        if key != their_key:
            return False
        differing += mine != theirs
    return differing == 1


def _hull(one: Clause, other: Clause) -> Clause:
    """A clause that covers both."""
    theirs = dict(other.limits)
    joined = ((key, join(limit, theirs[key])) for key, limit in one.limits if key in theirs)
    return Clause(tuple((key, limit) for key, limit in joined if not limit.is_all))


def _loss(one: Clause, other: Clause) -> int:
    """How much is given up when two clauses become one: a limit that is gone counts for more than one that is wider."""
    mine, theirs = dict(one.limits), dict(other.limits)
    shared = mine.keys() & theirs.keys()
    return 10 * len(mine.keys() ^ theirs.keys()) + sum(mine[key] != theirs[key] for key in shared)


def _place(item: tuple[Key, Limit]) -> Key:
    return item[0]


def _keeps(event: Event, key: Key, limit: Limit) -> bool:
    if isinstance(limit, Numbers):
        return number_of(event, key) in limit
    if isinstance(limit, Names):
        if key in (LEAF, TOP):
            name = leaf_of(event) if key == LEAF else top_of(event)
            return name is None or name in limit
        assert key == COMM
        return event.comm.encode("utf-8", "surrogateescape") in limit
    assert isinstance(limit, Paths)
    assert key == PATH
    path = plain_path(event)
    return path is None or path in limit


def union(alternatives: Sequence[Clauses]) -> Clauses:
    """Events that fit any clause of any."""
    if len(alternatives) == 1:
        return alternatives[0]
    return simplified(clause for clauses in alternatives for clause in clauses)
