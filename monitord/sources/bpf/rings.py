"""
The perf rings: one per CPU, mapped and read here, not by BCC.

BCC calls back into Python once per event, which costs microseconds; a mapped ring is taken as one block of bytes.
The layout (a page of struct perf_event_mmap_page, then 2^n data pages) is perf_event_open(2)'s.
"""

import ctypes
import fcntl
import logging
import mmap
import os
import select
import time
from collections.abc import Set

from monitord.model.batch import RawBatch
from monitord.sources.bpf.errors import LoadError
from monitord.sources.bpf.perf_event import open_output

_IOC_ENABLE = 0x2400
_HEAD_OFFSET = 1024  # data_head in struct perf_event_mmap_page
_TAIL_OFFSET = 1032

_log = logging.getLogger(__name__)


class Ring:
    """
    The ring of one CPU, open and enabled.

    One thread reads. `data_head` is the kernel's to write, `data_tail` is ours; both only grow.
    """

    def __init__(self, cpu: int, pages: int, fd: int | None = None) -> None:
        """
        :param pages: data pages, a power of two.
        :param fd: of `open_output`, if somebody called it already; from here on the ring's.
        :raises LoadError: the kernel refused; says why.
        :raises ProcessLookupError: the CPU is not there any more.
        :raises PermissionError: this process may not, or may not any more.
        """
        self.cpu = cpu
        self.size_bytes = pages * mmap.PAGESIZE
        self.fd = open_output(cpu) if fd is None else fd
        try:
            self._map = mmap.mmap(self.fd, self.size_bytes + mmap.PAGESIZE)
        except OSError as error:
            os.close(self.fd)
            raise LoadError(
                f"the ring of CPU {cpu} ({self.size_bytes >> 10} KiB) cannot be mapped ({error.strerror}): "
                "lower bpf.ring_pages, or raise the limit of locked memory (LimitMEMLOCK=infinity)"
            ) from error
        self._data = memoryview(self._map)[mmap.PAGESIZE :]
        self._head = ctypes.c_uint64.from_buffer(self._map, _HEAD_OFFSET)
        self._tail = ctypes.c_uint64.from_buffer(self._map, _TAIL_OFFSET)
        fcntl.ioctl(self.fd, _IOC_ENABLE, 0)

    def used_bytes(self) -> int:
        """What waits to be read."""
        return int(self._head.value - self._tail.value)

    def take(self) -> bytes:
        """Everything that is in the ring, whole records; the space is free again afterwards."""
        head, tail = self._head.value, self._tail.value
        if head == tail:
            return b""
        begin, end = tail % self.size_bytes, head % self.size_bytes
        parts = (self._data[begin:end],) if begin < end else (self._data[begin:], self._data[:end])
        data = b"".join(parts)
        # A plain store is enough: the copy above is done, and no CPU moves a store before the loads it follows
        # in program order across the system call and lock operations of the interpreter.
        self._tail.value = head
        return data

    def close(self) -> None:
        """Unmap and close."""
        del self._head, self._tail
        self._data.release()
        self._map.close()
        os.close(self.fd)


class Rings:
    """
    All rings of the online CPUs, and the poll that waits for them.

    :param opened: by CPU, what somebody opened before; what is of use the first time is taken out.
    """

    def __init__(self, pages: int, opened: dict[int, int] | None = None) -> None:
        self._pages = pages
        self._opened = {} if opened is None else opened
        self._poll = select.poll()
        self._rings: dict[int, Ring] = {}
        self._refused: set[int] = set()
        self._starting = True

    def follow(self, cpus: tuple[int, ...], dead: Set[int] = frozenset()) -> tuple[list[Ring], list[RawBatch]]:
        """
        Open rings for CPUs that came, close those of CPUs that went.

        :param dead: CPUs whose rings get nothing any more: they went, and came back before anybody looked.
        :return: the new rings, to be put into the kernel's table; what the closed ones still held.
        :raises LoadError: a ring cannot be opened at the start, or none may be. One that cannot be opened later is
            tried again with each call, and not missed: its CPU has the spare ring.
        """
        starting, self._starting = self._starting, False
        left = []
        for cpu in [cpu for cpu in self._rings if cpu not in cpus or cpu in dead]:
            ring = self._rings.pop(cpu)
            left.append(RawBatch(cpu, ring.take()))
            self._poll.unregister(ring.fd)
            ring.close()
        opened = []
        for cpu in cpus:
            if cpu in self._rings:
                continue
            try:
                ring = Ring(cpu, self._pages, self._opened.pop(cpu, None))
            except ProcessLookupError:
                continue  # gone between the listing and now
            except PermissionError as error:
                if self._rings or not starting:
                    if cpu not in self._refused:
                        _log.warning(
                            "CPU %d has no ring of its own until the next start, and sends to the spare ring", cpu
                        )
                    self._refused.add(cpu)
                    continue
                raise LoadError(
                    f"perf_event_open for CPU {cpu} failed ({error.strerror}): with kernel.perf_event_paranoid above 2 "
                    "(Debian's is 3) this needs CAP_SYS_ADMIN or root, otherwise CAP_PERFMON"
                ) from error
            except LoadError as error:
                if starting:
                    raise
                if cpu not in self._refused:
                    _log.warning("%s; CPU %d sends to the spare ring", error, cpu)
                self._refused.add(cpu)
                continue
            self._rings[cpu] = ring
            self._poll.register(ring.fd, select.POLLIN)
            opened.append(ring)
        return opened, [batch for batch in left if batch.data]

    def wait(self, timeout_s: float) -> None:
        """Until a ring has `WAKEUP_BYTES` to read, or the time is over."""
        self._poll.poll(timeout_s * 1000)

    def take(self) -> list[RawBatch]:
        """What all rings hold, in the order of CPUs; empty ones are left out."""
        before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        batches = []
        for ring in self._rings.values():
            data = ring.take()
            if data:
                batches.append(RawBatch(ring.cpu, data, before_ns))
        return batches

    def used_bytes(self) -> dict[int, int]:
        """CPU -> bytes that wait; read without a lock, for metrics."""
        return {cpu: ring.used_bytes() for cpu, ring in list(self._rings.items())}

    def close(self) -> None:
        """Close all."""
        for ring in self._rings.values():
            ring.close()
        self._rings.clear()
