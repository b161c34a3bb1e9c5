"""What the process table learns from each batch: processes that begin, execute, change and end."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitord.abi.arch import NR_SLOTS, NR_UNKNOWN, Abi
from monitord.abi.event import CELL, EVENT, NO_ARGUMENT, NO_CALL, Flag, Kind, TextFlag
from monitord.enrich.cgroups_v1 import CgroupsV1
from monitord.enrich.program import Program
from monitord.enrich.table import Entry, Phase, ProcessTable
from monitord.model.event import Event, EventBatch
from monitord.model.interest import Interest, Outcome
from monitord.model.value import Missing
from monitord.tables.syscalls import SyscallTable

PR_SET_NAME = 15  # include/uapi/linux/prctl.h

CLONE_FS = 0x200 | 0x20000 | 0x10000000
"""Of unshare: CLONE_FS itself, CLONE_NEWNS and CLONE_NEWUSER, which imply it (include/uapi/linux/sched.h)."""

_NONE, _EXEC, _MOVE, _ROOT, _UNSHARE, _NAME = range(6)
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
_COLUMNS = ("kind", "ts_ns", "pid", "tid", "start_ns", "comm", "ppid", "parent_comm", "flags", "args")


class Observer:
    """
    Fills a `ProcessTable`. Used by one thread.

    One process from its start to its end, with one exec, takes some 10 us.
    """

    def __init__(self, table: SyscallTable, processes: ProcessTable, cgroups_v1: CgroupsV1) -> None:
        self._processes = processes
        self._cgroups_v1 = cgroups_v1
        self._interest = Interest(
            {(call.abi, call.nr): Outcome.SUCCESS for name in _CALLS for call in table.calls_named(name)},
            lifecycle=True,
        )
        self._role = np.zeros((len(Abi), NR_SLOTS), np.uint8)
        for name, role in _CALLS.items():
            for call in table.calls_named(name):
                self._role[call.abi, call.nr] = role

    def interest(self) -> Interest:
        """The events that `observe` learns from."""
        return self._interest

    def is_exec(self, event: Event) -> bool:
        """Whether an event is a successful exec."""
        known = 0 <= event.nr < NR_UNKNOWN and self._role[event.abi, event.nr] == _EXEC
        return bool(known and event.returned and not event.ret)

    def observe(self, batch: EventBatch, kind: NDArray[np.uint8]) -> None:
        """
        Learn from a batch; to be called before any of its events is judged.

        :param kind: of its records.
        """
        if not len(batch):
            return
        records = batch.records
        # By the time of the first: the events of those that end within this batch have still to be judged.
        self._processes.sweep(int(records["ts_ns"][0]))
        role = self._role[records["abi"], np.clip(records["nr"], NO_CALL, NR_UNKNOWN)]  # NO_CALL: the last, no call's
        done = (records["ret"] == 0) & (records["flags"] & (Flag.UNFINISHED | Flag.NO_RETURN) == 0)
        records_of = (kind == Kind.FORK) | (kind == Kind.EXIT) | (kind == Kind.JOIN)
        rows = np.flatnonzero(records_of | (done & (role != _NONE)))
        if len(rows):
            taken = records.view(CELL)[rows].view(EVENT)
            columns = [taken[name].tolist() for name in _COLUMNS]
            for row, is_of, *values in zip(rows.tolist(), role[rows].tolist(), *columns, strict=True):
                self._learn(batch, row, is_of, values)

    def _learn(self, batch: EventBatch, row: int, role: int, values: list[Any]) -> None:
        kind, ts_ns, pid, tid, start_ns, comm, ppid, parent_comm, flags, args = values
        processes = self._processes
        if kind == Kind.FORK:
            copied_pid, copied_ns, parent_ns, *_ = args
            mother = (ppid, parent_ns, parent_comm)
            processes.fork(ts_ns, pid, start_ns, comm, mother, (copied_pid, copied_ns), flags)
            return
        entry = processes.get(pid, start_ns)
        if kind == Kind.EXIT:
            if entry is not None:
                processes.rename(entry, ts_ns, comm)
                processes.end(entry, ts_ns)
            return
        if entry is None:
            entry = self.adopt(pid, start_ns, ppid, comm)
        if kind == Kind.JOIN:
            path = batch.event(row).captured(NO_ARGUMENT)
            if path is not None and isinstance(path.text, str) and not path.flags & TextFlag.TRUNCATED:
                self._cgroups_v1.move(entry, ts_ns, args[0], path.text)
        elif role == _EXEC:
            processes.execute(entry, ts_ns, comm, Program.recorded(batch, row))
        elif role == _NAME:
            if args[0] & 0xFFFF_FFFF == PR_SET_NAME:
                processes.rename(entry, ts_ns, comm)
        elif role == _MOVE:
            where = batch.event(row).moved_to
            if where is not Missing.NOT_APPLICABLE:
                entry.directory.move(ts_ns, None if isinstance(where, Missing) else where)
        elif role == _ROOT:
            entry.directory.move(ts_ns, None)
        elif pid == tid and args[0] & CLONE_FS:
            entry.directory = entry.directory.unshared()

    def adopt(self, pid: int, start_ns: int, ppid: int, comm: bytes) -> Entry:
        """A process whose beginning was not seen. Its parent is whoever has that pid, if older."""
        parent = self._processes.current(ppid)
        if parent is not None and parent.start_ns > start_ns:
            parent = None
        return self._processes.add(pid, start_ns, ppid, Phase(0, comm, None), parent)
