"""
The spare ring: what CPUs without a perf ring send (bpf/emit.h).

To open a perf ring takes a privilege that a daemon gives up after its start; a CPU that comes online later has none.
The spare is a BPF ring buffer (BPF_MAP_TYPE_RINGBUF, Documentation/bpf/ringbuf.rst), shared by such CPUs and made at
the start. Its records become the cells that a perf ring would hold, so nobody behind this module knows the difference.
"""

import ctypes
import mmap

import numpy as np

from monitord.abi.event import CELL, CELL_BYTES, EVENT
from monitord.model.array import NDArray
from monitord.model.batch import RawBatch

_BUSY = 1 << 31  # BPF_RINGBUF_BUSY_BIT: reserved and not written yet; what is behind it waits, too
_CPU_SHIFT = np.uint64(48)  # SEQ_CPU_SHIFT
_SEQ_MASK = np.uint64((1 << 48) - 1)
_SAMPLE = 9  # PERF_RECORD_SAMPLE

PAGES = 64
"""SPARE_PAGES of bpf/emit.h; a test compares."""


class SpareRing:
    """
    The ring behind a map, mapped.

    One thread reads. Two positions, which only grow, in pages of their own: the consumer's is ours, the producer's the
    kernel's. The data is mapped twice, one behind the other, so that nothing wraps.

    :param fd: of the map; stays the caller's.
    :raises OSError: it cannot be mapped.
    """

    def __init__(self, fd: int) -> None:
        self._size = PAGES * mmap.PAGESIZE
        self._ours = mmap.mmap(fd, mmap.PAGESIZE)
        self._theirs = mmap.mmap(fd, mmap.PAGESIZE + 2 * self._size, prot=mmap.PROT_READ, offset=mmap.PAGESIZE)
        self._consumer = ctypes.c_uint64.from_buffer(self._ours)
        self._data = memoryview(self._theirs)[mmap.PAGESIZE :]

    def take(self) -> list[RawBatch]:
        """What is in it, by CPU, each in its order; the space is free again afterwards."""
        begin, end = self._consumer.value, int.from_bytes(self._theirs[:8], "little")
        if begin == end:
            return []
        at = begin % self._size
        cells = np.frombuffer(bytearray(self._data[at : at + end - begin]), EVENT)
        # What stands where a perf record begins: the length with its bits, the offset of the page.
        busy = cells["perf_type"] & _BUSY != 0
        cells = cells[: int(busy.argmax()) if busy.any() else len(cells)]
        self._consumer.value = begin + len(cells) * CELL_BYTES
        return _by_cpu(cells)

    def close(self) -> None:
        """Unmap."""
        del self._consumer
        self._ours.close()
        self._data.release()
        self._theirs.close()


def _by_cpu(cells: NDArray[np.void]) -> list[RawBatch]:
    """Records as the perf cells that they would have been. A continuation has its sequence number in the same place."""
    cpus = cells["seq"] >> _CPU_SHIFT
    cells["seq"] &= _SEQ_MASK
    cells["perf_type"], cells["perf_misc"], cells["perf_size"] = _SAMPLE, 0, CELL_BYTES
    whole = cells.view(CELL)
    return [RawBatch(int(cpu), whole[cpus == cpu].tobytes()) for cpu in np.unique(cpus)]
