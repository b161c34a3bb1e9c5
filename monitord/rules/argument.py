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
from monitord.tables.arguments import text_of_argument, texts_of_open_how
from monitord.tables.captures import captures_of
from monitord.tables.syscalls import Syscall, SyscallTable

FALCO_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "name": ("filename", "pathname", "path"),
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
        "flags": ("flag",),
        "nstype": ("flags",),
        "dev": ("dev_name",),
        "dir": ("dir_name",),
        "addr": ("uservaddr", "umyaddr", "upeer_sockaddr"),
        "sig": ("signal",),
    }
)
"""Falco's name of an argument -> the kernel's, the first that a call has."""

_HOW_NAMES = ("flags", "mode", "resolve")
_RETURNED = "fd"  # Falco's name for what an open call returns


def argument_names(table: SyscallTable) -> frozenset[str]:
    """Every name that ``evt.arg.NAME`` can have."""
    kernel = {arg.name for syscall in table for arg in syscall.args}
    return frozenset(kernel | FALCO_NAMES.keys() | set(_HOW_NAMES) | {_RETURNED})


def argument_text(event: Event, context: Context, name: str) -> Value:
    """One argument, by name or index."""
    syscall = context.syscall(event)
    if syscall is None:
        return Missing.UNKNOWN
    if name.isdigit():
        index = int(name)
        return _text(syscall, event, context, index) if index < len(syscall.args) else Missing.NOT_APPLICABLE
    names = [arg.name for arg in syscall.args]
    for known in (name, *FALCO_NAMES.get(name, ())):
        if known in names:
            return _text(syscall, event, context, names.index(known))
    if syscall.name == "openat2" and name in _HOW_NAMES:
        return _how_text(event, name)
    if syscall.name in opens.OPEN_CALLS and name == _RETURNED:
        return str(event.ret) if event.returned else Missing.UNFINISHED
    return Missing.NOT_APPLICABLE


def all_arguments(event: Event, context: Context) -> Value:
    """``name=value`` of all arguments, the kernel's names, joined by blanks."""
    syscall = context.syscall(event)
    if syscall is None:
        return Missing.UNKNOWN
    values = (_text(syscall, event, context, index) for index in range(len(syscall.args)))
    return " ".join(f"{arg.name}={value}" for arg, value in zip(syscall.args, values, strict=True))


def _text(syscall: Syscall, event: Event, context: Context, index: int) -> Value:
    """An argument: what was copied from the caller, paths made absolute, or else the register."""
    captured = event.captured(index)
    if captured is None:
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
