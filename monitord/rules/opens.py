"""How a call opens a file, as Falco's ``evt.is_open_*`` see it."""

import struct
from collections.abc import Mapping
from types import MappingProxyType

from monitord.abi.arch import Abi
from monitord.model.event import Event
from monitord.model.value import Missing, Value

OPEN_CALLS = frozenset(("open", "openat", "openat2", "open_by_handle_at", "creat"))
"""By name; all ABIs call them so."""

_HOW = "openat2"
HOW_ARG = 2
"""Where openat2 has its struct open_how."""

FLAGS_ARG: Mapping[str, int] = MappingProxyType({"open": 1, "openat": 2, "open_by_handle_at": 2})
MODE_ARG: Mapping[str, int] = MappingProxyType({"open": 2, "openat": 3, "creat": 1})

# include/uapi/asm-generic/fcntl.h; the same on all our ABIs but for O_DIRECTORY.
O_ACCMODE = 0o3
O_RDWR = 0o2
O_CREAT = 0o100
O_EXCL = 0o200
O_TMPFILE = 0o20000000  # without the O_DIRECTORY that goes with it
ANY_EXECUTE = 0o111


def open_flags(event: Event, name: str) -> int | Missing:
    """
    The flags of an open call.

    :param name: of the call.
    :return: NOT_APPLICABLE for a call that has none, creat among them.
    """
    if name == _HOW:
        return _how(event, 0)
    arg = FLAGS_ARG.get(name)
    return Missing.NOT_APPLICABLE if arg is None else event.args[arg] & 0xFFFFFFFF


def open_mode(event: Event, name: str) -> int | Missing:
    """The permissions that an open call asks for, if it creates a file."""
    if name == _HOW:
        return _how(event, 1)
    arg = MODE_ARG.get(name)
    return Missing.NOT_APPLICABLE if arg is None else event.args[arg] & 0o7777


def _how(event: Event, index: int) -> int | Missing:
    """One of the numbers of openat2's struct open_how: flags, mode."""
    captured = event.captured(HOW_ARG)
    if captured is None:
        return Missing.NOT_APPLICABLE
    if captured.missing is not None:
        return captured.missing
    if len(captured.data) < 8 * (index + 1):
        return Missing.FAULT
    return int(struct.unpack_from("<Q", captured.data, 8 * index)[0])


def is_open_read(event: Event, name: str) -> Value:
    """Whether the call opens for reading; false for calls that open nothing."""
    flags = open_flags(event, name)
    if isinstance(flags, Missing):
        return False if flags is Missing.NOT_APPLICABLE else flags
    return flags & O_ACCMODE in (0, O_RDWR)


def is_open_write(event: Event, name: str) -> Value:
    """Whether the call opens for writing; false for calls that open nothing, and for creat, as in Falco."""
    flags = open_flags(event, name)
    if isinstance(flags, Missing):
        return False if flags is Missing.NOT_APPLICABLE else flags
    return flags & O_ACCMODE in (1, O_RDWR)


def is_open_exec(event: Event, name: str) -> Value:
    """Whether the call creates a file that anybody may execute."""
    flags = O_CREAT if name == "creat" else open_flags(event, name)
    if isinstance(flags, Missing):
        return False if flags is Missing.NOT_APPLICABLE else flags
    if not flags & (O_CREAT | O_TMPFILE):
        return False
    mode = open_mode(event, name)
    if isinstance(mode, Missing):
        return False if mode is Missing.NOT_APPLICABLE else mode
    return bool(mode & ANY_EXECUTE)


def is_open_create(event: Event, name: str) -> Value:
    """
    Whether the call created a file: the kernel says so, and O_EXCL or O_TMPFILE do.

    :return: UNKNOWN for O_CREAT alone when the kernel's word did not come along.
    """
    flags = O_CREAT if name == "creat" else open_flags(event, name)
    if isinstance(flags, Missing):
        return False if flags is Missing.NOT_APPLICABLE else flags
    if event.failed or not flags & (O_CREAT | O_TMPFILE):
        return False
    if not event.returned:
        return Missing.UNFINISHED
    if flags & (O_EXCL | O_TMPFILE):
        return True
    file = event.file()
    return Missing.UNKNOWN if isinstance(file, Missing) else file.created


def is_directory(event: Event, name: str) -> bool:
    """Whether the call opens directories only."""
    flags = open_flags(event, name)
    bit = 0o40000 if event.abi in (Abi.ARM64, Abi.ARM) else 0o200000
    return not isinstance(flags, Missing) and bool(flags & bit) and not flags & O_TMPFILE
