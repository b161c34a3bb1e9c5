"""The stage that judges events: `monitord.stages.Detector`."""

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from time import perf_counter

import numpy as np

from monitord.abi.arch import NR_SLOTS, NR_UNKNOWN, Abi
from monitord.detect.codebook import FEW, Ledger
from monitord.detect.correlator import Correlator
from monitord.detect.group import Group
from monitord.detect.maker import AlertMaker
from monitord.detect.mask import rows_of
from monitord.detect.plan import Plan, PlannedBase, PlannedRule
from monitord.detect.throttle import Throttles
from monitord.detect.trees import Trees
from monitord.model.alert import Alert
from monitord.model.batch import EventBatch
from monitord.model.interest import Interest
from monitord.model.loss import Stage
from monitord.model.process import Context
from monitord.privacy.masks import Masks
from monitord.privacy.usual import USUAL
from monitord.rules.field import Field
from monitord.rules.operand import value_of
from monitord.rules.rule import Rule, RuleSet
from monitord.stages import Detector
from monitord.tables.syscalls import SyscallTable
from monitord.telemetry import Telemetry

MEMORY_BYTES = 16 << 20
"""Of distinct paths, names and the like that are remembered: some 50 000 paths of ordinary length."""

_Found = tuple[int, Alert]
"""An alert behind the row that it is about."""


class RuleDetector:
    """
    Applies rules to batches of events; used by one thread.

    What it says is what `monitord.rules.evaluate` says of each event. A rule that raises, which is a bug of ours, is
    logged once; the events that it could not judge are counted at `Stage.RULES`, and the other rules go on.

    :param hostname: stamped on alerts.
    :param match_all: False stops at the first rule that matches an event; True goes on, but leaves out the rules for
        any call where one that names the type matched.
    :param masks: what alerts do not show; the usual secrets when not given.
    :param memory_bytes: of what is remembered of events; all of it is forgotten when it is more.
    """

    def __init__(
        self,
        rules: RuleSet,
        table: SyscallTable,
        context: Context,
        telemetry: Telemetry,
        hostname: str,
        *,
        match_all: bool = False,
        memory_bytes: int = MEMORY_BYTES,
        catalogue: Mapping[str, Field] | None = None,
        masks: Masks | None = None,
    ) -> None:
        self._rules = rules.alerting
        self._throttles = Throttles(rules, telemetry)
        self._trees = Trees()
        self._interest = rules.interest
        self._table = table
        self._context = context
        self._telemetry = telemetry
        self._match_all = match_all
        self._catalogue = rules.catalogue if catalogue is None else catalogue
        self._memory_bytes = memory_bytes
        self._maker = AlertMaker(context, self._catalogue, hostname, masks or Masks(USUAL))
        self._correlator = Correlator(rules, telemetry, self._maker.shown, self._report)
        self._ledger = Ledger(memory_bytes)
        self._plans: dict[tuple[Abi, int], Plan] = {}
        self._logged: set[str] = set()
        self._log = logging.getLogger(__name__)

    def interest(self) -> Interest:
        """The calls that the rules have to see."""
        return self._interest

    def succeed(self, previous: Detector) -> list[Alert]:
        """
        Go on with what a detector of other rules remembers of events, for each rule that has not changed.

        :return: alerts for the repeats of the others.
        """
        if not isinstance(previous, RuleDetector):
            return previous.flush()
        self._correlator.succeed(previous._correlator)
        self._trees = previous._trees
        return self._throttles.succeed(previous._throttles)

    def judge(self, batch: EventBatch, lost: int) -> list[Alert]:
        """The alerts of a batch, in the order of its rows, and of the rules for a row; correlations come last."""
        if not len(batch):
            return []
        if self._ledger.full:
            self._plans.clear()
            self._ledger = Ledger(self._memory_bytes)
        found: list[_Found] = []
        for abi, nr, rows in _calls(batch):
            group = Group(batch, rows, self._context, self._catalogue)
            plan = self._plan(abi, nr, group)
            unjudged: set[int] = set()
            left, bases = plan.left(group, partial(self._spent, plan))
            for row, alert in self._judge_group(left, group, lost, unjudged):
                found.append((rows[row], alert))
            self._collect(bases, group, unjudged)
            self._telemetry.lost[Stage.RULES] += len(unjudged)
        found.extend(self._correlated(lost))
        self._telemetry.lost[Stage.RULES] += self._throttles.settle(self._report)
        found.sort(key=lambda one: one[0])
        alerts = [alert for _, alert in found]
        if self._throttles:
            alerts += self.due(int(batch.records["ts_ns"].max()))
        return alerts

    def due(self, now_ns: int) -> list[Alert]:
        """Alerts for repeats whose interval is over at a time, CLOCK_BOOTTIME."""
        return list(self._throttles.due(now_ns))

    def flush(self) -> list[Alert]:
        """Alerts for all repeats that were held back."""
        return self._throttles.flush()

    def _plan(self, abi: Abi, nr: int, group: Group) -> Plan:
        plan = self._plans.get((abi, nr))
        if plan is None:
            outcomes = ((rule, rule.interest.calls.get((abi, nr))) for rule in self._rules)
            candidates = [(rule, outcome) for rule, outcome in outcomes if outcome]
            syscall = None if nr == NR_UNKNOWN else self._table.find(abi, nr)
            sample = Group(group.batch.take([0]), [0], self._context, self._catalogue)
            plan = self._plans[abi, nr] = Plan(
                syscall, candidates, self._correlator.bases(abi, nr), sample, self._ledger, self._trees
            )
        return plan

    def _spent(self, plan: Plan, number: int, seconds: float) -> None:
        planned = plan.all[number]
        rule = planned.rule if isinstance(planned, PlannedRule) else self._correlator.rule(planned)
        self._telemetry.evaluated(rule.name, seconds)

    def _judge_group(
        self, left: Sequence[PlannedRule], group: Group, lost: int, unjudged: set[int]
    ) -> Iterator[_Found]:
        """The alerts of a group's rows, in their order; rows that a rule failed to judge go to `unjudged`."""
        for row, rules in sorted(self._possible(left, group, unjudged).items()):
            matched_typed = False
            for planned in rules:
                if matched_typed and not planned.rule.typed:
                    break
                before = perf_counter()
                try:
                    alerts = self._judge_row(planned, group, row, lost)
                except Exception:  # noqa: BLE001 - whatever is wrong with one rule, the others go on
                    self._report(planned.rule)
                    unjudged.add(row)
                    continue
                self._telemetry.evaluated(planned.rule.name, perf_counter() - before)
                if alerts is not None:
                    self._telemetry.matched(planned.rule.name)
                    for alert in alerts:
                        yield row, alert
                    if not self._match_all:
                        break
                    matched_typed = matched_typed or planned.rule.typed

    def _collect(self, bases: Sequence[PlannedBase], group: Group, unjudged: set[int]) -> None:
        """Hand the correlations what they look at; rows that one failed to judge go to `unjudged`."""
        for planned in bases:
            try:
                self._correlator.collect(planned, group)
            except Exception:  # noqa: BLE001 - as above
                self._report(self._correlator.rule(planned))
                unjudged.update(range(len(group)))

    def _possible(
        self, left: Sequence[PlannedRule], group: Group, unjudged: set[int]
    ) -> Mapping[int, list[PlannedRule]]:
        """By row, the rules in their order that may match it."""
        possible: defaultdict[int, list[PlannedRule]] = defaultdict(list)
        before = perf_counter()
        for planned in left:
            try:
                _, mask = group.verdict(planned.judge)
            except Exception:  # noqa: BLE001 - as above
                self._report(planned.rule)
                unjudged.update(range(len(group)))
                continue
            if mask:
                for row in rows_of(mask):
                    possible[row].append(planned)
            now = perf_counter()
            self._telemetry.evaluated(planned.rule.name, now - before)
            before = now
        return possible

    def _judge_row(self, planned: PlannedRule, group: Group, row: int, lost: int) -> Sequence[Alert] | None:
        """What goes out for a row, which is nothing for a repeat; None when the rule does not match."""
        if not group.holds(planned.judge, row):
            return None
        if planned.rule.throttle is None:
            return (self._maker.alert(planned.rule, group.event(row), lost),)
        key = tuple(column.values(group, (row,))[0] for column in planned.throttle_keys)
        ts_ns = group.ts_ns((row,))[0]
        return self._throttles.take(
            planned.rule, key, ts_ns, lambda: self._maker.alert(planned.rule, group.event(row), lost)
        )

    def _correlated(self, lost: int) -> Iterator[_Found]:
        """The alerts of correlations, each behind the row of its last event."""
        for row, rule, event, finding in self._correlator.found():
            make = partial(self._maker.alert, rule, event, lost, finding)
            try:
                if rule.throttle is None:
                    alerts = [make()]
                else:
                    key = tuple(value_of(one, event, self._context, self._catalogue) for one in rule.throttle.keys)
                    alerts = self._throttles.take(rule, key, event.ts_ns, make)
            except Exception:  # noqa: BLE001 - as above
                self._report(rule)
                self._telemetry.lost[Stage.RULES] += 1
                continue
            for alert in alerts:
                yield row, alert

    def _report(self, rule: Rule) -> None:
        """Log the exception being handled, once per rule."""
        if rule.name not in self._logged:
            self._logged.add(rule.name)
            self._log.exception(
                "rule '%s' failed; this is a bug of monitord. Its other failures are only counted", rule.name
            )


def _calls(batch: EventBatch) -> Iterator[tuple[Abi, int, Sequence[int]]]:
    """The calls in a batch and their rows; numbers outside the tables are together as `NR_UNKNOWN`."""
    if len(batch) <= FEW:
        few: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        numbers = zip(batch.records["abi"].tolist(), batch.records["nr"].tolist(), strict=True)
        for row, (abi, nr) in enumerate(numbers):
            few[abi, nr if 0 <= nr < NR_UNKNOWN else NR_UNKNOWN].append(row)
        for (abi, nr), rows in few.items():
            yield Abi(abi), nr, rows
        return
    nr = np.minimum(batch.records["nr"].astype(np.uint32), NR_UNKNOWN)  # negative ones are huge
    slots = batch.records["abi"] * np.int16(NR_SLOTS) + nr.astype(np.int16)
    order = slots.argsort(kind="stable")
    slots = slots[order]
    borders = np.flatnonzero(slots[1:] != slots[:-1]) + 1
    for begin, end in pairwise((0, *borders.tolist(), len(slots))):
        abi, number = divmod(int(slots[begin]), NR_SLOTS)
        yield Abi(abi), number, order[begin:end].tolist()
