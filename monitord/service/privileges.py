"""
Privileges: what a start takes and a running daemon must not have.

Capabilities belong to threads: `drop` is for the time before there is a second one.
"""

import ctypes
import enum
import os
import struct
from pathlib import Path

_VERSION_3 = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
_NO_NEW_PRIVS = 38  # PR_SET_NO_NEW_PRIVS


class Capability(enum.IntEnum):
    """The bits of include/uapi/linux/capability.h that matter here."""

    CAP_DAC_OVERRIDE = 1
    CAP_IPC_LOCK = 14
    CAP_SYS_PTRACE = 19
    CAP_SYS_ADMIN = 21
    CAP_PERFMON = 38
    CAP_BPF = 39


class PrivilegeError(Exception):
    """The kernel refused to take privileges away; the message says what."""


RUNNING = frozenset(
    (
        Capability.CAP_BPF,  # maps are read and written
        Capability.CAP_PERFMON,  # programs are attached
        Capability.CAP_SYS_PTRACE,  # /proc/PID/exe and cwd of everyone
    )
)
"""What a running daemon needs. A start needs CAP_SYS_ADMIN, too, where kernel.perf_event_paranoid is above 2."""


def effective(status: Path = Path("/proc/self/status")) -> int:
    """The effective capabilities of a thread, one bit for each."""
    for line in status.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def drop() -> None:
    """
    Give up, for good, all capabilities but those in `RUNNING`; what this process executes later has none.

    Root by user id keeps to write where root may write: whoever starts the daemon by hand says where its files are.

    :raises PrivilegeError: the kernel refused.
    """
    held, wanted = effective(), set(RUNNING)
    if os.geteuid() == 0:
        wanted.add(Capability.CAP_DAC_OVERRIDE)
    if not all(held >> bit & 1 for bit in (Capability.CAP_BPF, Capability.CAP_PERFMON)):
        wanted.add(Capability.CAP_SYS_ADMIN)  # it stands for both, where somebody gave it alone
    bits = held & sum(1 << bit for bit in wanted)
    low, high = bits & 0xFFFFFFFF, bits >> 32
    libc = ctypes.CDLL(None, use_errno=True)
    # Effective, permitted, inheritable, low words first; what is not inheritable is not ambient either.
    data = struct.pack("=6I", low, low, 0, high, high, 0)
    # For root an exec would bring everything back.
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.capset(struct.pack("=Ii", _VERSION_3, 0), data):
        error = ctypes.get_errno()
        raise PrivilegeError(
            f"capset: {os.strerror(error)}; a running daemon must not have CAP_SYS_ADMIN: let the service call capset"
        )
