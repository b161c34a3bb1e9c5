"""Metrics of the count lane: every call in scope, counted in the kernel."""

from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from monitord.model.counts import BUCKET_BOUNDS_NS
from monitord.sinks.metrics.families import counter
from monitord.sinks.metrics.readings import Readings

_NS = 1e9

_BOUNDS = (*(repr(ns / _NS) for ns in BUCKET_BOUNDS_NS), "+Inf")
"""Of the buckets, in seconds."""


def syscalls(readings: Readings) -> Iterator[Metric]:
    """Calls, errors and latencies, by the name of the call."""
    calls: Counter[tuple[str, str]] = Counter()
    errors: Counter[tuple[str, str, str]] = Counter()
    latencies: dict[tuple[str, str], _Histogram] = {}
    for (abi, nr), count in readings.counts().items():
        call = (abi.label, readings.syscall_name(abi, nr))
        calls[call] += count.calls
        for number, failed in count.errors.items():
            errors[*call, readings.errno_name(number)] += failed
        if count.latency:
            latencies.setdefault(call, _Histogram()).add(count.latency.sum_ns, count.latency.buckets)

    labels = ("abi", "syscall")
    yield counter("monitord_syscalls_total", "System calls that returned.", labels, calls.items())
    yield counter(
        "monitord_syscall_errors_total",
        "System calls that returned an error.",
        (*labels, "errno"),
        errors.items(),
    )
    durations = HistogramMetricFamily(
        "monitord_syscall_duration_seconds",
        "Time from entering a system call to leaving it; empty unless bpf.latency is on.",
        labels=labels,
    )
    for call, histogram in latencies.items():
        durations.add_metric(call, histogram.cumulative(), histogram.sum_ns / _NS)
    yield durations


class _Histogram:
    """Latencies of the calls with one label."""

    def __init__(self) -> None:
        self.sum_ns = 0
        self._buckets = [0] * (len(BUCKET_BOUNDS_NS) + 1)

    def add(self, sum_ns: int, buckets: tuple[int, ...]) -> None:
        self.sum_ns += sum_ns
        self._buckets = [ours + theirs for ours, theirs in zip(self._buckets, buckets, strict=True)]

    def cumulative(self) -> list[tuple[str, float]]:
        """(upper bound in seconds, calls at or below it), the last one being +Inf."""
        return list(zip(_BOUNDS, accumulate(self._buckets), strict=True))
