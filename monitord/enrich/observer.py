"""What the process table learns from each batch: processes that begin, execute, change and end."""

from collections.abc import Iterable, Mapping

import numpy as np

from monitord.abi.arch import NR_SLOTS, NR_UNKNOWN, Abi
from monitord.abi.event import CELL_BYTES, EVENT, NO_ARGUMENT, Flag, Kind, TextFlag
from monitord.abi.reader import reader
from monitord.enrich.cgroups_v1 import CgroupsV1
from monitord.enrich.directory import MOVES
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
_PID = reader("pid")
_BORN = reader("flags", "args", "pid", "ppid", args=1)
_COPIED = reader("args", "start_ns", args=2)
_BEGIN = reader("flags", "ts_ns", "args", "start_ns", "pid", "ppid", "comm", "parent_comm", args=3)
_END = reader("ts_ns", "start_ns", "pid", "comm")
_TOLD = reader("abi", "flags", "nr", "ts_ns", "args", "start_ns", "pid", "tid", "ppid", "comm", args=1)
_GLANCE = reader("nr", "ret")
_KIND_AT = (EVENT.fields or {})["kind"][1]

# Comparing with a member of an enumeration takes three times as long.
_FORK, _EXIT, _JOIN, _CALL = int(Kind.FORK), int(Kind.EXIT), int(Kind.JOIN), int(Kind.EVENT)
_OF_PROCESSES = frozenset((_FORK, _EXIT, _JOIN, _CALL))
_NOT_RETURNED = int(Flag.UNFINISHED | Flag.NO_RETURN)
_SHARED_FS, _THREAD_FS = int(Flag.SHARED_FS), int(Flag.THREAD_FS)

MANY = 16384
"""Events of a batch from which on none is kept for later, but all are read at once: 4 MiB."""

FEW = 256
"""Events up to which a glance at each takes less time than numpy, whose fixed costs a cold cache doubles."""


class Observer:
    """
    Fills a `ProcessTable`. Used by one thread.

    Most processes of a script begin and end within a batch, and no rule asks about them. So the records of one that
    begins are put aside, and read when somebody asks for it, or when it is still there with the next batch: a process
    from its start to its end, with one exec, takes some 6 us, and one that nobody asks for 1 us.
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
        self._data: bytes = b""
        self._more: Mapping[int, bytes] = {}
        self._unread: dict[int, list[int]] = {}  # by pid, where in the data are records of those not in the table yet

    def interest(self) -> Interest:
        """The events that `observe` learns from."""
        return self._interest

    def is_exec(self, event: Event) -> bool:
        """Whether an event is a successful exec."""
        return not event.ret and self._roles.get((event.abi, event.nr)) == _EXEC and event.returned

    def observe(self, batch: EventBatch, kinds: bytes) -> None:
        """
        Learn from a batch; to be called before any of its events is judged, and when those of the one before were.

        :param kinds: of its records, a byte each.
        """
        if not len(batch):
            return
        self.settle()
        # By the time of the first: the events of those that end within this batch have still to be judged.
        self._processes.sweep(int(batch.records["ts_ns"][0]))
        self._data, self._more = batch.records.tobytes(), batch.overflow
        self._note(batch, kinds, self._glance(kinds) if len(batch) <= FEW else self._telling(batch, kinds))

    def get(self, pid: int, start_ns: int) -> Entry | None:
        """A process."""
        if pid in self._unread:
            self._read(pid)
        return self._processes.get(pid, start_ns)

    def current(self, pid: int) -> Entry | None:
        """The last process that was seen to have a pid."""
        if pid in self._unread:
            self._read(pid)
        return self._processes.current(pid)

    def mother(self, pid: int, start_ns: int) -> Entry | None:
        """The parent of a process that nobody has asked for yet; None of others."""
        records = self._unread.get(pid)
        if records is None:
            return None
        *copied, born_ns = _COPIED.unpack_from(self._data, records[0])
        return self.get(*copied) if born_ns == start_ns else None

    def original(self, pid: int, start_ns: int) -> Entry | None:
        """A process; if nobody has asked for it yet, the one that it is a copy of, and shares its cgroups v1 with."""
        while (records := self._unread.get(pid)) is not None:
            pid, start_ns, _ = _COPIED.unpack_from(self._data, records[0])
        return self._processes.get(pid, start_ns)

    def settle(self) -> None:
        """Read of those that are still there; nobody will ask for the others any more."""
        for pid, records in list(self._unread.items()):
            if self._data[records[-1] + _KIND_AT] != _EXIT:
                self._read(pid)
        self._unread.clear()

    def _glance(self, kinds: bytes) -> list[int]:
        """The rows that something may be learned from, among few others."""
        numbers = self._numbers
        return [
            row
            for row, (nr, ret) in enumerate(_GLANCE.iter_unpack(self._data))
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

    def _note(self, batch: EventBatch, kinds: bytes, rows: Iterable[int]) -> None:
        """Learn from rows, but for those of processes that begin with them."""
        data, unread, current = self._data, self._unread, self._processes.current
        few, changes = len(batch) < MANY, 0
        for row in rows:
            kind, begin = kinds[row], row * CELL_BYTES
            if kind == _FORK:
                flags, copied, pid, ppid = _BORN.unpack_from(data, begin)
                # One that shares a directory, or is made for another parent, is in the table from the beginning.
                if copied == ppid and not flags & _SHARED_FS and pid not in unread and current(pid) is None and few:
                    unread[pid] = [begin]
                    continue
                self._read(pid, ppid, copied)
            elif kind == _JOIN:
                self._read(*unread)
                self._join(batch.event(row))
                continue
            elif kind in _OF_PROCESSES:
                (pid,) = _PID.unpack_from(data, begin)
                later = unread.get(pid)
                if later is not None:
                    later.append(begin)
                    continue
                changes += 1
                if not changes % MOVES:  # what its children have of it must be read before it is forgotten
                    self._read(*unread)
            else:
                continue
            self._learn(begin)

    def _read(self, *pids: int) -> None:
        """Learn from the records of processes that were put aside, and before from those of their ancestors."""
        unread = self._unread
        for one in pids:
            pid, line = one, []
            while (records := unread.pop(pid, None)) is not None:
                line.append(records)
                pid, _, _ = _COPIED.unpack_from(self._data, records[0])
            for records in reversed(line):
                for begin in records:
                    self._learn(begin)

    def _learn(self, begin: int) -> None:
        """
        Learn from a record.

        :param begin: where in the data it is.
        """
        data = self._data
        kind = data[begin + _KIND_AT]
        if kind == _EXIT:
            ts_ns, start_ns, pid, comm = _END.unpack_from(data, begin)
            self._processes.exit(ts_ns, pid, start_ns, comm.rstrip(b"\0"))
        elif kind == _FORK:
            flags, ts_ns, copied, copied_ns, mother_ns, start_ns, pid, ppid, comm, above = _BEGIN.unpack_from(
                data, begin
            )
            mother = (ppid, mother_ns, above.rstrip(b"\0"))
            self._processes.fork(ts_ns, pid, start_ns, comm.rstrip(b"\0"), mother, (copied, copied_ns), flags)
        else:
            self._told(begin)

    def _told(self, begin: int) -> None:
        """What a call says."""
        data = self._data
        abi, flags, nr, ts_ns, arg, start_ns, pid, tid, ppid, comm = _TOLD.unpack_from(data, begin)
        role = self._roles.get((abi, nr))
        if role is None or flags & _NOT_RETURNED:
            return
        processes, comm = self._processes, comm.rstrip(b"\0")
        entry = processes.get(pid, start_ns) or self.adopt(pid, start_ns, ppid, comm)
        if role == _EXEC:
            record = self._record(begin)
            processes.execute(entry, ts_ns, comm, Program(None, *record))
            if flags & _THREAD_FS:
                where = directory_in(texts_of(*record), 0)  # that a relative path starts from
                entry.directory = entry.directory.unshared()
                entry.directory.move(ts_ns, where if isinstance(where, str) else None)
        elif role == _NAME:
            if arg & 0xFFFF_FFFF == PR_SET_NAME:
                processes.rename(entry, ts_ns, comm)
        elif role == _ROOT:
            entry.directory.move(ts_ns, None)
        elif role == _UNSHARE:
            if pid == tid and arg & CLONE_FS:
                entry.directory = entry.directory.unshared()
        else:
            entry.directory.moved(ts_ns, texts_of(*self._record(begin)))

    def _record(self, begin: int) -> tuple[bytes, bytes]:
        """A record, and the string data behind it."""
        return self._data[begin : begin + CELL_BYTES], self._more.get(begin // CELL_BYTES, b"")

    def _join(self, event: Event) -> None:
        """A process was moved to a cgroup v1."""
        path = event.captured(NO_ARGUMENT)
        if path is not None and isinstance(path.text, str) and not path.flags & TextFlag.TRUNCATED:
            comm = event.comm.encode("utf-8", "surrogateescape")
            entry = self.get(event.pid, event.start_ns) or self.adopt(event.pid, event.start_ns, event.ppid, comm)
            self._cgroups_v1.move(entry, event.ts_ns, event.args[0], path.text)

    def adopt(self, pid: int, start_ns: int, ppid: int, comm: bytes) -> Entry:
        """A process whose beginning was not seen. Its parent is whoever has that pid, if older."""
        parent = self.current(ppid)
        if parent is not None and parent.start_ns > start_ns:
            parent = None
        return self._processes.add(pid, start_ns, ppid, Phase(0, comm, None), parent)
