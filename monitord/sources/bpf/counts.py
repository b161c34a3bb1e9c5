"""Reading the per-CPU maps of the count lane."""

import ctypes
from collections.abc import Iterator

import numpy as np

from monitord.abi.arch import Abi, call_of
from monitord.model.array import NDArray
from monitord.model.counts import BUCKET_BOUNDS_NS, CountTable, Latency, SyscallCount
from monitord.model.interest import Call
from monitord.sources.bpf import libbpf

STATS = (
    "seq",
    "lost_ring",
    "lost_texts",
    "spill_failed",
    "errors_failed",
    "ignored_names",
    "ignored_places",
)
"""struct stats of bpf/counters.h."""

_ERRNO_BITS = 12


class PerCpuMap:
    """
    A per-CPU map whose values are u64s.

    Many threads may read: nothing is kept between calls.
    """

    def __init__(self, fd: int, words: int) -> None:
        """
        :param words: u64s in one value.
        """
        self._fd = fd
        self._lib = libbpf.library()
        self._shape = (libbpf.check(self._lib.libbpf_num_possible_cpus(), "counting CPUs"), words)

    def per_cpu(self, key: int) -> NDArray[np.uint64] | None:
        """The value of a key on each CPU, (cpus, words); None when there is no such key."""
        values = np.zeros(self._shape, np.uint64)
        found = self._lib.bpf_map_lookup_elem(
            self._fd, ctypes.byref(ctypes.c_uint32(key)), values.ctypes.data_as(ctypes.c_void_p)
        )
        return values if found == 0 else None

    def total(self, key: int) -> NDArray[np.uint64]:
        """The value of a key summed over CPUs, (words,); zeros when there is no such key."""
        values = self.per_cpu(key)
        total: NDArray[np.uint64] = (
            np.zeros(self._shape[1], np.uint64) if values is None else values.sum(0, dtype=np.uint64)
        )
        return total

    def totals(self, keys: int) -> NDArray[np.uint64]:
        """The values of the first keys of an array, each summed over CPUs, (keys, words)."""
        totals, values = np.zeros((keys, self._shape[1]), np.uint64), np.zeros(self._shape, np.uint64)
        nothing = values.tobytes()
        key = ctypes.c_uint32()
        lookup, places = self._lib.bpf_map_lookup_elem, (self._fd, ctypes.addressof(key), values.ctypes.data)
        for number in range(keys):
            key.value = number
            # Most calls are never made. `total` for each of the two thousand took 15 ms of a scrape; this takes 3.
            if lookup(*places) == 0 and values.tobytes() != nothing:
                values.sum(0, out=totals[number])
        return totals

    def __iter__(self) -> Iterator[int]:
        """The keys of a hash; one that comes or goes meanwhile may be left out."""
        key, following = None, ctypes.c_uint32()
        while True:
            at = None if key is None else ctypes.byref(ctypes.c_uint32(key))
            if self._lib.bpf_map_get_next_key(self._fd, at, ctypes.byref(following)) != 0:
                return
            key = following.value
            yield key


def count_table(abis: tuple[Abi, ...], calls: PerCpuMap, errors: PerCpuMap, latencies: PerCpuMap | None) -> CountTable:
    """
    Everything the count lane knows, at this moment.

    Errors are read before calls, so that a call that comes in between cannot make errors exceed calls.
    """
    failed: dict[int, dict[int, int]] = {}
    for key in errors:
        count = int(errors.total(key)[0])
        failed.setdefault(key >> _ERRNO_BITS, {})[key & (1 << _ERRNO_BITS) - 1] = count
    counts = calls.totals(len(abis)).ravel()  # by slot
    timed = None if latencies is None else latencies.totals(counts.size)
    if timed is not None:
        # The kernel side counts a call in one place: among the buckets, or in `calls` when its start is not known.
        counts += timed[:, 1:].sum(1)
    table: dict[Call, SyscallCount] = {}
    for slot in np.flatnonzero(counts).tolist():
        latency = None
        if timed is not None:
            sum_ns, *buckets = timed[slot].tolist()
            latency = Latency(sum_ns, tuple(buckets))
        table[call_of(slot, abis)] = SyscallCount(int(counts[slot]), failed.get(slot, {}), latency)
    return table


LATENCY_WORDS = 1 + len(BUCKET_BOUNDS_NS) + 1
"""u64s of struct latency: the sum, the buckets, the bucket of the rest."""
