"""Where processes are by cgroup v1: as /proc said once, and as their moves have told since."""

from collections.abc import Mapping
from pathlib import Path

from monitord.enrich.bounded import Bounded
from monitord.enrich.entry import Entry
from monitord.enrich.joined import UNTOLD, Joined, join, joined
from monitord.enrich.processes import ProcessTable
from monitord.enrich.procfs import Procfs
from monitord.model.value import Missing

DISTINCT = 1024
"""Sets of paths that are remembered with what they say, 2 KiB each: processes of a container have the same one."""

GENERATIONS = 4
"""Asked for one that has gone: short-lived programs of a script, and the script."""


class CgroupsV1:
    """
    Knows the cgroups v1 of the processes of a table. Used by one thread.

    No event says in which cgroups v1 its process is; but who is moved is told by a record (`Kind.JOIN`), and children
    inherit. So /proc is asked of a process once: at the start, or when its beginning or its moves may have been missed.

    :ivar mounted: whether there is any; where none is, nothing is asked.
    """

    def __init__(self, processes: ProcessTable, procfs: Procfs, mountinfo: Path = Path("/proc/self/mountinfo")) -> None:
        self._processes = processes
        self._procfs = procfs
        self._distinct: Bounded[tuple[tuple[int, str], ...], Joined] = Bounded(DISTINCT)
        kinds = (line.partition(b" - ")[2].split(b" ", 1)[0] for line in mountinfo.read_bytes().splitlines())
        self.mounted = b"cgroup" in kinds

    def of(self, entry: Entry) -> Joined:
        """
        What is known of a process.

        One that has gone, and of which nothing was told, was where its next ancestor is that anything is known of.
        """
        if entry.joined is None:
            entry.joined = self._asked(entry)
        return entry.joined

    def move(self, entry: Entry, ts_ns: int, hierarchy: int, path: str) -> None:
        """A process was moved."""
        if entry.joined is None:
            # What /proc says is of now: the moves behind this one, which are still to be told, included.
            paths = {**self._paths(entry), hierarchy: path}
            entry.joined = joined(paths, ts_ns)
        else:
            entry.joined = join(entry.joined, ts_ns, hierarchy, path)

    def _asked(self, entry: Entry) -> Joined:
        one: Entry | None = entry
        for _ in range(GENERATIONS):
            if one is None:
                break
            if one.joined is not None:
                return one.joined
            if paths := self._paths(one):
                return self._known(paths)
            one = self._processes.find(one.parent) if one.parent else None
        return UNTOLD

    def _paths(self, entry: Entry) -> Mapping[int, str]:
        paths = self._procfs.cgroups_v1(*entry.key_and_start)
        return {} if isinstance(paths, Missing) else paths

    def _known(self, paths: Mapping[int, str]) -> Joined:
        key = tuple(paths.items())
        known = self._distinct.get(key)
        if known is None:
            known = self._distinct[key] = joined(paths)
        return known
