"""Parts of what the kernel sends along about the thread and the file that it executes."""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from monitord.abi.event import DATA_BYTES, TASK, TASK_TEXT
from monitord.model.event import EventBatch


@dataclass(frozen=True, slots=True)
class OfTask:
    """
    One thing that the kernel says of the thread.

    :ivar name: a field of `monitord.abi.event.TASK`.
    """

    name: str

    def keys(self, batch: EventBatch) -> list[Hashable]:
        """Its bytes, with the header of the text."""
        dtype, offset, *_ = (TASK.fields or {})[self.name]
        return _carried(batch, slice(offset, offset + dtype.itemsize))


@dataclass(frozen=True, slots=True)
class OfProgram:
    """The inode of the file that the process executes."""

    def keys(self, batch: EventBatch) -> list[Hashable]:
        """Its bytes, with the header of the text."""
        return _carried(batch, slice(TASK.itemsize, None))


def _carried(batch: EventBatch, place: slice) -> list[Hashable]:
    """Bytes of the thread's text, by row; None where it did not come along, and without bytes where it was lost."""
    keys: list[Hashable] = [None] * len(batch)
    headers = batch.records["text"]
    rows = np.flatnonzero(headers["source"][:, TASK_TEXT])
    if not len(rows):
        return keys
    begins = headers["len"][rows, :TASK_TEXT].sum(axis=1, dtype=np.intp).tolist()
    heads = np.ascontiguousarray(batch.records["data"]).tobytes()
    for row, begin, header in zip(rows.tolist(), begins, headers[rows, TASK_TEXT].tolist(), strict=True):
        data = heads[row * DATA_BYTES : (row + 1) * DATA_BYTES] + batch.overflow.get(row, b"")
        whole = data[begin : begin + header[0]]
        keys[row] = (header, whole[place] if len(whole) == header[0] else None)
    return keys
