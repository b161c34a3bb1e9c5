"""
Parts of an event record. A field whose value follows from one part alone is tested once per distinct part, not once
per event.
"""

from collections.abc import Hashable
from struct import Struct
from typing import Protocol

import numpy as np

from monitord.abi.event import ARG_TEXTS, CELL_BYTES, DATA_BYTES, DESCRIPTOR_TEXT, EVENT, SOCKET, TEXT, Capture
from monitord.abi.reader import reader
from monitord.dataclass import dataclass
from monitord.detect.outcome import foreign, foreign_of, result_of, results, succeeded
from monitord.model.batch import Cells, EventBatch


def _bytes_of(name: str) -> slice:
    dtype, offset, *_ = (EVENT.fields or {})[name]
    return slice(offset, offset + dtype.itemsize)


_PPID = reader("ppid")
_FLAGS_AND_RET = reader("flags", "ret")
_ARGS = reader("args")
_LENGTHS_AT = _bytes_of("text").start
_LENGTHS = Struct("<" + "H2x" * ARG_TEXTS)
_LENGTHS_BEFORE_DESCRIPTOR = Struct("<" + "H2x" * DESCRIPTOR_TEXT)
_HEADER = Struct("<HBB")
_DESCRIPTOR_AT = _LENGTHS_AT + DESCRIPTOR_TEXT * TEXT.itemsize

_HEADERS_BYTES = ARG_TEXTS * TEXT.itemsize
_HEADERS = slice(_bytes_of("text").start, _bytes_of("text").start + _HEADERS_BYTES)
_DATA = _bytes_of("data")
_COMM, _PARENT_COMM = _bytes_of("comm"), _bytes_of("parent_comm")


class Part(Protocol):
    """Some bytes of a record; parts are values and compare equal when they are the same bytes."""

    def key(self, cells: Cells) -> Hashable:
        """Of one event; those with equal keys have equal parts."""

    def keys(self, batch: EventBatch) -> list[Hashable]:
        """One key per row; sooner told for many."""


@dataclass(frozen=True, slots=True)
class Comm:
    """The name of the process."""

    def key(self, cells: Cells) -> Hashable:
        """The name, without the NULs behind it."""
        return cells.head[_COMM].rstrip(b"\0")

    def keys(self, batch: EventBatch) -> list[Hashable]:
        """The names, without the NULs behind them."""
        names: list[Hashable] = batch.records["comm"].tolist()
        return names


@dataclass(frozen=True, slots=True)
class ParentComm:
    """The name of the parent, if there is a parent."""

    def key(self, cells: Cells) -> Hashable:
        """The name, without the NULs behind it; None for no parent."""
        return cells.head[_PARENT_COMM].rstrip(b"\0") if _PPID.unpack(cells.head)[0] else None

    def keys(self, batch: EventBatch) -> list[Hashable]:
        """The names, without the NULs behind them; None for no parent."""
        names: list[Hashable] = batch.records["parent_comm"].tolist()
        for row in np.flatnonzero(batch.records["ppid"] == 0).tolist():
            names[row] = None
        return names


@dataclass(frozen=True, slots=True)
class Register:
    """One syscall argument as the kernel got it: no more than a number."""

    arg: int

    def key(self, cells: Cells) -> Hashable:
        """The register, unsigned."""
        value: Hashable = _ARGS.unpack(cells.head)[self.arg]
        return value

    def keys(self, batch: EventBatch) -> list[Hashable]:
        """The registers, unsigned."""
        values: list[Hashable] = batch.records["args"][:, self.arg].tolist()
        return values


@dataclass(frozen=True, slots=True)
class Registers:
    """Several syscall arguments, likewise."""

    args: tuple[int, ...]

    def key(self, cells: Cells) -> Hashable:
        """The registers, unsigned."""
        values = _ARGS.unpack(cells.head)
        return tuple(values[arg] for arg in self.args)

    def keys(self, batch: EventBatch) -> list[Hashable]:
        """The registers of a row, unsigned."""
        return list(map(tuple, batch.records["args"][:, list(self.args)].tolist()))


@dataclass(frozen=True, slots=True)
class Number:
    """A column of the record that is a number."""

    column: str

    def key(self, cells: Cells) -> Hashable:
        """The number."""
        value: Hashable
        (value,) = reader(self.column).unpack(cells.head)
        return value

    def keys(self, batch: EventBatch) -> list[Hashable]:
        """The numbers."""
        values: list[Hashable] = batch.records[self.column].tolist()
        return values


@dataclass(frozen=True, slots=True)
class Result:
    """Whether and with which error the call returned; all that succeeded are one."""

    def key(self, cells: Cells) -> Hashable:
        """Minus the errno, 0 for success, 1 for a call that did not return."""
        return result_of(*_FLAGS_AND_RET.unpack(cells.head))

    def keys(self, batch: EventBatch) -> list[Hashable]:
        """Minus the errno, 0 for success, 1 for a call that did not return."""
        keys: list[Hashable] = results(batch).tolist()
        return keys


@dataclass(frozen=True, slots=True)
class Foreign:
    """Whether 64-bit code made a 32-bit or x32 call."""

    def key(self, cells: Cells) -> Hashable:
        """True for those."""
        return foreign_of(_FLAGS_AND_RET.unpack(cells.head)[0])

    def keys(self, batch: EventBatch) -> list[Hashable]:
        """True for those."""
        are_foreign: list[Hashable] = foreign(batch).tolist()
        return are_foreign


@dataclass(frozen=True, slots=True)
class Texts:
    """The first texts: all that was copied from the caller's memory, what it means there, and how it was read."""

    def key(self, cells: Cells) -> Hashable:
        """The headers of the texts, then their bytes; what was lost is missing at the end."""
        size = sum(_LENGTHS.unpack_from(cells.head, _LENGTHS_AT))
        inside = cells.head[_HEADERS] + cells.head[_DATA.start : _DATA.start + min(size, DATA_BYTES)]
        return inside + cells.more[: size - DATA_BYTES] if size > DATA_BYTES else inside

    def keys(self, batch: EventBatch) -> list[Hashable]:
        """The headers of the texts, then their bytes; what was lost is missing at the end."""
        cells = np.ascontiguousarray(batch.records).view(np.uint8).reshape(-1, CELL_BYTES)
        whole = np.concatenate((cells[:, _HEADERS], cells[:, _DATA]), axis=1).tobytes()
        begins = range(0, len(whole), _HEADERS_BYTES + DATA_BYTES)
        sizes = batch.records["text"]["len"][:, :ARG_TEXTS].sum(axis=1, dtype=np.intp)
        ends = (np.minimum(sizes, DATA_BYTES) + np.arange(_HEADERS_BYTES, len(whole), begins.step)).tolist()
        # A loop, because numpy has no texts of varying length that hash: 0.15 us per event.
        keys: list[Hashable] = [whole[begin:end] for begin, end in zip(begins, ends, strict=True)]
        for row in np.flatnonzero(sizes > DATA_BYTES).tolist():
            keys[row] += batch.overflow.get(row, b"")[: sizes[row] - DATA_BYTES]
        return keys


@dataclass(frozen=True, slots=True)
class Executed:
    """What a successful exec says of the program: its name, and all that was copied."""

    def key(self, cells: Cells) -> Hashable:
        """The name, and the key of `Texts`; None for an exec that failed, which says nothing of the process."""
        flags, ret = _FLAGS_AND_RET.unpack(cells.head)
        return (Comm().key(cells), Texts().key(cells)) if not ret and not result_of(flags, ret) else None

    def keys(self, batch: EventBatch) -> list[Hashable]:
        """The name, and the key of `Texts`; None for an exec that failed, which says nothing of the process."""
        keys: list[Hashable] = list(zip(Comm().keys(batch), Texts().keys(batch), strict=True))
        for row in np.flatnonzero(~succeeded(batch)).tolist():
            keys[row] = None
        return keys


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What is behind the descriptor that the call is about."""

    def key(self, cells: Cells) -> Hashable:
        """The header, then the bytes; what was lost is missing at the end."""
        header = _HEADER.unpack_from(cells.head, _DESCRIPTOR_AT)
        if not header[1]:
            return None
        begin = sum(_LENGTHS_BEFORE_DESCRIPTOR.unpack_from(cells.head, _LENGTHS_AT))
        end = begin + header[0]
        whole = cells.head[_DATA]
        return header, (whole + cells.more if end > DATA_BYTES else whole)[begin:end]

    def keys(self, batch: EventBatch) -> list[Hashable]:
        """The header, then the bytes; what was lost is missing at the end."""
        texts = batch.records["text"]
        begins = texts["len"][:, :DESCRIPTOR_TEXT].sum(axis=1, dtype=np.intp)
        ends = begins + texts["len"][:, DESCRIPTOR_TEXT]
        headers = np.ascontiguousarray(texts[:, DESCRIPTOR_TEXT]).tolist()
        data = np.ascontiguousarray(batch.records["data"]).tobytes()
        keys: list[Hashable] = []
        for row, (header, begin, end) in enumerate(zip(headers, begins.tolist(), ends.tolist(), strict=True)):
            if not header[1]:
                keys.append(None)
                continue
            head = data[row * DATA_BYTES : (row + 1) * DATA_BYTES]
            whole = head + batch.overflow.get(row, b"") if end > DATA_BYTES else head
            keys.append((header, whole[begin:end]))
        return keys


@dataclass(frozen=True, slots=True)
class Ends:
    """
    The socket that the call is about, and the address that the call was given; not which socket it is.

    :ivar own_port: with the port of this side, which is another one for every connection of a client.
    """

    own_port: bool

    def key(self, cells: Cells) -> Hashable:
        """The key of `Texts`, and of `Descriptor` without what does not matter."""
        return Texts().key(cells), self._of(Descriptor().key(cells))

    def keys(self, batch: EventBatch) -> list[Hashable]:
        """The key of `Texts`, and of `Descriptor` without what does not matter."""
        return [
            (texts, self._of(behind))
            for texts, behind in zip(Texts().keys(batch), Descriptor().keys(batch), strict=True)
        ]

    def _of(self, behind: Hashable) -> Hashable:
        if not isinstance(behind, tuple):
            return behind
        header, facts = behind
        if header[1] >> 4 != Capture.SOCKET:
            return behind
        if self.own_port or int.from_bytes(facts[_FAMILY], "little") not in _IP_FAMILIES:
            return header, facts[_BEHIND_INODE]
        bound = any(facts[_OWN_PORT])
        return header, bound, facts[_BEHIND_INODE.start : _OWN_PORT.start], facts[_OWN_PORT.stop :]


_IP_FAMILIES = (2, 10)


def _bytes_of_socket(name: str) -> slice:
    dtype, offset, *_ = (SOCKET.fields or {})[name]
    return slice(offset, offset + dtype.itemsize)


_BEHIND_INODE = slice(_bytes_of_socket("family").start, None)
_FAMILY = _bytes_of_socket("family")
_OWN_PORT = _bytes_of_socket("local_port")
