"""Alerts: what a rule said of an event."""

from collections.abc import Mapping

from monitord.dataclass import dataclass
from monitord.model.event import Event
from monitord.model.priority import Priority
from monitord.model.process import Context
from monitord.model.value import Value


@dataclass(frozen=True, slots=True)
class Tally:
    """
    How much an alert stands for, when that is more than its one event.

    :ivar count: events, or distinct values, that a correlation counted; alerts that were folded into one.
    :ivar first_ns: wall clock of the first of them.
    :ivar last_ns: wall clock of the last.
    :ivar values: what was counted by value, or the rules that matched in turn: the last few.
    """

    count: int
    first_ns: int
    last_ns: int
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """
    A match of a rule, ready to be written.

    :ivar time_ns: wall clock (Unix epoch) of the event.
    :ivar output: the rule's output template, filled in; control characters are still in it.
    :ivar fields: the value of each field in the output template, by its name there.
    :ivar context: answers about the event as they were when the alert was made, from any thread.
    :ivar lost_before: events that this daemon had lost when it made the alert: context may be missing.
    :ivar tally: None for an alert of one event; else `event` is the last of them.
    """

    time_ns: int
    rule: str
    priority: Priority
    source: str
    hostname: str
    output: str
    tags: tuple[str, ...]
    fields: Mapping[str, Value]
    event: Event
    context: Context
    lost_before: int = 0
    tally: Tally | None = None
