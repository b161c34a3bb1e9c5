"""Cgroups v1 that processes were moved to."""

from collections.abc import Mapping
from typing import NamedTuple

from monitord.enrich.placement import placement_of
from monitord.model.placement import Placement

CONTAINERS = 4
"""Kept of a process and those that it descends from: it is in one, and events of a moment ago were in another."""


class Joined(NamedTuple):
    """
    What moves have told of a process; shared with its children, and so never changed.

    :ivar paths: hierarchy -> path; of the hierarchies that it was moved in, since these are known.
    :ivar placement: what they say together.
    :ivar before: what held before `since_ns`.
    """

    since_ns: int
    paths: Mapping[int, str]
    placement: Placement
    before: "Joined | None" = None

    def at(self, ts_ns: int) -> Placement | None:
        """Where it was at a time; None when no move before that is known."""
        known: Joined | None = self
        while known is not None and known.since_ns > ts_ns:
            known = known.before
        return None if known is None else known.placement

    def last(self, count: int) -> "Joined":
        """The same without what is older than so many."""
        older = None if self.before is None or count == 1 else self.before.last(count - 1)
        return self._replace(before=older)


def join(before: Joined | None, ts_ns: int, hierarchy: int, path: str) -> Joined:
    """A process is moved within a hierarchy, as runtimes do in one after the other."""
    paths = {**(before.paths if before is not None else {}), hierarchy: path}
    placement = placement_of(paths[number] for number in sorted(paths))
    if before is not None and before.placement.full_id == placement.full_id:
        return Joined(before.since_ns, paths, placement, before.before)
    return Joined(ts_ns, paths, placement, before).last(CONTAINERS)
