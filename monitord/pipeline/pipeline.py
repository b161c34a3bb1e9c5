"""The pipeline: a reader that empties the rings, a worker that decodes and judges, sinks that write."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from monitord.decode.decoder import Decoder, events_in
from monitord.model.alert import Alert
from monitord.model.amount import amount
from monitord.model.batch import EventBatch
from monitord.model.heartbeat import Heartbeat
from monitord.model.interest import Interest
from monitord.model.loss import Stage
from monitord.model.placement import origin_of
from monitord.model.top import Origin
from monitord.pipeline.handover import Drain, Handover
from monitord.sinks.worker import SinkWorker
from monitord.sources.bpf.errors import PassingError
from monitord.stages import Detector, SinkError, Source
from monitord.telemetry import Telemetry

TURN_S = 0.05
"""
How long the reader lets a ring fill when there is little in it: most of the time from a call to its alert. With 50
turns a second, not 20, a thousand events a second cost half as much again: each turn finds the processor's caches cold.
"""

DUE_S = 0.1
"""How late an alert for repeats may be whose interval is over."""

QUEUE_BYTES = 64 << 20
"""Ring data that may wait for the worker: 262,144 events without long strings."""

ELECT_EVERY_S = 60.0
"""How often containers and units that got busy take the places of quiet ones in the metrics."""

LOOK_S = 0.1
"""How soon a stop is seen while outputs are replaced."""

_log = logging.getLogger(__name__)


class Enricher(Protocol):
    """What learns from every event before it is judged."""

    def interest(self) -> Interest:
        """The calls it has to see."""

    def seed(self) -> None:
        """Learn of what was there before the first event."""

    def observe(self, batch: EventBatch) -> None:
        """Learn from a batch."""

    def lost(self) -> None:
        """Events were lost: what was learned can be wrong."""

    def origins(self, batch: EventBatch) -> Iterable[tuple[Origin, int]]:
        """Where the events of a batch come from, and how many from there."""


class Pipeline:
    """
    One source, one detector at a time, any number of sinks; owner of the reader and the worker.

    :param sinks: not started; closed by `stop`.
    """

    def __init__(
        self,
        source: Source,
        enricher: Enricher,
        detector: Detector,
        sinks: Sequence[SinkWorker[Any]],
        telemetry: Telemetry,
    ) -> None:
        self._source = source
        self._enricher = enricher
        self._detector = self._judging = detector
        self._sinks = sinks
        self._telemetry = telemetry
        self._decoder = Decoder()
        self._handover = Handover(QUEUE_BYTES)
        self._reading = True
        self._gave = False
        self._missed = 0
        self._elect_due_s = time.monotonic() + ELECT_EVERY_S
        self._reader = threading.Thread(target=self._guard, args=(self._read,), name="reader", daemon=True)
        self._worker = threading.Thread(target=self._guard, args=(self._work,), name="worker", daemon=True)
        self._reader_heart = Heartbeat("reader")
        self._worker_heart = Heartbeat("worker")
        self.failed: str | None = None
        telemetry.heartbeats = self.heartbeats
        telemetry.register_queue("events", QUEUE_BYTES, self._handover.depth_bytes)
        source.install(enricher.interest() | detector.interest())

    @property
    def stopped(self) -> bool:
        """Whether nobody reads the source any more."""
        return not self._reader.is_alive()

    @property
    def heartbeats(self) -> Sequence[Heartbeat]:
        """The threads that must make progress."""
        return (self._reader_heart, self._worker_heart)

    def start(self) -> None:
        """
        Begin to watch.

        :raises LoadError: this machine cannot.
        :raises PassingError: there is no thread for it now.
        """
        try:
            for sink in self._sinks:
                sink.start()
        except SinkError as err:
            raise PassingError(str(err)) from err
        self._source.start()
        for thread in (self._reader, self._worker):
            try:
                thread.start()
            except RuntimeError as err:  # pthread_create(3): EAGAIN
                raise PassingError(f"cannot start the {thread.name}: no thread is free; raise TasksMax") from err

    def replace(self, detector: Detector) -> None:
        """
        Judge by another set of rules from the next batch on, while events flow.

        The kernel delivers what either set asks for until the new one judges, so no event that the old and the new
        rules want is missed.
        """
        old, new = self._detector.interest(), detector.interest()
        self._source.install(self._enricher.interest() | old | new)
        self._detector = detector
        self._source.install(self._enricher.interest() | new)

    def replace_sinks(
        self,
        sinks: Sequence[SinkWorker[Any]],
        heirs: Mapping[SinkWorker[Any], SinkWorker[Any]],
        hurried: Callable[[], bool],
    ) -> None:
        """
        Write to these outputs from the next alert on; those that go write what they have, within 5 s.

        :param sinks: started; those among them that write already go on.
        :param heirs: from one that goes to a new one, which gets what it did not write.
        :param hurried: whether the 5 s are over before their time: a stop cannot wait for one that hangs.
        """
        gone = [sink for sink in self._sinks if sink not in sinks]
        for sink in heirs.values():
            sink.hold()
        self._sinks = sinks
        end_s = time.monotonic() + 5
        for sink in gone:
            sink.finish(end_s, heirs.get(sink))
        for sink in gone:
            while not sink.ended(LOOK_S) and not hurried() and time.monotonic() < end_s:
                pass
            sink.finish(time.monotonic(), heirs.get(sink))
            if lost := sink.join():
                _log.error("%s: closed with %s that did not arrive", sink.name, amount(lost, "alert"))

    def reopen(self) -> None:
        """Open the outputs again that were opened by name."""
        for sink in self._sinks:
            sink.reopen()

    def stop(self, deadline_s: float) -> None:
        """
        Stop producing, drain, judge what is left, write the last alerts, close the sinks. The source stays open.

        :param deadline_s: seconds it may take.
        """
        end_s = time.monotonic() + deadline_s
        self._source.quiesce()
        self._reading = False
        self._join(self._reader, end_s)
        self._handover.close()
        # Half of what is left is the worker's, so that the sinks get theirs even if it does not finish.
        self._join(self._worker, time.monotonic() + (end_s - time.monotonic()) / 2)
        for sink in self._sinks:
            sink.finish(end_s)
        unwritten = sum(sink.join() for sink in self._sinks)
        waiting = self._handover.depth_bytes()
        if unwritten or waiting:
            _log.error(
                "stopped with %s that did not arrive and %d KiB of events not judged",
                amount(unwritten, "alert"),
                waiting >> 10,
            )

    def _join(self, thread: threading.Thread, end_s: float) -> None:
        if thread.ident is not None:
            thread.join(max(0.0, end_s - time.monotonic()))

    def _guard(self, loop: Callable[[], None]) -> None:
        """The outer edge of a thread: a bug of ours ends the daemon with a message, and systemd starts it anew."""
        try:
            loop()
        except Exception as error:  # noqa: BLE001
            _log.exception("the %s failed", threading.current_thread().name)
            self.failed = f"the {threading.current_thread().name} failed: {error!r}"

    def _read(self) -> None:
        while self._reading:
            self._pass_on(self._source.drain(TURN_S))
            self._reader_heart.beat()
        # The programs are detached: this is the last of it.
        self._pass_on(self._source.drain(0))

    def _pass_on(self, drain: Drain) -> None:
        if drain:
            self._telemetry.batches += 1
            self._telemetry.ring_bytes += sum(len(batch.data) for batch in drain)
        elif not self._gave:
            return
        # An empty one behind the last of them lets the worker give out what it holds back.
        self._gave = bool(drain)
        if not self._handover.put(drain):
            self._telemetry.lost[Stage.QUEUE] += sum(events_in(batch.data) for batch in drain)

    def _work(self) -> None:
        # Events are delivered by now, so that what begins meanwhile is seen; they wait in the queue.
        self._enricher.seed()
        while (drain := self._handover.get(DUE_S)) is not None:
            if drain or self._decoder.holds:
                self._judge(drain)
            self._send(self._current().due(time.clock_gettime_ns(time.CLOCK_BOOTTIME)))
            self._worker_heart.beat()
        if self._decoder.holds:
            self._judge(())
        self._send(self._current().flush())

    def _current(self) -> Detector:
        """The detector to ask now; a new one takes over from the one before."""
        detector = self._detector
        if detector is not self._judging:
            self._send(detector.succeed(self._judging))
            self._judging = detector
        return detector

    def _send(self, alerts: Sequence[Alert]) -> None:
        self._telemetry.alerts += len(alerts)
        for alert in alerts:
            self._telemetry.origin_alerts.add(origin_of(alert.context.placement(alert.event)))
            for sink in self._sinks:
                sink.put(alert)

    def _judge(self, drain: Drain) -> None:
        batch = self._decoder.decode(drain)
        self._telemetry.received = self._decoder.events
        self._telemetry.lost[Stage.DECODE] = self._decoder.undecoded
        if self._missed != self._decoder.missed:
            self._missed = self._decoder.missed
            self._enricher.lost()
        self._enricher.observe(batch)
        self._count_origins(batch)
        unjudged = self._telemetry.lost[Stage.RULES]
        self._send(self._current().judge(batch.calls, self._decoder.missed + unjudged))
        # What a rule failed on is counted as lost, and so not here: received is judged and lost.
        self._telemetry.judged += len(batch) - (self._telemetry.lost[Stage.RULES] - unjudged)

    def _count_origins(self, batch: EventBatch) -> None:
        telemetry = self._telemetry
        if not telemetry.origin_events.size:
            return
        for origin, events in self._enricher.origins(batch):
            telemetry.origin_events.add(origin, events)
        now_s = time.monotonic()
        if now_s >= self._elect_due_s:
            self._elect_due_s = now_s + ELECT_EVERY_S
            telemetry.origin_events.elect()
            telemetry.origin_alerts.elect()
