"""What the process table learns from each batch: processes that begin, execute, change and end."""

import struct

import numpy as np
from numpy.typing import NDArray

from monitord.abi.arch import NR_SLOTS, NR_UNKNOWN, Abi
from monitord.abi.event import CELL, CELL_BYTES, EVENT, NO_ARGUMENT, Flag, Kind, TextFlag
from monitord.enrich.cgroups_v1 import CgroupsV1
from monitord.enrich.entry import Entry, Phase
from monitord.enrich.processes import ProcessTable
from monitord.enrich.program import Program
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


def _reader(*names: str) -> struct.Struct:
    """Of some fields of a record, in the order of their offsets: the first three of `args`, and all of any other."""
    layout, at = "<", 0
    for name in names:
        dtype, offset, *_ = (EVENT.fields or {})[name]
        code = {"u1": "B", "u2": "H", "u4": "I", "u8": "Q", "S16": "16s"}.get(dtype.str.lstrip("|<"), "QQQ")
        layout += f"{offset - at}x{code}"
        at = offset + struct.calcsize(f"<{code}")
    return struct.Struct(f"{layout}{CELL_BYTES - at}x")


_RECORD = _reader("kind", "flags", "ts_ns", "args", "start_ns", "pid", "tid", "ppid", "comm", "parent_comm")
"""Numpy takes longer for few records, column by column, and as long for many."""

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
        roles = np.zeros((len(Abi), NR_SLOTS), np.uint8)
        for name, role in _CALLS.items():
            for call in table.calls_named(name):
                roles[call.abi, call.nr] = role
        self._roles = roles.ravel()
        self._execs = [frozenset(np.flatnonzero(of_abi == _EXEC).tolist()) for of_abi in roles]

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
        nr = np.minimum(records["nr"].astype(np.uint32), NR_UNKNOWN)  # negative ones are huge
        role = self._roles.take(records["abi"].astype(np.uint32) * NR_SLOTS + nr)
        rows = np.flatnonzero(((role != _NONE) & (records["ret"] == 0)) | (kind != _CALL))
        if len(rows):
            self._learn(batch, rows, role[rows].tolist())

    def _learn(self, batch: EventBatch, rows: NDArray[np.intp], roles: list[int]) -> None:
        data = batch.records.view(CELL)[rows].tobytes()
        processes = self._processes
        for at, (role, record) in enumerate(zip(roles, _RECORD.iter_unpack(data), strict=True)):
            kind, flags, ts_ns, arg, copied_ns, parent_ns, start_ns, pid, tid, ppid, comm, parent_comm = record
            comm = comm.rstrip(b"\0")
            if kind == _FORK:
                mother = (ppid, parent_ns, parent_comm.rstrip(b"\0"))
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
