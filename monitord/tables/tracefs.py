"""What the running kernel says of its own system calls, in tracefs: it knows calls that are newer than our table."""

import os
import re
from pathlib import Path

from monitord.abi.arch import Abi, machine_abis
from monitord.tables.syscalls import Arg, Group, Syscall, SyscallTable

TRACEFS = Path("/sys/kernel/tracing")
CALLS = Path("events/syscalls")
"""Below it, where calls are described. It is there for root alone."""

_ENTER = "sys_enter_"

_FIELD = re.compile(r"\tfield:(?P<type>.+?) ?\b(?P<name>\w+);\toffset:(?P<offset>\d+);\tsize:8;")
_FIRST_ARGUMENT_OFFSET = 16  # behind the common fields and __syscall_nr, which is the name of a field only
_NUMBER = re.compile(r"^#define\s+__NR_(\w+)\s+(\d+)$", re.M)


def extended(table: SyscallTable, tracefs: Path = TRACEFS, unistd: Path | None = None) -> SyscallTable:
    """
    A table with what the running kernel adds to the calls of its native ABI; without tracefs, or if the table does
    not have that ABI, the same calls.

    Arguments are filled in where the table has none. A call that the table does not have at all is added if its
    number is known: tracefs does not give it, so it comes from the C header, if one is installed. Such a call is
    in `Group.SYSTEM`, for what it is for is not known.

    :param unistd: the header with the numbers; None for this machine's own.
    """
    abi = machine_abis()[0]
    known = {call.entry for call in table if call.abi is abi}
    if not known:
        return table
    calls = {(call.abi, call.nr): call for call in table}
    numbers = _numbers(unistd or _header(abi))
    for event in _events(tracefs / CALLS):
        entry = f"sys_{event}"
        if entry in known:
            continue
        args = _arguments(tracefs / CALLS / f"{_ENTER}{event}" / "format")
        if args is None:
            break
        call = table.named(abi, event)
        if call is not None:
            calls[abi, call.nr] = Syscall(abi, call.nr, call.name, entry, args, call.group)
        elif event in numbers and (abi, numbers[event]) not in calls:
            nr = numbers[event]
            calls[abi, nr] = Syscall(abi, nr, event, entry, args, Group.SYSTEM)
    return SyscallTable(calls.values())


def refusal(tracefs: Path = TRACEFS) -> OSError | None:
    """Why the kernel cannot be asked for its calls; None if it can."""
    try:
        os.scandir(tracefs / CALLS).close()
    except OSError as err:
        return err
    return None


def _events(directory: Path) -> list[str]:
    """The calls that the kernel describes, by their entry points without ``sys_``; none for who may not look."""
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    return [name.removeprefix(_ENTER) for name in names if name.startswith(_ENTER)]


def _arguments(description: Path) -> tuple[Arg, ...] | None:
    """What the kernel says of a call; None for who is not root, whatever the call."""
    try:
        text = description.read_text("ascii")
    except OSError:
        return None
    fields = (match for match in _FIELD.finditer(text) if int(match["offset"]) >= _FIRST_ARGUMENT_OFFSET)
    return tuple(Arg(field["name"], field["type"]) for field in fields)


def _header(abi: Abi) -> Path:
    triplet = {Abi.X86_64: "x86_64-linux-gnu", Abi.ARM64: "aarch64-linux-gnu"}[abi]
    return Path("/usr/include") / triplet / "asm" / "unistd_64.h"


def _numbers(header: Path) -> dict[str, int]:
    try:
        text = header.read_text("ascii")
    except OSError:
        return {}
    return {name: int(nr) for name, nr in _NUMBER.findall(text)}
