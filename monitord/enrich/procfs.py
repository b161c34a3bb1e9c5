"""
The one module that reads /proc.

An answer is about the process that was asked for, or it is missing: a pid can be given again, so the start time
is read *after* the answer and compared. A process that has the start time then had it during the reads before.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from monitord.abi.event import TEXT_CAP_BYTES
from monitord.dataclass import dataclass
from monitord.model.text import argv_of, executable_of_link, text_of, variables_of
from monitord.model.value import Missing

STAT_BYTES = 4096
"""More than a line of /proc/PID/stat can have: 52 numbers of 20 digits and a comm of 64 bytes."""

CGROUP_BYTES = 65536
"""Of /proc/PID/cgroup: a dozen hierarchies with the longest paths, 4096 bytes each."""

ENVIRONMENT_BYTES = 1 << 18
"""Of /proc/PID/environ; an exec can pass more, a quarter of the stack's limit."""

CHILDREN_BYTES = 1 << 20
"""Of /proc/PID/task/TID/children: as many as a pid namespace has by default, 32768, and more."""

PF_EXITING = 0x00000004  # include/linux/sched.h
PF_KTHREAD = 0x00200000


@dataclass(frozen=True, slots=True)
class Stat:
    """
    Fields of /proc/PID/stat, see proc(5).

    :ivar comm: of the thread group leader.
    :ivar start_ns: CLOCK_BOOTTIME, rounded down to a clock tick (10 ms).
    """

    comm: str
    zombie: bool
    exiting: bool
    kernel_thread: bool
    ppid: int
    start_ns: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    A process as it was when /proc was read.

    :ivar argv: empty for a kernel thread; at most `TEXT_CAP_BYTES` of it.
    """

    stat: Stat
    argv: tuple[str, ...] | Missing
    exepath: str | Missing
    cwd: str | Missing


class Procfs:
    """
    Reads of one /proc. It must be that of the initial pid namespace, whose pids the events have.

    :param root: where it is mounted.
    :ivar tick_ns: what start times are rounded down to.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.fsencode(root)
        self.tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")

    def tick(self, start_ns: int) -> int:
        """A start time as /proc can tell it: the kernel divides CLOCK_BOOTTIME and drops the rest."""
        return start_ns // self.tick_ns

    def process(self, pid: int, start_ns: int | None = None) -> Snapshot | Missing:
        """
        All that is read of a process, at one go.

        :param start_ns: CLOCK_BOOTTIME, when it started; None for whoever has the pid now.
        """
        argv = self._argv(pid)
        if argv is Missing.LATE:
            return argv  # nobody has the pid
        exepath, cwd = self._link(pid, b"exe"), self._link(pid, b"cwd")
        stat = self._stat(pid)
        if not isinstance(stat, Missing) and stat.zombie:
            thread = self._living_thread(pid)
            argv = self._argv(pid, thread) if thread else Missing.LATE
            exepath, cwd = self._link(pid, thread + b"exe"), self._link(pid, thread + b"cwd")
            stat = self._stat(pid)
        if isinstance(stat, Missing):
            return stat
        if start_ns is not None and self.tick(start_ns) != self.tick(stat.start_ns):
            return Missing.LATE
        if stat.kernel_thread:
            return Snapshot(stat, (), Missing.NOT_APPLICABLE, cwd)
        # In the middle of an exec, the new program is already there and its arguments are not: cmdline is empty.
        return Snapshot(stat, argv or Missing.LATE, exepath, cwd)

    def pids(self) -> list[int]:
        """All processes that there are."""
        return [int(name) for name in os.listdir(self._root) if name.isdigit()]

    def descendants(self, pid: int) -> list[int]:
        """A process and those that it made, as far as all between them are there."""
        found = [pid]
        for parent in found:
            try:
                tasks = os.listdir(b"%b/%d/task" % (self._root, parent))
            except OSError:
                continue  # it ended meanwhile
            for task in tasks:
                line = self._read(parent, b"task/%b/children" % task, CHILDREN_BYTES)
                if not isinstance(line, Missing):
                    found += [int(child) for child in line.split()]
        return found

    def cwd(self, pid: int, start_ns: int) -> str | Missing:
        """The working directory of a process."""
        return self._link_of(pid, start_ns, b"cwd")

    def fd(self, pid: int, start_ns: int, fd: int) -> str | Missing:
        """What a descriptor of a process refers to: a path, or ``socket:[1234]`` and the like."""
        return self._link_of(pid, start_ns, b"fd/%d" % fd)

    def environment(self, pid: int, start_ns: int) -> Mapping[str, str] | Missing:
        """The environment that a process was given when it executed its program; of a name given twice the first."""
        data = self._read(pid, b"environ", ENVIRONMENT_BYTES)
        if not data or data is Missing.LATE:
            data = self._read(pid, self._living_thread(pid) + b"environ", ENVIRONMENT_BYTES)
        stat = self._stat(pid)
        if isinstance(data, Missing) or isinstance(stat, Missing):
            return data if isinstance(data, Missing) else Missing.LATE
        if (stat.zombie and not data) or self.tick(start_ns) != self.tick(stat.start_ns):
            return Missing.LATE
        return variables_of(data)

    def cgroup_v2(self, pid: int, start_ns: int) -> str | Missing:
        """The path of a process's cgroup v2, as /proc has it."""
        lines = self._cgroup_lines(pid, start_ns)
        if isinstance(lines, Missing):
            return lines
        return next((path for number, _, path in lines if not number), Missing.LATE)

    def cgroups_v1(self, pid: int, start_ns: int) -> Mapping[int, str] | Missing:
        """The paths of a process's cgroups v1 by hierarchy, in order of its number."""
        lines = self._cgroup_lines(pid, start_ns)
        if isinstance(lines, Missing):
            return lines
        return {number: path for number, _, path in lines if number} or Missing.LATE

    def cgroups_by_controller(self, pid: int, start_ns: int) -> Mapping[str, str] | Missing:
        """The paths of a process's cgroups by controller; that of cgroup v2 has the empty name."""
        lines = self._cgroup_lines(pid, start_ns)
        if isinstance(lines, Missing):
            return lines
        return {name: path for _, names, path in lines for name in names.removeprefix("name=").split(",")}

    def _cgroup_lines(self, pid: int, start_ns: int) -> tuple[tuple[int, str, str], ...] | Missing:
        data = self._read(pid, b"cgroup", CGROUP_BYTES)
        stat = self._stat(pid)
        if isinstance(data, Missing) or isinstance(stat, Missing):
            return data if isinstance(data, Missing) else Missing.LATE
        if self.tick(start_ns) != self.tick(stat.start_ns):
            return Missing.LATE
        split = (line.split(":", 2) for line in text_of(data).split("\n"))
        lines = sorted((int(line[0]), line[1], line[2]) for line in split if len(line) == 3)
        # Of a process that ends the kernel says / for all cgroups v1 (proc_cgroup_show).
        return tuple(line for line in lines if not line[0] or not stat.exiting)

    def _stat(self, pid: int) -> Stat | Missing:
        line = self._read(pid, b"stat", STAT_BYTES)
        if isinstance(line, Missing):
            return line
        # comm can hold blanks and parentheses: its end is the last parenthesis.
        head, _, tail = line.rpartition(b")")
        fields = tail.split()
        return Stat(
            comm=text_of(head.partition(b"(")[2]),
            zombie=fields[0] in (b"Z", b"X"),
            exiting=bool(int(fields[6]) & PF_EXITING),
            kernel_thread=bool(int(fields[6]) & PF_KTHREAD),
            ppid=int(fields[1]),
            start_ns=int(fields[19]) * self.tick_ns,
        )

    def _living_thread(self, pid: int) -> bytes:
        """
        The directory of a thread of a process, below that of the process; empty where there is none but the first.

        A process goes on when its first thread has ended, but /proc/PID shows that of a dead one.
        """
        try:
            tids = os.listdir(b"%b/%d/task" % (self._root, pid))
        except OSError:
            return b""
        return next((b"task/%b/" % tid for tid in tids if int(tid) != pid), b"")

    def _argv(self, pid: int, thread: bytes = b"") -> tuple[str, ...] | Missing:
        data = self._read(pid, thread + b"cmdline", TEXT_CAP_BYTES)
        return data if isinstance(data, Missing) else argv_of(data)

    def _read(self, pid: int, name: bytes, size: int) -> bytes | Missing:
        try:
            fd = os.open(b"%b/%d/%b" % (self._root, pid, name), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as err:
            return _why(err)
        try:
            return os.read(fd, size)
        except OSError as err:
            return _why(err)
        finally:
            os.close(fd)

    def _link_of(self, pid: int, start_ns: int, name: bytes) -> str | Missing:
        link = self._link(pid, name)
        if link is Missing.LATE:
            link = self._link(pid, self._living_thread(pid) + name)
        stat = self._stat(pid)
        if isinstance(stat, Missing):
            return stat
        return link if self.tick(start_ns) == self.tick(stat.start_ns) else Missing.LATE

    def _link(self, pid: int, name: bytes) -> str | Missing:
        try:
            link = text_of(os.readlink(b"%b/%d/%b" % (self._root, pid, name)))
        except OSError as err:
            return _why(err)
        return executable_of_link(link)


def _why(err: OSError) -> Missing:
    """It has gone; or this time, or this user, cannot read it."""
    return Missing.LATE if isinstance(err, FileNotFoundError | ProcessLookupError) else Missing.UNKNOWN
