"""The syscall table: number, name, entry point, arguments and functional group of every call, per ABI."""

import enum
from collections.abc import Iterable, Iterator, Set
from pathlib import Path

from monitord.abi.arch import Abi
from monitord.dataclass import dataclass
from monitord.tables.canonical import canonical


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


class SyscallTable:
    """
    The calls of some ABIs. Immutable; iterates by ABI, in the order they were given, and number.

    :param calls: no (abi, nr) twice.
    """

    def __init__(self, calls: Iterable[Syscall]) -> None:
        self._by_nr = {(call.abi, call.nr): call for call in calls}
        self._by_name = {(call.abi, call.name): call for call in self._by_nr.values()}
        self._by_canonical: dict[str, tuple[Syscall, ...]] = {}
        for call in self._by_nr.values():
            name = canonical(call.name)
            self._by_canonical[name] = (*self._by_canonical.get(name, ()), call)

    @classmethod
    def load(cls, abis: Iterable[Abi]) -> "SyscallTable":
        """The table as it is shipped, for the ABIs given."""
        return cls(call for abi in abis for call in _read(abi))

    def __iter__(self) -> Iterator[Syscall]:
        return iter(self._by_nr.values())

    def __len__(self) -> int:
        return len(self._by_nr)

    def find(self, abi: Abi, nr: int) -> Syscall | None:
        """The call with a number, or None where the table knows none."""
        return self._by_nr.get((abi, nr))

    def named(self, abi: Abi, name: str) -> Syscall | None:
        """The call with the ABI's own name: ``setuid32`` and ``setuid`` are two calls of i386."""
        return self._by_name.get((abi, name))

    def calls_named(self, name: str) -> tuple[Syscall, ...]:
        """
        All calls that have a canonical name, in all ABIs of the table: ``setuid`` finds i386 ``setuid32`` too.
        None for a name that is a variant of another one; `canonical` says of which.
        """
        return self._by_canonical.get(name, ())

    def names(self) -> Set[str]:
        """The canonical names: those that `calls_named` finds."""
        return self._by_canonical.keys()


def _read(abi: Abi) -> Iterator[Syscall]:
    path = Path(__file__).parent / "data" / f"{abi.label}.tsv"
    for line in path.read_text("ascii").splitlines():
        if line.startswith("#"):
            continue
        nr, name, entry, args, group = line.split("\t")
        yield Syscall(abi, int(nr), name, None if entry == "-" else entry, _args(args), Group(group))


def _args(text: str) -> tuple[Arg, ...]:
    """``int dfd, const char __user * filename`` as values; the last word of each is its name."""
    words = (arg.rpartition(" ") for arg in text.split(", ") if arg)
    return tuple(Arg(name, kind) for kind, _, name in words)
