"""
What one correlation remembers: a window per group of events, bounded in groups and bytes.

A group fires when its window holds enough, at most once per timespan: after that it goes on to collect, and fires with
all that came since when the timespan is over and the window is full again. All time is that of the events.
"""

from collections import OrderedDict
from collections.abc import Hashable
from sys import getsizeof

from monitord.dataclass import dataclass
from monitord.detect.window import CountWindow, Shown, StepsWindow, ValueWindow, Window
from monitord.model.value import Missing, Value
from monitord.rules.correlation import Correlation, Kind
from monitord.rules.output import text_of_value
from monitord.telemetry import CorrelationCounts

GROUPS = 8192
BYTES = 16 << 20
"""What one correlation may remember. Beyond either, the groups whose last event is the longest ago go first."""

_GROUP_BYTES = 600
"""Of an empty window and its place, measured with tracemalloc."""

_SWEEPS = 8
"""Times per timespan that groups whose time is over are looked for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """
    Enough events for an alert.

    :ivar count: of events, or distinct values.
    :ivar first_ns: CLOCK_BOOTTIME of the first of them, as `last_ns` is of the last.
    :ivar values: the last few of those counted, or the rules that matched in turn.
    """

    count: int
    first_ns: int
    last_ns: int
    values: tuple[str, ...]


class Tracker:
    """
    The groups of one correlation; used by one thread.

    :param counts: of what happens here.
    """

    def __init__(
        self, correlation: Correlation, counts: CorrelationCounts, *, groups: int = GROUPS, size_bytes: int = BYTES
    ) -> None:
        self.correlation = correlation
        self._counts = counts
        self._counts_values = correlation.kind is Kind.VALUE_COUNT
        self._ordered = correlation.kind is Kind.TEMPORAL_ORDERED
        self._max_groups = groups
        self._max_bytes = size_bytes
        self._windows: OrderedDict[Hashable, Window] = OrderedDict()  # the one whose last event is oldest comes first
        self._bytes = 0
        self._now_ns = 0
        self._sweep_ns = 0

    def take_over(self, other: "Tracker") -> None:
        """Go on with the groups of a tracker of an equal correlation."""
        self._windows, self._bytes = other._windows, other._bytes
        self._now_ns, self._sweep_ns = other._now_ns, other._sweep_ns

    @property
    def idle(self) -> bool:
        """Whether nothing is remembered."""
        return not self._windows

    def begins(self, base: int) -> bool:
        """Whether an event of a base can be the first of a group."""
        return not base or not self._ordered

    def add(self, base: int, ts_ns: int, key: tuple[Value, ...], value: Value, shown: Shown) -> Finding | None:
        """
        Count an event. A later step that no group waits for counts for nothing.

        :param base: whose condition it matched: a place in `Correlation.bases`.
        :param ts_ns: CLOCK_BOOTTIME.
        :param value: what is counted; anything when events are.
        :param shown: what an alert shows of the value.
        :return: what makes an alert.
        """
        counts = self._counts
        if value.__class__ is Missing or Missing in map(type, key):
            counts.ungrouped += 1
            return None
        window = self._windows.get(key)
        if window is None:
            if not self.begins(base):
                return None
            window = self._windows[key] = self._window()
            self._bytes += _GROUP_BYTES + getsizeof(key) + sum(map(getsizeof, key))
        else:
            self._windows.move_to_end(key)
        counts.events += 1
        self._bytes += window.add(ts_ns, value if self._counts_values else base, shown)
        if ts_ns > self._now_ns:
            self._now_ns = ts_ns
        finding = None
        if window.newest_ns >= window.quiet_ns and window.full():
            finding = Finding(window.count(), window.first_ns(), window.newest_ns, self._shown(window))
            window.quiet_ns = window.newest_ns + self.correlation.timespan_ns
            self._bytes += window.clear()
        if self._now_ns >= self._sweep_ns:
            self._sweep()
        while len(self._windows) > self._max_groups or (self._bytes > self._max_bytes and len(self._windows) > 1):
            self._forget()
            counts.evicted += 1
        counts.groups = len(self._windows)
        return finding

    def _window(self) -> Window:
        correlation = self.correlation
        if correlation.kind is Kind.EVENT_COUNT:
            return CountWindow(correlation.timespan_ns, correlation.threshold)
        if correlation.kind is Kind.VALUE_COUNT:
            return ValueWindow(correlation.timespan_ns, correlation.threshold)
        return StepsWindow(correlation.timespan_ns, len(correlation.bases), correlation.kind is Kind.TEMPORAL_ORDERED)

    def _shown(self, window: Window) -> tuple[str, ...]:
        values = window.values()
        if self.correlation.kind.counts:
            return tuple(map(text_of_value, values))
        return tuple(self.correlation.bases[int(str(step))].rule for step in values)

    def _sweep(self) -> None:
        """Forget the groups whose time is over."""
        span_ns = self.correlation.timespan_ns
        self._sweep_ns = self._now_ns + span_ns // _SWEEPS
        while self._windows:
            window = next(iter(self._windows.values()))
            if max(window.newest_ns + span_ns, window.quiet_ns) > self._now_ns:
                return
            self._forget()

    def _forget(self) -> None:
        key, window = self._windows.popitem(last=False)
        assert isinstance(key, tuple)
        self._bytes += window.clear() - _GROUP_BYTES - getsizeof(key) - sum(map(getsizeof, key))
