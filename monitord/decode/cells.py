"""
Perf records into arrays of cells.

Every record of ours is one cell of 256 bytes, so a drain without surprises is one array and no loop. A record of
another size (PERF_RECORD_LOST, 24 bytes) shifts all that follow: the bytes are cut there, one step per such record.
"""

import numpy as np

from monitord.abi.event import CELL_BYTES, EVENT
from monitord.dataclass import dataclass
from monitord.model.array import NDArray

_HEADER = np.dtype([("type", "<u4"), ("misc", "<u2"), ("size", "<u2")])
_RECORD_SAMPLE = 9
_RECORD_LOST = 2


@dataclass(frozen=True, slots=True)
class Cells:
    """
    :ivar runs: arrays of `EVENT`, unaligned views of the drain's bytes, in order. Continuation cells are among them.
    :ivar unknown_bytes: bytes that no record could be made of: the ring is not as it should be.
    """

    runs: list[NDArray[np.void]]
    unknown_bytes: int


def cells_of(data: bytes) -> Cells:
    """Cut a drain into runs of cells."""
    runs = []
    at = 0
    while len(data) - at >= CELL_BYTES:
        run = np.frombuffer(data, EVENT, (len(data) - at) // CELL_BYTES, at)
        odd = (run["perf_size"] != CELL_BYTES) | (run["perf_type"] != _RECORD_SAMPLE)
        good = int(odd.argmax()) if odd.any() else len(run)
        if good:
            runs.append(run[:good])
            at += good * CELL_BYTES
        if good < len(run):
            skipped = _skip(data, at)
            if not skipped:
                return Cells(runs, len(data) - at)
            at += skipped
    while at < len(data) and (skipped := _skip(data, at)):
        at += skipped
    return Cells(runs, len(data) - at)


def _skip(data: bytes, at: int) -> int:
    """The length of a record that is not ours; 0 when there is none. What it says of losses is known by sequence."""
    if len(data) - at < _HEADER.itemsize:
        return 0
    header = np.frombuffer(data, _HEADER, 1, at)[0]
    size = int(header["size"])
    return size if header["type"] == _RECORD_LOST and _HEADER.itemsize <= size <= len(data) - at else 0
