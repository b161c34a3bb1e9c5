"""The syscall table: number, name, entry point, arguments and functional group of every call, per ABI."""

import enum
from dataclasses import dataclass

from monitord.abi.arch import Abi


class Group(enum.StrEnum):
    """What a syscall is for."""

    FILES = "files"
    PROCESSES = "processes"
    CREDENTIALS = "credentials"
    SIGNALS = "signals"
    MEMORY = "memory"
    NETWORK = "network"
    IPC = "ipc"  # IPC and synchronisation
    TIME = "time"
    SYSTEM = "system"  # system administration


@dataclass(frozen=True, slots=True)
class Arg:
    """One argument, with the C type of the kernel's SYSCALL_DEFINE."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Syscall:
    """
    One syscall of one ABI.

    :ivar entry: the kernel function (``sys_openat``, ``compat_sys_openat``); None where the number is reserved.
    :ivar args: empty also where the arguments are not known.
    """

    abi: Abi
    nr: int
    name: str
    entry: str | None
    args: tuple[Arg, ...]
    group: Group
