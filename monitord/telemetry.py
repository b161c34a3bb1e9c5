"""
What the daemon counts of itself.

Plain numbers without locks: every number has one writing thread, and the scrape only reads. What is read may so
be one batch old, never wrong. Mappings are replaced whole, never grown, because the scrape may be walking them.
"""

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence

from monitord.dataclass import dataclass
from monitord.model.heartbeat import Heartbeat
from monitord.model.loss import Stage
from monitord.model.priority import Priority
from monitord.model.top import Origin, Top


class FileState(enum.StrEnum):
    """What came of a rules file at the last load."""

    LOADED = "loaded"
    LEFT_OUT = "left_out"


@dataclass(slots=True)
class RuleCounts:
    """One rule; the worker writes."""

    priority: Priority
    matches: int = 0
    evaluation_s: float = 0.0


@dataclass(slots=True)
class CorrelationCounts:
    """
    What one correlation remembers; the worker writes.

    :ivar events: those that counted for a group.
    :ivar ungrouped: those that did not, because a value for the group or the count was missing.
    :ivar groups: that are remembered now.
    :ivar evicted: groups forgotten for want of room before their time was over.
    """

    events: int = 0
    ungrouped: int = 0
    groups: int = 0
    evicted: int = 0


@dataclass(slots=True)
class SinkCounts:
    """
    Alerts of one sink; its `SinkWorker` writes.

    :ivar written: alerts that arrived; of `program` those that it has read.
    :ivar failed: attempts that did not succeed; an alert that is tried again can fail more than once.
    :ivar dropped: alerts given up.
    :ivar resent: alerts written again although the time before may have succeeded.
    """

    written: int = 0
    failed: int = 0
    dropped: int = 0
    resent: int = 0


@dataclass(frozen=True, slots=True)
class Queue:
    """
    One bounded queue.

    :ivar depth: how much waits in it now; any thread may ask.
    """

    capacity: int
    depth: Callable[[], int]


@dataclass(frozen=True, slots=True)
class ProgramStats:
    """
    What the kernel says of one BPF program since it was loaded.

    :ivar runs: `run_cnt` of bpf_prog_info.
    :ivar run_ns: `run_time_ns` of bpf_prog_info.
    """

    runs: int
    run_ns: int


class Telemetry:
    """
    The daemon's counters, one object for the whole life of the process, reloads included.

    :ivar batches: drains that held something (reader).
    :ivar ring_bytes: bytes read from the rings (reader).
    :ivar received: events decoded (worker).
    :ivar judged: events that went through the rules (worker).
    :ivar alerts: alerts that were handed to the outputs (worker).
    :ivar heartbeats: of the threads that must make progress.
    :ivar folded: alerts that were folded into others, by rule (worker).
    :ivar lost: events lost on the daemon's side; `Stage.QUEUE` is the reader's, the others are the worker's.
    :ivar rule_files: by what came of them at the last load (main).
    :ivar origin_events: events received, by container and unit (worker).
    :ivar origin_alerts: alerts made, likewise (worker).
    :ivar processes: how many are in the process table now; any thread may ask.
    :ivar processes_evicted: how many were forgotten for want of room.
    :ivar cgroups_evicted: likewise, of cgroups.
    :ivar container_lookups: what came of asking container runtimes; empty when none are asked.
    :ivar reload_ok: whether the last load of the configuration succeeded (main).
    :ivar reload_ok_s: Unix time of the last load that did (main).
    """

    def __init__(self) -> None:
        self.batches = 0
        self.ring_bytes = 0
        self.received = 0
        self.judged = 0
        self.alerts = 0
        self.heartbeats: Sequence[Heartbeat] = ()
        self.lost: dict[Stage, int] = {Stage.QUEUE: 0, Stage.DECODE: 0, Stage.RULES: 0}
        self.rules: Mapping[str, RuleCounts] = {}
        self.correlations: Mapping[str, CorrelationCounts] = {}
        self.rule_files: Mapping[FileState, int] = {}
        self.folded: dict[str, int] = {}
        self.sinks: Mapping[str, SinkCounts] = {}
        self.queues: Mapping[str, Queue] = {}
        self.origin_events: Top[Origin] = Top(0)
        self.origin_alerts: Top[Origin] = Top(0)
        self.processes: Callable[[], int] = int
        self.processes_evicted: Callable[[], int] = int
        self.cgroups_evicted: Callable[[], int] = int
        self.container_lookups: Callable[[], Mapping[str, int]] = dict
        self.reload_ok = False
        self.reload_ok_s = 0.0

    def show_origins(self, most: int) -> None:
        """Count events and alerts by where they come from, for so many origins; before the worker starts."""
        self.origin_events, self.origin_alerts = Top(most), Top(most)

    def register_rules(self, rules: Mapping[str, Priority]) -> None:
        """
        Count for these rules from now on, from zero for new ones; rules that stay keep their totals.

        Call it before the detector of these rules judges its first batch.

        :param rules: the priority of every loaded rule, by name.
        """
        known = self.rules
        registered = {}
        for name, priority in rules.items():
            registered[name] = counts = known.get(name) or RuleCounts(priority)
            counts.priority = priority
        self.rules = registered

    def register_correlations(self, rules: Iterable[str]) -> None:
        """Count for the correlations of these rules from now on; those that stay keep their totals."""
        self.correlations = {rule: self.correlations.get(rule) or CorrelationCounts() for rule in rules}

    def register_throttles(self, rules: Iterable[str]) -> None:
        """Count folded alerts of these rules from now on; those that stay keep their totals."""
        self.folded = {rule: self.folded.get(rule, 0) for rule in rules}

    def fold(self, rule: str) -> None:
        """Count an alert that was folded into another; those of a rule that was just unloaded go with it."""
        folded = self.folded
        if rule in folded:
            folded[rule] += 1

    def matched(self, rule: str, matches: int = 1) -> None:
        """Count matches of a rule; those of a rule that was just unloaded go with it."""
        if counts := self.rules.get(rule):
            counts.matches += matches

    def evaluated(self, rule: str, seconds: float) -> None:
        """Count the time spent on the condition of a rule."""
        if counts := self.rules.get(rule):
            counts.evaluation_s += seconds

    def register_sink(self, name: str) -> SinkCounts:
        """The counters of a sink; those it had before, if it had any."""
        counts = self.sinks.get(name) or SinkCounts()
        self.sinks = {**self.sinks, name: counts}
        return counts

    def register_queue(self, name: str, capacity: int, depth: Callable[[], int]) -> None:
        """Show a queue; one of the same name is replaced."""
        self.queues = {**self.queues, name: Queue(capacity, depth)}

    def forget_queue(self, name: str, depth: Callable[[], int]) -> None:
        """Show a queue no more, unless another has taken its name."""
        if (queue := self.queues.get(name)) and queue.depth == depth:
            self.queues = {other: queue for other, queue in self.queues.items() if other != name}

    def reloaded(self, ok: bool, now_s: float) -> None:
        """
        Note that the configuration was loaded, or that it was wrong and the old one stays.

        :param now_s: Unix time.
        """
        self.reload_ok = ok
        if ok:
            self.reload_ok_s = now_s
