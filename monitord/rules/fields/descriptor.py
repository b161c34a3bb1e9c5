"""``fd.*``: the file or socket that a call is about."""

from collections.abc import Callable

from monitord.abi.event import Capture
from monitord.model.event import Event
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.field import Extract, Field, FieldType
from monitord.rules.opens import OPEN_CALLS, is_directory
from monitord.rules.path import first_path, path_argument, raw_path
from monitord.rules.sockaddr import Sockaddr, read_sockaddr

RETURNING_CALLS = OPEN_CALLS | {"socket", "accept", "accept4", "dup", "dup2", "dup3"}
"""Calls whose descriptor is the one they return; for others it is their argument ``fd``."""

_FD_NAMES = ("fd", "fildes")
_NO_PATH = "the call has no path, or its memory was not readable"
_NO_ADDRESS = "the call has no IP address of that side, or its memory was not readable"


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


def _address(event: Event) -> Sockaddr | Missing:
    for text in event.texts:
        if text.capture is Capture.SOCKADDR:
            return text.missing or read_sockaddr(text.data)
    return Missing.NOT_APPLICABLE


def _of_address(part: Callable[[Sockaddr], Value], calls: frozenset[str] | None = None) -> Extract:
    """A part of the address that a call was given, for some calls or for all."""

    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        syscall = context.syscall(event)
        if calls is not None and (syscall is None or syscall.name not in calls):
            return Missing.NOT_APPLICABLE
        address = _address(event)
        return address if isinstance(address, Missing) else part(address)

    return extract


def _host(address: Sockaddr) -> Value:
    return address.host if address.is_ip else Missing.NOT_APPLICABLE


def _port(address: Sockaddr) -> Value:
    return address.port if address.is_ip else Missing.NOT_APPLICABLE


def _family(address: Sockaddr) -> Value:
    if address.is_ip:
        return "ip"
    return "unix" if address.type_name == "unix" else Missing.NOT_APPLICABLE


def _name(event: Event, context: Context, _arg: str | None) -> Value:
    path = first_path(event, context)
    if path is not None:
        return path_argument(event, context, path)
    address = _address(event)
    return address if isinstance(address, Missing) else str(address)


def _raw_name(event: Event, context: Context, _arg: str | None) -> Value:
    path = first_path(event, context)
    return Missing.NOT_APPLICABLE if path is None else raw_path(event, path)


def _directory(event: Event, context: Context, _arg: str | None) -> Value:
    path = first_path(event, context)
    if path is None:
        return Missing.NOT_APPLICABLE
    name = path_argument(event, context, path)
    return name if isinstance(name, Missing) else str(name).rpartition("/")[0] or "/"


def _filename(event: Event, context: Context, _arg: str | None) -> Value:
    path = first_path(event, context)
    if path is None:
        return Missing.NOT_APPLICABLE
    name = path_argument(event, context, path)
    return name if isinstance(name, Missing) else str(name).rpartition("/")[2]


def _kind(event: Event, context: Context) -> tuple[str, str] | Missing:
    """Falco's fd.typechar and fd.type, from the call itself."""
    syscall = context.syscall(event)
    if syscall is not None and syscall.name in OPEN_CALLS:
        return ("d", "directory") if is_directory(event, syscall.name) else ("f", "file")
    address = _address(event)
    return address if isinstance(address, Missing) else (address.type_char, address.type_name)


def _of_kind(part: int) -> Extract:
    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        kind = _kind(event, context)
        return kind if isinstance(kind, Missing) else kind[part]

    return extract


_TO_SERVER = frozenset(("connect", "sendto", "bind"))
_FROM_CLIENT = frozenset(("accept", "accept4"))
_WITH_PEER = frozenset(("connect", "sendto")) | _FROM_CLIENT

DESCRIPTOR_FIELDS = (
    Field(
        "fd.num",
        FieldType.NUMBER,
        "the descriptor: what an open call returned (-1 if it failed), or the argument fd",
        "the call has no descriptor",
        _number,
    ),
    Field(
        "fd.name", FieldType.TEXT, "absolute path of the call's first path argument, or its address", _NO_PATH, _name
    ),
    Field("fd.nameraw", FieldType.TEXT, "that path as the caller wrote it", _NO_PATH, _raw_name),
    Field("fd.directory", FieldType.TEXT, "that path without its last component", _NO_PATH, _directory),
    Field("fd.filename", FieldType.TEXT, "the last component of that path", _NO_PATH, _filename),
    Field(
        "fd.typechar",
        FieldType.TEXT,
        "f file, d directory, 4 IPv4, 6 IPv6, u unix socket, o other address",
        "the call neither opens a file nor has an address",
        _of_kind(0),
    ),
    Field(
        "fd.type",
        FieldType.TEXT,
        "file, directory, ipv4, ipv6, unix, other",
        "the call neither opens a file nor has an address",
        _of_kind(1),
    ),
    Field(
        "fd.sockfamily",
        FieldType.TEXT,
        "ip or unix",
        "the call has no such address",
        _of_address(_family),
    ),
    Field(
        "fd.sip",
        FieldType.TEXT,
        "server's IP address (connect, sendto, bind)",
        _NO_ADDRESS,
        _of_address(_host, _TO_SERVER),
    ),
    Field("fd.sport", FieldType.NUMBER, "server's port (the same calls)", _NO_ADDRESS, _of_address(_port, _TO_SERVER)),
    Field(
        "fd.cip", FieldType.TEXT, "client's IP address (accept, accept4)", _NO_ADDRESS, _of_address(_host, _FROM_CLIENT)
    ),
    Field(
        "fd.cport", FieldType.NUMBER, "client's port (the same calls)", _NO_ADDRESS, _of_address(_port, _FROM_CLIENT)
    ),
    Field(
        "fd.rip",
        FieldType.TEXT,
        "IP address of the other side (connect, sendto, accept, accept4)",
        _NO_ADDRESS,
        _of_address(_host, _WITH_PEER),
    ),
    Field(
        "fd.rport",
        FieldType.NUMBER,
        "port of the other side (the same calls)",
        _NO_ADDRESS,
        _of_address(_port, _WITH_PEER),
    ),
)
