"""How the tests of conditions are judged, for people who want to know what a rule costs."""

import enum
from collections.abc import Iterable, Mapping

import numpy as np

from monitord.abi.event import EVENT
from monitord.detect.codebook import Ledger
from monitord.detect.group import Group
from monitord.detect.judges import Constant, OfPart
from monitord.detect.number import OfNumber
from monitord.detect.plan import Plan
from monitord.detect.trees import Trees
from monitord.model.batch import EventBatch
from monitord.model.process import Process
from monitord.recording.snapshot import Snapshot
from monitord.rules.ast import Check
from monitord.rules.field import Field
from monitord.tables.syscalls import Syscall


class Way(enum.Enum):
    """How a test is judged, cheapest first."""

    CALL = "the call alone decides"
    COLUMN = "all events of a batch at one go"
    VALUE = "once per distinct value"
    SOME = "once per distinct value where that decides, else per event"
    EVENT = "per event"


def ways(checks: Iterable[Check], call: Syscall, catalogue: Mapping[str, Field]) -> Mapping[Check, Way]:
    """How tests are judged for the events of a call."""
    records = np.zeros(1, EVENT)
    records["abi"], records["nr"] = call.abi, call.nr
    batch = EventBatch(records, np.zeros(1, np.uint16))
    event = batch.event(0)
    sample = Group(batch, [0], Snapshot(call, (Process(event.key, ""),)), catalogue)
    plan = Plan(call, (), (), sample, Ledger(0), Trees())
    return {check: _way(plan, check) for check in checks}


def _way(plan: Plan, check: Check) -> Way:
    judge = plan.judge_of(check)
    if isinstance(judge, Constant):
        return Way.CALL
    if isinstance(judge, OfNumber):
        return Way.COLUMN
    if isinstance(judge, OfPart):
        return Way.VALUE if judge.always_decides else Way.SOME
    return Way.EVENT
