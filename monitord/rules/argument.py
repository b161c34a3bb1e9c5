"""``evt.arg``: the arguments of a call as text, by the names that Falco and the kernel have for them."""

from collections.abc import Mapping
from types import MappingProxyType

from monitord.abi.event import Capture
from monitord.model.event import Event
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules import opens
from monitord.rules.path import path_argument
from monitord.rules.sockaddr import read_sockaddr
from monitord.tables.arguments import bits_of_text, id_kind, number_of_argument, text_of_argument, texts_of_open_how
from monitord.tables.captures import captures_of
from monitord.tables.constants import errno_name
from monitord.tables.syscalls import Syscall, SyscallTable

FALCO_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "name": ("filename", "pathname", "path", "uname"),
        "path": ("pathname", "filename", "dir_name"),
        "filename": ("pathname", "path"),
        "oldpath": ("oldname",),
        "newpath": ("newname",),
        "target": ("oldname",),
        "linkpath": ("newname",),
        "dirfd": ("dfd",),
        "olddirfd": ("olddfd",),
        "newdirfd": ("newdfd",),
        "domain": ("family",),
        "proto": ("protocol",),
        "flags": ("flag", "clone_flags", "unshare_flags"),
        "nstype": ("flags",),
        "dev": ("dev_name",),
        "dir": ("dir_name",),
        "addr": ("uservaddr", "umyaddr", "upeer_sockaddr"),
        "sig": ("signal",),
        "fd": ("fildes",),
        "size": ("count", "len"),
        "uid": ("user",),
        "gid": ("group",),
        "img": ("umod",),
        "length": ("len",),
    }
)
"""Falco's name of an argument -> the kernel's, the first that a call has."""

_HOW_NAMES = ("flags", "mode", "resolve")
RETURNED = "fd"
"""Falco's name for what an open call returns."""

EXECS = frozenset(("execve", "execveat"))
OF_PROGRAM = frozenset(("exe", "args", "comm", "cwd", "flags"))
"""Names by which Falco's execs have what is known of the new program; `flags` are none of the call's own."""

RESULT = "res"
"""Falco's name for what any call returned."""


def argument_names(table: SyscallTable) -> frozenset[str]:
    """Every name that ``evt.arg.NAME`` can have."""
    kernel = {arg.name for syscall in table for arg in syscall.args}
    return frozenset(kernel | FALCO_NAMES.keys() | OF_PROGRAM | {*_HOW_NAMES, RETURNED, RESULT})


def argument_index(syscall: Syscall, name: str) -> int | None:
    """Which argument of a call ``evt.arg.NAME`` is; None when it is none of the registers."""
    if syscall.name in EXECS and name in OF_PROGRAM:
        return None
    if name.isdigit():
        return int(name) if int(name) < len(syscall.args) else None
    names = [arg.name for arg in syscall.args]
    return next((names.index(known) for known in (name, *FALCO_NAMES.get(name, ())) if known in names), None)


def argument_text(event: Event, context: Context, name: str) -> Value:
    """One argument, by name or index."""
    syscall = context.syscall(event)
    if syscall is None:
        return Missing.UNKNOWN
    index = argument_index(syscall, name)
    if index is not None:
        return _text(syscall, event, context, index)
    if syscall.name == "openat2" and name in _HOW_NAMES:
        return _how_text(event, name)
    if syscall.name in opens.OPEN_CALLS and name == RETURNED:
        return str(event.ret) if event.returned else Missing.UNFINISHED
    if name == RESULT:
        if not event.returned:
            return Missing.UNFINISHED
        return errno_name(-event.ret) if event.failed else str(event.ret)
    return Missing.NOT_APPLICABLE


def raw_argument(event: Event, context: Context, name: str) -> Value:
    """One argument as the number that its register holds."""
    syscall = context.syscall(event)
    if syscall is None:
        return Missing.UNKNOWN
    if name == RESULT:
        return event.ret if event.returned else Missing.UNFINISHED
    index = argument_index(syscall, name)
    return Missing.NOT_APPLICABLE if index is None else number_of_argument(syscall, index, event.args[index])


def all_arguments(event: Event, context: Context) -> Value:
    """``name=value`` of all arguments, the kernel's names, joined by blanks."""
    syscall = context.syscall(event)
    if syscall is None:
        return Missing.UNKNOWN
    values = (_long_text(syscall, event, context, index) for index in range(len(syscall.args)))
    return " ".join(f"{arg.name}={value}" for arg, value in zip(syscall.args, values, strict=True))


def _long_text(syscall: Syscall, event: Event, context: Context, index: int) -> Value:
    """As in ``evt.args``, where an id stands before its name: ``65534(nobody)``."""
    text = _text(syscall, event, context, index)
    if id_kind(syscall, index) is None:
        return text
    number = number_of_argument(syscall, index, event.args[index])
    written = "-1" if number == bits_of_text(syscall, index) else str(number)
    return text if text == written else f"{written}({text})"


def _id_text(syscall: Syscall, index: int, kind: str, number: int, context: Context) -> str:
    """The name of a user or group; its number where the host has no name for it, ``<NONE>`` for -1."""
    if number == bits_of_text(syscall, index):
        return "<NONE>"
    name = context.user_name(number) if kind == "uid" else context.group_name(number)
    return str(number) if isinstance(name, Missing) else str(name)


def _text(syscall: Syscall, event: Event, context: Context, index: int) -> Value:
    """An argument: what was copied from the caller, paths made absolute, or else the register."""
    captured = event.captured(index)
    if captured is None:
        kind = id_kind(syscall, index)
        if kind is not None:
            number = number_of_argument(syscall, index, event.args[index])
            return _id_text(syscall, index, kind, number, context)
        return text_of_argument(syscall, index, event.args[index])
    if captured.missing is not None:
        return captured.missing
    if captured.capture is Capture.STR:
        path = next((one for one in captures_of(syscall) if one.arg == index and one.is_path), None)
        return captured.text if path is None else path_argument(event, context, path)
    if captured.capture is Capture.ARGV:
        return str(captured.text).replace("\0", " ").rstrip(" ")
    if captured.capture is Capture.SOCKADDR:
        return str(read_sockaddr(captured.data))
    return text_of_argument(syscall, index, event.args[index])


def _how_text(event: Event, name: str) -> Value:
    """A member of openat2's struct as text; flags look like openat's."""
    captured = event.captured(opens.HOW_ARG)
    if captured is None:
        return Missing.NOT_APPLICABLE
    if captured.missing is not None:
        return captured.missing
    return texts_of_open_how(event.abi, captured.data).get(name, Missing.FAULT)
