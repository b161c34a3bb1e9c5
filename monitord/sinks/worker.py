"""Each sink on a thread of its own, behind a bounded queue: a dead sink blocks nobody."""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from monitord.model.alert import Alert
from monitord.sinks.backlog import Backlog
from monitord.stages import BulkSink, BusyError, PipedSink, RefusedError, Sink, SinkError, UnreadError, UnsureError
from monitord.telemetry import Telemetry

Item = TypeVar("Item")

MOST = 64
"""Alerts that are written at once, to a sink that can."""

_READ_S = 0.1
"""How often a sink is asked what was read, while something was not."""

_CLOSING_S = 0.1
"""What a sink gets to close behind the deadline; enough for any that is not stuck."""


class SinkWorker(Generic[Item]):
    """
    Writes alerts to one sink, in order, at least once each, from a thread of its own.

    An alert that the sink does not take is tried again, first after `first_retry_s` and then after twice as long each
    time, up to `longest_retry_s`, each time less a random part of up to a half: many machines are not to come
    back to one receiver together. Where the other side wants a longer pause, it gets that. Newer alerts wait behind it.
    What does not fit in the backlog is dropped and counted, and so is what the other side refuses for good. An alert
    that may have been written is written again and counted.

    :param sink: open; the worker closes it.
    :param backlog: where alerts wait; the worker closes it.
    """

    def __init__(
        self,
        sink: Sink[Item],
        backlog: Backlog[Item],
        telemetry: Telemetry,
        *,
        first_retry_s: float = 0.1,
        longest_retry_s: float = 5.0,
    ) -> None:
        self._sink = sink
        self._backlog = backlog
        self._telemetry = telemetry
        self._counts = telemetry.register_sink(sink.name)
        self._first_retry_s = first_retry_s
        self._longest_retry_s = longest_retry_s
        self._log = logging.getLogger(__name__)
        self._changed = backlog.changed
        self._queues = backlog.queues(sink.name)
        self._most = MOST if isinstance(sink, BulkSink) else 1
        self._singly = 0  # how many are still to be written one by one
        self._reopen = False
        self._refusing = False
        self._failing = False  # it was said that the sink fails, and nothing was written since
        self._deadline_s: float | None = None
        self._lost: int | None = None  # at the end, when all are counted
        self._heir: SinkWorker[Any] | None = None
        self._held: deque[Alert] | None = None  # put while what comes first is still another worker's
        self._pause_s = 0.0  # that the other side wanted when it last failed
        self._unread = 0  # handed to a `PipedSink`, and neither written nor dropped yet
        # A daemon thread: one that hangs in a write must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=f"sink-{sink.name}", daemon=True)

    @property
    def name(self) -> str:
        """Of the output."""
        return self._sink.name

    def start(self) -> None:
        """
        Begin to write.

        :raises SinkError: there is no thread for it; `discard` is all that can be done then.
        """
        try:
            self._backlog.start()
            self._thread.start()
        except RuntimeError as err:  # pthread_create(3): EAGAIN
            raise SinkError(f"cannot start {self._sink.name}: no thread is free; raise TasksMax") from err
        self.show()

    def show(self) -> None:
        """Have its queues in the metrics."""
        for name, queue in self._queues.items():
            self._telemetry.register_queue(name, queue.capacity, queue.depth)

    def discard(self) -> None:
        """Close what was opened, and end what was started; only before the first `put`."""
        if self._thread.ident is not None:
            self.finish(time.monotonic())
            self.join()
        else:
            self._backlog.close()
            self._sink.close()

    def put(self, alert: Alert) -> None:
        """Hand over an alert; never waits for the sink."""
        with self._changed:
            if self._deadline_s is not None and self._heir is not None:
                self._heir.put(alert)
            elif self._held is not None and len(self._held) < self._backlog.capacity:
                self._held.append(alert)
            elif self._held is not None or self._deadline_s is not None or not self._backlog.put(alert):
                self._counts.dropped += 1

    def reopen(self) -> None:
        """Have the sink opened again before the next write; returns at once."""
        with self._changed:
            self._reopen = True
            self._changed.notify_all()

    def finish(self, deadline_s: float, heir: "SinkWorker[Any] | None" = None) -> None:
        """
        Take no more, write what is queued, and close the sink; returns at once.

        :param deadline_s: `time.monotonic()` after which what is left is dropped.
        :param heir: gets what is left instead, and waits for that (`hold`).
        """
        with self._changed:
            self._deadline_s, self._heir = deadline_s, heir
            self._changed.notify_all()

    def ended(self, timeout_s: float) -> bool:
        """Whether it has come to its end within this time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def hold(self) -> None:
        """Write nothing until `inherit`; only before the first `put`."""
        with self._changed:
            self._held = deque()

    def inherit(self, alerts: Sequence[Alert]) -> None:
        """
        Write these, and then what was put since `hold`.

        :param alerts: oldest first.
        """
        with self._changed:
            held, self._held = self._held or (), None
            for alert in (*alerts, *held):
                if not self._backlog.put(alert):
                    self._counts.dropped += 1

    def join(self) -> int:
        """
        Wait for the end that `finish` asked for, but hardly longer than its deadline.

        :return: alerts that were neither written, nor kept for the next start, nor left to an heir, the one included
            that the sink may hang in, and those that nobody has read.
        """
        assert self._deadline_s is not None, "finish() comes first"
        self._thread.join(max(0.0, self._deadline_s - time.monotonic()) + _CLOSING_S)
        for name, queue in self._queues.items():
            self._telemetry.forget_queue(name, queue.depth)
        return self._ended(self._backlog.in_memory() + self._unread)  # unless the thread has come to its end

    def _run(self) -> None:
        retry_s = 0.0  # how long the sink is left alone; 0 while it works
        while self._wait(retry_s):
            if self._reopen:
                self._reopen_sink()
            self._count_written(0)
            with self._changed:
                ready = self._backlog.ready()
            if not ready and not self._unread:
                continue
            if self._progress() if ready else self._resume():
                retry_s = 0.0
            else:
                retry_s = min(max(self._first_retry_s, 2 * retry_s), self._longest_retry_s)
        lost, unread = self._backlog.close(), 0
        try:
            self._sink.close()
        except UnreadError as err:
            unread = err.alerts
            self._log.error("%s: %s", self._sink.name, err)
        self._ended(lost + unread, read=self._unread - unread)

    def _count_written(self, alerts: int) -> None:
        """
        Count what was written: when it was read, where that is later.

        :param alerts: those that the sink has just taken.
        """
        if self._lost is not None and not self._backlog.keeps:  # it hung, and they were given up
            return
        unread = self._sink.unread() if isinstance(self._sink, PipedSink) else 0
        read = self._unread + alerts - unread
        self._counts.written += read
        self._unread = unread
        if read and self._failing:
            self._failing = False
            self._log.warning("%s: writing again", self._sink.name)

    def _ended(self, lost: int, read: int = 0) -> int:
        """Count the last alerts, which either the thread does or who waits for it no longer. How many are lost."""
        with self._changed:
            if self._lost is None:
                left = self._backlog.left() if self._heir else []
                self._lost = lost - len(left)
                self._counts.dropped += self._lost
                self._counts.written += read
                if self._heir:
                    self._counts.resent += bool(left) and self._backlog.unsure
                    self._heir.inherit(left)
            return self._lost

    def _wait(self, retry_s: float) -> bool:
        """Wait until there is something to do; False when all is done or the time for it is over."""
        with self._changed:
            deadline_s = self._deadline_s
            if retry_s:
                if deadline_s is not None and (self._backlog.keeps or self._heir):
                    return False
                wait_s = max(retry_s * random.uniform(0.5, 1), self._pause_s)
                # A new alert is no reason to try a broken sink earlier; the end, or a reopen, is.
                if deadline_s is not None:
                    wait_s = min(wait_s, max(0.0, deadline_s - time.monotonic()))
                self._changed.wait_for(lambda: self._reopen or self._deadline_s != deadline_s, wait_s)
            else:
                self._changed.wait_for(self._something_to_do, self._longest_wait_s())
            if self._deadline_s is None:
                return True
            return len(self._backlog) > 0 and time.monotonic() < self._deadline_s

    def _something_to_do(self) -> bool:
        if self._backlog.ready() or self._reopen:
            return True
        # What is on its way to the disk is waited for, also at the end.
        return self._deadline_s is not None and not len(self._backlog)

    def _longest_wait_s(self) -> float | None:
        waits_s = [_READ_S] if self._unread else []
        if self._deadline_s is not None:
            waits_s.append(max(0.0, self._deadline_s - time.monotonic()))
        return min(waits_s, default=None)

    def _reopen_sink(self) -> None:
        self._reopen = False
        try:
            self._sink.reopen()
        except SinkError as err:  # the next write tries again
            self._counts.failed += 1
            self._log.error("%s: %s", self._sink.name, err)

    def _progress(self) -> bool:
        """Whether something in the backlog is done with."""
        done = self._write()
        if done:
            self._backlog.pop(done)
        return done > 0

    def _resume(self) -> bool:
        """Whether somebody is there for what is unread."""
        assert isinstance(self._sink, PipedSink)
        try:
            self._sink.resume()
        except SinkError as err:
            self._failed(err)
            return False
        return True

    def _failed(self, err: SinkError) -> None:
        self._counts.failed += 1
        self._pause_s = err.pause_s if isinstance(err, BusyError) else 0.0
        if not self._failing:
            self._failing = True
            self._log.error("%s: %s; trying again until it works", self._sink.name, err)

    def _write(self) -> int:
        """How many of the oldest in the backlog are done with; 0 when they have to be tried again."""
        items: Sequence[Item] = ()
        try:
            items = self._backlog.heads(1 if self._singly else self._most)
            if self._backlog.sending():
                self._counts.resent += len(items)
            if isinstance(self._sink, BulkSink):
                self._sink.write_all(items)
            else:
                self._sink.write(items[0])
        except RefusedError as err:
            self._give_up()
            if not self._refusing:
                self._log.error("%s: %s; what it refuses is given up", self._sink.name, err)
            self._refusing = True
            return 1
        except SinkError as err:
            self._failed(err)
            self._backlog.release(unsure=isinstance(err, UnsureError))
            self._singly = max(self._singly, len(items) - 1)  # a disk that fills up takes some
            return 0
        except Exception:  # noqa: BLE001 - the outer edge of the thread: a bug in one alert must not end it
            if len(items) > 1:  # one by one it shows in which
                self._singly = len(items)
                self._backlog.release(unsure=False)
                return self._write()
            self._give_up()
            self._singly = 0
            self._log.exception("%s: an alert could not be written", self._sink.name)
            return 1
        self._count_written(len(items))
        self._singly = max(0, self._singly - 1)
        self._refusing = False
        return len(items)

    def _give_up(self) -> None:
        self._failing = False  # it answers
        self._counts.failed += 1
        with self._changed:
            self._counts.dropped += 1
