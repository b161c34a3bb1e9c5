"""What the kernel does with each syscall: the `plans` and `gates` maps of bpf/plan.h, from tables and interest."""

import enum
from collections.abc import Iterable, Mapping

import numpy as np

from monitord.abi.arch import NR_SLOTS, Abi, slot_of
from monitord.abi.event import ARG_TEXTS, NO_ARGUMENT
from monitord.model.array import NDArray
from monitord.model.interest import Along, Call, Interest, Outcome
from monitord.tables.captures import captures_of
from monitord.tables.descriptors import descriptor_of
from monitord.tables.syscalls import Syscall, SyscallTable

PATHS = 2
"""At most the first two texts of a plan are paths."""

DIRFD_NONE = 254
DIRFD_CWD = 255

PLAN = np.dtype(
    [
        ("filter", "u1"),
        ("special", "u1"),
        ("at_exit", "u1"),
        ("size", "u1"),
        ("source", "u1", ARG_TEXTS),
        ("dirfd", "u1", PATHS),
        ("extras", "u1"),
        ("fd", "u1"),
    ]
)
"""struct plan."""

GATES = 1024
"""Entries of the `gates` map, one per number; bpf/plan.h says what the bits mean."""


class Special(enum.IntFlag):
    """SPECIAL_*: calls whose registers at exit do not tell what was called, or that do not return."""

    NONE = 0
    TRACK = 1
    FORK = 2
    NO_RETURN = 4
    EXEC = 8


class Extra(enum.IntFlag):
    """EXTRA_*: what is sent along that the caller did not pass."""

    NONE = 0
    TASK = 1
    FD = 2
    FD_ENTER = 4
    FD_CHANGE = 8
    PROGRAM = 16
    MOVED = 32
    FD_DEEP = 64
    ENVIRONMENT = 128


_MOVE = frozenset(("chdir", "fchdir", "setns"))
"""They make another working directory: setns the root of the mount namespace."""

_SOCKETCALL = 102
_WRAPPED = (337, 345, *range(359, 374))
"""What can be made by i386's socketcall, and is taken for the direct call: see bpf/socketcall.h."""

_SPECIAL: Mapping[str, Special] = {
    "execve": Special.TRACK | Special.EXEC,
    "execveat": Special.TRACK | Special.EXEC,
    "rt_sigreturn": Special.TRACK,
    "sigreturn": Special.TRACK,
    "clone": Special.FORK,
    "clone3": Special.FORK,
    "fork": Special.FORK,
    "vfork": Special.FORK,
    "exit": Special.NO_RETURN,
    "exit_group": Special.NO_RETURN,
}


def bare_plans(table: SyscallTable, abis: tuple[Abi, ...]) -> NDArray[np.void]:
    """
    The `plans` map as it is for no interest at all: it says how the texts of each call are found.

    :return: (len(abis) * NR_SLOTS,) of `PLAN`, without filters.
    """
    plans = np.zeros(len(abis) * NR_SLOTS, PLAN)
    plans["dirfd"] = DIRFD_NONE
    plans["fd"] = NO_ARGUMENT
    for syscall in table:
        plan = plans[slot_of(syscall.abi, syscall.nr, abis)]
        plan["special"] = _SPECIAL.get(syscall.name, Special.NONE)
        captures = captures_of(syscall)
        for i, capture in enumerate(captures):
            plan["source"][i] = capture.capture << 4 | capture.arg
            plan["size"] = max(plan["size"], capture.size_bytes)
            plan["at_exit"] |= capture.filled_at_exit
            if capture.is_path:
                plan["dirfd"][i] = DIRFD_CWD if capture.dirfd is None else capture.dirfd
        if syscall.name in _MOVE:
            plan["extras"] |= Extra.MOVED
        if any(one.is_path for one in captures) and _returns_descriptor(syscall):
            plan["extras"] |= Extra.FD_DEEP
    return plans


def plans_of(
    bare: NDArray[np.void], table: SyscallTable, interest: Interest, abis: tuple[Abi, ...]
) -> NDArray[np.void]:
    """
    The `plans` map with what an interest wants to be sent along.

    :param bare: of `bare_plans`.
    :return: the same shape, without filters.
    """
    plans = bare.copy()
    for call, along in interest.along.items():
        syscall = table.find(*call)
        if syscall is not None:
            plan = plans[slot_of(*call, abis)]
            extras, fd = _extras_of(syscall, along)
            plan["extras"] |= extras
            plan["fd"] = fd
    return plans


def _extras_of(syscall: Syscall, along: Along) -> tuple[Extra, int]:
    """What is sent along with a call, and the argument that holds its descriptor."""
    extras = Extra.TASK if along & (Along.TASK | Along.PROGRAM) else Extra.NONE
    if along & Along.PROGRAM:
        extras |= Extra.PROGRAM
    if along & Along.ENVIRONMENT and _SPECIAL.get(syscall.name, Special.NONE) & Special.EXEC:
        extras |= Extra.ENVIRONMENT
    descriptor = descriptor_of(syscall)
    if descriptor is None or not along & Along.DESCRIPTOR:
        return extras, NO_ARGUMENT
    if descriptor.arg is None:
        return extras | Extra.FD, NO_ARGUMENT
    if descriptor.closes:
        return extras | Extra.FD_ENTER, descriptor.arg
    return extras | Extra.FD | (Extra.FD_CHANGE if descriptor.connects else Extra.NONE), descriptor.arg


def _returns_descriptor(syscall: Syscall) -> bool:
    descriptor = descriptor_of(syscall)
    return descriptor is not None and descriptor.arg is None


def path_calls_of(table: Iterable[Syscall]) -> frozenset[Call]:
    """The calls whose first text is a path."""
    return frozenset(
        (syscall.abi, syscall.nr) for syscall in table if (captures := captures_of(syscall)) and captures[0].is_path
    )


def gates_of(plans: NDArray[np.void], interest: Interest, abis: tuple[Abi, ...]) -> NDArray[np.uint8]:
    """The `gates` map that goes with a `plans` map and an interest, (GATES,) of u1."""
    want = np.zeros(len(plans), np.uint8)
    for (abi, nr), outcome in interest.calls.items():
        want[slot_of(abi, nr, abis)] = outcome
    if Abi.I386 in abis:
        wrapped = [want[slot_of(Abi.I386, nr, abis)] for nr in _WRAPPED]
        want[slot_of(Abi.I386, _SOCKETCALL, abis)] |= np.bitwise_or.reduce(wrapped)
    gates = np.zeros(GATES, np.uint8)
    shape = (len(abis), NR_SLOTS)
    any_plan = ((want | plans["special"]) != 0).reshape(shape)
    from_enter = ((want & ~np.uint8(Outcome.FOREIGN) | plans["special"]) != 0).reshape(shape)
    for index in range(len(abis)):
        gates[:NR_SLOTS] |= from_enter[index] * np.uint8(1 << index) | any_plan[index] * np.uint8(16 << index)
    return gates
