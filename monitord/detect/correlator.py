"""The correlations of a detector: events are collected call by call, and counted in the order of time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import repeat
from time import perf_counter
from typing import NamedTuple

from monitord.abi.arch import Abi
from monitord.detect.group import Group
from monitord.detect.mask import rows_of
from monitord.detect.plan import PlannedBase
from monitord.detect.tracker import Finding, Tracker
from monitord.model.event import Event
from monitord.model.interest import Outcome
from monitord.model.loss import Stage
from monitord.model.value import Missing, Value
from monitord.rules.ast import Operand
from monitord.rules.rule import Rule, RuleSet
from monitord.telemetry import Telemetry


class _Hit(NamedTuple):
    """An event that a correlation looks at: its row in the batch, and what is counted of it."""

    row: int
    tracker: Tracker
    position: int
    ts_ns: int
    key: tuple[Value, ...]
    value: Value
    group: Group
    row_in_group: int


class Correlated(NamedTuple):
    """Enough events: the rule, its last event and that one's row in the batch, and what was found."""

    row: int
    rule: Rule
    event: Event
    finding: Finding


Show = Callable[[Operand, Value, Event], Value]
"""What an alert shows of the value that a field has for an event."""


class Correlator:
    """
    All correlations of a set of rules; used by one thread.

    An event is counted whether or not some other rule alerted of it.

    :param report: told of a rule that raises, while that is being handled.
    """

    def __init__(self, rules: RuleSet, telemetry: Telemetry, show: Show, report: Callable[[Rule], None]) -> None:
        self._telemetry = telemetry
        self._show = show
        self._report = report
        enabled = [rule for rule in rules.rules if rule.enabled and rule.correlation]
        telemetry.register_correlations(rule.name for rule in enabled)
        self._rules: dict[Tracker, Rule] = {}
        for rule in enabled:
            assert rule.correlation is not None
            self._rules[Tracker(rule.correlation, telemetry.correlations[rule.name])] = rule
        self._counted_here = self._silent_bases(rules.silent)
        self._hits: list[_Hit] = []
        self._later: list[tuple[PlannedBase, Group, Sequence[int]]] = []  # rows of steps that are not the first

    def _silent_bases(self, silent: frozenset[str]) -> dict[tuple[Tracker, int], str]:
        """Where the matches of rules are counted that do not alert by themselves: once for each rule."""
        places: dict[str, tuple[Tracker, int]] = {}
        for tracker in self._rules:
            for position, base in enumerate(tracker.correlation.bases):
                if base.rule in silent:
                    places.setdefault(base.rule, (tracker, position))
        return {place: rule for rule, place in places.items()}

    def succeed(self, previous: "Correlator") -> None:
        """Go on with what another one remembers, for each rule that has not changed."""
        trackers = {rule.name: tracker for tracker, rule in previous._rules.items()}
        for tracker, rule in self._rules.items():
            old = trackers.get(rule.name)
            if old is not None and old.correlation == tracker.correlation:
                tracker.take_over(old)

    def bases(self, abi: Abi, nr: int) -> Iterator[tuple[Tracker, int, Outcome]]:
        """What is looked at of a call: place by place of each correlation."""
        for tracker in self._rules:
            for position, base in enumerate(tracker.correlation.bases):
                outcome = base.interest.calls.get((abi, nr))
                if outcome:
                    yield tracker, position, outcome

    def rule(self, planned: PlannedBase) -> Rule:
        """The rule whose correlation looks at these events."""
        return self._rules[planned.tracker]

    def collect(self, planned: PlannedBase, group: Group) -> None:
        """Take in the events of a group that a correlation looks at."""
        before = perf_counter()
        yes, possible = group.verdict(planned.judge)
        held = list(rows_of(possible)) if possible else []
        if yes != possible:
            held = [row for row in held if group.holds(planned.judge, row)]
        if held:
            if planned.tracker.begins(planned.position):
                self._take(planned, group, held)
            else:
                self._later.append((planned, group, held))
            silent = self._counted_here.get((planned.tracker, planned.position))
            if silent is not None:
                self._telemetry.matched(silent, len(held))
        self._telemetry.evaluated(self.rule(planned).name, perf_counter() - before)

    def _take(self, planned: PlannedBase, group: Group, held: Sequence[int]) -> None:
        """Take in the rows of a group that hold."""
        keys: Iterable[tuple[Value, ...]] = repeat(())
        if planned.keys:
            keys = zip(*(column.values(group, held) for column in planned.keys), strict=True)
        self._hits.extend(
            map(
                _Hit,
                map(group.rows.__getitem__, held),
                repeat(planned.tracker),
                repeat(planned.position),
                group.ts_ns(held),
                keys,
                planned.field.values(group, held) if planned.field else repeat(0),
                repeat(group),
                held,
            )
        )

    def _take_later_steps(self) -> None:
        """Those of correlations that something waits in: what most are grouped by need not be found out."""
        later, self._later = self._later, []
        begun = {hit.tracker for hit in self._hits}
        for planned, group, held in later:
            if planned.tracker.idle and planned.tracker not in begun:
                continue
            before = perf_counter()
            try:
                self._take(planned, group, held)
            except Exception:  # noqa: BLE001 - whatever is wrong with one rule, the others go on
                self._report(self.rule(planned))
                self._telemetry.lost[Stage.RULES] += len(held)
            self._telemetry.evaluated(self.rule(planned).name, perf_counter() - before)

    def found(self) -> Iterator[Correlated]:
        """Count what was collected, and say where it is enough; in the order of the batch, which is that of time."""
        self._take_later_steps()
        hits, self._hits = self._hits, []
        hits.sort(key=lambda hit: hit.row)
        for hit in hits:
            rule = self._rules[hit.tracker]
            try:
                finding = hit.tracker.add(hit.position, hit.ts_ns, hit.key, hit.value, partial(self._shown, hit))
            except Exception:  # noqa: BLE001 - whatever is wrong with one rule, the others go on
                self._report(rule)
                self._telemetry.lost[Stage.RULES] += 1
                continue
            if finding is not None:
                self._telemetry.matched(rule.name)
                yield Correlated(hit.row, rule, hit.group.event(hit.row_in_group), finding)

    def _shown(self, hit: _Hit) -> Value:
        field = hit.tracker.correlation.bases[hit.position].field
        if field is None:
            return Missing.NOT_APPLICABLE
        return self._show(field, hit.value, hit.group.event(hit.row_in_group))
