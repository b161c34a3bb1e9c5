"""From the cgroup v2 that an event names to where its process runs; worked out once for each cgroup."""

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from monitord.abi.event import NO_ARGUMENT, Kind, TextFlag
from monitord.enrich.bounded import Bounded
from monitord.enrich.placement import placement_of
from monitord.enrich.procfs import Procfs
from monitord.model.batch import EventBatch
from monitord.model.event import Event
from monitord.model.placement import HOST, Placement
from monitord.model.text import text_of
from monitord.model.value import Missing

CGROUPS = 16384
"""
Cgroups that are remembered, dead ones included: some 500 bytes each. The one that was asked for the longest time ago
goes first.
"""

_CGROUP = int(Kind.CGROUP)

SEARCH_EVERY_S = 1.0
"""A search reads every directory of the hierarchy: 30 us each here."""


class Cgroups:
    """
    The placements of cgroups v2, by id. Used by one thread.

    The path of one comes with the record of its making, however short it lives; that of an older one from a search of
    the hierarchy. Where a record was lost, or whoever made the cgroup is not watched, /proc tells while the process of
    the event lives, else a search.

    :param procfs: of the initial pid namespace.
    :param mountinfo: the mounts of this process, see proc(5).
    :param clock: seconds, monotonic.
    """

    def __init__(
        self,
        procfs: Procfs,
        mountinfo: Path = Path("/proc/self/mountinfo"),
        capacity: int = CGROUPS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._procfs = procfs
        self._clock = clock
        self._mount = _mount(mountinfo)
        self._of_id: Bounded[int, Placement | Missing] = Bounded(capacity)
        self._searched_s = float("-inf")
        if self._mount is not None:
            with contextlib.suppress(OSError):  # something else is mounted over it
                self._of_id[os.stat(self._mount).st_ino] = placement_of(())

    @property
    def evicted(self) -> int:
        """Cgroups forgotten for want of room."""
        return self._of_id.evicted

    def seed(self) -> None:
        """Learn of the cgroups that are there; to be called once events are delivered."""
        if self._mount is not None:
            self._searched_s = self._clock()
            self._search(self._mount)

    def observe(self, batch: EventBatch, kinds: bytes) -> None:
        """
        Learn of the cgroups that were made; to be called before any event of the batch is judged.

        :param kinds: of its records, a byte each.
        """
        if _CGROUP not in kinds:
            return
        for row in np.flatnonzero(batch.records["kind"] == _CGROUP).tolist():
            made = batch.event(row)
            path = made.captured(NO_ARGUMENT)
            if path is not None and isinstance(path.text, str) and not path.flags & TextFlag.TRUNCATED:
                self._of_id[made.cgroup_id] = placement_of((path.text,))

    def known(self, cgroup_id: int) -> Placement | Missing | None:
        """What is remembered of a cgroup v2."""
        found = self._of_id.get(cgroup_id)
        if found is not None:
            self._of_id.move_to_end(cgroup_id)
        return found

    def of_id(self, cgroup_id: int, event: Event | None = None) -> Placement | Missing:
        """
        Where a cgroup v2 is.

        :param event: of a process that was in it.
        :return: LATE when the cgroup was gone before it was asked for.
        """
        found = self.known(cgroup_id)
        if found is not None:
            return found
        if self._mount is None or not cgroup_id:
            return Missing.UNKNOWN
        if event is not None and (path := self._path(cgroup_id, event)) is not None:
            found = self._of_id[cgroup_id] = placement_of((path,))
            return found
        now_s = self._clock()
        if now_s - self._searched_s < SEARCH_EVERY_S:
            return Missing.LATE  # asked again later, it may be found
        self._searched_s = now_s
        self._search(self._mount)
        if cgroup_id not in self._of_id:
            self._of_id[cgroup_id] = Missing.LATE  # an id is never given again
        return self._of_id[cgroup_id]

    def _path(self, cgroup_id: int, event: Event) -> str | None:
        """The path of the cgroup of an event's process, if it is still in that cgroup."""
        path = self._procfs.cgroup_v2(event.pid, event.start_ns)
        if isinstance(path, Missing):
            return None
        try:
            inode = os.stat(os.fsdecode(self._mount or b"") + path).st_ino
        except (OSError, ValueError):
            return None
        return path if inode == cgroup_id else None

    def _search(self, mount: bytes) -> None:
        """Learn of every cgroup that there is."""
        waiting = [mount]
        while waiting:
            directory = waiting.pop()
            try:
                with os.scandir(directory) as entries:
                    found = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError:
                continue  # removed meanwhile
            for entry in found:
                waiting.append(entry.path)
                if entry.inode() not in self._of_id:
                    self._of_id[entry.inode()] = placement_of((text_of(entry.path[len(mount) :]),))


def together(v2: Placement | Missing, v1: Placement | Missing) -> Placement | Missing:
    """
    Where a process is.

    :param v2: what its cgroup v2 says; UNKNOWN where none is mounted.
    :param v1: what its cgroups v1 say.
    """
    if isinstance(v1, Missing):
        return v2
    if isinstance(v2, Missing):
        return v1 if v1.full_id != HOST or v2 is Missing.UNKNOWN else v2
    if v2.full_id != HOST:
        return v2
    if v1.full_id == HOST:
        return v1 if isinstance(v2.slice, Missing) and isinstance(v1.slice, str) else v2
    if isinstance(v2.slice, Missing) or isinstance(v1.unit, str):
        return v1
    return replace(v2, full_id=v1.full_id, runtime=v1.runtime, pod_uid=v1.pod_uid)


def _mount(mountinfo: Path) -> bytes | None:
    """Where cgroup v2 is mounted."""
    for line in mountinfo.read_bytes().splitlines():
        before, _, after = line.partition(b" - ")
        if after.split(b" ", 1)[0] == b"cgroup2":
            return before.split(b" ")[4]
    return None
