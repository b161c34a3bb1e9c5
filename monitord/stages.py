"""The stages of the pipeline as Protocols: what the pipeline asks of each, and no more."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

from monitord.model.alert import Alert
from monitord.model.batch import EventBatch, RawBatch
from monitord.model.counts import CountTable
from monitord.model.interest import Interest
from monitord.model.loss import Stage


class Source(Protocol):
    """Where events and counts come from. One thread drains; any thread may ask for the rest."""

    def start(self) -> None:
        """Begin to count and to deliver."""

    def install(self, interest: Interest) -> None:
        """Replace what is delivered as events, while they flow; calls in both sets are never missed."""

    def drain(self, timeout_s: float) -> Sequence[RawBatch]:
        """Wait until a ring is worth reading or the time is over, and take what all rings hold."""

    def quiesce(self) -> None:
        """Stop producing; what is in the rings can still be drained."""

    def counts(self) -> CountTable:
        """Totals of every syscall in scope."""

    def losses(self) -> Mapping[Stage, int]:
        """Events lost on the source's side, by stage, every stage of its own included."""

    def close(self) -> None:
        """Detach and free everything; nothing else may be called after it."""


class Detector(Protocol):
    """Judges events."""

    def interest(self) -> Interest:
        """The calls it has to see."""

    def judge(self, batch: EventBatch, lost: int) -> list[Alert]:
        """
        The alerts of a batch, in the order of its rows.

        :param lost: events lost so far, stamped on the alerts.
        """

    def due(self, now_ns: int) -> list[Alert]:
        """Alerts that were held back until now, CLOCK_BOOTTIME; to be asked also when no events come."""

    def flush(self) -> list[Alert]:
        """All alerts that are held back: nothing is judged after it."""

    def succeed(self, previous: "Detector") -> list[Alert]:
        """
        Go on with what another detector remembers; on the thread that judges, before the first batch.

        :return: alerts that the other one held back, and that are nothing to this one.
        """


Item = TypeVar("Item", contravariant=True)
"""What a sink takes: alerts, or alerts as bytes where they can have waited on disk."""


class Sink(Protocol[Item]):
    """Somewhere alerts go. Each runs on a thread of its own behind a bounded queue."""

    @property
    def name(self) -> str:
        """The name in metrics: ``alert_log``, ``console``, ``webhook``."""

    def write(self, item: Item, /) -> None:
        """
        Write one alert.

        :raises SinkError: it was not written now; the caller counts it and tries again.
        :raises UnsureError: it may have been written; the caller tries again, and counts it as sent again.
        :raises RefusedError: the other side never takes this one; the caller gives it up.
        """

    def reopen(self) -> None:
        """Close and open again whatever was opened by name."""

    def close(self) -> None:
        """
        Finish.

        :raises UnreadError: it is finished, and of what was written something is known not to have arrived.
        """


@runtime_checkable
class BulkSink(Sink[Item], Protocol[Item]):
    """
    A sink that takes many alerts with one system call.

    While rules are judged, each system call of another thread waits for the interpreter, up to 5 ms: one by one, a
    thousand alerts take seconds.
    """

    def write_all(self, items: Sequence[Item], /) -> None:
        """
        Write some alerts, in order; as `write`, all or none of them.

        :raises SinkError: as `write`.
        """


@runtime_checkable
class PipedSink(Sink[Item], Protocol[Item]):
    """A sink whose alerts are read later than they are written, and perhaps never."""

    def unread(self) -> int:
        """How many of those written have not been read yet; never more than before but by a write."""

    def resume(self) -> None:
        """
        See to it that somebody reads those.

        :raises SinkError: who was to read them has ended, or nobody can be had now; the caller counts it and tries
            again.
        """


class SinkError(Exception):
    """A sink could not write; the message says what and where."""


class BusyError(SinkError):
    """
    The other side says when it wants to be asked again.

    :ivar pause_s: seconds from now.
    """

    def __init__(self, pause_s: float, message: str) -> None:
        super().__init__(message)
        self.pause_s = pause_s


class UnsureError(SinkError):
    """A sink has sent an alert and does not know whether it arrived."""


class RefusedError(SinkError):
    """The other side has read an alert and does not want it, now or later."""


class UnreadError(SinkError):
    """
    Whoever was to read the alerts has ended before.

    :ivar alerts: how many are unread.
    """

    def __init__(self, alerts: int, message: str) -> None:
        super().__init__(message)
        self.alerts = alerts
