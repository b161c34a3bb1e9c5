"""The names of flags and enumerations in syscall arguments, and of errors, as the kernel's headers define them."""

import functools
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from monitord.abi.arch import Abi

Names = Mapping[int, str]
"""The names of one family (``open``, ``ptrace``): value -> name."""

_ARCH_COLUMNS = {Abi.X86_64: 2, Abi.I386: 2, Abi.X32: 2, Abi.ARM64: 3, Abi.ARM: 4}


@functools.cache
def _families(abi: Abi) -> Mapping[str, Names]:
    families: dict[str, dict[int, str]] = {}
    path = Path(__file__).parent / "data" / "constants.tsv"
    for line in path.read_text("ascii").splitlines():
        if line.startswith("#"):
            continue
        columns = line.split("\t")
        value = columns[_ARCH_COLUMNS[abi]]
        if value != "-":
            families.setdefault(columns[0], {})[int(value, 16)] = columns[1]
    return families


@functools.cache
def names_of(abi: Abi, *families: str) -> Names:
    """
    The names of one or several families of data/constants.tsv in an ABI, where flags have their own values.

    :raises KeyError: no such family: our own mistake.
    """
    known = _families(abi)
    return MappingProxyType({value: name for family in families for value, name in known[family].items()})


@functools.cache
def values_by_name(abi: Abi) -> Mapping[str, int]:
    """The values of all names of data/constants.tsv in an ABI; no name is in two families with two values."""
    return MappingProxyType({name: value for known in _families(abi).values() for value, name in known.items()})


def errno_name(number: int) -> str:
    """``ENOENT`` for 2, ``ERESTARTSYS`` for 512; a number without a name as it is, ``ERRNO_600``."""
    # Errors have the same numbers on all architectures of ours.
    return names_of(Abi.X86_64, "errno").get(number) or f"ERRNO_{number}"


def text_of_flags(value: int, names: Names) -> str:
    """
    Flags by name, joined by ``|``, lowest first: ``O_CREAT|O_TRUNC``; what has no name as hexadecimal.

    A name for several bits (``O_SYNC``) is used only when they all are set, and then stands for all of them. Zero is
    its own name if it has one (``PROT_NONE``), else ``0``.
    """
    if not value:
        return names.get(0, "0")
    found: list[int] = []
    for flag in sorted(names, key=lambda flag: (-flag.bit_count(), flag)):
        if flag and value & flag == flag:
            found.append(flag)
            value &= ~flag
    return "|".join([*(names[flag] for flag in sorted(found)), *([f"{value:#x}"] if value else [])])
