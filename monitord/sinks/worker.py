"""Each sink on a thread of its own, behind a bounded queue: a dead sink blocks nobody."""

import logging
import threading
import time
from collections import deque

from monitord.model.alert import Alert
from monitord.stages import Sink, SinkError
from monitord.telemetry import Telemetry

_CLOSING_S = 0.1
"""What a sink gets to close behind the deadline; enough for any that is not stuck."""


class SinkWorker:
    """
    Writes alerts to one sink, in order, from a thread of its own.

    An alert that the sink does not take is tried again, first after `first_retry_s` and then after twice as long each
    time, up to `longest_retry_s`; newer alerts wait behind it. What does not fit in the queue is dropped and counted.

    :param sink: open; the worker closes it.
    :param queue_alerts: how many alerts may wait.
    """

    def __init__(
        self,
        sink: Sink,
        queue_alerts: int,
        telemetry: Telemetry,
        *,
        first_retry_s: float = 0.1,
        longest_retry_s: float = 5.0,
    ) -> None:
        self._sink = sink
        self._capacity = queue_alerts
        self._counts = telemetry.register_sink(sink.name)
        self._first_retry_s = first_retry_s
        self._longest_retry_s = longest_retry_s
        self._log = logging.getLogger(__name__)
        self._queue: deque[Alert] = deque()
        self._changed = threading.Condition()
        self._reopen = False
        self._deadline_s: float | None = None
        # A daemon thread: one that hangs in a write must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=f"sink-{sink.name}", daemon=True)
        telemetry.register_queue(sink.name, queue_alerts, self._queue.__len__)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, alert: Alert) -> None:
        """Hand over an alert; never waits for the sink."""
        with self._changed:
            if len(self._queue) < self._capacity and self._deadline_s is None:
                self._queue.append(alert)
                self._changed.notify()
            else:
                self._counts.dropped += 1

    def reopen(self) -> None:
        """Have the sink opened again before the next write; returns at once."""
        with self._changed:
            self._reopen = True
            self._changed.notify()

    def finish(self, deadline_s: float) -> None:
        """
        Take no more, write what is queued, and close the sink; returns at once.

        :param deadline_s: `time.monotonic()` after which what is left is dropped.
        """
        with self._changed:
            self._deadline_s = deadline_s
            self._changed.notify()

    def join(self) -> int:
        """
        Wait for the end that `finish` asked for, but hardly longer than its deadline.

        :return: alerts that were not written, the one included that the sink may hang in.
        """
        assert self._deadline_s is not None, "finish() comes first"
        self._thread.join(max(0.0, self._deadline_s - time.monotonic()) + _CLOSING_S)
        return len(self._queue)

    def _run(self) -> None:
        retry_s = 0.0  # how long the sink is left alone; 0 while it works
        while self._wait(retry_s):
            if self._reopen:
                self._reopen_sink()
            if not self._queue:
                continue
            if self._written(self._queue[0], retrying=retry_s > 0):
                self._queue.popleft()
                retry_s = 0.0
            else:
                retry_s = min(max(self._first_retry_s, 2 * retry_s), self._longest_retry_s)
        with self._changed:
            self._counts.dropped += len(self._queue)
        self._sink.close()

    def _wait(self, retry_s: float) -> bool:
        """Wait until there is something to do; False when all is done or the time for it is over."""
        with self._changed:
            deadline_s = self._deadline_s
            if retry_s:
                # A new alert is no reason to try a broken sink earlier; the end, or a reopen, is.
                if deadline_s is not None:
                    retry_s = min(retry_s, max(0.0, deadline_s - time.monotonic()))
                self._changed.wait_for(lambda: self._reopen or self._deadline_s != deadline_s, retry_s)
            else:
                self._changed.wait_for(lambda: self._queue or self._reopen or self._deadline_s is not None)
            if self._deadline_s is None:
                return True
            return bool(self._queue) and time.monotonic() < self._deadline_s

    def _reopen_sink(self) -> None:
        self._reopen = False
        try:
            self._sink.reopen()
        except SinkError as err:  # the next write tries again
            self._counts.failed += 1
            self._log.error("%s: %s", self._sink.name, err)

    def _written(self, alert: Alert, retrying: bool) -> bool:
        """Whether the alert is done with; if not, it heads the queue until it is."""
        try:
            self._sink.write(alert)
        except SinkError as err:
            self._counts.failed += 1
            if not retrying:
                self._log.error("%s: %s; trying again until it works", self._sink.name, err)
            return False
        except Exception:  # noqa: BLE001 - the outer edge of the thread: a bug in one alert must not end it
            self._counts.failed += 1
            with self._changed:
                self._counts.dropped += 1
            self._log.exception("%s: an alert of the rule %r could not be written", self._sink.name, alert.rule)
            return True
        self._counts.written += 1
        if retrying:
            self._log.warning("%s: writing again", self._sink.name)
        return True
