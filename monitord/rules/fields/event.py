"""``evt.*``: the call itself."""

from collections.abc import Mapping
from types import MappingProxyType

from monitord.abi.event import Flag
from monitord.model.event import Event
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.argument import EXECS, all_arguments, argument_text, raw_argument
from monitord.rules.field import Argument, Extract, Field, FieldType
from monitord.rules.fields import sources
from monitord.rules.fields.executable import executable_flags
from monitord.rules.fields.process import args, cwd, exe, of_process
from monitord.tables.canonical import canonical
from monitord.tables.constants import errno_name
from monitord.tables.syscalls import Group

_UNKNOWN_CALL = "the number is outside the syscall table"

_CATEGORIES = {
    Group.FILES: "file",
    Group.PROCESSES: "process",
    Group.CREDENTIALS: "user",
    Group.SIGNALS: "signal",
    Group.MEMORY: "memory",
    Group.NETWORK: "net",
    Group.IPC: "ipc",
    Group.TIME: "time",
    Group.SYSTEM: "system",
}
"""Our groups by Falco's names."""


def _canonical_name(event: Event, context: Context, _arg: str | None) -> Value:
    syscall = context.syscall(event)
    return Missing.UNKNOWN if syscall is None else canonical(syscall.name)


def _category(event: Event, context: Context, _arg: str | None) -> Value:
    syscall = context.syscall(event)
    return Missing.UNKNOWN if syscall is None else _CATEGORIES[syscall.group]


def _result(event: Event, _context: Context, _arg: str | None) -> Value:
    if not event.returned:
        return Missing.UNFINISHED
    return errno_name(-event.ret) if event.failed else "SUCCESS"


_OF_PROGRAM: Mapping[str, Extract] = MappingProxyType(
    {
        "exe": of_process(exe),
        "args": lambda event, context, _arg: args(context.process(event), None),
        "comm": lambda event, _context, _arg: event.comm,
        "cwd": of_process(cwd),
        "flags": executable_flags,
    }
)


def _one_argument(event: Event, context: Context, arg: str | None) -> Value:
    if arg is None:
        return Missing.NOT_APPLICABLE
    if arg in _OF_PROGRAM:
        syscall = context.syscall(event)
        if syscall is not None and syscall.name in EXECS:
            return _OF_PROGRAM[arg](event, context, None)
    return argument_text(event, context, arg)


EVENT_FIELDS = (
    Field(
        "evt.num",
        FieldType.NUMBER,
        "number of the event on its CPU, from 1",
        sources.EVENT,
        sources.NEVER,
        lambda event, _context, _arg: event.seq,
    ),
    Field(
        "evt.count",
        FieldType.NUMBER,
        "always 1",
        sources.EVENT,
        sources.NEVER,
        lambda _event, _context, _arg: 1,
    ),
    Field(
        "evt.source",
        FieldType.TEXT,
        "always 'syscall'",
        sources.EVENT,
        sources.NEVER,
        lambda _event, _context, _arg: "syscall",
    ),
    Field(
        "evt.type",
        FieldType.TEXT,
        "name of the call; of the 64-bit one for a 32-bit variant of it (setuid32 is setuid)",
        sources.EVENT,
        _UNKNOWN_CALL,
        _canonical_name,
    ),
    Field(
        "syscall.type",
        FieldType.TEXT,
        "the same as evt.type",
        sources.EVENT,
        _UNKNOWN_CALL,
        _canonical_name,
    ),
    Field(
        "evt.category",
        FieldType.TEXT,
        "what the call is about: file, process, user, signal, memory, net, ipc, time, system",
        sources.EVENT,
        _UNKNOWN_CALL,
        _category,
    ),
    Field(
        "evt.nr",
        FieldType.NUMBER,
        "number of the call in its ABI",
        sources.EVENT,
        sources.NEVER,
        lambda event, _context, _arg: event.nr,
    ),
    Field(
        "evt.abi",
        FieldType.TEXT,
        "calling convention: x86_64, i386, x32, arm64, arm",
        sources.EVENT,
        sources.NEVER,
        lambda event, _context, _arg: event.abi.label,
    ),
    Field(
        "evt.is_foreign_abi",
        FieldType.BOOL,
        "a 32-bit or x32 call made by 64-bit code",
        sources.EVENT,
        sources.NEVER,
        lambda event, _context, _arg: bool(event.flags & Flag.FOREIGN),
    ),
    Field(
        "evt.dir",
        FieldType.TEXT,
        "always '<': events are of calls that returned",
        sources.EVENT,
        sources.NEVER,
        lambda _event, _context, _arg: "<",
    ),
    Field(
        "evt.cpu",
        FieldType.NUMBER,
        "CPU on which the call returned",
        sources.EVENT,
        sources.NEVER,
        lambda event, _context, _arg: event.cpu,
    ),
    Field(
        "evt.rawres",
        FieldType.NUMBER,
        "return value; an error is its negative number",
        sources.RESULT,
        sources.UNFINISHED,
        lambda event, _context, _arg: event.ret if event.returned else Missing.UNFINISHED,
    ),
    Field(
        "evt.res",
        FieldType.TEXT,
        "SUCCESS, or the name of the error (ENOENT)",
        sources.RESULT,
        sources.UNFINISHED,
        _result,
    ),
    Field(
        "evt.failed",
        FieldType.BOOL,
        "the call returned an error",
        sources.RESULT,
        sources.UNFINISHED,
        lambda event, _context, _arg: event.failed if event.returned else Missing.UNFINISHED,
    ),
    Field(
        "evt.arg",
        FieldType.TEXT,
        "one argument as text, by Falco's name, the kernel's name, or index: evt.arg.flags, evt.arg[1]",
        sources.CALL,
        "the call has no such argument, or its memory was not readable",
        _one_argument,
        Argument.REQUIRED,
    ),
    Field(
        "evt.rawarg",
        FieldType.NUMBER,
        "one argument as a number, by the same names: evt.rawarg.flags; of a pointer the address",
        sources.CALL,
        "the call has no such argument",
        lambda event, context, arg: Missing.NOT_APPLICABLE if arg is None else raw_argument(event, context, arg),
        Argument.REQUIRED,
    ),
    Field(
        "evt.args",
        FieldType.TEXT,
        "all arguments as name=value, joined by blanks",
        sources.CALL,
        _UNKNOWN_CALL,
        lambda event, context, _arg: all_arguments(event, context),
    ),
    Field(
        "evt.info",
        FieldType.TEXT,
        "the same as evt.args",
        sources.CALL,
        _UNKNOWN_CALL,
        lambda event, context, _arg: all_arguments(event, context),
    ),
)
