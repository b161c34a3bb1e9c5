"""``fd.*`` of sockets: the addresses of their two sides."""

import functools
import socket
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import cast

from monitord.abi.event import NO_ARGUMENT, Capture
from monitord.model.descriptor import Socket
from monitord.model.event import Event
from monitord.model.interest import Along
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.field import Extract, Field, FieldType
from monitord.rules.fields import sources
from monitord.rules.sockaddr import Sockaddr, read_sockaddr
from monitord.tables.descriptors import descriptor_of

CLIENT, SERVER, LOCAL, REMOTE = "client", "server", "local", "remote"

_OPENING: Mapping[str, str] = MappingProxyType({"connect": SERVER, "accept": CLIENT, "accept4": CLIENT})
"""What the other side is, by the call."""

_TALKING = frozenset(("sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg"))
"""Calls that can name the other side."""

_LISTEN = 10  # TCP_LISTEN


def address_of(event: Event) -> Sockaddr | Missing:
    """The address that came with the call."""
    for text in event.texts:
        if text.capture is Capture.SOCKADDR:
            return text.missing or read_sockaddr(text.data)
    return Missing.NOT_APPLICABLE


def socket_of(event: Event, context: Context) -> Socket | Missing:
    """The socket that the call is about, as the kernel has it."""
    syscall = context.syscall(event)
    about = None if syscall is None else descriptor_of(syscall)
    if about is None:
        return Missing.NOT_APPLICABLE
    return event.socket(NO_ARGUMENT if about.arg is None else about.arg)


def side_of(event: Event, context: Context, side: str) -> Sockaddr | Missing:
    """The IP address and port of one side of the socket."""
    syscall = context.syscall(event)
    if syscall is None:
        return Missing.NOT_APPLICABLE
    own = socket_of(event, context)
    local, remote = _ends(event, syscall.name, own)
    if side == LOCAL:
        return local
    if side == REMOTE:
        return remote
    peer = _peer(syscall.name, own, local, remote)
    if peer is None:
        return Missing.NOT_APPLICABLE
    return remote if side == peer else local


def _ends(event: Event, name: str, own: Socket | Missing) -> tuple[Sockaddr | Missing, Sockaddr | Missing]:
    """This side and the other: as the kernel has them, else as the call was given them or gives them."""
    address = address_of(event)
    given = address if isinstance(address, Missing) or address.is_ip else Missing.NOT_APPLICABLE
    local, remote = (given, Missing.NOT_APPLICABLE) if name == "bind" else (Missing.NOT_APPLICABLE, given)
    if isinstance(own, Missing) or not own.is_ip:
        return local, remote
    if own.local_port or own.local not in _UNBOUND:
        local = _address(own, own.local, own.local_port)
    if own.connected and not (name in _TALKING and isinstance(given, Sockaddr)):  # which says whom a datagram is for
        remote = _address(own, own.remote, own.remote_port)
    return local, remote


_UNBOUND = ("0.0.0.0", "::")


def _address(own: Socket, host: Value, port: int | Missing) -> Sockaddr:
    return Sockaddr(own.family, str(host), port if isinstance(port, int) else 0)


def _peer(name: str, own: Socket | Missing, local: Sockaddr | Missing, remote: Sockaddr | Missing) -> str | None:
    """
    Whether the other side is the client or the server.

    A socket does not say which side opened the connection. So for calls that do not say it either, the other side is
    the server unless this side's port is the smaller one, as ports of services are.
    """
    if name in _OPENING:
        return _OPENING[name]
    if name == "bind" or (not isinstance(own, Missing) and own.state == _LISTEN):
        return CLIENT
    if isinstance(local, Sockaddr) and isinstance(remote, Sockaddr):
        return CLIENT if local.port < remote.port else SERVER
    return SERVER if name in _TALKING else None


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
    syscall = context.syscall(event)
    if syscall is None:
        return Missing.NOT_APPLICABLE
    own = socket_of(event, context)
    peer = _peer(syscall.name, own, *_ends(event, syscall.name, own))
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
