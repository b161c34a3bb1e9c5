"""What rules can ask about the process behind an event: `Context` from exec events and /proc."""

import ctypes
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from monitord.abi.arch import NR_SLOTS, NR_UNKNOWN, Abi
from monitord.abi.event import Capture, Flag
from monitord.enrich.cgroups import Cgroups
from monitord.enrich.clock import WallClock
from monitord.enrich.names import group_names, user_names
from monitord.enrich.procfs import Procfs, Snapshot
from monitord.enrich.program import Program, Programs
from monitord.model.event import Event, EventBatch, ProcessKey
from monitord.model.interest import Interest, Outcome
from monitord.model.path import below, normalise
from monitord.model.placement import Placement
from monitord.model.process import Process
from monitord.model.text import argv_of, text_of
from monitord.model.value import Missing, Value
from monitord.tables.syscalls import Syscall, SyscallTable

AT_FDCWD = -100

_LINKS = ("/proc/", "/dev/fd/")
"""Nothing executable lies here; what is named here stands for a file elsewhere."""

PROGRAMS = 16384
"""Processes whose program is remembered; about 1 KiB each with an argv of ordinary length."""


@dataclass(slots=True)
class _Recall:
    """What was found out for the event that is being judged."""

    event: Event
    line: list[Process | Missing] = field(default_factory=list)  # the process, its parent, grandparent, ...
    fds: dict[int, str | Missing] = field(default_factory=dict)


class ProcContext:
    """
    `monitord.model.process.Context`, from what exec events said and what /proc says now. Used by one thread.

    /proc shows the present, an event is of the past: what a process changed in between (working directory,
    descriptors, its parent's parent) is shown as it is now. A program that is known to have been replaced, and a
    process that is gone or whose pid was given again, are `Missing.LATE`.

    :param proc_root: /proc of the initial pid namespace.
    :param programs: processes whose program is remembered.
    """

    def __init__(self, table: SyscallTable, proc_root: Path = Path("/proc"), programs: int = PROGRAMS) -> None:
        self._table = table
        self._procfs = Procfs(proc_root)
        self._programs = Programs(programs)
        self._cgroups = Cgroups(self._procfs)
        self._users = user_names()
        self._groups = group_names()
        self._clock = WallClock()
        self._recall: _Recall | None = None
        self._execs = {(call.abi, call.nr): name for name in ("execve", "execveat") for call in table.calls_named(name)}
        self._is_exec = np.zeros((len(Abi), NR_SLOTS), bool)
        for abi, nr in self._execs:
            self._is_exec[abi, nr] = True

    @property
    def evicted(self) -> int:
        """Processes whose program was forgotten for want of room."""
        return self._programs.evicted

    def interest(self) -> Interest:
        """The events that `observe` learns from: what succeeds to execute."""
        return Interest(dict.fromkeys(self._execs, Outcome.SUCCESS))

    def observe(self, batch: EventBatch) -> None:
        """Learn from the exec events of a batch; to be called before any of its events is judged."""
        records = batch.records
        nr = np.clip(records["nr"], 0, NR_UNKNOWN)
        done = (records["ret"] == 0) & (records["flags"] & (Flag.UNFINISHED | Flag.NO_RETURN) == 0)
        for row in np.flatnonzero(self._is_exec[records["abi"], nr] & done).tolist():
            self._learn(batch.event(row))

    def syscall(self, event: Event) -> Syscall | None:
        """The table's entry for the call; None for a number outside it."""
        return self._table.find(event.abi, event.nr)

    def process(self, event: Event) -> Process:
        """The process that made the call; after a successful exec, the new program."""
        line = self._about(event).line
        if not line:
            line.append(self._own(event))
        own = line[0]
        assert isinstance(own, Process)
        return own

    def ancestor(self, event: Event, generation: int) -> Process | Missing:
        """The process (0), its parent (1), grandparent (2), ...; NOT_APPLICABLE beyond the first process."""
        self.process(event)
        line = self._about(event).line
        while len(line) <= generation:
            child = line[-1]
            if isinstance(child, Missing):
                return child
            line.append(self._parent(event, child))
        return line[generation]

    def path(self, event: Event, dirfd: int, text: str) -> Value:
        """
        A path argument made absolute and lexically normalised.

        :param dirfd: the descriptor it is relative to, or AT_FDCWD (-100).
        :param text: the path as the caller passed it; empty for `dirfd` itself (AT_EMPTY_PATH).
        """
        if text.startswith("/"):
            return normalise(text)
        if not text and isinstance(event.executable, str):
            return event.executable  # AT_EMPTY_PATH: the descriptor may be closed by the exec itself
        for captured in event.texts:
            # What the kernel side saw at the time is better than what /proc says now, and outlives the process.
            if captured.capture is Capture.STR and captured.text == text:
                directory = event.directory(captured.arg)
                if isinstance(directory, str):
                    return below(directory, text)
        return below(self.process(event).cwd if dirfd == AT_FDCWD else self._fd(event, dirfd), text)

    def placement(self, event: Event) -> Placement | Missing:
        """The container and the unit that the caller runs in; LATE when its cgroup was gone before it was asked for."""
        program, _ = self._programs.at(self._identity(event.key), event.ts_ns)
        return self._cgroups.placement(event, program.since_ns if program else 0)

    def user_name(self, uid: int) -> Value:
        """The name of a user, host view."""
        return self._users.name(uid)

    def group_name(self, gid: int) -> Value:
        """The name of a group, host view."""
        return self._groups.name(gid)

    def wall_ns(self, boot_ns: int) -> int:
        """CLOCK_BOOTTIME to Unix epoch nanoseconds."""
        return self._clock.wall(boot_ns)

    def _about(self, event: Event) -> _Recall:
        if self._recall is None or self._recall.event is not event:
            self._recall = _Recall(event)
        return self._recall

    def _fd(self, event: Event, fd: int) -> str | Missing:
        fds = self._about(event).fds
        if fd not in fds:
            fds[fd] = self._procfs.fd(event.pid, event.start_ns, fd)
        return fds[fd]

    def _learn(self, event: Event) -> None:
        by_descriptor = self._execs[event.abi, event.nr] == "execveat"
        filename = event.captured(1 if by_descriptor else 0)
        argv = next((text for text in event.texts if text.capture is Capture.ARGV), None)
        self._programs.learn(
            self._identity(event.key),
            Program(
                since_ns=event.ts_ns,
                dirfd=ctypes.c_int(event.args[0]).value if by_descriptor else AT_FDCWD,
                filename=Missing.UNKNOWN if filename is None else filename.missing or text_of(filename.data),
                argv=Missing.UNKNOWN if argv is None else argv.missing or argv_of(argv.data),
                executable=event.executable,
            ),
        )

    def _identity(self, key: ProcessKey) -> tuple[int, int]:
        """A process as /proc can tell it too."""
        return key.pid, self._procfs.tick(key.start_ns)

    def _own(self, event: Event) -> Process:
        if (event.abi, event.nr) in self._execs and event.returned and not event.ret:
            self._learn(event)
        now = self._procfs.process(event.pid, event.start_ns)
        own = self._describe(event.key, event.comm, event.ppid, now, event.ts_ns)
        return replace(own, exepath=event.executable) if isinstance(event.executable, str) else own

    def _parent(self, event: Event, child: Process) -> Process | Missing:
        if isinstance(child.ppid, Missing):
            return child.ppid
        if not child.ppid:
            return Missing.NOT_APPLICABLE
        of_caller = child.key == event.key
        now = self._procfs.process(child.ppid)
        # No parent is younger than its child: it died, and its pid was given again.
        if isinstance(now, Missing) or now.stat.start_ns > child.key.start_ns:
            return Process(ProcessKey(child.ppid, 0), event.parent_comm) if of_caller else Missing.LATE
        comm = event.parent_comm if of_caller else now.stat.comm
        return self._describe(ProcessKey(child.ppid, now.stat.start_ns), comm, now.stat.ppid, now, event.ts_ns)

    def _describe(self, key: ProcessKey, comm: str, ppid: int, now: Snapshot | Missing, ts_ns: int) -> Process:
        """
        A process at the time of an event.

        :param comm: what it was called then. Called otherwise now, it executes something else, or may.
        """
        program, latest = self._programs.at(self._identity(key), ts_ns)
        same = not isinstance(now, Missing) and latest and now.stat.comm == comm
        shown = now if same or isinstance(now, Missing) else Missing.LATE
        cwd = now if isinstance(now, Missing) else now.cwd
        argv = shown if isinstance(shown, Missing) else shown.argv
        exepath: Value = shown if isinstance(shown, Missing) else shown.exepath
        if program is not None:
            argv = argv if isinstance(program.argv, Missing) else program.argv
            exepath = _executed(program, cwd) if isinstance(exepath, Missing) else exepath
        return Process(key, comm, ppid, argv, exepath, cwd)


def _executed(program: Program, cwd: Value) -> Value:
    """
    The path of an executable, as the kernel saw it, or from what exec was given.

    A descriptor of then, or a link to it, says nothing now.
    """
    if isinstance(program.executable, str):
        return program.executable
    if isinstance(program.filename, Missing):
        return program.filename
    if program.filename.startswith(_LINKS):
        return Missing.LATE
    return below(cwd if program.dirfd == AT_FDCWD else Missing.LATE, program.filename)
