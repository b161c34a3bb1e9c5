"""What the count lane knows: totals per syscall, read from the kernel's maps."""

from collections.abc import Mapping
from dataclasses import field

from monitord.dataclass import dataclass
from monitord.model.interest import Call

BUCKET_BOUNDS_NS: tuple[int, ...] = tuple(1 << k for k in range(6, 38))
"""
Upper bounds of the latency buckets, inclusive: powers of two from 64 ns to 137 s, which a BPF program finds
without a division. bpf/include/counters.h has the same; one more bucket holds what took longer.
"""


@dataclass(frozen=True, slots=True)
class Latency:
    """
    Durations of one syscall.

    :ivar buckets: calls per bucket (not cumulative), one per bound of `BUCKET_BOUNDS_NS`, then the rest.
    """

    sum_ns: int
    buckets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SyscallCount:
    """
    Totals of one syscall since the start of the daemon, over all CPUs.

    :ivar errors: errno -> calls that returned it.
    :ivar latency: None when latency is switched off.
    """

    calls: int
    errors: Mapping[int, int] = field(default_factory=dict)
    latency: Latency | None = None


CountTable = Mapping[Call, SyscallCount]
"""Every syscall that was called at least once; nr `NR_UNKNOWN` stands for the numbers outside the table."""
