"""Literals of a condition: text as written, read by the type of the field they are compared with."""

import ipaddress
import re
import socket

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DECIMAL = re.compile(r"[+-]?[0-9]{1,40}")
_REAL = re.compile(r"[+-]?[0-9]{1,40}\.?[0-9]{0,40}([eE][+-]?[0-9]{1,3})?")
_HEX = re.compile(r"0[xX][0-9a-fA-F]{1,32}")
_BOOLS = {"true": True, "false": False}
_MAPPED_BITS = 96  # of ::ffff:0:0/96


def number_of(text: str) -> int | float | None:
    """The number a literal stands for (decimal, ``0x``, or with a point or exponent), or None."""
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _HEX.fullmatch(text):
        return int(text, 16)
    return float(text) if _REAL.fullmatch(text) else None


def bool_of(text: str) -> bool | None:
    """``true`` or ``false``, or None."""
    return _BOOLS.get(text)


def bytes_of(text: str) -> bytes | None:
    """The bytes of a hex string, as `bcontains` and `bstartswith` take it, or None."""
    if len(text) % 2 or not re.fullmatch("[0-9a-fA-F]+", text):
        return None
    return bytes.fromhex(text)


def port_of(text: str) -> int | None:
    """A port by its number, or by the name of its service on this machine (/etc/services), or None."""
    number = number_of(text)
    if number is not None:
        return number if isinstance(number, int) and 0 <= number <= 0xFFFF else None
    for protocol in ("tcp", "udp"):
        try:
            return socket.getservbyname(text, protocol)
        except (OSError, UnicodeError, ValueError):
            continue
    return None


def address_of(text: str) -> str | None:
    """An IP address as fields show it, IPv4 in IPv6's form as IPv4, or None."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def network_of(text: str) -> Network | None:
    """
    ``10.0.0.0/8``; bits behind the prefix may be set and say nothing, as in Falco. None without a prefix.

    A network of IPv4 addresses in IPv6's form is that of the IPv4 addresses, since that is how fields show them.
    """
    _, slash, prefix = text.partition("/")
    if not slash or not (prefix.isascii() and prefix.isdigit()):
        return None
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))
