"""The stage that records events in place of judging them."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monitord.config.schema import Config
from monitord.model.alert import Alert
from monitord.model.batch import EventBatch
from monitord.model.event import Event
from monitord.model.interest import Interest
from monitord.model.process import Context
from monitord.pipeline.assemble import Assembly, masks_of
from monitord.pipeline.load import Overrides
from monitord.privacy.masks import Masks
from monitord.privacy.view import masked_event, masked_snapshot
from monitord.recording.capture import CaptureError
from monitord.recording.snapshot import snapshot_of
from monitord.recording.writer import CaptureWriter
from monitord.rules.along import fields_in
from monitord.rules.rule import RuleSet
from monitord.stages import Detector
from monitord.tables.syscalls import SyscallTable
from monitord.telemetry import Telemetry


class Recorder:
    """
    Writes each event that an interest asks for; `monitord.stages.Detector`, used by one thread.

    :param most: events after which it is done; None for any number.
    :ivar done: set when it takes no more.
    :ivar failure: why it could not write on; None while it can.
    """

    def __init__(self, writer: CaptureWriter, rules: RuleSet, context: Context, masks: Masks, most: int | None) -> None:
        self._writer = writer
        self._interest = rules.interest
        self._asked = frozenset(field.name for rule in rules.rules if rule.enabled for field in fields_in(rule))
        self._context = context
        self._masks = masks
        self._most = most
        self.done = threading.Event()
        self.failure: CaptureError | None = None

    def interest(self) -> Interest:
        """The calls that are recorded."""
        return self._interest

    def judge(self, batch: EventBatch, _lost: int) -> list[Alert]:
        """Write the events of a batch; no alerts come of it."""
        if self.done.is_set():
            return []
        added = 0
        for row in range(len(batch)):
            event = batch.event(row)
            if not self._asked_for(event):
                continue
            known = snapshot_of(event, self._context, self._asked)
            self._writer.add(masked_event(event, self._masks), masked_snapshot(known, self._masks))
            added += 1
            if self._most is not None and self._writer.events + added >= self._most:
                self.done.set()
                break
        try:
            self._writer.flush()
        except CaptureError as error:
            self.failure = error
            self.done.set()
        return []

    def due(self, _now_ns: int) -> list[Alert]:
        """Nothing is held back."""
        return []

    def flush(self) -> list[Alert]:
        """Nothing is held back."""
        return []

    def succeed(self, _previous: Detector) -> list[Alert]:
        """It remembers nothing."""
        return []

    def _asked_for(self, event: Event) -> bool:
        """The enricher asks for events, too."""
        return self._interest.admits(event)


class RecordingAssembly(Assembly):
    """
    The daemon's parts, with a recorder for the rules that judge.

    :param most: as of `Recorder`.
    """

    def __init__(
        self,
        path: Path,
        overrides: Overrides,
        config: Config,
        rules: RuleSet,
        table: SyscallTable,
        telemetry: Telemetry,
        drop: Callable[[], None],
        writer: CaptureWriter,
        most: int | None,
    ) -> None:
        self._writer = writer
        self._most = most
        super().__init__(path, overrides, config, rules, table, telemetry, drop)

    def _detector(self, rules: RuleSet, config: Config) -> Recorder:
        self.recorder = Recorder(self._writer, rules, self._context, masks_of(config), self._most)
        return self.recorder

    def end(self) -> Mapping[str, Any]:
        """What came of the events, for the last line."""
        lost = {**self._source.losses(), **self._telemetry.lost}
        return {"admitted": self._source.seen(), "lost": {stage.value: number for stage, number in lost.items()}}
