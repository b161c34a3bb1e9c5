"""Events as raw bytes of a ring, and as columns of a batch."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import cache
from typing import NamedTuple

import numpy as np

from monitord.abi.arch import Abi
from monitord.abi.event import CELL, CELL_BYTES, EVENT, Flag, Kind
from monitord.abi.reader import reader
from monitord.dataclass import dataclass
from monitord.model.array import NDArray
from monitord.model.event import Event, texts_of
from monitord.model.text import text_of

# Enumerations take half a microsecond for each member that they make of a number.
_abi, _flag = cache(Abi), cache(Flag)
_CALL = reader("abi", "flags", "nr", "seq", "ts_ns", "duration_ns", "ret", "args")
_CALLER = reader("start_ns", "cgroup_id", "pid", "tid", "ppid", "uid", "gid", "comm", "parent_comm")
_EVENT = int(Kind.EVENT)

COMPLETE = 1 << 63
"""As a time: there is nothing to wait for."""


@dataclass(frozen=True, slots=True)
class RawBatch:
    """
    What one drain took out of one ring: whole perf records, in the order of the ring.

    :ivar complete_ns: CLOCK_BOOTTIME; whatever any CPU wrote before that time has been taken by now.
    """

    cpu: int
    data: bytes
    complete_ns: int = COMPLETE


class Cells(NamedTuple):
    """
    One record.

    :ivar head: its head cell.
    :ivar more: the string data behind it, of all cells that arrived.
    """

    head: bytes
    more: bytes


@dataclass(frozen=True, slots=True)
class EventBatch:
    """
    Events as columns; among them records of processes and cgroups (`Kind`), if somebody asked for them.

    :ivar records: (n,) of `monitord.abi.event.EVENT`, unaligned view; ``batch.records["nr"]`` is a column.
    :ivar cpu: (n,) u2, the CPU each record came from.
    :ivar overflow: row -> the string data behind the head cell's, for the few events that have more than
        fits there. A row whose continuation was lost is not in it: its text is `Missing.LOST`.
    """

    records: NDArray[np.void]
    cpu: NDArray[np.uint16]
    overflow: Mapping[int, bytes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.records)

    @staticmethod
    def empty() -> "EventBatch":
        """No events."""
        return EventBatch(np.empty(0, EVENT), np.empty(0, np.uint16))

    @property
    def calls(self) -> "EventBatch":
        """The system calls alone: what rules judge."""
        kinds = self.records["kind"].tobytes()
        if kinds.count(_EVENT) == len(kinds):
            return self
        return self.take(np.flatnonzero(np.frombuffer(kinds, np.uint8) == _EVENT))

    def take(self, rows: NDArray[np.intp] | Sequence[int]) -> "EventBatch":
        """
        The batch of some rows, in the order given.

        :param rows: (k,) row indices.
        """
        rows = np.asarray(rows, np.intp)
        overflow = {}
        if self.overflow:
            overflow = {new: self.overflow[old] for new, old in enumerate(rows.tolist()) if old in self.overflow}
        return EventBatch(self.records.view(CELL)[rows].view(EVENT), self.cpu[rows], overflow)

    def cells(self, rows: Sequence[int]) -> list[Cells]:
        """Some rows as they came, each by itself."""
        data, more = self.records.view(CELL)[rows].tobytes(), self.overflow
        return [
            Cells(data[at * CELL_BYTES : (at + 1) * CELL_BYTES], more.get(row, b"") if more else b"")
            for at, row in enumerate(rows)
        ]

    def event(self, row: int) -> Event:
        """One row, made readable."""
        cell = self.records.view(CELL)[row].tobytes()
        abi, flags, nr, seq, ts_ns, duration_ns, ret, *args = _CALL.unpack(cell)
        start_ns, cgroup_id, pid, tid, ppid, uid, gid, comm, parent_comm = _CALLER.unpack(cell)
        return Event(
            cpu=int(self.cpu[row]),
            seq=seq,
            ts_ns=ts_ns,
            duration_ns=duration_ns,
            abi=_abi(abi),
            nr=nr,
            flags=_flag(flags),
            args=tuple(args),
            ret=ret,
            pid=pid,
            tid=tid,
            ppid=ppid,
            start_ns=start_ns,
            uid=uid,
            gid=gid,
            cgroup_id=cgroup_id,
            comm=text_of(comm.rstrip(b"\0")),
            parent_comm=text_of(parent_comm.rstrip(b"\0")),
            texts=texts_of(cell, self.overflow.get(row, b"")),
        )
