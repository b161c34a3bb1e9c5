"""How often rules alert of what is known to be good."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from monitord.dataclass import dataclass
from monitord.model.amount import amount
from monitord.model.event import Event
from monitord.model.problem import Problem
from monitord.recording.capture import read_events
from monitord.recording.snapshot import Snapshot
from monitord.rules.rule import RuleSet
from monitord.ruletest.judge import alerts_of
from monitord.tables.syscalls import SyscallTable

_NS_PER_HOUR = 3600 * 10**9


@dataclass(frozen=True, slots=True)
class Baseline:
    """
    What rules said of a capture.

    :ivar alerts: by rule, those that alerted alone.
    :ivar hours: from the first event to the last.
    """

    events: int
    hours: float
    alerts: Counter[str]

    def per_thousand(self, rule: str) -> float:
        """Alerts of a rule per 1000 events."""
        return 1000 * self.alerts[rule] / self.events if self.events else 0.0

    def lines(self) -> Iterator[str]:
        """For people: each rule that alerted, the loudest first."""
        yield f"baseline: {amount(self.events, 'event')} in {self.hours:.3f} h, {amount(self.alerts.total(), 'alert')}"
        for rule, number in self.alerts.most_common():
            per_hour = f", {number / self.hours:.1f} per hour" if self.hours else ""
            yield f"  {number:6} {rule}: {self.per_thousand(rule):.2f} per 1000 events{per_hour}"


def baseline_of(path: Path, rules: RuleSet, table: SyscallTable, match_all: bool, problems: list[Problem]) -> Baseline:
    """
    What rules say of a capture.

    :raises CaptureError: it cannot be used.
    """
    times: list[int] = []

    def events() -> Iterator[tuple[Event, Snapshot]]:
        for recorded in read_events(path, problems):
            times.append(recorded.event.ts_ns)
            yield recorded.event, recorded.context

    alerts = alerts_of(events(), rules, table, match_all)
    span_ns = max(times) - min(times) if times else 0
    return Baseline(len(times), span_ns / _NS_PER_HOUR, Counter(alert.rule for alert in alerts))
