"""Arguments as people write them, to the registers and strings of a call."""

import ipaddress
import socket
import struct
import sys
from collections.abc import Mapping
from typing import Any

from monitord.abi.event import Capture
from monitord.recording.codec import Path, RecordError, decoded, encoded, nearest, number_of, shown
from monitord.rules.argument import FALCO_NAMES
from monitord.rules.opens import HOW_ARG
from monitord.tables.captures import AT_FDCWD, captures_of
from monitord.tables.constants import values_by_name
from monitord.tables.syscalls import Syscall

POINTER = 0x7FFD_0000_1000
"""Where the strings of such an event would be."""

_HOW = ("flags", "mode", "resolve")
_MASK = (1 << 64) - 1


def registers_of(call: Syscall, written: Mapping[str, Any], path: Path) -> tuple[list[int], list[Any]]:
    """
    Six registers, and the texts, of arguments that are written by name.

    Descriptors that paths are relative to are AT_FDCWD when not written.

    :raises RecordError: a name or a value that is none.
    """
    names = [arg.name for arg in call.args]
    captures = {one.arg: one for one in captures_of(call)}
    registers = [0] * 6
    for one in captures.values():
        if one.dirfd is not None:
            registers[one.dirfd] = AT_FDCWD & _MASK
    texts: dict[int, Any] = {}
    how = {}
    for name, value in written.items():
        at = (*path, name)
        index = _index(name, names)
        if index is None and call.name == "openat2" and name in _HOW:
            how[name] = _number(call, value, at)
        elif index is None:
            message = f"'{call.name}' has no argument '{name}'{nearest(name, names)}"
            raise RecordError(at, message, of_key=True)
        elif index in captures:
            registers[index] = POINTER + 0x1000 * index
            texts[index] = _text(index, captures[index].capture, value, at)
        else:
            registers[index] = _number(call, value, at)
    if how:
        registers[HOW_ARG] = POINTER
        data = struct.pack("<QQQ", *(how.get(name, 0) for name in _HOW))
        texts[HOW_ARG] = {"arg": HOW_ARG, "capture": "bytes", "flags": [], "data": encoded(data)}
    return registers, [texts[one.arg] for one in captures_of(call) if one.arg in texts]


def _index(name: str, names: list[str]) -> int | None:
    if name.isdecimal() and int(name) < 6:
        return int(name)
    return next((names.index(known) for known in (name, *FALCO_NAMES.get(name, ())) if known in names), None)


def _number(call: Syscall, value: Any, path: Path) -> int:
    """``O_RDWR|O_CREAT``, ``0644``, ``-1``, ``0x10``."""
    known = values_by_name(call.abi)
    total = 0
    for word in str(value).split("|") if isinstance(value, (str, int)) else [""]:
        name = word.strip()
        octal = name[1:] if len(name) > 1 and name[0] == "0" and name.isdecimal() else None
        number = number_of(f"0o{octal}" if octal else name)
        if name == "AT_FDCWD":
            number = AT_FDCWD
        elif name in known:
            number = known[name]
        if number is None or not -(1 << 63) <= number <= _MASK:
            hint = nearest(name, known) if name else ""
            raise RecordError(path, f"expected a number or names such as O_RDWR|O_CREAT, found {shown(value)}{hint}")
        total |= number & _MASK
    return total


def _text(arg: int, capture: Capture, value: Any, path: Path) -> dict[str, Any]:
    """What the kernel would have copied."""
    if capture is Capture.MSGHDR:
        capture = Capture.SOCKADDR  # the address alone is sent
    text: dict[str, Any] = {"arg": arg, "capture": capture.name.lower(), "flags": [], "data": value}
    if value is None:
        return {**text, "flags": ["null"], "data": ""}
    if isinstance(value, Mapping) and list(value) == ["missing"]:
        if value["missing"] != "fault":
            raise RecordError((*path, "missing"), "the text of an argument can be missing by 'fault' alone, or be null")
        return {**text, "flags": ["fault"], "data": ""}
    if capture is Capture.SOCKADDR and isinstance(value, str):
        return {**text, "data": encoded(sockaddr_of(value, path))}
    if capture is Capture.ARGV and isinstance(value, str):
        return {**text, "data": value.split()}
    decoded(bytes, value, path)
    return text


def sockaddr_of(text: str, path: Path) -> bytes:
    """
    ``10.0.0.1:443``, ``[::1]:443``, ``/run/x.sock``, ``@abstract`` as the bytes of struct sockaddr.

    :raises RecordError: it is none of these.
    """
    if text.startswith(("/", "@")):
        name = text.encode("utf-8", "surrogateescape")
        return socket.AF_UNIX.to_bytes(2, sys.byteorder) + (b"\0" + name[1:] if text[0] == "@" else name)
    host, _, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        number = int(port).to_bytes(2, "big")
    except (ValueError, OverflowError) as err:
        message = f"expected an address such as 10.0.0.1:443, [::1]:443 or /run/x.sock, found {text!r}"
        raise RecordError(path, message) from err
    if address.version == 4:
        return socket.AF_INET.to_bytes(2, sys.byteorder) + number + address.packed + bytes(8)
    return socket.AF_INET6.to_bytes(2, sys.byteorder) + number + bytes(4) + address.packed + bytes(4)
