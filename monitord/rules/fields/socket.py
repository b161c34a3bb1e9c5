"""``fd.*`` of sockets: the addresses of their two sides."""

import functools
import socket
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import cast

from monitord.model.event import Event
from monitord.model.interest import Along
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.field import Extract, Field, FieldType
from monitord.rules.fields import sources
from monitord.rules.fields.sides import (
    CLIENT,
    LOCAL,
    REMOTE,
    SERVER,
    address_of,
    peer_of,
    side_of,
    socket_of,
)
from monitord.rules.sockaddr import Sockaddr


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


def _family(event: Event, context: Context, _arg: str | None) -> Value:
    own = socket_of(event, context)
    if not isinstance(own, Missing):
        return "ip" if own.is_ip else "unix" if own.type_char == "u" else Missing.NOT_APPLICABLE
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
    """By the socket's protocol, or by its type if the protocol is the type's own."""
    syscall = context.syscall(event)
    own = socket_of(event, context)
    if not isinstance(own, Missing):
        return _protocol_name(own.family, own.type, own.protocol)
    if syscall is None or syscall.name != "socket":
        return own
    return _protocol_name(event.args[0] & 0xFFFF_FFFF, event.args[1] & 0xF, event.args[2] & 0xFFFF_FFFF)


def _protocol_name(family: int, kind: int, protocol: int) -> Value:
    if family not in (_AF_INET, _AF_INET6):
        return Missing.NOT_APPLICABLE
    name = _TYPES.get(kind)
    if name is None or name == "raw":
        return name or Missing.NOT_APPLICABLE
    return _PROTOCOLS.get(protocol, name) if protocol else name


def _is_server(event: Event, context: Context, _arg: str | None) -> Value:
    peer = peer_of(event, context)
    return Missing.NOT_APPLICABLE if peer is None else peer == CLIENT


def _connected(event: Event, context: Context, _arg: str | None) -> Value:
    own = socket_of(event, context)
    return own if isinstance(own, Missing) else own.connected


def _name_changed(event: Event, context: Context, _arg: str | None) -> Value:
    """A datagram to an address changes what the descriptor is called, as in Falco, though the socket stays as it is."""
    own = socket_of(event, context)
    if isinstance(own, Missing):
        return own
    if own.changed is None:
        return False
    given = address_of(event)
    return own.changed or (not own.connected and isinstance(given, Sockaddr) and given.is_ip)


def socket_name(event: Event, context: Context) -> Value:
    """``client:port->server:port``, as Falco writes it; of a unix socket its name, or that of its peer."""
    own = socket_of(event, context)
    if isinstance(own, Missing):
        address = address_of(event)
        return address if isinstance(address, Missing) else str(address)
    if not own.is_ip:
        name = own.remote if isinstance(own.local, Missing) else own.local
        return name if isinstance(name, str) else _given_name(event, name)
    client, server = (side_of(event, context, side) for side in (CLIENT, SERVER))
    if isinstance(client, Sockaddr) and isinstance(server, Sockaddr):
        return f"{client}->{server}"
    known = [end for end in (server, client) if isinstance(end, Sockaddr)]
    return str(known[0]) if known else Missing.NOT_APPLICABLE


def _given_name(event: Event, missing: Value) -> Value:
    address = address_of(event)
    return missing if isinstance(address, Missing) or not address.path else str(address)


_SIDE_NAMES = (
    ("s", SERVER, "server"),
    ("c", CLIENT, "client"),
    ("l", LOCAL, "this side"),
    ("r", REMOTE, "the other side"),
)


def _fields_of_side(letter: str, side: str, words: str) -> tuple[Field, ...]:
    def of(name: str, type_: FieldType, meaning: str, part: Callable[[Sockaddr], Value]) -> Field:
        extract = _of_side(side, part)
        return Field(name, type_, meaning, sources.SOCKET, sources.NO_ADDRESS, extract, along=Along.DESCRIPTOR)

    return (
        of(f"fd.{letter}ip", FieldType.ADDRESS, f"IP address of {words}", _host),
        of(f"fd.{letter}port", FieldType.PORT, f"port of {words}", _port),
        of(f"fd.{letter}net", FieldType.NET, "that address, against networks", _host),
        of(f"fd.{letter}proto", FieldType.TEXT, "the service of that port", _service),
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
        sources.SOCKET,
        "the call has no IP address, or its memory was not readable",
        _of_both(part),
        any_of=True,
        sides=True,
        left_only=True,
        along=Along.DESCRIPTOR,
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
        sources.SOCKET,
        "the call has no such address",
        _family,
        along=Along.DESCRIPTOR,
    ),
    Field(
        "fd.l4proto",
        FieldType.TEXT,
        "tcp, udp, icmp or raw",
        sources.SOCKET,
        "the descriptor is no IP socket, or its protocol is not known",
        _protocol,
        along=Along.DESCRIPTOR,
    ),
    Field(
        "fd.is_server",
        FieldType.BOOL,
        "this side is the server: it listens, accepts, or its port is the smaller one; after connect it is the client",
        sources.SOCKET,
        "the descriptor is no IP socket",
        _is_server,
        along=Along.DESCRIPTOR,
    ),
    Field(
        "fd.connected",
        FieldType.BOOL,
        "the socket is connected, or was and the other side has closed",
        sources.KERNEL,
        "the descriptor is no socket",
        _connected,
        along=Along.DESCRIPTOR,
    ),
    Field(
        "fd.name_changed",
        FieldType.BOOL,
        "the call changed the socket's addresses, or sent a datagram to an address of its own",
        sources.KERNEL,
        "the descriptor is no socket",
        _name_changed,
        along=Along.DESCRIPTOR,
    ),
)
