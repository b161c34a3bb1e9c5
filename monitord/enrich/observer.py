"""What the process table learns from each batch: processes that begin, execute, change and end."""

import numpy as np
from numpy.typing import NDArray

from monitord.abi.arch import NR_SLOTS, NR_UNKNOWN, Abi
from monitord.abi.event import CELL, CELL_BYTES, EVENT, NO_ARGUMENT, NO_CALL, Flag, Kind, TextFlag
from monitord.enrich.cgroups_v1 import CgroupsV1
from monitord.enrich.entry import Entry, Phase
from monitord.enrich.program import Program
from monitord.enrich.table import ProcessTable
from monitord.model.event import Event, EventBatch, directory_in, texts_of
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
_COLUMNS = ("kind", "flags", "ts_ns", "pid", "tid", "start_ns", "comm", "ppid", "parent_comm")

# Comparing with a member of an enumeration takes three times as long.
_FORK, _EXIT, _JOIN = int(Kind.FORK), int(Kind.EXIT), int(Kind.JOIN)
_CALL = int(Kind.EVENT)
_NOT_RETURNED = int(Flag.UNFINISHED | Flag.NO_RETURN)


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
        self._role = np.zeros((len(Abi), NR_SLOTS), np.uint8)
        for name, role in _CALLS.items():
            for call in table.calls_named(name):
                self._role[call.abi, call.nr] = role
        self._execs = [frozenset(np.flatnonzero(roles == _EXEC).tolist()) for roles in self._role]

    def interest(self) -> Interest:
        """The events that `observe` learns from."""
        return self._interest

    def is_exec(self, event: Event) -> bool:
        """Whether an event is a successful exec."""
        return not event.ret and event.nr in self._execs[event.abi] and event.returned

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
        rows = np.flatnonzero(((role != _NONE) & (records["ret"] == 0)) | (kind != _CALL))
        if len(rows):
            self._learn(batch, rows, role[rows].tolist())

    def _learn(self, batch: EventBatch, rows: NDArray[np.intp], roles: list[int]) -> None:
        cells = batch.records.view(CELL)[rows]
        taken, data = cells.view(EVENT), cells.tobytes()
        columns = [taken[name].tolist() for name in _COLUMNS]
        args = [taken["args"][:, number].tolist() for number in range(3)]
        processes = self._processes
        for at, record in enumerate(zip(roles, *columns, *args, strict=True)):
            role, kind, flags, ts_ns, pid, tid, start_ns, comm, ppid, parent_comm, arg, copied_ns, parent_ns = record
            if kind == _FORK:
                mother = (ppid, parent_ns, parent_comm)
                processes.fork(ts_ns, pid, start_ns, comm, mother, (arg, copied_ns), flags)
            elif kind == _EXIT:
                entry = processes.get(pid, start_ns)
                if entry is not None:
                    processes.rename(entry, ts_ns, comm)
                    processes.end(entry, ts_ns)
            elif kind == _JOIN or (kind == _CALL and not flags & _NOT_RETURNED):
                row = int(rows[at])
                cell, more = data[at * CELL_BYTES : (at + 1) * CELL_BYTES], batch.overflow.get(row, b"")
                entry = processes.get(pid, start_ns) or self.adopt(pid, start_ns, ppid, comm)
                if role == _EXEC:
                    processes.execute(entry, ts_ns, comm, Program(None, cell, more))
                elif role == _NAME:
                    if arg & 0xFFFF_FFFF == PR_SET_NAME:
                        processes.rename(entry, ts_ns, comm)
                elif kind == _JOIN:
                    self._join(entry, batch.event(row))
                elif role == _MOVE:
                    where = directory_in(texts_of(cell, more))
                    if where is not Missing.NOT_APPLICABLE:
                        entry.directory.move(ts_ns, None if isinstance(where, Missing) else where)
                elif role == _ROOT:
                    entry.directory.move(ts_ns, None)
                elif role == _UNSHARE and pid == tid and arg & CLONE_FS:
                    entry.directory = entry.directory.unshared()

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
