"""Parts of what the kernel sends along about the thread and the file that it executes."""

from collections.abc import Hashable
from struct import Struct

import numpy as np

from monitord.abi.event import DATA_BYTES, EVENT, TASK, TASK_TEXT
from monitord.dataclass import dataclass
from monitord.model.batch import Cells, EventBatch


@dataclass(frozen=True, slots=True)
class OfTask:
    """
    One thing that the kernel says of the thread.

    :ivar name: a field of `monitord.abi.event.TASK`.
    """

    name: str

    def key(self, cells: Cells) -> Hashable:
        """Its bytes, with the header of the text."""
        return _carried_by(cells, self._place())

    def keys(self, batch: EventBatch) -> list[Hashable]:
        """Its bytes, with the header of the text."""
        return _carried(batch, self._place())

    def _place(self) -> slice:
        dtype, offset, *_ = (TASK.fields or {})[self.name]
        return slice(offset, offset + dtype.itemsize)


@dataclass(frozen=True, slots=True)
class OfProgram:
    """The inode of the file that the process executes."""

    def key(self, cells: Cells) -> Hashable:
        """Its bytes, with the header of the text."""
        return _carried_by(cells, slice(TASK.itemsize, None))

    def keys(self, batch: EventBatch) -> list[Hashable]:
        """Its bytes, with the header of the text."""
        return _carried(batch, slice(TASK.itemsize, None))


_HEADERS_AT = (EVENT.fields or {})["text"][1]
_DATA_AT = (EVENT.fields or {})["data"][1]
_LENGTHS = Struct("<" + "H2x" * TASK_TEXT)
_HEADER = Struct("<HBB")


def _carried_by(cells: Cells, place: slice) -> Hashable:
    """Bytes of the thread's text; None where it did not come along, and without bytes where it was lost."""
    header = _HEADER.unpack_from(cells.head, _HEADERS_AT + _LENGTHS.size)
    if not header[1]:
        return None
    begin = sum(_LENGTHS.unpack_from(cells.head, _HEADERS_AT))
    whole = (cells.head[_DATA_AT:] + cells.more)[begin : begin + header[0]]
    return header, whole[place] if len(whole) == header[0] else None


def _carried(batch: EventBatch, place: slice) -> list[Hashable]:
    """What `_carried_by` says, by row."""
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
