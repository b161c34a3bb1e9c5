"""The calling conventions (ABIs) a kernel serves, and how (abi, nr) pairs index the kernel maps."""

import enum
import platform


class Abi(enum.IntEnum):
    """A syscall calling convention. The numbers are on the wire: bpf/event.h has the same."""

    X86_64 = 0
    I386 = 1
    X32 = 2
    ARM64 = 3
    ARM = 4

    @property
    def label(self) -> str:
        """The name people and metrics see: ``x86_64``, ``i386``, ``x32``, ``arm64``, ``arm``."""
        return self.name.lower()


NR_SLOTS = 640
"""
Slots per ABI in the kernel maps. Linux 6.18 numbers end at 469 (x86_64, i386, arm64) and 547 (x32), so
this leaves room for decades. A number outside is counted in the ABI's last slot, `NR_UNKNOWN`.
"""

NR_UNKNOWN = NR_SLOTS - 1

_MACHINE_ABIS: dict[str, tuple[Abi, ...]] = {
    "x86_64": (Abi.X86_64, Abi.I386, Abi.X32),
    "aarch64": (Abi.ARM64, Abi.ARM),
}


class UnknownMachineError(Exception):
    """A machine that monitord has no register layout for; the message names it."""


def machine_abis(machine: str | None = None) -> tuple[Abi, ...]:
    """
    The ABIs that a kernel of this machine serves, native one first; the order is that of the map slots.

    :param machine: as `uname -m` says it; None for this machine.
    :raises UnknownMachineError: monitord has no register layout for it.
    """
    machine = machine or platform.machine()
    if machine not in _MACHINE_ABIS:
        raise UnknownMachineError(f"no register layout for {machine}: monitord runs on {' and '.join(_MACHINE_ABIS)}")
    return _MACHINE_ABIS[machine]


def slot_of(abi: Abi, nr: int, abis: tuple[Abi, ...]) -> int:
    """The index of (abi, nr) in the kernel's per-syscall maps; `nr` outside the table goes to `NR_UNKNOWN`."""
    return abis.index(abi) * NR_SLOTS + (nr if 0 <= nr < NR_UNKNOWN else NR_UNKNOWN)


def call_of(slot: int, abis: tuple[Abi, ...]) -> tuple[Abi, int]:
    """The (abi, nr) of a map index; the inverse of `slot_of`."""
    return abis[slot // NR_SLOTS], slot % NR_SLOTS
