"""What the process table learns from each batch: processes that begin, execute, change and end."""

from collections.abc import Iterable

import numpy as np

from monitord.abi.arch import NR_SLOTS, NR_UNKNOWN, Abi
from monitord.abi.event import CELL_BYTES, NO_ARGUMENT, Flag, Kind, TextFlag
from monitord.abi.reader import reader
from monitord.enrich.cgroups_v1 import CgroupsV1
from monitord.enrich.entry import Entry, Phase
from monitord.enrich.processes import ProcessTable
from monitord.enrich.program import Program
from monitord.model.batch import EventBatch
from monitord.model.event import Event, directory_in, texts_of
from monitord.model.interest import Interest, Outcome
from monitord.tables.syscalls import SyscallTable

PR_SET_NAME = 15  # include/uapi/linux/prctl.h

CLONE_FS = 0x200 | 0x20000 | 0x10000000
"""Of unshare: CLONE_FS itself, CLONE_NEWNS and CLONE_NEWUSER, which imply it (include/uapi/linux/sched.h)."""

_EXEC, _MOVE, _ROOT, _UNSHARE, _NAME = range(5)
_CALLS = {
    "execve": _EXEC,
    "execveat": _EXEC,
    "chdir": _MOVE,
    "fchdir": _MOVE,
    "setns": _MOVE,
    "pivot_root": _ROOT,
    "unshare": _UNSHARE,
    "prctl": _NAME,
}


# What is not unpacked costs nothing. Numpy takes longer for few records, column by column, and as long for many.
_BEGIN = reader("flags", "ts_ns", "args", "start_ns", "pid", "ppid", "comm", "parent_comm", args=3)
_END = reader("ts_ns", "start_ns", "pid", "comm")
_TOLD = reader("abi", "flags", "nr", "ts_ns", "args", "start_ns", "pid", "tid", "ppid", "comm", args=1)
_GLANCE = reader("nr", "ret")

# Comparing with a member of an enumeration takes three times as long.
_FORK, _EXIT = int(Kind.FORK), int(Kind.EXIT)
_CALL = int(Kind.EVENT)
_OF_CALLERS = frozenset((_CALL, int(Kind.JOIN)))
_NOT_RETURNED = int(Flag.UNFINISHED | Flag.NO_RETURN)
_THREAD_FS = int(Flag.THREAD_FS)

FEW = 256
"""Events up to which a glance at each takes less time than numpy, whose fixed costs a cold cache doubles."""


class Observer:
    """
    Fills a `ProcessTable`. Used by one thread.

    One process from its start to its end, with one exec, takes some 6 us.
    """

    def __init__(self, table: SyscallTable, processes: ProcessTable, cgroups_v1: CgroupsV1) -> None:
        self._processes = processes
        self._cgroups_v1 = cgroups_v1
        self._interest = Interest(
            {(call.abi, call.nr): Outcome.SUCCESS for name in _CALLS for call in table.calls_named(name)},
            lifecycle=True,
        )
        self._roles = {
            (call.abi.value, call.nr): role for name, role in _CALLS.items() for call in table.calls_named(name)
        }
        self._numbers = frozenset(nr for _, nr in self._roles)
        self._tells = np.zeros(len(Abi) * NR_SLOTS, np.bool_)
        self._tells[[abi * NR_SLOTS + nr for abi, nr in self._roles]] = True

    def interest(self) -> Interest:
        """The events that `observe` learns from."""
        return self._interest

    def is_exec(self, event: Event) -> bool:
        """Whether an event is a successful exec."""
        return not event.ret and self._roles.get((event.abi, event.nr)) == _EXEC and event.returned

    def observe(self, batch: EventBatch, kinds: bytes) -> None:
        """
        Learn from a batch; to be called before any of its events is judged.

        :param kinds: of its records, a byte each.
        """
        if not len(batch):
            return
        # By the time of the first: the events of those that end within this batch have still to be judged.
        self._processes.sweep(int(batch.records["ts_ns"][0]))
        data = batch.records.tobytes()
        self._learn(batch, kinds, data, self._glance(kinds, data) if len(batch) <= FEW else self._telling(batch, kinds))

    def _glance(self, kinds: bytes, data: bytes) -> list[int]:
        """The rows that something may be learned from, among few others."""
        numbers = self._numbers
        return [
            row
            for row, (nr, ret) in enumerate(_GLANCE.iter_unpack(data))
            if kinds[row] != _CALL or (nr in numbers and not ret)
        ]

    def _telling(self, batch: EventBatch, kinds: bytes) -> list[int]:
        """The rows that something is learned from, among others."""
        records = batch.records
        nr = np.minimum(records["nr"].astype(np.uint32), NR_UNKNOWN)  # negative ones are huge
        tells = self._tells.take(records["abi"].astype(np.uint32) * NR_SLOTS + nr)
        rows: list[int] = np.flatnonzero(
            (tells & (records["ret"] == 0)) | (np.frombuffer(kinds, np.uint8) != _CALL)
        ).tolist()
        return rows

    def _learn(self, batch: EventBatch, kinds: bytes, data: bytes, rows: Iterable[int]) -> None:
        processes = self._processes
        for row in rows:
            kind = kinds[row]
            if kind in _OF_CALLERS:
                self._told(batch, row, kind, data)
            elif kind == _EXIT:
                ts_ns, start_ns, pid, comm = _END.unpack_from(data, row * CELL_BYTES)
                processes.exit(ts_ns, pid, start_ns, comm.rstrip(b"\0"))
            elif kind == _FORK:
                flags, ts_ns, copied, copied_ns, mother_ns, start_ns, pid, ppid, comm, above = _BEGIN.unpack_from(
                    data, row * CELL_BYTES
                )
                mother = (ppid, mother_ns, above.rstrip(b"\0"))
                processes.fork(ts_ns, pid, start_ns, comm.rstrip(b"\0"), mother, (copied, copied_ns), flags)

    def _told(self, batch: EventBatch, row: int, kind: int, data: bytes) -> None:
        """What a call says, or a process that has joined a cgroup v1."""
        begin = row * CELL_BYTES
        abi, flags, nr, ts_ns, arg, start_ns, pid, tid, ppid, comm = _TOLD.unpack_from(data, begin)
        role = None
        if kind == _CALL:
            role = self._roles.get((abi, nr))
            if role is None or flags & _NOT_RETURNED:
                return
        processes, comm = self._processes, comm.rstrip(b"\0")
        entry = processes.get(pid, start_ns) or self.adopt(pid, start_ns, ppid, comm)
        if role == _EXEC:
            cell, more = data[begin : begin + CELL_BYTES], batch.overflow.get(row, b"")
            processes.execute(entry, ts_ns, comm, Program(None, cell, more))
            if flags & _THREAD_FS:
                where = directory_in(texts_of(cell, more), 0)  # that a relative path starts from
                entry.directory = entry.directory.unshared()
                entry.directory.move(ts_ns, where if isinstance(where, str) else None)
        elif role is None:
            self._join(entry, batch.event(row))
        elif role == _NAME:
            if arg & 0xFFFF_FFFF == PR_SET_NAME:
                processes.rename(entry, ts_ns, comm)
        elif role == _ROOT:
            entry.directory.move(ts_ns, None)
        elif role == _UNSHARE:
            if pid == tid and arg & CLONE_FS:
                entry.directory = entry.directory.unshared()
        else:
            entry.directory.moved(ts_ns, texts_of(data[begin : begin + CELL_BYTES], batch.overflow.get(row, b"")))

    def _join(self, entry: Entry, event: Event) -> None:
        path = event.captured(NO_ARGUMENT)
        if path is not None and isinstance(path.text, str) and not path.flags & TextFlag.TRUNCATED:
            self._cgroups_v1.move(entry, event.ts_ns, event.args[0], path.text)

    def adopt(self, pid: int, start_ns: int, ppid: int, comm: bytes) -> Entry:
        """A process whose beginning was not seen. Its parent is whoever has that pid, if older."""
        parent = self._processes.current(ppid)
        if parent is not None and parent.start_ns > start_ns:
            parent = None
        return self._processes.add(pid, start_ns, ppid, Phase(0, comm, None), parent)
