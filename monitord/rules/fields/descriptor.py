"""``fd.*`` and ``fs.path.*``: the file that a call is about."""

from collections.abc import Callable

from monitord.model.event import Event
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.field import Extract, Field, FieldType
from monitord.rules.fields import sources
from monitord.rules.fields.socket import address_of
from monitord.rules.opens import OPEN_CALLS, is_directory
from monitord.rules.path import first_path, path_argument, raw_path

RETURNING_CALLS = OPEN_CALLS | {"socket", "accept", "accept4", "dup", "dup2", "dup3"}
"""Calls whose descriptor is the one they return; for others it is their argument ``fd``."""

_FD_NAMES = ("fd", "fildes")
_NO_KIND = "the call neither opens a file nor has an address"
_NOT_OPEN = "the descriptor is not known"


def _number(event: Event, context: Context, _arg: str | None) -> Value:
    syscall = context.syscall(event)
    if syscall is None:
        return Missing.UNKNOWN
    if syscall.name in RETURNING_CALLS:
        if not event.returned:
            return Missing.UNFINISHED
        return -1 if event.failed else event.ret
    for index, argument in enumerate(syscall.args):
        if argument.name in _FD_NAMES:
            value = event.args[index] & 0xFFFFFFFF
            return value - (1 << 32) if value >> 31 else value
    return Missing.NOT_APPLICABLE


def _name(event: Event, context: Context, _arg: str | None) -> Value:
    path = first_path(event, context)
    if path is not None:
        return path_argument(event, context, path)
    address = address_of(event)
    return address if isinstance(address, Missing) else str(address)


def _raw_name(event: Event, context: Context, _arg: str | None) -> Value:
    path = first_path(event, context)
    return Missing.NOT_APPLICABLE if path is None else raw_path(event, path)


def _of_path(part: Callable[[str], str]) -> Extract:
    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        path = first_path(event, context)
        if path is None:
            return Missing.NOT_APPLICABLE
        name = path_argument(event, context, path)
        return name if isinstance(name, Missing) else part(str(name))

    return extract


def directory_of(path: str) -> str:
    """All but the last component."""
    return path.rpartition("/")[0] or "/"


def filename_of(path: str) -> str:
    """The last component."""
    return path.rpartition("/")[2]


def _kind(event: Event, context: Context) -> tuple[str, str] | Missing:
    """Falco's fd.typechar and fd.type, from the call itself."""
    syscall = context.syscall(event)
    if syscall is not None and syscall.name in OPEN_CALLS:
        return ("d", "directory") if is_directory(event, syscall.name) else ("f", "file")
    address = address_of(event)
    return address if isinstance(address, Missing) else (address.type_char, address.type_name)


def _of_kind(part: int) -> Extract:
    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        kind = _kind(event, context)
        return kind if isinstance(kind, Missing) else kind[part]

    return extract


def _of_descriptor(name: str, type_: FieldType, meaning: str, missing: str = _NOT_OPEN) -> Field:
    return Field(name, type_, meaning, sources.KERNEL, missing)


DESCRIPTOR_FIELDS = (
    Field(
        "fd.num",
        FieldType.NUMBER,
        "the descriptor: what an open call returned (-1 if it failed), or the argument fd",
        sources.CALL,
        "the call has no descriptor",
        _number,
    ),
    Field(
        "fd.name",
        FieldType.TEXT,
        "absolute path of the call's first path argument, or its address",
        sources.CALL,
        sources.NO_PATH,
        _name,
    ),
    Field(
        "fd.nameraw",
        FieldType.TEXT,
        "that path as the caller wrote it, without repeated slashes",
        sources.CALL,
        sources.NO_PATH,
        _raw_name,
    ),
    Field(
        "fd.directory",
        FieldType.TEXT,
        "that path without its last component",
        sources.CALL,
        sources.NO_PATH,
        _of_path(directory_of),
    ),
    Field(
        "fd.filename",
        FieldType.TEXT,
        "the last component of that path",
        sources.CALL,
        sources.NO_PATH,
        _of_path(filename_of),
    ),
    Field(
        "fd.typechar",
        FieldType.TEXT,
        "f file, d directory, 4 IPv4, 6 IPv6, u unix socket, o other address",
        sources.CALL,
        _NO_KIND,
        _of_kind(0),
    ),
    Field(
        "fd.type",
        FieldType.TEXT,
        "file, directory, ipv4, ipv6, unix, other",
        sources.CALL,
        _NO_KIND,
        _of_kind(1),
    ),
    _of_descriptor("fd.types", FieldType.LIST, "fd.type of each descriptor that the call is about"),
    _of_descriptor("fd.uid", FieldType.TEXT, "process id and descriptor: unique on the host"),
    _of_descriptor("fd.dev", FieldType.NUMBER, "device number of the file"),
    _of_descriptor("fd.dev.major", FieldType.NUMBER, "major device number of the file"),
    _of_descriptor("fd.dev.minor", FieldType.NUMBER, "minor device number of the file"),
    _of_descriptor("fd.ino", FieldType.NUMBER, "inode number of the file"),
    _of_descriptor("fd.is_upper_layer", FieldType.BOOL, "the file is in the upper layer of an overlay"),
    _of_descriptor("fd.is_lower_layer", FieldType.BOOL, "the file is in a lower layer of an overlay"),
    _of_descriptor("fd.containername", FieldType.TEXT, "container.id, a colon, and fd.name", sources.NO_PATH),
    _of_descriptor("fd.containerdirectory", FieldType.TEXT, "container.id, a colon, and fd.directory", sources.NO_PATH),
)
