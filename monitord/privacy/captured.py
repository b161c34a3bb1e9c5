"""Secrets in what the kernel side has copied, in the form that it is copied in."""

import socket
import sys
from dataclasses import replace

import numpy as np

from monitord.abi.event import FILE, SOCKET, Capture, TextFlag
from monitord.model.event import Captured
from monitord.model.text import text_of
from monitord.privacy.masks import Masks

_FAMILY_BYTES = 2  # of a struct sockaddr


def masked_text(text: Captured, masks: Masks) -> Captured:
    """The text without secrets; itself if there are none."""
    data = _masked(text, masks)
    return text if data == text.data else replace(text, data=data)


def _masked(text: Captured, masks: Masks) -> bytes:
    data = text.data
    match text.capture:
        case Capture.STR:
            return _bytes(masks.text(text_of(data)))
        case Capture.ARGV:
            return _bytes("\0".join(masks.argv(text_of(data).split("\0"))))
        case Capture.DIRECTORY | Capture.EXE:
            return _names(data, text.flags, masks)
        case Capture.FILE:
            return data[: FILE.itemsize] + _names(data[FILE.itemsize :], text.flags, masks)
        case Capture.SOCKADDR if int.from_bytes(data[:_FAMILY_BYTES], sys.byteorder) == socket.AF_UNIX:
            return data[:_FAMILY_BYTES] + _unix_name(data[_FAMILY_BYTES:], masks)
        case Capture.SOCKET if len(data) > SOCKET.itemsize:
            return _socket(data, masks)
    return data


def _names(names: bytes, flags: TextFlag, masks: Masks) -> bytes:
    """The names of a path from the inside out. It is looked at as a whole: there are secrets with slashes in them."""
    inside_out = names.split(b"\0")[:-1]
    path = text_of(b"/".join(reversed(inside_out)))
    masked = masks.text(path)
    if masked == path:
        return names
    in_a_directory = not flags & TextFlag.FAULT  # else it is one name, which may have slashes itself
    parts = reversed(masked.split("/")) if in_a_directory else [masked]
    return b"".join(_bytes(part) + b"\0" for part in parts)


def _socket(data: bytes, masks: Masks) -> bytes:
    """With the names of a unix socket, as no other has: their lengths are where others have their ports."""
    facts = np.frombuffer(data[: SOCKET.itemsize], SOCKET).copy()
    names, size = data[SOCKET.itemsize :], int(facts["local_port"][0])
    local, remote = _unix_name(names[:size], masks), _unix_name(names[size:], masks)
    facts["local_port"], facts["remote_port"] = len(local), len(remote)
    return b"".join((facts.tobytes(), local, remote))


def _unix_name(name: bytes, masks: Masks) -> bytes:
    """With its NULs: one in front of it says that it is abstract."""
    return b"\0".join(_bytes(masks.text(text_of(part))) for part in name.split(b"\0"))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
