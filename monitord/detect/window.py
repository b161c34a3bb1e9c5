"""
What is remembered of one group of a correlation: a window that slides with the time of the events.

An event counts for the timespan that ends with the newest event of its group. Events come nearly in order of time: the
decoder sorts what it has, and what another CPU delivers late is milliseconds older. So each window takes an event
wherever it belongs, and its edge goes by the newest one seen.
"""

from bisect import insort
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Protocol

from monitord.model.value import Value

VALUES = 10
"""Distinct values that an alert shows."""

Shown = Callable[[], Value]
"""What an alert shows of a value, which need not be all of it. Asked once, while its event is at hand."""

STEPS = 16
"""Events kept for each rule of a temporal correlation: the newest, so that one that comes late finds its place."""

_EVENT_BYTES = 40  # a time and its place
_VALUE_BYTES = 160  # the same in a dictionary, and the head of a text


class Window(Protocol):
    """
    The events of one group.

    :ivar newest_ns: time of its newest event.
    :ivar quiet_ns: until then it collects and does not fire; 0 for never.
    """

    newest_ns: int
    quiet_ns: int

    def add(self, ts_ns: int, what: Value, shown: Shown, /) -> int:
        """
        Take an event in, let those go that are too old.

        :param what: the value, where values are counted; the number of the base, where steps are waited for.
        :param shown: what is shown of the value.
        :return: how many more bytes are held.
        """

    def full(self) -> bool:
        """Whether what it holds is enough for an alert."""

    def count(self) -> int:
        """Events, or values, that an alert would stand for."""

    def first_ns(self) -> int:
        """Time of the first of them."""

    def values(self) -> tuple[Value, ...]:
        """What an alert shows of them, oldest first: values, or numbers of bases."""

    def clear(self) -> int:
        """Begin anew. How many bytes less are held, as a negative number."""


class _Base:
    """What all windows have."""

    __slots__ = ("_span_ns", "newest_ns", "quiet_ns")

    def __init__(self, span_ns: int) -> None:
        self._span_ns = span_ns
        self.newest_ns = 0
        self.quiet_ns = 0

    def _edge(self, ts_ns: int) -> int:
        """With an event of this time in it, the window begins behind this time."""
        if ts_ns > self.newest_ns:
            self.newest_ns = ts_ns
        return self.newest_ns - self._span_ns


class CountWindow(_Base):
    """Counts events. The newest `threshold` of them decide; those pushed out while it is quiet are only counted."""

    __slots__ = ("_pushed", "_pushed_ns", "_times")

    def __init__(self, span_ns: int, threshold: int) -> None:
        super().__init__(span_ns)
        self._times: deque[int] = deque(maxlen=threshold)
        self._pushed = 0
        self._pushed_ns = 0

    def add(self, ts_ns: int, _what: Value, _shown: Shown, /) -> int:
        edge = self._edge(ts_ns)
        if ts_ns <= edge:
            return 0
        times = self._times
        before = len(times)
        while times and times[0] <= edge:
            times.popleft()
        if not times:
            self._pushed = 0
        elif len(times) == times.maxlen:
            self._pushed_ns = self._pushed_ns if self._pushed else times[0]
            self._pushed += 1
        times.append(ts_ns)
        return (len(times) - before) * _EVENT_BYTES

    def full(self) -> bool:
        return len(self._times) == self._times.maxlen

    def count(self) -> int:
        return len(self._times) + self._pushed

    def first_ns(self) -> int:
        return self._pushed_ns if self._pushed else min(self._times)

    def values(self) -> tuple[Value, ...]:
        return ()

    def clear(self) -> int:
        held = len(self._times)
        self._times.clear()
        self._pushed = 0
        return -held * _EVENT_BYTES


class ValueWindow(_Base):
    """Counts distinct values, each by its last event. While it is quiet, the newest `threshold` are kept."""

    __slots__ = ("_first_ns", "_last", "_pushed", "_shown", "_threshold")

    def __init__(self, span_ns: int, threshold: int) -> None:
        super().__init__(span_ns)
        self._threshold = threshold
        self._last: OrderedDict[Value, int] = OrderedDict()
        self._shown: dict[Value, Value] = {}  # of those that are not shown as they are
        self._pushed = 0
        self._first_ns = 0

    def add(self, ts_ns: int, value: Value, shown: Shown, /) -> int:
        edge = self._edge(ts_ns)
        if ts_ns <= edge:
            return 0
        last = self._last
        grown = 0
        if last.pop(value, None) is None:
            grown = self._learn(value, shown())
        last[value] = ts_ns  # at the end: in the order of their last events
        while True:
            oldest = next(iter(last))
            if last[oldest] > edge:
                break
            grown -= self._forget(oldest)
        if len(last) > self._threshold:
            self._pushed += 1
            grown -= self._forget(oldest)
        elif len(last) == 1:
            self._pushed = 0
        if len(last) == 1:
            self._first_ns = ts_ns
        return grown

    def full(self) -> bool:
        return len(self._last) >= self._threshold

    def count(self) -> int:
        return len(self._last) + self._pushed

    def first_ns(self) -> int:
        return self._first_ns if self._pushed else min(self._last.values())

    def values(self) -> tuple[Value, ...]:
        return tuple(self._shown.get(value, value) for value in tuple(self._last)[-VALUES:])

    def clear(self) -> int:
        held = sum(map(_size, (*self._last, *self._shown.values())))
        self._last.clear()
        self._shown.clear()
        self._pushed = 0
        return -held

    def _learn(self, value: Value, shown: Value) -> int:
        """A new value; how many more bytes are held."""
        if shown == value:
            return _size(value)
        self._shown[value] = shown
        return _size(value) + _size(shown)

    def _forget(self, value: Value) -> int:
        """How many bytes less are held."""
        del self._last[value]
        shown = self._shown.pop(value, None)
        return _size(value) + (0 if shown is None else _size(shown))


class StepsWindow(_Base):
    """Waits until each rule has matched; with `ordered`, in their order."""

    __slots__ = ("_ordered", "_steps")

    def __init__(self, span_ns: int, steps: int, ordered: bool) -> None:
        super().__init__(span_ns)
        self._ordered = ordered
        self._steps: tuple[list[int], ...] = tuple([] for _ in range(steps))

    def add(self, ts_ns: int, base: Value, _shown: Shown, /) -> int:
        edge = self._edge(ts_ns)
        if ts_ns <= edge:
            return 0
        grown = 1
        assert isinstance(base, int)
        insort(self._steps[base], ts_ns)
        for step in self._steps:
            while step and (step[0] <= edge or len(step) > STEPS):
                del step[0]
                grown -= 1
        return grown * _EVENT_BYTES

    def full(self) -> bool:
        return all(self._steps) and (not self._ordered or self._chain() is not None)

    def _chain(self) -> list[int] | None:
        """The latest times of all steps, each before the next; None when there are none."""
        chain: list[int] = []
        for step in reversed(self._steps):
            time = next((time for time in reversed(step) if not chain or time < chain[-1]), None)
            if time is None:
                return None
            chain.append(time)
        return chain[::-1]

    def count(self) -> int:
        return sum(map(len, self._steps))

    def first_ns(self) -> int:
        chain = self._chain() if self._ordered else None
        return chain[0] if chain else min(step[0] for step in self._steps if step)

    def values(self) -> tuple[Value, ...]:
        steps = range(len(self._steps))
        return tuple(steps if self._ordered else sorted(steps, key=lambda step: self._steps[step][-1:]))

    def clear(self) -> int:
        held = self.count()
        for step in self._steps:
            step.clear()
        return -held * _EVENT_BYTES


def _size(value: object) -> int:
    return _VALUE_BYTES + len(value) if isinstance(value, str) else _VALUE_BYTES
