"""
The event record as the kernel side writes it, byte for byte. bpf/event.h is the other side; a test
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

TEXTS = 6
"""Strings and blobs one event can carry."""

ARG_TEXTS = 4
"""The first of them: strings of the caller, the directories that paths start from, the executable."""

DESCRIPTOR_TEXT = 4
"""The slot of `Capture.FILE` or `SOCKET`, and of execs, which are about no descriptor, of `ENVIRONMENT`."""

TASK_TEXT = 5
"""The slot of `Capture.TASK`."""

NO_ARGUMENT = 15
"""The argument index of what is of no argument: a descriptor that the call returned, the executable."""

DATA_BYTES = 60
"""Bytes of string data in the head cell."""

TEXT_CAP_BYTES = 8192
"""Bytes of string data one event carries of its caller; what the kernel side finds out comes on top."""


class Kind(enum.IntEnum):
    """
    What a cell holds.

    FORK, EXIT, CGROUP and JOIN are no calls: `nr` is -1, `abi` the native one, no rule sees them. They come when
    `Interest.lifecycle` asks for them, and are numbered with the events. Threads make none.

    FORK: a process was made, and has not run yet. pid, tid, start_ns, uid, gid, cgroup_id and comm are the new
    process's; ppid and parent_comm its real parent's (CLONE_PARENT: not the caller's). args: pid and start_ns of
    the process that made the call and was copied; start_ns of the real parent; the new process's pid in its own
    pid namespace; its session and process group, in the initial pid namespace.

    EXIT: the last thread of a process is about to end; `ret` is the status that wait(2) gives.

    CGROUP: a cgroup v2 was made, and is empty yet. cgroup_id is its own, all else that of the process that made it;
    the first text, a `Capture.STR` of no argument, is its path in the hierarchy.

    JOIN: a process was moved to a cgroup v1. pid, tid, start_ns, ppid and comm are its own, all else that of the one
    that moved it; the first argument is the hierarchy's id, the first text the path in there.
    """

    EVENT = 1
    MORE = 2
    FORK = 3
    EXIT = 4
    CGROUP = 5
    JOIN = 6


NO_CALL = -1
"""`nr` of the records that are of no call."""


class Flag(enum.IntFlag):
    """Bits of `flags`: how the event came about."""

    UNFINISHED = 1  # the task died inside the call: ret and duration are not known
    NO_RETURN = 2  # exit, exit_group: emitted at enter
    NO_START = 4  # seen only at exit: duration and enter-time strings are not known
    FOREIGN = 8  # a 32-bit call made by 64-bit code (int $0x80), or x32
    SHARED_FS = 16  # of FORK: where the new process or the caller goes, the other goes, too (CLONE_FS)
    THREAD_FS = 32  # of FORK and execs: the working directory copied, or kept, is that of a thread, not of its process


class Capture(enum.IntEnum):
    """What a text slot holds, from the kernel's point of view; which argument it is comes from the plan."""

    NONE = 0
    STR = 1  # a NUL-terminated string
    ARGV = 2  # argv of exec: strings joined by NUL
    SOCKADDR = 3  # struct sockaddr of connect, bind, accept, sendto
    BYTES = 4  # a fixed-size struct (open_how)
    DIRECTORY = 5  # where a relative path starts: names from the inside out, each with its NUL;
    # of no argument, the working directory that the call has made
    EXE = 6  # the file that a successful exec runs, likewise; a memfd is its name alone, with TextFlag.FAULT
    FILE = 7  # the file behind a descriptor: `FILE`, then its path as in EXE
    SOCKET = 8  # the socket behind a descriptor: `SOCKET`, for unix sockets two names
    TASK = 9  # the thread: `TASK`, and behind it the inode that the process executes: `PROGRAM`
    MSGHDR = 10  # in plans alone: the address that a struct msghdr names, sent as SOCKADDR
    ENVIRONMENT = 11  # what a successful exec gave the program: NAME=value, each with its NUL. Whole, or not at all


class SocketBit(enum.IntFlag):
    """`bits` of `SOCKET`."""

    COMPARED = 1  # the addresses of before the call are known
    CHANGED = 2  # and they were others


class InodeBit(enum.IntFlag):
    """`bits` of `FILE` and `PROGRAM`."""

    WRITABLE = 1  # of a program: the permissions let the thread write to it
    OVERLAY = 2  # it is on an overlay file system
    UPPER = 4  # in its upper layer: it was written or changed there


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
        ("uid", "<u4"),  # effective, and so the group
        ("gid", "<u4"),
        ("cells", "<u2"),  # cells of this event, the head included
        ("data_len", "<u2"),  # bytes of string data in all cells
        ("text", TEXT, TEXTS),
        ("comm", "S16"),  # of the thread group leader
        ("parent_comm", "S16"),  # of the parent's thread group leader
        ("data", f"V{DATA_BYTES}"),
    ]
)

FILE = np.dtype(
    [
        ("ino", "<u8"),
        ("magic", "<u4"),  # of the file system (include/uapi/linux/magic.h)
        ("dev", "<u4"),  # the kernel's major << 20 | minor
        ("flags", "<u4"),  # O_*, as fcntl(F_GETFL) has them
        ("f_mode", "<u4"),  # FMODE_*
        ("nlink", "<u4"),
        ("mode", "<u2"),  # S_IF* and permissions
        ("bits", "<u2"),  # InodeBit
    ]
)
"""struct file_facts."""

SOCKET = np.dtype(
    [
        ("ino", "<u8"),
        ("flags", "<u4"),  # O_*
        ("family", "<u2"),  # AF_*
        ("type", "<u2"),  # SOCK_*
        ("protocol", "<u2"),  # IPPROTO_*, NETLINK_*, ...
        ("state", "u1"),  # TCP_ESTABLISHED and so on, for all protocols
        ("bits", "u1"),  # SocketBit
        ("local_port", "<u2"),  # for unix sockets the length of the name
        ("remote_port", "<u2"),
        ("local", "V16"),  # network order; IPv4 in the first four bytes
        ("remote", "V16"),
    ]
)
"""struct socket_facts."""

PROGRAM = np.dtype(
    [
        ("ino", "<u8"),
        ("ctime_ns", "<i8"),  # since the Unix epoch
        ("mtime_ns", "<i8"),
        ("dev", "<u4"),
        ("uid", "<u4"),
        ("gid", "<u4"),
        ("nlink", "<u4"),
        ("mode", "<u2"),
        ("bits", "<u2"),  # InodeBit
        ("pad", "<u4"),
    ]
)
"""struct program_facts."""

TASK = np.dtype(
    [
        ("cap_effective", "<u8"),
        ("cap_permitted", "<u8"),
        ("cap_inheritable", "<u8"),
        ("cap_bounding", "<u8"),
        ("cap_ambient", "<u8"),
        ("pid_ns_start_ns", "<u8"),  # CLOCK_BOOTTIME, of the first process of its pid namespace; 0 when it has gone
        ("ruid", "<u4"),
        ("rgid", "<u4"),
        ("suid", "<u4"),
        ("sgid", "<u4"),
        ("fsuid", "<u4"),
        ("fsgid", "<u4"),
        ("loginuid", "<u4"),  # 2^32 - 1: none
        ("sessionid", "<u4"),  # audit's; 2^32 - 1: none
        ("sid", "<u4"),  # in the initial pid namespace
        ("pgid", "<u4"),
        ("tty", "<u4"),  # as stat(2) encodes a device; 0: none
        ("vpid", "<u4"),  # in the pid namespace of the task
        ("vtid", "<u4"),
        ("vppid", "<u4"),
        ("vpgid", "<u4"),
        ("vsid", "<u4"),
        ("pid_ns", "<u4"),  # inode number
        ("pvpid", "<u4"),  # of the parent, in the pid namespace of the parent
        ("session_comm", "S16"),  # of the session's leader; empty when it has gone
    ]
)
"""struct task_facts."""

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
