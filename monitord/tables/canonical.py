"""
The name a call has on a 64-bit machine, which is what `evt.type` shows and what rules are written with.

32-bit ABIs have several variants of a call, for wider ids, offsets or times. A rule that names the call has to see
all of them, or the old number would be a way around it. Variants whose arguments mean something else (``socketcall``,
``ipc``, ``_llseek``, ``waitpid``, ``umount`` without flags) keep their names. Positions of arguments can still differ:
ask the table for the ABI's own.
"""

from collections.abc import Mapping
from types import MappingProxyType

_WIDE_IDS = (
    "chown fchown getegid geteuid getgid getgroups getresgid getresuid getuid lchown setfsgid setfsuid setgid"
    " setgroups setregid setresgid setresuid setreuid setuid"
)
"""Calls with a variant ``NAME32``: 32-bit user ids, where NAME itself has 16-bit ones (i386, arm)."""

_WIDE_OFFSETS = "fcntl fstat fstatfs ftruncate lstat sendfile stat statfs truncate"
"""Calls with a variant ``NAME64``: 64-bit file offsets and sizes."""

_WIDE_TIMES = (
    "clock_getres clock_nanosleep futex io_pgetevents mq_timedreceive mq_timedsend ppoll pselect6 recvmmsg"
    " rt_sigtimedwait sched_rr_get_interval semtimedop utimensat"
)
"""Calls with a variant ``NAME_time64``: times after 2038."""

_WIDE_TIMES_SHORT = (
    "clock_adjtime clock_gettime clock_settime timer_gettime timer_settime timerfd_gettime timerfd_settime"
)
"""The same with ``NAME64``."""

_OTHERS = {
    "_newselect": "select",
    "arm_fadvise64_64": "fadvise64",
    "arm_sync_file_range": "sync_file_range",
    "fadvise64_64": "fadvise64",
    "fstatat64": "newfstatat",
    "mmap2": "mmap",
    "oldfstat": "fstat",
    "oldlstat": "lstat",
    "oldolduname": "uname",
    "oldstat": "stat",
    "olduname": "uname",
    "ugetrlimit": "getrlimit",
}

VARIANTS: Mapping[str, str] = MappingProxyType(
    {f"{name}32": name for name in _WIDE_IDS.split()}
    | {f"{name}64": name for name in (_WIDE_OFFSETS + " " + _WIDE_TIMES_SHORT).split()}
    | {f"{name}_time64": name for name in _WIDE_TIMES.split()}
    | _OTHERS
)
"""A variant's name -> the canonical name."""


def canonical(name: str) -> str:
    """The name of the same call on a 64-bit machine: ``setuid32`` -> ``setuid``; other names are themselves."""
    return VARIANTS.get(name, name)
