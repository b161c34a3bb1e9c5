"""Cgroups v1 that a process is in, over time."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from monitord.dataclass import dataclass
from monitord.enrich.placement import placement_of
from monitord.model.array import NDArray
from monitord.model.placement import Placement
from monitord.model.value import Missing

CONTAINERS = 4
"""Kept of a process and those that it descends from: it is in one, and events of a moment ago were in another."""


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """
    Where a process is by cgroup v1; shared with its children.

    :ivar paths: hierarchy -> path, as far as known.
    :ivar placement: what they say together; LATE where nothing is known.
    :ivar before: what held before `since_ns`.
    """

    since_ns: int
    paths: Mapping[int, str]
    placement: Placement | Missing
    before: "Joined | None" = None

    def at(self, ts_ns: int) -> Placement | Missing:
        """Where it was at a time; LATE before all that is known."""
        known: Joined | None = self
        while known is not None and known.since_ns > ts_ns:
            known = known.before
        return Missing.LATE if known is None else known.placement

    def over(self, ts_ns: NDArray[np.uint64]) -> Iterator[tuple[Placement | Missing, int]]:
        """
        How often it was where.

        :param ts_ns: times, ascending.
        """
        left, known = len(ts_ns), self
        while known.since_ns > ts_ns[0]:
            begin = int(np.searchsorted(ts_ns, known.since_ns))
            if begin < left:
                yield known.placement, left - begin
                left = begin
            if known.before is None:
                yield Missing.LATE, left
                return
            known = known.before
        yield known.placement, left

    def last(self, count: int) -> "Joined":
        """The same without what is older than so many."""
        older = None if self.before is None or count == 1 else self.before.last(count - 1)
        return replace(self, before=older)


UNTOLD = Joined(0, {}, Missing.LATE)
"""Of a process that had gone before it was asked for."""


def joined(paths: Mapping[int, str], since_ns: int = 0, before: Joined | None = None) -> Joined:
    """What the paths of a process in its hierarchies say."""
    return Joined(since_ns, paths, placement_of(paths[number] for number in sorted(paths)), before)


def join(before: Joined, ts_ns: int, hierarchy: int, path: str) -> Joined:
    """A process is moved within a hierarchy, as runtimes do in one after the other."""
    after = joined({**before.paths, hierarchy: path}, ts_ns, before)
    if after.placement == before.placement:
        return replace(after, since_ns=before.since_ns, before=before.before)
    return after.last(CONTAINERS)
