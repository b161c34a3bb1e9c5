"""
The event record as the kernel side writes it, byte for byte. bpf/include/event.h is the other side; a test
compiles that header and compares every offset.

A perf sample is one *cell* of 256 bytes: 8 bytes of perf_event_header, 4 bytes of raw size, 244 bytes of ours.
All cells have one size so that a whole ring decodes as one array. An event is one head cell (`EVENT`), followed,
if its strings do not fit in `data`, by continuation cells (`MORE`) with the same `seq`.
"""

import enum

import numpy as np

CELL_BYTES = 256
PERF_PREFIX_BYTES = 12
PAYLOAD_BYTES = CELL_BYTES - PERF_PREFIX_BYTES
MORE_PREFIX_BYTES = 16
MORE_BYTES = PAYLOAD_BYTES - MORE_PREFIX_BYTES

TEXTS = 4
"""Strings and blobs one event can carry."""

DATA_BYTES = 68
"""Bytes of string data in the head cell."""

TEXT_CAP_BYTES = 8192
"""Bytes of string data one event can carry in all."""


class Kind(enum.IntEnum):
    """What a cell holds."""

    EVENT = 1
    MORE = 2


class Flag(enum.IntFlag):
    """Bits of `flags`: how the event came about."""

    UNFINISHED = 1  # the task died inside the call: ret and duration are not known
    NO_RETURN = 2  # exit, exit_group: emitted at enter
    NO_START = 4  # seen only at exit: duration and enter-time strings are not known
    FOREIGN = 8  # a 32-bit call made by 64-bit code (int $0x80), or x32


class Capture(enum.IntEnum):
    """What a text slot holds, from the kernel's point of view; which argument it is comes from the plan."""

    NONE = 0
    STR = 1  # a NUL-terminated string
    ARGV = 2  # argv of exec: strings joined by NUL
    SOCKADDR = 3  # struct sockaddr of connect, bind, accept, sendto
    BYTES = 4  # a fixed-size struct (open_how)
    DIRECTORY = 5  # where a relative path starts: names from the inside out, each with its NUL
    EXE = 6  # the file that a successful exec runs, likewise; a memfd is its name alone, with TextFlag.FAULT


class TextFlag(enum.IntFlag):
    """How a text slot was read."""

    TRUNCATED = 1  # longer than the cap: a prefix is here
    FAULT = 2  # the page was not readable at enter nor at exit
    LATE = 4  # read at exit: the page was not there at enter, or the kernel fills it in (accept)
    NULL = 8  # the pointer was NULL


TEXT = np.dtype(
    [
        ("len", "<u2"),  # bytes in the data area, without the final NUL
        ("source", "u1"),  # Capture in the high nibble, index of the syscall argument in the low one
        ("flags", "u1"),  # TextFlag
    ]
)

EVENT = np.dtype(
    [
        ("perf_type", "<u4"),
        ("perf_misc", "<u2"),
        ("perf_size", "<u2"),
        ("raw_size", "<u4"),
        ("kind", "u1"),  # Kind
        ("abi", "u1"),  # Abi
        ("flags", "<u2"),  # Flag
        ("nr", "<i4"),
        ("seq", "<u8"),  # per CPU, from 1, without gaps: a gap is a loss
        ("ts_ns", "<u8"),  # CLOCK_BOOTTIME, when the call returned
        ("duration_ns", "<u8"),
        ("ret", "<i8"),
        ("args", "<u8", 6),
        ("start_ns", "<u8"),  # CLOCK_BOOTTIME, when the process (thread group leader) started
        ("cgroup_id", "<u8"),  # cgroup v2 inode number
        ("pid", "<u4"),  # the kernel's tgid, in the initial pid namespace
        ("tid", "<u4"),
        ("ppid", "<u4"),
        ("uid", "<u4"),
        ("gid", "<u4"),
        ("cells", "<u2"),  # cells of this event, the head included
        ("data_len", "<u2"),  # bytes of string data in all cells
        ("text", TEXT, TEXTS),
        ("comm", "S16"),  # of the thread group leader
        ("parent_comm", "S16"),  # of the parent's thread group leader
        ("data", f"V{DATA_BYTES}"),
    ]
)

MORE = np.dtype(
    [
        ("perf_type", "<u4"),
        ("perf_misc", "<u2"),
        ("perf_size", "<u2"),
        ("raw_size", "<u4"),
        ("kind", "u1"),
        ("abi", "u1"),
        ("index", "<u2"),  # 1 for the first continuation cell
        ("_pad", "<u4"),
        ("seq", "<u8"),
        ("data", f"V{MORE_BYTES}"),
    ]
)

CELL = np.dtype(f"V{CELL_BYTES}")
"""A cell as plain bytes: numpy moves these with memcpy, where it moves an `EVENT` field by field, ten times slower."""

assert CELL_BYTES == EVENT.itemsize == MORE.itemsize
