"""
Repeats of an alert folded into one.

The first alert of a key goes out at once and begins an interval. What comes within it is folded: only counted, and the
last of it kept. At the end of the interval one alert goes out for all that was folded, and the next interval begins; a
key without repeats for an interval is forgotten. So each match is in exactly one alert, by itself or in a `Tally`.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace

from monitord.model.alert import Alert, Tally
from monitord.model.value import Value
from monitord.rules.rule import Rule, RuleSet
from monitord.telemetry import Telemetry

KEYS = 1024
"""Keys per rule. A new one beyond that pushes out the one whose interval ends first, with an alert for its repeats."""

Key = tuple[Value, ...]
Make = Callable[[], Alert]
"""Makes an alert of its event, as long as the batch is being judged."""


class _Fold:
    """
    The repeats of one key in one interval.

    :ivar end_ns: of the interval, CLOCK_BOOTTIME.
    :ivar count: what was folded.
    """

    __slots__ = ("_alert", "_first_ns", "_last_ns", "_make", "_settled", "count", "end_ns")

    def __init__(self, end_ns: int) -> None:
        self.begin(end_ns)

    def begin(self, end_ns: int) -> None:
        """A new interval, with nothing folded."""
        self.end_ns = end_ns
        self.count = 0
        self._first_ns = self._last_ns = 0
        self._make: Make | None = None
        self._alert: Alert | None = None
        self._settled = (0, 0)  # `count` and `_last_ns` up to `_alert`

    def add(self, ts_ns: int, make: Make) -> None:
        """Fold an alert in."""
        if not self.count:
            self._first_ns = ts_ns
        self._last_ns = ts_ns
        self.count += 1
        self._make = make

    def settle(self) -> None:
        """Make the alert of the last event, while what it needs is at hand."""
        if self._make is not None:
            self._alert = self._make()
            self._make = None
            self._settled = (self.count, self._last_ns)

    def give_up(self) -> int:
        """Forget what came since the last alert that could be made; how many that were."""
        given_up = self.count - self._settled[0]
        self.count, self._last_ns = self._settled
        self._make = None
        return given_up

    def reminder(self) -> Alert:
        """The last alert, which stands for all that were folded."""
        self.settle()
        alert = self._alert
        assert alert is not None
        first_ns = alert.time_ns - (self._last_ns - self._first_ns)
        values = alert.tally.values if alert.tally else ()
        return replace(alert, tally=Tally(self.count, first_ns, alert.time_ns, values))


class Throttles:
    """The throttles of a set of rules; used by one thread."""

    def __init__(self, rules: RuleSet, telemetry: Telemetry, keys: int = KEYS) -> None:
        self._telemetry = telemetry
        self._max_keys = keys
        self._rules = {rule.name: rule for rule in rules.rules if rule.enabled and rule.throttle}
        # The key whose interval ends first comes first: all intervals of a rule are equally long.
        self._folds: dict[str, OrderedDict[Key, _Fold]] = {name: OrderedDict() for name in self._rules}
        self._touched: list[tuple[Rule, _Fold]] = []
        self._given_up = 0  # in this batch
        telemetry.register_throttles(self._rules)

    def __len__(self) -> int:
        """Rules that have one."""
        return len(self._rules)

    def take(self, rule: Rule, key: Key, ts_ns: int, make: Make) -> list[Alert]:
        """
        An alert of a rule that has a throttle.

        :param ts_ns: CLOCK_BOOTTIME of its event.
        :return: what goes out now: the alert, or one for all that were folded, or nothing.
        """
        assert rule.throttle is not None
        interval_ns = rule.throttle.interval_ns
        folds = self._folds[rule.name]
        fold = folds.get(key)
        if fold is None or (ts_ns >= fold.end_ns and not fold.count):
            alert = make()
            folds[key] = _Fold(ts_ns + interval_ns)
            folds.move_to_end(key)
            return [alert, *(self._evicted(folds) if len(folds) > self._max_keys else ())]
        self._telemetry.fold(rule.name)
        fold.add(ts_ns, make)
        if ts_ns < fold.end_ns:
            self._touched.append((rule, fold))
            return []
        try:
            reminder = fold.reminder()
        except Exception:
            self._given_up += fold.give_up() - 1  # whoever asked counts the one that he asked for
            raise
        fold.begin(ts_ns + interval_ns)
        folds.move_to_end(key)
        return [reminder]

    def settle(self, report: Callable[[Rule], None]) -> int:
        """
        The batch has been judged: keep what reminders will say of its events.

        :param report: told of a rule whose alert raises when it is made, while that is being handled.
        :return: how many matches no alert will tell of because of that.
        """
        given_up, self._given_up = self._given_up, 0
        for rule, fold in self._touched:
            try:
                fold.settle()
            except Exception:  # noqa: BLE001 - whatever is wrong with one rule, the others go on
                report(rule)
                given_up += fold.give_up()
        self._touched.clear()
        return given_up

    def due(self, now_ns: int) -> Iterator[Alert]:
        """
        Alerts for what was folded in intervals that are over.

        :param now_ns: CLOCK_BOOTTIME.
        """
        for name, folds in self._folds.items():
            throttle = self._rules[name].throttle
            assert throttle is not None
            while folds:
                key, fold = next(iter(folds.items()))
                if fold.end_ns > now_ns:
                    break
                if fold.count:
                    yield fold.reminder()
                    fold.begin(now_ns + throttle.interval_ns)
                    folds.move_to_end(key)
                else:
                    del folds[key]

    def flush(self) -> list[Alert]:
        """Alerts for all that is folded; nothing is remembered after it."""
        reminders = [fold.reminder() for folds in self._folds.values() for fold in folds.values() if fold.count]
        for folds in self._folds.values():
            folds.clear()
        return reminders

    def succeed(self, previous: "Throttles") -> list[Alert]:
        """Go on with what another one folded, for rules that have not changed; alerts for the rest of it."""
        for name, rule in self._rules.items():
            if previous._rules.get(name) == rule:
                self._folds[name] = previous._folds[name]
                previous._folds[name] = OrderedDict()
        return previous.flush()

    def _evicted(self, folds: OrderedDict[Key, _Fold]) -> list[Alert]:
        _, fold = folds.popitem(last=False)
        return [fold.reminder()] if fold.count else []
