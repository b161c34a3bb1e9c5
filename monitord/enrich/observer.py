"""What the process table learns from each batch: processes that begin, execute, change and end."""

from typing import Any

import numpy as np

from monitord.abi.arch import NR_SLOTS, NR_UNKNOWN, Abi
from monitord.abi.event import CELL, EVENT, Flag, Kind
from monitord.enrich.procfs import Procfs
from monitord.enrich.program import Program
from monitord.enrich.table import Entry, Key, Phase, ProcessTable
from monitord.model.event import Event, EventBatch
from monitord.model.interest import Interest, Outcome
from monitord.model.path import below
from monitord.model.value import Missing, Value
from monitord.tables.syscalls import SyscallTable

PR_SET_NAME = 15  # include/uapi/linux/prctl.h

_NONE, _EXEC, _MOVE, _NAME = range(4)
_CALLS = {"execve": _EXEC, "execveat": _EXEC, "chdir": _MOVE, "fchdir": _MOVE, "prctl": _NAME}
_COLUMNS = ("kind", "ts_ns", "pid", "start_ns", "comm", "ppid", "parent_comm", "args")


class Observer:
    """
    Fills a `ProcessTable`. Used by one thread.

    One process from its start to its end, with one exec, takes some 10 us.
    """

    def __init__(self, table: SyscallTable, processes: ProcessTable, procfs: Procfs) -> None:
        self._processes = processes
        self._procfs = procfs
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

    def observe(self, batch: EventBatch) -> None:
        """Learn from a batch; to be called before any of its events is judged."""
        if not len(batch):
            return
        records = batch.records
        kind = records["kind"]
        nr = np.clip(records["nr"], 0, NR_UNKNOWN)
        role = self._role[records["abi"], nr]
        role[(kind != Kind.EVENT) | (records["nr"] < 0)] = _NONE
        done = (records["ret"] == 0) & (records["flags"] & (Flag.UNFINISHED | Flag.NO_RETURN) == 0)
        rows = np.flatnonzero((kind == Kind.FORK) | (kind == Kind.EXIT) | (done & (role != _NONE)))
        if len(rows):
            taken = records.view(CELL)[rows].view(EVENT)
            columns = [taken[name].tolist() for name in _COLUMNS]
            moved: dict[Key, tuple[Entry, int]] = {}
            for row, is_of, *values in zip(rows.tolist(), role[rows].tolist(), *columns, strict=True):
                self._learn(batch, row, is_of, values, moved)
            for key in list(moved):
                self._settle(batch, moved, key)
        self._processes.sweep(int(records["ts_ns"][-1]))

    def _learn(
        self, batch: EventBatch, row: int, role: int, values: list[Any], moved: dict[Key, tuple[Entry, int]]
    ) -> None:
        kind, ts_ns, pid, start_ns, comm, ppid, parent_comm, args = values
        processes = self._processes
        if kind == Kind.FORK:
            copied_pid, copied_ns, parent_ns, *_ = args
            self._settle(batch, moved, processes.key(copied_pid, copied_ns))
            processes.fork(ts_ns, pid, start_ns, comm, (ppid, parent_ns, parent_comm), (copied_pid, copied_ns))
            return
        entry = processes.get(pid, start_ns)
        if kind == Kind.EXIT:
            if entry is not None:
                processes.rename(entry, ts_ns, comm)
                processes.end(entry, ts_ns)
            return
        if entry is None:
            entry = self.adopt(pid, start_ns, ppid, comm)
        if role == _EXEC:
            processes.execute(entry, ts_ns, comm, Program.recorded(batch, row))
        elif role == _NAME:
            if args[0] & 0xFFFF_FFFF == PR_SET_NAME:
                processes.rename(entry, ts_ns, comm)
        else:
            moved[entry.key] = (entry, row)

    def adopt(self, pid: int, start_ns: int, ppid: int, comm: bytes) -> Entry:
        """A process whose beginning was not seen. Its parent is whoever has that pid, if older."""
        parent = self._processes.current(ppid)
        if parent is not None and parent.start_ns > start_ns:
            parent = None
        return self._processes.add(pid, start_ns, ppid, Phase(0, comm, None), parent)

    def _settle(self, batch: EventBatch, moved: dict[Key, tuple[Entry, int]], key: Key) -> None:
        """Find out where a process has moved to: at the end of a batch, or before that is copied."""
        if key in moved:
            entry, row = moved.pop(key)
            entry.cwd = self._working_directory(entry, batch.event(row))

    def _working_directory(self, entry: Entry, event: Event) -> Value | None:
        """The one that a process has moved to; by what it said if it has gone. A later move is a later event."""
        cwd: Value = self._procfs.cwd(entry.key[0], entry.start_ns)
        if isinstance(cwd, Missing):
            if (path := event.captured(0)) is not None:
                cwd = path.text
                if isinstance(cwd, str):
                    cwd = below(event.directory(0), cwd)
            else:
                file = event.file(0)
                cwd = file if isinstance(file, Missing) else file.path
        return None if isinstance(cwd, Missing) else cwd
