"""The two sides of the socket that a call is about: which address is whose, and who is the server."""

import socket
from collections.abc import Mapping
from types import MappingProxyType

from monitord.abi.event import Capture
from monitord.model.descriptor import Socket
from monitord.model.event import Event
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.sockaddr import Sockaddr, read_sockaddr
from monitord.tables.descriptors import captured_at

CLIENT, SERVER, LOCAL, REMOTE = "client", "server", "local", "remote"

_OPENING: Mapping[str, str] = MappingProxyType({"connect": SERVER, "accept": CLIENT, "accept4": CLIENT})
"""What the other side is, by the call."""

_TALKING = frozenset(("sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg"))
"""Calls that can name the other side."""

_LISTEN = 10  # TCP_LISTEN

_UNBOUND = ("0.0.0.0", "::")


def address_of(event: Event) -> Sockaddr | Missing:
    """The address that came with the call."""
    for text in event.texts:
        if text.capture is Capture.SOCKADDR:
            return text.missing or read_sockaddr(text.data)
    return Missing.NOT_APPLICABLE


def socket_of(event: Event, context: Context) -> Socket | Missing:
    """The socket that the call is about, as the kernel has it."""
    at = captured_at(context.syscall(event))
    return Missing.NOT_APPLICABLE if at is None else event.socket(at)


def side_of(event: Event, context: Context, side: str) -> Sockaddr | Missing:
    """The IP address and port of one side of the socket: one of `CLIENT`, `SERVER`, `LOCAL`, `REMOTE`."""
    local, remote, peer = _sides(event, context)
    if side == LOCAL:
        return local
    if side == REMOTE:
        return remote
    if peer is None:
        return Missing.NOT_APPLICABLE
    return remote if side == peer else local


def peer_of(event: Event, context: Context) -> str | None:
    """What the other side is, `CLIENT` or `SERVER`; None where there is none."""
    return _sides(event, context)[2]


def _sides(event: Event, context: Context) -> tuple[Sockaddr | Missing, Sockaddr | Missing, str | None]:
    """This side, the other, and what the other is."""
    syscall = context.syscall(event)
    if syscall is None:
        return Missing.NOT_APPLICABLE, Missing.NOT_APPLICABLE, None
    own = socket_of(event, context)
    local, remote = _ends(event, syscall.name, own)
    return local, remote, _peer(syscall.name, own, local, remote)


def _ends(event: Event, name: str, own: Socket | Missing) -> tuple[Sockaddr | Missing, Sockaddr | Missing]:
    """This side and the other: as the kernel has them, else as the call was given them or gives them."""
    address = address_of(event)
    given = address if isinstance(address, Missing) or address.is_ip else Missing.NOT_APPLICABLE
    local, remote = (given, Missing.NOT_APPLICABLE) if name == "bind" else (Missing.NOT_APPLICABLE, given)
    if isinstance(own, Missing) or not own.is_ip:
        return local, remote
    refused = name == "connect" and event.failed
    if own.local not in _UNBOUND or (own.local_port and not refused):
        local = _address(own, own.local, own.local_port)
    # The address of a call says whom a datagram is for; that of a connection it does not change.
    of_datagram = name in _TALKING and own.type != socket.SOCK_STREAM and isinstance(given, Sockaddr)
    if (own.connected or own.remote_port) and not of_datagram:  # TCP keeps it when both sides have closed
        remote = _address(own, own.remote, own.remote_port)
    return local, remote


def _address(own: Socket, host: Value, port: int | Missing) -> Sockaddr:
    family = socket.AF_INET if own.type_char == "4" else own.family
    return Sockaddr(family, str(host), port if isinstance(port, int) else 0)


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
