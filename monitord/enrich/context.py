"""What rules can ask about the process behind an event: `Context` from the process table and /proc."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from monitord.abi.event import Capture, TextFlag
from monitord.enrich.cgroups import Cgroups, together
from monitord.enrich.cgroups_v1 import CgroupsV1
from monitord.enrich.clock import WallClock
from monitord.enrich.lineage import Lineage
from monitord.enrich.names import group_names, user_homes, user_names, user_shells
from monitord.enrich.observer import Observer
from monitord.enrich.origins import Origins
from monitord.enrich.processes import PROCESSES, ProcessTable
from monitord.enrich.procfs import Procfs
from monitord.enrich.program import Program
from monitord.enrich.runtimes.asking import Runtimes
from monitord.model.batch import EventBatch
from monitord.model.event import Event, ProcessKey
from monitord.model.inspection import Inspection
from monitord.model.interest import Interest
from monitord.model.path import argument_of, below, normalise
from monitord.model.placement import HOST, Placement
from monitord.model.process import Process
from monitord.model.top import Origin
from monitord.model.value import Missing, Value
from monitord.tables.syscalls import Syscall, SyscallTable

AT_FDCWD = -100

EVENTS = 4096
"""Of a batch, answers about which are remembered: some 500 bytes each. Rules ask test by test, not event by event."""

ENVIRONMENTS = 8
"""Of processes of a batch, which are remembered: up to 256 KiB each."""

DOUBT_EVERY_S = 1.0
"""Whatever is lost, /proc is listed no more often than this."""


class ProcContext:
    """
    `monitord.model.process.Context`, from the process table, and from /proc where that does not know.

    /proc shows the present, an event is of the past. A program that is known to have been replaced, and a process that
    is gone or whose pid was given again, are `Missing.LATE`. Used by one thread.

    :param proc_root: /proc of the initial pid namespace.
    :param processes: how many are remembered.
    :param root: the process that is watched, with its descendants; None for all of the machine's.
    :param sockets: of container runtimes, see `Runtimes`.
    """

    def __init__(
        self,
        table: SyscallTable,
        proc_root: Path = Path("/proc"),
        processes: int = PROCESSES,
        root: int | None = None,
        sockets: Sequence[Path] = (),
    ) -> None:
        self._table = table
        self._root = root
        self._procfs = Procfs(proc_root)
        self._processes = ProcessTable(self._procfs.tick_ns, processes)
        self._cgroups_v1 = CgroupsV1(self._processes, self._procfs)
        self._observer = Observer(table, self._processes, self._cgroups_v1)
        self._lineage = Lineage(self._processes, self._observer, self._procfs)
        self._cgroups = Cgroups(self._procfs)
        self._origins = Origins(self._observer, self._cgroups, self._cgroups_v1, self._lineage)
        self._users = user_names()
        self._groups = group_names()
        self._homes, self._shells = user_homes(), user_shells()
        self._runtimes = Runtimes(sockets)
        self._clock = WallClock()
        # What was found out for events of the batch; each is kept with it, so that no other has its id.
        self._own: dict[int, tuple[Event, Process]] = {}
        self._ancestors: dict[int, tuple[Event, list[Process | Missing]]] = {}  # the parent, grandparent, ...
        self._paths: dict[tuple[int, int, str], tuple[Event, Value]] = {}
        self._environments: dict[tuple[ProcessKey, Program | None], Mapping[str, str] | Missing] = {}
        self._doubtful = False
        self._doubt_due_s = 0.0

    @property
    def evicted(self) -> int:
        """Processes forgotten for want of room."""
        return self._processes.evicted

    @property
    def cgroups_evicted(self) -> int:
        """Cgroups forgotten for want of room."""
        return self._cgroups.evicted

    @property
    def size(self) -> int:
        """Processes that are remembered."""
        return len(self._processes)

    @property
    def lookups(self) -> Mapping[str, int]:
        """What came of asking container runtimes, see `Runtimes.results`."""
        return self._runtimes.results

    def interest(self) -> Interest:
        """The events that `observe` learns from."""
        return self._observer.interest()

    def seed(self) -> None:
        """Learn of the processes and cgroups that are there; to be called once events come, before `observe`."""
        self._cgroups.seed()
        self._lineage.seed(self._procfs.pids() if self._root is None else self._procfs.descendants(self._root))
        if self._cgroups_v1.mounted:
            for entry in self._processes.living():
                self._cgroups_v1.of(entry)

    def observe(self, batch: EventBatch) -> None:
        """Learn from a batch; to be called before any of its events is judged."""
        self._forget()
        if self._doubtful and time.monotonic() >= self._doubt_due_s:
            self._doubtful, self._doubt_due_s = False, time.monotonic() + DOUBT_EVERY_S
            try:
                self._lineage.doubt()
            except OSError:  # for want of descriptors; /proc is asked the next time
                self._doubtful = True
        kinds = batch.records["kind"].tobytes()  # a column of 256-byte records costs a cache miss for each
        self._cgroups.observe(batch, kinds)
        self._observer.observe(batch, kinds)

    def lost(self) -> None:
        """Events were lost: what the table says may be old, and some of the processes in it may have ended."""
        self._doubtful = True

    def origins(self, batch: EventBatch) -> list[tuple[Origin, int]]:
        """Where the events of a batch come from, by their cgroups, and how many from there; after `observe`."""
        return list(self._origins.count(batch).items())

    def syscall(self, event: Event) -> Syscall | None:
        """The table's entry for the call; None for a number outside it."""
        return self._table.find(event.abi, event.nr)

    def process(self, event: Event) -> Process:
        """The process that made the call; after a successful exec, the new program."""
        found = self._own.get(id(event))
        if found is None:
            found = _keep(self._own, id(event), event, self._lineage.own(event))
        return found[1]

    def ancestor(self, event: Event, generation: int) -> Process | Missing:
        """The process (0), its parent (1), grandparent (2), ...; NOT_APPLICABLE beyond the first process."""
        if not generation:
            return self.process(event)
        found = self._ancestors.get(id(event))
        if found is None:
            parent = self._lineage.parent(event, event.key, event.ppid)
            found = _keep(self._ancestors, id(event), event, [parent])
        line = found[1]
        while len(line) < generation:
            child = line[-1]
            if isinstance(child, Missing):
                return child
            line.append(self._lineage.parent(event, child.key, child.ppid))
        return line[generation - 1]

    def path(self, event: Event, dirfd: int, text: str) -> Value:
        """
        A path argument made absolute and lexically normalised.

        :param dirfd: the descriptor it is relative to, or AT_FDCWD (-100).
        :param text: the path as the caller passed it; empty for `dirfd` itself (AT_EMPTY_PATH).
        """
        key = (id(event), dirfd, text)
        found = self._paths.get(key)
        if found is None:
            found = _keep(self._paths, key, event, self._absolute(event, dirfd, text))
        return found[1]

    def _absolute(self, event: Event, dirfd: int, text: str) -> Value:
        if text.startswith("/"):
            return normalise(text)
        arg = argument_of(self.syscall(event), event, dirfd, text)
        if arg is not None:
            # What the kernel side saw at the time is better than what /proc says now, and outlives the process.
            start = event.directory(arg) if text else event.behind(arg)
            if isinstance(start, str):
                return below(start, text) if text else start
        closed = any(one.capture is Capture.DIRECTORY and one.flags & TextFlag.FAULT for one in event.texts)
        if isinstance(event.executable, str) and (closed or not text):
            return event.executable  # the exec itself has closed the descriptor, and so it is no script
        opened = event.file()
        if not isinstance(opened, Missing) and isinstance(opened.path, str):
            return opened.path  # deeper than the kernel side reads; what was opened, it has
        return below(
            self.process(event).cwd if dirfd == AT_FDCWD else self._procfs.fd(event.pid, event.start_ns, dirfd), text
        )

    def placement(self, event: Event) -> Placement | Missing:
        """The container and the unit that the caller runs in; LATE when its cgroup was gone before it was asked for."""
        placement = self._cgroups.of_id(event.cgroup_id, event)
        if not self._cgroups_v1.mounted:
            return placement
        return together(placement, self._cgroups_v1.of(self._lineage.entry(event)).at(event.ts_ns))

    def leader(self, event: Event, pid: int) -> Process | Missing:
        """The process that has a pid, in the initial pid namespace, and had it when the call returned."""
        return self._lineage.holder(event, pid)

    def environment(self, event: Event, generation: int) -> Mapping[str, str] | Missing:
        """
        What the program of the caller (0) or an ancestor was given when it was executed; kept for this batch alone.

        Where the exec did not say, /proc tells what the process has now.
        """
        process = self.ancestor(event, generation)
        if isinstance(process, Missing):
            return process
        program, latest = self._lineage.program(event, process.key)
        key = (process.key, program)
        found = self._environments.get(key)
        if found is None:
            if len(self._environments) >= ENVIRONMENTS:
                self._environments.clear()
            found = None if program is None else program.environment()
            if found is None:
                found = self._procfs.environment(*process.key) if latest else Missing.LATE
            self._environments[key] = found
        return found

    def cgroups(self, event: Event) -> Mapping[str, str] | Missing:
        """The paths of the caller's cgroups by controller, as they are now; an empty name is cgroup v2's."""
        return self._procfs.cgroups_by_controller(event.pid, event.start_ns)

    def inspection(self, event: Event) -> Inspection | Missing:
        """What the runtime says of the caller's container; LATE while it has not answered."""
        placement = self.placement(event)
        if isinstance(placement, Missing):
            return placement
        return Missing.NOT_APPLICABLE if placement.full_id == HOST else self._runtimes.inspection(placement)

    def user_home(self, uid: int) -> Value:
        """The home directory of a user, host view."""
        return self._homes.name(uid)

    def user_shell(self, uid: int) -> Value:
        """The login shell of a user, host view."""
        return self._shells.name(uid)

    def close(self) -> None:
        """End what runs beside the events."""
        self._runtimes.close()

    def user_name(self, uid: int) -> Value:
        """The name of a user, host view."""
        return self._users.name(uid)

    def group_name(self, gid: int) -> Value:
        """The name of a group, host view."""
        return self._groups.name(gid)

    def wall_ns(self, boot_ns: int) -> int:
        """CLOCK_BOOTTIME to Unix epoch nanoseconds."""
        return self._clock.wall(boot_ns)

    def _forget(self) -> None:
        for remembered in (self._own, self._ancestors, self._paths, self._environments):
            remembered.clear()


K = TypeVar("K")
V = TypeVar("V")


def _keep(remembered: dict[K, tuple[Event, V]], key: K, event: Event, value: V) -> tuple[Event, V]:
    if len(remembered) >= EVENTS:
        remembered.clear()
    remembered[key] = event, value
    return remembered[key]
