"""Ring bytes into an EventBatch: whole events and records of processes, in order, losses counted by number."""

from collections.abc import Sequence

import numpy as np

from monitord.abi.event import CELL, CELL_BYTES, DATA_BYTES, EVENT, MORE, MORE_BYTES, Kind
from monitord.decode.cells import cells_of
from monitord.model.array import NDArray
from monitord.model.batch import COMPLETE, EventBatch, RawBatch


class Decoder:
    """
    Decodes drains, one call after the other by one thread.

    It remembers the last sequence number of each CPU, the cells of an event that a drain cut in two, and the events
    that came while the rings were read one after the other: what another CPU did before them may come with the next
    drain, and a process must not be seen to act before it is seen to begin.

    :ivar events: events decoded so far.
    :ivar missed: events that never came: gaps in the sequence numbers. All of them are losses that the kernel side
        has counted with their reason; that the two agree is tested.
    :ivar undecoded: cells that no record could be made of.
    """

    def __init__(self) -> None:
        self.events = 0
        self.missed = 0
        self.undecoded = 0
        self._last_seq: dict[int, int] = {}
        self._cut: dict[int, NDArray[np.void]] = {}
        self._early = EventBatch.empty()

    @property
    def holds(self) -> bool:
        """Whether an event waits for the next `decode`, of nothing if need be, which gives it out."""
        return bool(self._cut or len(self._early))

    def decode(self, raw: Sequence[RawBatch]) -> EventBatch:
        """
        The events of one drain of all rings.

        :return: sorted by `ts_ns`; what one CPU wrote stays in its order.
        """
        early, self._early = self._early, EventBatch.empty()
        records: list[NDArray[np.void]] = [early.records] if len(early) else []
        cpus: list[NDArray[np.uint16]] = [early.cpu] if len(early) else []
        overflow = dict(early.overflow)
        rows = len(early)
        cut, self._cut = self._cut, {}
        for batch in raw:
            cpu, cells = batch.cpu, cells_of(batch.data)
            self.undecoded += -(-cells.unknown_bytes // CELL_BYTES)
            runs = [cut.pop(cpu), *cells.runs] if cpu in cut else cells.runs
            if runs:
                run = runs[0] if len(runs) == 1 else _together(runs)
                run = self._whole_events(cpu, run, rows, overflow)
                records.append(run)
                cpus.append(np.full(len(run), cpu, np.uint16))
                rows += len(run)
        for cpu, incomplete in cut.items():
            # Nothing followed in a whole drain: the rest of this event was lost.
            run = _join(incomplete, rows, overflow)
            self._count(cpu, run["seq"])
            records.append(run)
            cpus.append(np.full(len(run), cpu, np.uint16))
            rows += len(run)
        if not records:
            return EventBatch.empty()
        complete_ns = min((batch.complete_ns for batch in raw), default=COMPLETE)
        if len(records) == 1:
            return self._up_to(EventBatch(records[0], cpus[0], overflow), complete_ns)
        whole = EventBatch(_together(records), np.concatenate(cpus), overflow)
        return self._up_to(whole.take(np.argsort(whole.records["ts_ns"], kind="stable")), complete_ns)

    def _up_to(self, batch: EventBatch, complete_ns: int) -> EventBatch:
        """The events from before a time; those from then on are held back."""
        ready = int(np.searchsorted(batch.records["ts_ns"], complete_ns))
        if ready >= len(batch):
            return batch
        self._early = batch.take(np.arange(ready, len(batch)))
        return batch.take(np.arange(ready))

    def _whole_events(
        self, cpu: int, run: NDArray[np.void], first_row: int, overflow: dict[int, bytes]
    ) -> NDArray[np.void]:
        """The heads of a CPU's cells, counted; their long texts go to `overflow`."""
        if (run["kind"] == Kind.MORE).any() or run["cells"][-1] > 1:
            run = self._hold_back_cut(cpu, run)
            run = _join(run, first_row, overflow)
        self._count(cpu, run["seq"])
        return run

    def _count(self, cpu: int, seq: NDArray[np.uint64]) -> None:
        if not len(seq):
            return
        last = int(seq[-1])
        self.events += len(seq)
        self.missed += last - self._last_seq.get(cpu, 0) - len(seq)
        self._last_seq[cpu] = last

    def _hold_back_cut(self, cpu: int, run: NDArray[np.void]) -> NDArray[np.void]:
        """Keep an event whose continuation cells are not all in this drain for the next one."""
        head = len(run) - 1
        while head > 0 and run["kind"][head] == Kind.MORE:
            head -= 1
        if run["kind"][head] != Kind.MORE and head + int(run["cells"][head]) > len(run):
            self._cut[cpu] = run[head:].copy()
            return run[:head]
        return run


def events_in(data: bytes) -> int:
    """How many events a drain of one ring holds, without decoding them."""
    return sum(int((run["kind"] != Kind.MORE).sum()) for run in cells_of(data).runs)


def _together(runs: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
    """Runs behind each other, as one array."""
    cells: NDArray[np.void] = np.concatenate([run.view(CELL) for run in runs]).view(EVENT)
    return cells


def _join(run: NDArray[np.void], first_row: int, overflow: dict[int, bytes]) -> NDArray[np.void]:
    """
    The heads of a run; the data of their continuation cells goes to `overflow`, by row.

    An event that lacks a cell gets no entry: its long texts are lost, and say so.
    """
    is_head = run["kind"] != Kind.MORE
    heads: NDArray[np.void] = run.view(CELL)[is_head].view(EVENT)
    if len(heads) == len(run):
        return heads
    row_of = np.cumsum(is_head) - 1  # of each cell; -1 for cells in front of the first head
    is_more = ~is_head
    own = is_more & (row_of >= 0)
    own[own] = run["seq"][own] == heads["seq"][row_of[own]]
    found = np.bincount(row_of[own], minlength=len(heads))
    rows = np.flatnonzero((heads["cells"] > 1) & (found == heads["cells"] - 1))
    # The data of all continuation cells behind each other; an event's begins behind those of the events before it.
    data = np.ascontiguousarray(run.view(MORE)["data"][is_more]).tobytes()
    begins = (np.cumsum(is_more)[is_head] * MORE_BYTES)[rows]
    ends = begins + heads["data_len"][rows] - DATA_BYTES
    for row, begin, end in zip((rows + first_row).tolist(), begins.tolist(), ends.tolist(), strict=True):
        overflow[row] = data[begin:end]
    return heads


assert EVENT.itemsize == MORE.itemsize
