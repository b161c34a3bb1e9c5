"""``fd.*`` of sockets: the addresses of their two sides."""

import functools
import socket
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import cast

from monitord.abi.event import Capture
from monitord.model.event import Event
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.field import Extract, Field, FieldType
from monitord.rules.fields import sources
from monitord.rules.sockaddr import Sockaddr, read_sockaddr

CLIENT, SERVER, LOCAL, REMOTE = "client", "server", "local", "remote"

_GIVEN: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "connect": (SERVER, REMOTE),
        "sendto": (SERVER, REMOTE),
        "bind": (SERVER, LOCAL),
        "accept": (CLIENT, REMOTE),
        "accept4": (CLIENT, REMOTE),
    }
)
"""Whose address a call was given, or gives."""


def address_of(event: Event) -> Sockaddr | Missing:
    """The address that came with the call."""
    for text in event.texts:
        if text.capture is Capture.SOCKADDR:
            return text.missing or read_sockaddr(text.data)
    return Missing.NOT_APPLICABLE


def side_of(event: Event, context: Context, side: str) -> Sockaddr | Missing:
    """The IP address and port of one side of the socket."""
    syscall = context.syscall(event)
    if syscall is None or side not in _GIVEN.get(syscall.name, ()):
        return Missing.NOT_APPLICABLE
    address = address_of(event)
    if isinstance(address, Missing):
        return address
    return address if address.is_ip else Missing.NOT_APPLICABLE


def _host(address: Sockaddr) -> Value:
    return address.host


def _port(address: Sockaddr) -> Value:
    return address.port


@functools.cache
def _service_name(port: int) -> str | Missing:
    for protocol in ("tcp", "udp"):
        try:
            return socket.getservbyport(port, protocol)
        except OSError:
            continue
    return Missing.UNKNOWN


def _service(address: Sockaddr) -> Value:
    return _service_name(address.port)


def _of_side(side: str, part: Callable[[Sockaddr], Value]) -> Extract:
    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        address = side_of(event, context, side)
        return address if isinstance(address, Missing) else part(address)

    return extract


def _of_both(part: Callable[[Sockaddr], Value]) -> Extract:
    """Client's and server's, as far as they are known."""

    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        ends = (side_of(event, context, CLIENT), side_of(event, context, SERVER))
        values = [part(end) if isinstance(end, Sockaddr) else end for end in ends]
        known = [value for value in values if not isinstance(value, Missing)]
        if known:
            return cast(Value, tuple(known))
        return next((value for value in values if value is not Missing.NOT_APPLICABLE), Missing.NOT_APPLICABLE)

    return extract


def _family(event: Event, _context: Context, _arg: str | None) -> Value:
    address = address_of(event)
    if isinstance(address, Missing):
        return address
    if address.is_ip:
        return "ip"
    return "unix" if address.type_name == "unix" else Missing.NOT_APPLICABLE


_PROTOCOLS: Mapping[int, str] = MappingProxyType({1: "icmp", 6: "tcp", 17: "udp", 58: "icmp"})
_TYPES: Mapping[int, str] = MappingProxyType({1: "tcp", 2: "udp", 3: "raw"})
_AF_INET, _AF_INET6 = 2, 10


def _protocol(event: Event, context: Context, _arg: str | None) -> Value:
    """Of a socket that is made: by its protocol, or by its type if the protocol is the type's own."""
    syscall = context.syscall(event)
    if syscall is None or syscall.name != "socket" or event.args[0] & 0xFFFF_FFFF not in (_AF_INET, _AF_INET6):
        return Missing.NOT_APPLICABLE
    protocol = event.args[2] & 0xFFFF_FFFF
    type_ = _TYPES.get(event.args[1] & 0xF)
    if type_ is None or type_ == "raw":
        return type_ or Missing.NOT_APPLICABLE
    return _PROTOCOLS.get(protocol, type_) if protocol else type_


def _is_server(event: Event, context: Context, _arg: str | None) -> Value:
    syscall = context.syscall(event)
    if syscall is None or syscall.name not in _GIVEN:
        return Missing.NOT_APPLICABLE
    return syscall.name not in ("connect", "sendto")


_SIDE_NAMES = (
    ("s", SERVER, "server"),
    ("c", CLIENT, "client"),
    ("l", LOCAL, "this side"),
    ("r", REMOTE, "the other side"),
)


def _fields_of_side(letter: str, side: str, words: str) -> tuple[Field, ...]:
    source, missing = sources.ADDRESS, sources.NO_ADDRESS
    return (
        Field(f"fd.{letter}ip", FieldType.ADDRESS, f"IP address of {words}", source, missing, _of_side(side, _host)),
        Field(f"fd.{letter}port", FieldType.PORT, f"port of {words}", source, missing, _of_side(side, _port)),
        Field(
            f"fd.{letter}net", FieldType.NET, "that address, against networks", source, missing, _of_side(side, _host)
        ),
        Field(
            f"fd.{letter}proto", FieldType.TEXT, "the service of that port", source, missing, _of_side(side, _service)
        ),
        Field(
            f"fd.{letter}ip.name",
            FieldType.TEXT,
            f"domain name of {words}",
            sources.DNS,
            "names are not looked up",
            left_only=True,
        ),
    )


def _either(name: str, type_: FieldType, meaning: str, part: Callable[[Sockaddr], Value]) -> Field:
    return Field(
        name,
        type_,
        meaning + " of client or server; '!=' has to hold for both",
        sources.ADDRESS,
        "the call has no IP address, or its memory was not readable",
        _of_both(part),
        any_of=True,
        sides=True,
        left_only=True,
    )


SOCKET_FIELDS = (
    _either("fd.ip", FieldType.ADDRESS, "IP address", _host),
    _either("fd.port", FieldType.PORT, "port", _port),
    _either("fd.net", FieldType.NET, "IP address, against networks,", _host),
    _either("fd.proto", FieldType.TEXT, "service", _service),
    *(field for side in _SIDE_NAMES for field in _fields_of_side(*side)),
    Field(
        "fd.sockfamily",
        FieldType.TEXT,
        "ip or unix",
        sources.ADDRESS,
        "the call has no such address",
        _family,
    ),
    Field(
        "fd.l4proto",
        FieldType.TEXT,
        "tcp, udp, icmp or raw",
        sources.CALL,
        "the descriptor is no IP socket, or its protocol is not known",
        _protocol,
    ),
    Field(
        "fd.is_server",
        FieldType.BOOL,
        "this side is the server: of accept, accept4, bind; not of connect, sendto",
        sources.EVENT,
        "other calls",
        _is_server,
    ),
    Field(
        "fd.connected",
        FieldType.BOOL,
        "the socket is connected",
        sources.KERNEL,
        "the descriptor is no socket",
    ),
    Field(
        "fd.name_changed",
        FieldType.BOOL,
        "the call changed the socket's addresses",
        sources.KERNEL,
        "the descriptor is no socket",
    ),
)
