"""``evt.*`` about when and how long."""

import os
import time

from monitord.model.event import Event
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.field import Extract, Field, FieldType
from monitord.rules.fields import sources

_NS = 1_000_000_000
_UNTIMED = "the call did not return, or its enter was not seen"


def _local(form: str, fraction: bool) -> Extract:
    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        seconds, nanoseconds = divmod(context.wall_ns(event.ts_ns), _NS)
        return time.strftime(form, time.localtime(seconds)) + (f".{nanoseconds:09}" if fraction else "")

    return extract


def _iso_time(event: Event, context: Context, _arg: str | None) -> Value:
    seconds, nanoseconds = divmod(context.wall_ns(event.ts_ns), _NS)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09}+0000"


TIME_FIELDS = (
    Field(
        "evt.time",
        FieldType.TEXT,
        "local time of day when the call returned, to the nanosecond",
        sources.EVENT,
        sources.NEVER,
        _local("%H:%M:%S", fraction=True),
    ),
    Field(
        "evt.time.s",
        FieldType.TEXT,
        "that time to the second",
        sources.EVENT,
        sources.NEVER,
        _local("%H:%M:%S", fraction=False),
    ),
    Field(
        "evt.time.iso8601",
        FieldType.TEXT,
        "that time with the date, UTC",
        sources.EVENT,
        sources.NEVER,
        _iso_time,
    ),
    Field(
        "evt.datetime",
        FieldType.TEXT,
        "that time with the date, local",
        sources.EVENT,
        sources.NEVER,
        _local("%Y-%m-%d %H:%M:%S", fraction=True),
    ),
    Field(
        "evt.datetime.s",
        FieldType.TEXT,
        "evt.datetime to the second",
        sources.EVENT,
        sources.NEVER,
        _local("%Y-%m-%d %H:%M:%S", fraction=False),
    ),
    Field(
        "evt.rawtime",
        FieldType.NUMBER,
        "that time in nanoseconds since the Unix epoch",
        sources.EVENT,
        sources.NEVER,
        lambda event, context, _arg: context.wall_ns(event.ts_ns),
    ),
    Field(
        "evt.rawtime.s",
        FieldType.NUMBER,
        "whole seconds of evt.rawtime",
        sources.EVENT,
        sources.NEVER,
        lambda event, context, _arg: context.wall_ns(event.ts_ns) // _NS,
    ),
    Field(
        "evt.rawtime.ns",
        FieldType.NUMBER,
        "nanoseconds of evt.rawtime within its second",
        sources.EVENT,
        sources.NEVER,
        lambda event, context, _arg: context.wall_ns(event.ts_ns) % _NS,
    ),
    Field(
        "evt.latency",
        FieldType.DURATION,
        "nanoseconds from enter to return",
        sources.EVENT,
        _UNTIMED,
        lambda event, _context, _arg: event.duration_ns if event.timed else Missing.UNFINISHED,
    ),
    Field(
        "evt.latency.s",
        FieldType.NUMBER,
        "whole seconds of evt.latency",
        sources.EVENT,
        _UNTIMED,
        lambda event, _context, _arg: event.duration_ns // _NS if event.timed else Missing.UNFINISHED,
    ),
    Field(
        "evt.latency.ns",
        FieldType.NUMBER,
        "nanoseconds of evt.latency within its second",
        sources.EVENT,
        _UNTIMED,
        lambda event, _context, _arg: event.duration_ns % _NS if event.timed else Missing.UNFINISHED,
    ),
    Field(
        "evt.hostname",
        FieldType.TEXT,
        "name of this host",
        "the host",
        sources.NEVER,
        lambda _event, _context, _arg: os.uname().nodename,
    ),
)
