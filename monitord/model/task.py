"""What the kernel says of the thread behind an event, beside what every event has."""

import struct

from monitord.abi.event import TASK
from monitord.dataclass import dataclass
from monitord.model.text import text_of
from monitord.model.value import Missing

NO_LOGIN = 0xFFFF_FFFF
"""`loginuid` and `sessionid` of a process that nobody has logged in for."""


@dataclass(slots=True, unsafe_hash=True)
class TaskState:
    """
    A thread when its call returned: what it has become by the call.

    :ivar ruid: the real user, and so the group; the effective ones are in every event.
    :ivar loginuid: `NO_LOGIN` where nobody has logged in; so is `sessionid`, which is audit's.
    :ivar sid: session, in the initial pid namespace as all pids of an event; so is the process group `pgid`.
    :ivar tty: the number of the controlling terminal as stat(2) encodes devices; 0 for none.
    :ivar vpid: pid in the pid namespace of the process, and so the others with a v; 0 for what is not in it.
    :ivar pid_ns: inode number of that namespace.
    :ivar pid_ns_start_ns: when its first process started, CLOCK_BOOTTIME; 0 when that has gone.
    :ivar pvpid: of the parent, in the pid namespace of the parent.
    :ivar session_comm: name of the session's leader; empty when it has gone.
    """

    cap_effective: int
    cap_permitted: int
    cap_inheritable: int
    cap_bounding: int
    cap_ambient: int
    pid_ns_start_ns: int
    ruid: int
    rgid: int
    suid: int
    sgid: int
    fsuid: int
    fsgid: int
    loginuid: int
    sessionid: int
    sid: int
    pgid: int
    tty: int
    vpid: int
    vtid: int
    vppid: int
    vpgid: int
    vsid: int
    pid_ns: int
    pvpid: int
    session_comm: str


_TASK = struct.Struct("<6Q18I16s")
assert _TASK.size == TASK.itemsize


def read_task(data: bytes) -> TaskState | Missing:
    """What a `Capture.TASK` says."""
    if len(data) < TASK.itemsize:
        return Missing.FAULT
    *numbers, comm = _TASK.unpack_from(data)
    values = (*numbers, text_of(comm.partition(b"\0")[0]))
    return TaskState(*values)
