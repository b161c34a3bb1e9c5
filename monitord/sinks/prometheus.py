"""The metrics, collected from those who count when somebody scrapes."""

import platform
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from monitord import __version__
from monitord.abi.arch import Abi
from monitord.model.counts import BUCKET_BOUNDS_NS, CountTable
from monitord.model.loss import Degraded, Stage
from monitord.sinks.exposition import counter, gauge, histogram
from monitord.sinks.format import valid_text
from monitord.sinks.http import Render
from monitord.sinks.own_process import own_process
from monitord.telemetry import FileState, ProgramStats, Telemetry

_NS = 1e9

_BOUNDS = (*(repr(ns / _NS) for ns in BUCKET_BOUNDS_NS), "+Inf")
"""Of the buckets, in seconds."""


@dataclass(frozen=True, slots=True)
class Readings:
    """
    What is read outside the daemon's own counters, by any thread, at every scrape.

    :ivar admitted: events that the kernel side let through, lost ones included.
    :ivar losses: those of the source.
    :ivar ignored: wanted by rules and dropped for the operator, by what told them: ``comm``, ``path``.
    :ivar programs: the BPF programs by name; empty while the kernel does not time them.
    :ivar syscall_name: the label of a call, ``unknown`` for numbers outside the table; equal labels are added up.
    :ivar errno_name: ``ENOENT`` of 2.
    """

    counts: Callable[[], CountTable]
    admitted: Callable[[], int]
    losses: Callable[[], Mapping[Stage, int]]
    ignored: Callable[[], Mapping[str, int]]
    degraded: Callable[[], Mapping[Degraded, int]]
    programs: Callable[[], Mapping[str, ProgramStats]]
    syscall_name: Callable[[Abi, int], str]
    errno_name: Callable[[int], str]


def renderer(telemetry: Telemetry, readings: Readings) -> Render:
    """The function that makes the answer to a scrape."""
    metrics = _Metrics(telemetry, readings)

    def render() -> bytes:
        return "".join((*metrics.collect(), *own_process())).encode()

    return render


class _Metrics:
    def __init__(self, telemetry: Telemetry, readings: Readings) -> None:
        self._telemetry = telemetry
        self._readings = readings

    def collect(self) -> Iterator[str]:
        """Every metric of monitord; read from top to bottom, this is the list of them."""
        yield from self._syscalls()
        yield from self._events()
        yield from self._rules()
        yield from self._correlations()
        yield from self._sinks()
        yield from self._programs()
        yield from self._configuration()

    def _syscalls(self) -> Iterator[str]:
        calls: Counter[tuple[str, str]] = Counter()
        errors: Counter[tuple[str, str, str]] = Counter()
        latencies: dict[tuple[str, str], _Histogram] = {}
        for (abi, nr), count in self._readings.counts().items():
            call = (abi.label, self._readings.syscall_name(abi, nr))
            calls[call] += count.calls
            for number, failed in count.errors.items():
                errors[*call, self._readings.errno_name(number)] += failed
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
        yield histogram(
            "monitord_syscall_duration_seconds",
            "Time from entering a system call to leaving it; empty unless bpf.latency is on.",
            labels,
            [(call, latency.cumulative(), latency.sum_ns / _NS) for call, latency in latencies.items()],
        )

    def _events(self) -> Iterator[str]:
        telemetry = self._telemetry
        yield counter(
            "monitord_events_total",
            "Events by the stage they came to: admitted in the kernel, received, judged by the rules.",
            ("stage",),
            [
                (("admitted",), self._readings.admitted()),
                (("received",), telemetry.received),
                (("judged",), telemetry.judged),
            ],
        )
        lost = Counter(dict.fromkeys(Stage, 0))
        lost.update(self._readings.losses())
        lost.update(telemetry.lost)
        yield counter(
            "monitord_events_lost_total",
            "Events lost, by the stage where.",
            ("stage",),
            [((stage.value,), events) for stage, events in lost.items()],
        )
        yield counter(
            "monitord_events_ignored_total",
            "Events that a rule wanted and the operator has no use for, dropped in the kernel.",
            ("by",),
            [((by,), events) for by, events in self._readings.ignored().items()],
        )
        yield counter(
            "monitord_degraded_total",
            "What was recorded with a part missing: the tail of a text, the start of a call, the errno of an error.",
            ("part",),
            [((part.value,), times) for part, times in self._readings.degraded().items()],
        )
        yield counter("monitord_batches_total", "Reads of the rings that found events.", (), [((), telemetry.batches)])
        yield counter("monitord_ring_read_bytes_total", "Bytes read from the rings.", (), [((), telemetry.ring_bytes)])
        yield from self._origins()
        yield gauge("monitord_processes", "Processes in the process table.", (), [((), telemetry.processes())])
        yield counter(
            "monitord_processes_evicted_total",
            "Processes that the table forgot for want of room.",
            (),
            [((), telemetry.processes_evicted())],
        )
        yield counter(
            "monitord_cgroups_evicted_total",
            "Cgroups that were forgotten for want of room.",
            (),
            [((), telemetry.cgroups_evicted())],
        )
        yield counter(
            "monitord_container_lookups_total",
            "Questions about a container to the runtimes that are configured, by what came of them.",
            ("result",),
            [((result,), times) for result, times in telemetry.container_lookups().items()],
        )
        queues = telemetry.queues.items()
        yield gauge(
            "monitord_queue_depth", "What waits in a queue.", ("queue",), [((name,), q.depth()) for name, q in queues]
        )
        yield gauge(
            "monitord_queue_capacity",
            "What fits in a queue.",
            ("queue",),
            [((name,), q.capacity) for name, q in queues],
        )

    def _origins(self) -> Iterator[str]:
        telemetry = self._telemetry
        for top, what, meaning in (
            (telemetry.origin_events, "events", "Events received"),
            (telemetry.origin_alerts, "alerts", "Alerts made"),
        ):
            labelled = [((valid_text(container), valid_text(unit)), count) for (container, unit), count in top.shown()]
            yield counter(
                f"monitord_origin_{what}_total",
                f"{meaning}, by container and unit, of the busiest; the rest is 'other'.",
                ("container", "unit"),
                [*labelled, (("other", "other"), top.rest)] if top.size else [],
            )
        yield counter(
            "monitord_origins_replaced_total",
            "Containers and units that lost their series to busier ones and were added to 'other'.",
            (),
            [((), telemetry.origin_events.replaced + telemetry.origin_alerts.replaced)],
        )

    def _rules(self) -> Iterator[str]:
        rules = [(valid_text(name), counts) for name, counts in self._telemetry.rules.items()]
        yield counter(
            "monitord_rule_matches_total",
            "Events that matched a rule.",
            ("rule", "priority"),
            [((name, counts.priority.label), counts.matches) for name, counts in rules],
        )
        yield counter(
            "monitord_rule_evaluation_seconds_total",
            "Time spent on the condition of a rule.",
            ("rule",),
            [((name,), counts.evaluation_s) for name, counts in rules],
        )
        yield gauge("monitord_rules_loaded", "Rules in force.", (), [((), len(rules))])
        yield gauge(
            "monitord_rule_files",
            "Files of rules; those with mistakes are left out where rules.bad_files says so.",
            ("state",),
            [((state.value,), self._telemetry.rule_files.get(state, 0)) for state in FileState],
        )

    def _correlations(self) -> Iterator[str]:
        rules = [(valid_text(name), counts) for name, counts in self._telemetry.correlations.items()]
        yield counter(
            "monitord_correlation_events_total",
            "Events that a correlation counted.",
            ("rule",),
            [((name,), counts.events) for name, counts in rules],
        )
        yield counter(
            "monitord_correlation_ungrouped_total",
            "Events that a correlation did not count, because the value of a group key or of its field was missing.",
            ("rule",),
            [((name,), counts.ungrouped) for name, counts in rules],
        )
        yield gauge(
            "monitord_correlation_groups",
            "Groups that a correlation remembers.",
            ("rule",),
            [((name,), counts.groups) for name, counts in rules],
        )
        yield counter(
            "monitord_correlation_groups_evicted_total",
            "Groups that a correlation forgot for want of room before their time was over.",
            ("rule",),
            [((name,), counts.evicted) for name, counts in rules],
        )
        yield counter(
            "monitord_alerts_folded_total",
            "Alerts that a throttle folded into others.",
            ("rule",),
            [((valid_text(name),), alerts) for name, alerts in self._telemetry.folded.items()],
        )

    def _sinks(self) -> Iterator[str]:
        sinks = self._telemetry.sinks.items()
        yield counter(
            "monitord_alerts_total", "Alerts written.", ("sink",), [((name,), counts.written) for name, counts in sinks]
        )
        yield counter(
            "monitord_alert_errors_total",
            "Attempts to write an alert that failed; one alert can fail many times.",
            ("sink",),
            [((name,), counts.failed) for name, counts in sinks],
        )
        yield counter(
            "monitord_alerts_dropped_total",
            "Alerts given up, most often because the queue of a broken sink was full.",
            ("sink",),
            [((name,), counts.dropped) for name, counts in sinks],
        )
        yield counter(
            "monitord_alerts_resent_total",
            "Alerts written again although the time before may have succeeded: the receiver can have them twice.",
            ("sink",),
            [((name,), counts.resent) for name, counts in sinks],
        )

    def _programs(self) -> Iterator[str]:
        programs = self._readings.programs().items()
        yield counter(
            "monitord_bpf_program_runs_total",
            "Runs of a BPF program, counted by the kernel while bpf.program_stats is on.",
            ("program",),
            [((name,), stats.runs) for name, stats in programs],
        )
        yield counter(
            "monitord_bpf_program_run_seconds_total",
            "Time in a BPF program, measured by the kernel while bpf.program_stats is on.",
            ("program",),
            [((name,), stats.run_ns / _NS) for name, stats in programs],
        )

    def _configuration(self) -> Iterator[str]:
        yield gauge(
            "monitord_thread_heartbeat_age_seconds",
            "Time since a thread last came round; the watchdog ends the daemon when one hangs.",
            ("thread",),
            [((heart.name,), heart.age_s()) for heart in self._telemetry.heartbeats],
        )
        yield gauge(
            "monitord_config_last_reload_successful",
            "Whether the configuration and rules on disk could be loaded; 0: the ones before are still in force.",
            (),
            [((), int(self._telemetry.reload_ok))],
        )
        yield gauge(
            "monitord_config_last_reload_success_timestamp_seconds",
            "When configuration and rules were last loaded.",
            (),
            [((), self._telemetry.reload_ok_s)],
        )
        yield gauge(
            "monitord_build_info",
            "What runs here; always 1.",
            ("version", "kernel", "machine", "python"),
            [((__version__, platform.release(), platform.machine(), platform.python_version()), 1)],
        )


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
