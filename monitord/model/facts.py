"""What the kernel side knows of a call when it decides whether an event travels."""

import enum
import re
from typing import NamedTuple

from monitord.abi.event import FILE, NO_ARGUMENT, Capture, Flag, TextFlag
from monitord.model.event import Captured, Event

MAX_ERRNO = 4095
MAX_UID = 0xFFFF_FFFF

PLAIN_BYTES = 255
"""The longest path that the kernel looks through; PLAIN_CAP of bpf/places.h."""

LEAF_BYTES = 31
"""Of a file's last and first name that are compared; LEAF_ROOM of bpf/leaf.h has room for the NUL as well."""

_ROUNDABOUT = re.compile(rb"//|/\Z|/\.(?:[./]|\Z)|\.\./")


class Source(enum.IntEnum):
    """What a limit is about; the first six are the argument registers."""

    UID = 6  # effective uid of the thread
    RESULT = 7  # the errno; 0 for success, and for a call that did not return
    FOREIGN = 8  # 1 for a 32-bit or x32 call made by 64-bit code
    COMM = 9  # name of the process, when the call returns
    PATH = 10  # the first string that the call was given, if it is a path
    LEAF = 11  # last name of the file that an open has opened, whatever links led to it
    TOP = 12  # first name of its path


class Key(NamedTuple):
    """A fact: a source, and for numbers the bits of it that count."""

    source: int
    mask: int


RESULT = Key(Source.RESULT, MAX_ERRNO)
FOREIGN = Key(Source.FOREIGN, 1)
UID = Key(Source.UID, MAX_UID)
COMM = Key(Source.COMM, 0)
PATH = Key(Source.PATH, 0)
LEAF = Key(Source.LEAF, 0)
TOP = Key(Source.TOP, 0)


def plain_path(event: Event) -> bytes | None:
    """
    The path that the call was given, if it is absolute and written as it is shown: no ``//``, no ``.`` or ``..``, no
    name that ends with ``..``, no slash at the end, whole. Others are not told apart: nobody knows here where they
    lead.
    """
    if not event.texts:
        return None
    text = event.texts[0]
    if text.capture is not Capture.STR or text.flags & ~TextFlag.LATE or text.lost:
        return None
    path = text.data
    if not path.startswith(b"/") or len(path) > PLAIN_BYTES or _ROUNDABOUT.search(path):
        return None
    return path


def leaf_of(event: Event) -> bytes | None:
    """
    The last name of the file that an open has opened, its first `LEAF_BYTES`.

    :return: None where the event does not say, and for the root directory, which has no name.
    """
    opened = _opened(event)
    if opened is None:
        return None
    name, end, _ = opened.data[FILE.itemsize :].partition(b"\0")
    return name[:LEAF_BYTES] if end else None


def top_of(event: Event) -> bytes | None:
    """
    The first name of the path of the file that an open has opened, its first `LEAF_BYTES`.

    :return: None where the event does not say, and for the root directory, which has no name.
    """
    opened = _opened(event)
    if opened is None or opened.flags:
        return None
    names = opened.data[FILE.itemsize :].removesuffix(b"\0")
    return names.rpartition(b"\0")[2][:LEAF_BYTES] or None


def _opened(event: Event) -> Captured | None:
    """The file that an open has opened, as it was read in the kernel."""
    for text in event.texts:
        if text.capture is Capture.FILE and text.arg == NO_ARGUMENT and not text.lost:
            return text
    return None


def number_of(event: Event, key: Key) -> int:
    """A fact that is a number."""
    match key.source:
        case Source.UID:
            return event.uid
        case Source.RESULT:
            return -event.ret if event.failed else 0
        case Source.FOREIGN:
            return int(bool(event.flags & Flag.FOREIGN))
        case _:
            return event.args[key.source] & key.mask
