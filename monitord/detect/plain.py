"""
What the bytes of a text tell as they are: paths that are normal already, and absolute or with the directory that they
start from. Nearly all are. The others are left to the event made readable, which says the same and costs ten times as
much.
"""

import re
import struct

from monitord.abi.event import ARG_TEXTS, NO_ARGUMENT, TEXT, Capture, TextFlag
from monitord.model.text import argv_of, text_of

_HEADER = struct.Struct("<HBB")  # of `TEXT`: len, source, flags
_HEADERS_BYTES = ARG_TEXTS * TEXT.itemsize

_UNREADABLE = int(TextFlag.FAULT | TextFlag.NULL)
_PARTLY = int(TextFlag.FAULT | TextFlag.NULL | TextFlag.TRUNCATED)

_EXE = Capture.EXE << 4 | NO_ARGUMENT

_NOT_NORMAL = re.compile(rb"/(?:\.{0,2}/|\.{0,2}\Z)")


def plain_path(key: bytes, arg: int) -> str | None:
    """
    A path argument made absolute.

    :param key: of `monitord.detect.part.Texts`.
    :return: None when it takes more than the bytes, or when the path is not the first of the texts.
    """
    size, source, flags = _HEADER.unpack_from(key)
    path = key[_HEADERS_BYTES : _HEADERS_BYTES + size]
    if source != Capture.STR << 4 | arg or flags & _UNREADABLE or len(path) < size:
        return None
    if not path.startswith(b"/"):
        below = _from_inside_out(key, Capture.DIRECTORY << 4 | arg)
        if below is None:
            return None
        path = below + b"/" + path
    return None if _NOT_NORMAL.search(path) else text_of(path)


def plain_executable(key: bytes) -> str | None:
    """
    The file that a successful exec runs.

    :param key: of `monitord.detect.part.Texts`.
    :return: None when it takes more than the bytes, or there is none.
    """
    path = _from_inside_out(key, _EXE)
    return None if path is None else text_of(path or b"/")


def plain_argv(key: bytes) -> tuple[str, ...] | None:
    """
    The arguments that an exec was given, as far as they were copied.

    :param key: of `monitord.detect.part.Texts`.
    :return: None when they were not read, or lost.
    """
    at = _HEADERS_BYTES
    for size, source, flags in _HEADER.iter_unpack(key[:_HEADERS_BYTES]):
        if source and source >> 4 == Capture.ARGV:
            data = key[at : at + size]
            return None if flags & _UNREADABLE or len(data) < size else argv_of(data)
        if source:
            at += size
    return None


def _from_inside_out(key: bytes, wanted: int) -> bytes | None:
    """The path whose names come last first, each with its NUL; empty for the root."""
    at = _HEADERS_BYTES
    for size, source, flags in _HEADER.iter_unpack(key[:_HEADERS_BYTES]):
        if source == wanted:
            names = key[at : at + size]
            if flags & _PARTLY or len(names) < size:
                return None
            return b"".join([b"/" + name for name in reversed(names.split(b"\0")[:-1])])
        if source:
            at += size
    return None
