"""``evt.*``: the call itself."""

import time
from collections.abc import Callable

from monitord.abi.event import Flag
from monitord.model.event import Event
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules import opens
from monitord.rules.argument import all_arguments, argument_text
from monitord.rules.field import Argument, Extract, Field, FieldType
from monitord.tables.canonical import canonical
from monitord.tables.constants import errno_name

_NS = 1_000_000_000
_UNFINISHED = "the call did not return"
_UNKNOWN_CALL = "the number is outside the syscall table"


def _canonical_name(event: Event, context: Context, _arg: str | None) -> Value:
    syscall = context.syscall(event)
    return Missing.UNKNOWN if syscall is None else canonical(syscall.name)


def _result(event: Event, _context: Context, _arg: str | None) -> Value:
    if not event.returned:
        return Missing.UNFINISHED
    return errno_name(-event.ret) if event.failed else "SUCCESS"


def _open(way: Callable[[Event, str], Value]) -> Extract:
    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        syscall = context.syscall(event)
        return False if syscall is None or syscall.name not in opens.OPEN_CALLS else way(event, syscall.name)

    return extract


def _time(event: Event, context: Context, _arg: str | None) -> Value:
    seconds, nanoseconds = divmod(context.wall_ns(event.ts_ns), _NS)
    return time.strftime("%H:%M:%S", time.localtime(seconds)) + f".{nanoseconds:09}"


def _iso_time(event: Event, context: Context, _arg: str | None) -> Value:
    seconds, nanoseconds = divmod(context.wall_ns(event.ts_ns), _NS)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09}+0000"


def _one_argument(event: Event, context: Context, arg: str | None) -> Value:
    return Missing.NOT_APPLICABLE if arg is None else argument_text(event, context, arg)


EVENT_FIELDS = (
    Field(
        "evt.num",
        FieldType.NUMBER,
        "number of the event on its CPU, from 1",
        "never",
        lambda event, _context, _arg: event.seq,
    ),
    Field("evt.time", FieldType.TEXT, "local time of day when the call returned, to the nanosecond", "never", _time),
    Field("evt.time.iso8601", FieldType.TEXT, "that time with the date, UTC", "never", _iso_time),
    Field(
        "evt.rawtime",
        FieldType.NUMBER,
        "that time in nanoseconds since the Unix epoch",
        "never",
        lambda event, context, _arg: context.wall_ns(event.ts_ns),
    ),
    Field(
        "evt.type",
        FieldType.TEXT,
        "name of the call; of the 64-bit one for a 32-bit variant of it (setuid32 is setuid)",
        _UNKNOWN_CALL,
        _canonical_name,
    ),
    Field("evt.nr", FieldType.NUMBER, "number of the call in its ABI", "never", lambda event, _context, _arg: event.nr),
    Field(
        "evt.abi",
        FieldType.TEXT,
        "calling convention: x86_64, i386, x32, arm64, arm",
        "never",
        lambda event, _context, _arg: event.abi.label,
    ),
    Field(
        "evt.is_foreign_abi",
        FieldType.BOOL,
        "a 32-bit or x32 call made by 64-bit code",
        "never",
        lambda event, _context, _arg: bool(event.flags & Flag.FOREIGN),
    ),
    Field(
        "evt.dir",
        FieldType.TEXT,
        "always '<': events are of calls that returned",
        "never",
        lambda _event, _context, _arg: "<",
    ),
    Field(
        "evt.cpu", FieldType.NUMBER, "CPU on which the call returned", "never", lambda event, _context, _arg: event.cpu
    ),
    Field(
        "evt.latency",
        FieldType.NUMBER,
        "nanoseconds from enter to return",
        "the call did not return, or its enter was not seen",
        lambda event, _context, _arg: event.duration_ns if event.timed else Missing.UNFINISHED,
    ),
    Field(
        "evt.rawres",
        FieldType.NUMBER,
        "return value; an error is its negative number",
        _UNFINISHED,
        lambda event, _context, _arg: event.ret if event.returned else Missing.UNFINISHED,
    ),
    Field("evt.res", FieldType.TEXT, "SUCCESS, or the name of the error (ENOENT)", _UNFINISHED, _result),
    Field(
        "evt.failed",
        FieldType.BOOL,
        "the call returned an error",
        _UNFINISHED,
        lambda event, _context, _arg: event.failed if event.returned else Missing.UNFINISHED,
    ),
    Field(
        "evt.is_open_read",
        FieldType.BOOL,
        "a file is opened for reading (open, openat, openat2, open_by_handle_at)",
        "openat2's struct was not readable",
        _open(opens.is_open_read),
    ),
    Field(
        "evt.is_open_write",
        FieldType.BOOL,
        "a file is opened for writing (the same calls)",
        "openat2's struct was not readable",
        _open(opens.is_open_write),
    ),
    Field(
        "evt.is_open_exec",
        FieldType.BOOL,
        "a file is created with a permission to execute (the same calls, and creat)",
        "openat2's struct was not readable",
        _open(opens.is_open_exec),
    ),
    Field(
        "evt.is_open_create",
        FieldType.BOOL,
        "a file was created by an open (the same calls, and creat)",
        "O_CREAT without O_EXCL: the file may have been there",
        _open(opens.is_open_create),
    ),
    Field(
        "evt.arg",
        FieldType.TEXT,
        "one argument as text, by Falco's name, the kernel's name, or index: evt.arg.flags, evt.arg[1]",
        "the call has no such argument, or its memory was not readable",
        _one_argument,
        Argument.REQUIRED,
    ),
    Field(
        "evt.args",
        FieldType.TEXT,
        "all arguments as name=value, joined by blanks",
        _UNKNOWN_CALL,
        lambda event, context, _arg: all_arguments(event, context),
    ),
)
