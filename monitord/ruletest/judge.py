"""Events that are kept, through the very detector of the daemon."""

from collections.abc import Iterable
from typing import Any, cast

from monitord.abi.arch import Abi
from monitord.detect.detector import RuleDetector
from monitord.model.alert import Alert
from monitord.model.event import Event
from monitord.model.process import Context
from monitord.recording.batch import batch_of
from monitord.recording.snapshot import Snapshot
from monitord.rules.rule import RuleSet
from monitord.tables.syscalls import SyscallTable
from monitord.telemetry import Telemetry


class _Replay:
    """`Context` that answers for the event that is judged: by its snapshot."""

    def __init__(self) -> None:
        self.now: Snapshot | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.now, name)


def alerts_of(
    events: Iterable[tuple[Event, Snapshot]], rules: RuleSet, table: SyscallTable, match_all: bool
) -> list[Alert]:
    """
    The alerts that the daemon would have made of events, those that a throttle holds back at the end included.

    :param table: of all ABIs of the events.
    """
    replay = _Replay()
    telemetry = Telemetry()
    telemetry.register_rules({rule.name: rule.priority for rule in rules.rules if rule.enabled})
    detector = RuleDetector(rules, table, cast(Context, replay), telemetry, "host", match_all=match_all)
    alerts: list[Alert] = []
    for event, snapshot in events:
        replay.now = snapshot
        alerts += detector.due(event.ts_ns)
        alerts += detector.judge(batch_of([event]), 0)
    return alerts + detector.flush()


def all_abis() -> SyscallTable:
    """The table for events of any machine."""
    return SyscallTable.load(Abi)
