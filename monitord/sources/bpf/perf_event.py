"""perf_event_open(2) for the rings: a software event of one CPU that BPF programs write to."""

import ctypes
import os
import struct

from monitord.sources.bpf.errors import LoadError

_OPEN_NR = {"x86_64": 298, "aarch64": 241}
_TYPE_SOFTWARE = 1
_COUNT_SW_BPF_OUTPUT = 10
_SAMPLE_RAW = 1 << 10
_DISABLED = 1 << 0
_WATERMARK = 1 << 14
_FD_CLOEXEC = 1 << 3

WAKEUP_BYTES = 1 << 18
"""
What waits in a ring when a poll returns: 1,024 events. Copies of more come from mmap(2), and its page faults took four
times what all else does that reads and decodes. A ring that is no larger wakes its reader when it is full.
"""


def open_output(cpu: int) -> int:
    """
    An event that is not mapped and not enabled yet. Once it is, a poll returns when `WAKEUP_BYTES` wait.

    :return: its descriptor.
    :raises ProcessLookupError: the CPU is not there any more.
    :raises PermissionError: this process may not, or may not any more.
    :raises LoadError: the kernel refused; says why.
    """
    # struct perf_event_attr, first version (PERF_ATTR_SIZE_VER0 = 64 bytes): type, size, config, sample_period,
    # sample_type, read_format, flags, wakeup_watermark, ...
    attributes = struct.pack(
        "<IIQQQQQIIQ",
        _TYPE_SOFTWARE,
        64,
        _COUNT_SW_BPF_OUTPUT,
        1,
        _SAMPLE_RAW,
        0,
        _DISABLED | _WATERMARK,
        WAKEUP_BYTES,
        0,
        0,
    )
    libc = ctypes.CDLL(None, use_errno=True)
    fd = int(libc.syscall(_OPEN_NR[os.uname().machine], attributes, -1, cpu, -1, ctypes.c_ulong(_FD_CLOEXEC)))
    if fd >= 0:
        return fd
    error = ctypes.get_errno()
    if error in (3, 19):  # ESRCH, ENODEV: the CPU is offline
        raise ProcessLookupError(error, os.strerror(error))
    if error in (1, 13):
        raise PermissionError(error, os.strerror(error))
    raise LoadError(f"perf_event_open for CPU {cpu} failed ({os.strerror(error)}): run `monitord doctor`")
