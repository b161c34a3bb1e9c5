"""Register values as people read them, decided by the syscall, the argument's name and its C type."""

import functools
import struct
from collections.abc import Mapping
from types import MappingProxyType

from monitord.abi.arch import Abi
from monitord.dataclass import dataclass
from monitord.tables.canonical import canonical
from monitord.tables.captures import AT_FDCWD, OPEN_HOW_BYTES, captures_of
from monitord.tables.constants import names_of, text_of_flags
from monitord.tables.syscalls import Syscall


@dataclass(frozen=True, slots=True)
class _Form:
    """
    How a value is made of names, by the families of data/constants.tsv.

    :ivar flags: families of single bits.
    :ivar choice: family of which one is chosen by the bits of `mask`.
    """

    flags: tuple[str, ...] = ()
    choice: str | None = None
    mask: int = 0xFFFF_FFFF

    def text(self, abi: Abi, value: int) -> str:
        """``O_RDWR|O_CREAT``"""
        if self.choice is None:
            return text_of_flags(value, names_of(abi, *self.flags))
        chosen = value & self.mask
        words = []
        names = names_of(abi, self.choice)
        if chosen in names or chosen or not self.flags:
            words.append(names.get(chosen, str(chosen)))
        if rest := value & ~self.mask:
            words.append(text_of_flags(rest, names_of(abi, *self.flags)) if self.flags else f"{rest:#x}")
        return "|".join(words) or "0"


_OPEN = _Form(("open",), "open_mode", 3)
_OPEN_FLAGS = _Form(("open",))  # of calls that take no access mode
_PROT = _Form(("prot",))
_MAP = _Form(("map",), "map_type", 0xF)
_CLONE = _Form(("clone",), "signal", 0xFF)
_NAMESPACES = _Form(("clone", "unshare"))
_ACCESS = _Form(("access",))
_FILE_MODE = _Form(("file_mode",))
_SIGNAL = _Form(choice="signal")
_DOMAIN = _Form(choice="domain")
_SOCKET_TYPE = _Form(("socket_flags",), "socket_type", 0xF)

_FORMS: Mapping[tuple[str, str], _Form] = MappingProxyType(
    {
        ("accept4", "flags"): _Form(("socket_flags",)),
        ("access", "mode"): _ACCESS,
        ("bpf", "cmd"): _Form(choice="bpf"),
        ("chmod", "mode"): _FILE_MODE,
        ("clone", "clone_flags"): _CLONE,
        ("delete_module", "flags"): _OPEN_FLAGS,
        ("dup3", "flags"): _OPEN_FLAGS,
        ("execveat", "flags"): _Form(("at_follow", "execveat")),
        ("faccessat", "mode"): _ACCESS,
        ("faccessat2", "flags"): _Form(("at_follow", "at_access")),
        ("faccessat2", "mode"): _ACCESS,
        ("fchmod", "mode"): _FILE_MODE,
        ("fchmodat", "mode"): _FILE_MODE,
        ("fchmodat2", "flags"): _Form(("at_follow",)),
        ("fchmodat2", "mode"): _FILE_MODE,
        ("fchownat", "flag"): _Form(("at_follow",)),
        ("finit_module", "flags"): _Form(("module",)),
        ("linkat", "flags"): _Form(("at_follow",)),
        ("memfd_create", "flags"): _Form(("memfd",)),
        ("mmap", "flags"): _MAP,
        ("mmap", "prot"): _PROT,
        ("mount", "flags"): _Form(("mount",)),
        ("mprotect", "prot"): _PROT,
        ("mq_open", "oflag"): _OPEN,
        ("name_to_handle_at", "flag"): _Form(("at_follow", "at_handle")),
        ("newfstatat", "flag"): _Form(("at_follow",)),
        ("open", "flags"): _OPEN,
        ("open_by_handle_at", "flags"): _OPEN,
        ("openat", "flags"): _OPEN,
        ("pipe2", "flags"): _OPEN_FLAGS,
        ("pkey_mprotect", "prot"): _PROT,
        ("prctl", "option"): _Form(choice="prctl"),
        ("ptrace", "request"): _Form(choice="ptrace"),
        ("renameat2", "flags"): _Form(("rename",)),
        ("seccomp", "flags"): _Form(("seccomp_filter",)),
        ("seccomp", "op"): _Form(choice="seccomp"),
        ("setns", "flags"): _NAMESPACES,
        ("socket", "family"): _DOMAIN,
        ("socket", "type"): _SOCKET_TYPE,
        ("socketpair", "family"): _DOMAIN,
        ("socketpair", "type"): _SOCKET_TYPE,
        ("statx", "flags"): _Form(("at_follow", "at_stat_sync")),
        ("umount2", "flags"): _Form(("umount",)),
        ("unlinkat", "flag"): _Form(("at_unlink",)),
        ("unshare", "unshare_flags"): _NAMESPACES,
        ("utimensat", "flags"): _Form(("at_follow",)),
    }
)
"""(canonical name, argument's name) -> form, for the arguments that have names of their own."""

_ADDRESSES = frozenset(("addr", "start", "new_addr", "brk", "newsp", "tls"))
"""Names of addresses that the kernel takes as unsigned long."""

_HANDLES = ("cap_user_header_t", "cap_user_data_t", "aio_context_t", "compat_aio_context_t", "__sighandler_t")
"""C types that are pointers and do not look it."""

_SIGNED_32 = frozenset(("int", "pid_t", "key_t", "key_serial_t", "clockid_t", "timer_t", "mqd_t", "rwf_t", "__s32"))
_SIGNED_COMPAT = frozenset(("compat_pid_t", "compat_long_t", "compat_off_t", "compat_ssize_t"))
_SIGNED = _SIGNED_32 | _SIGNED_COMPAT | {"long", "off_t", "loff_t"}
_LONG = frozenset(("long", "off_t", "unsigned long", "size_t"))
_BITS_64 = frozenset(("loff_t", "u64", "__u64"))
_BITS_16 = frozenset(("umode_t", "compat_mode_t", "old_uid_t", "old_gid_t"))


def text_of_argument(call: Syscall, index: int, value: int) -> str:
    """
    One argument of a call as text, in Falco's manner: ``O_RDWR|O_CREAT``, ``PTRACE_ATTACH``, ``-1``, ``0x7ffe1000``.

    Descriptors are signed decimal, or ``AT_FDCWD`` where the call takes it; permissions are octal (``0644``), but
    ``S_ISUID|S_IRUSR`` in the chmod family, as Falco's rules test them; unknown bits are hexadecimal.

    :param value: the register, unsigned; bits beyond the width of the C type are ignored.
    """
    if index >= len(call.args):
        return f"{value:#x}"
    arg = call.args[index]
    kind = arg.type.removeprefix("const ")
    if "*" in kind or kind in _HANDLES:
        pointer = value & ((1 << _word_bits(call.abi)) - 1)
        return f"{pointer:#x}" if pointer else "NULL"
    number = _number(call.abi, kind, value)
    unsigned = number & 0xFFFF_FFFF if number < 0 else number
    form = _FORMS.get((canonical(call.name), arg.name))
    if form is not None:
        return form.text(call.abi, unsigned)
    if arg.name.endswith("fd") or arg.name in ("fildes", "mqdes"):
        fd = _signed(value, 32)
        takes_cwd = fd == AT_FDCWD and any(index == capture.dirfd for capture in captures_of(call))
        return "AT_FDCWD" if takes_cwd else str(fd)
    if arg.name in ("sig", "signum"):
        return _SIGNAL.text(call.abi, unsigned)
    if kind in ("umode_t", "compat_mode_t"):
        return f"0{number:o}" if number else "0"
    if arg.name.endswith("flags") or arg.name in _ADDRESSES or call.name == "ioctl":
        return f"{unsigned:#x}" if unsigned else "0"
    return str(number)


def id_kind(call: Syscall, index: int) -> str | None:
    """``uid`` or ``gid`` for an argument that is the id of a user or group."""
    return _id_kind_of(call.args[index].type) if index < len(call.args) else None


@functools.cache
def _id_kind_of(type_: str) -> str | None:
    return next((of for of in ("uid", "gid") if type_.endswith(f"{of}_t") and "*" not in type_), None)


@dataclass(frozen=True, slots=True)
class NamedBits:
    """
    A name that the text of an argument can hold: only where ``register & mask == value``.

    :ivar sure: it does hold it wherever that is so; no name of more bits can stand in its place.
    """

    name: str
    mask: int
    value: int
    sure: bool


def names_in_text(call: Syscall, index: int) -> tuple[NamedBits, ...] | None:
    """
    The names that `text_of_argument` makes an argument's text of; between and beside them it writes numbers only.

    :return: None for an argument that is not shown by names.
    """
    form = _form_of(call, index)
    if form is None:
        return None
    flags = names_of(call.abi, *form.flags) if form.flags else {}
    if form.choice is None:
        width = bits_of_text(call, index)
        bits = [NamedBits(name, value or width, value, _stands_alone(value, flags)) for value, name in flags.items()]
    else:
        chosen = names_of(call.abi, form.choice)
        bits = [NamedBits(name, form.mask, value, True) for value, name in chosen.items()]
        rest = {value: name for value, name in flags.items() if value and not value & form.mask}
        bits += [NamedBits(name, value, value, _stands_alone(value, rest)) for value, name in rest.items()]
    return tuple(bits)


def _form_of(call: Syscall, index: int) -> _Form | None:
    arg = call.args[index]
    kind = arg.type.removeprefix("const ")
    if "*" in kind or kind in _HANDLES:
        return None
    form = _FORMS.get((canonical(call.name), arg.name))
    if form is not None or arg.name.endswith("fd") or arg.name in ("fildes", "mqdes"):
        return form
    return _SIGNAL if arg.name in ("sig", "signum") else None


def _stands_alone(flag: int, names: Mapping[int, str]) -> bool:
    return not any(flag & other for other in names if other != flag)


def bits_told(call: Syscall, index: int) -> int:
    """The bits of the register that the text of an argument tells: with others there it is another text."""
    # Of a negative number that is shown by names the upper half is not shown.
    by_names = _form_of(call, index) is not None
    return 0xFFFF_FFFF if by_names and call.args[index].type in _SIGNED else bits_of_text(call, index)


def bits_of_text(call: Syscall, index: int) -> int:
    """The bits of the register that the text of an argument follows from."""
    arg = call.args[index]
    kind = arg.type.removeprefix("const ")
    if "*" in kind or kind in _HANDLES:
        bits = _word_bits(call.abi)
    elif arg.name.endswith("fd") or arg.name in ("fildes", "mqdes"):
        bits = 32
    else:
        bits = _bits_of(call.abi, kind)
    return (1 << bits) - 1


def value_of_text(call: Syscall, index: int, text: str) -> int | None:
    """A register, in the bits of `bits_of_text`, of which an argument's text is this; None when none is found."""
    names = {bits.name: bits.value for bits in names_in_text(call, index) or ()}
    value = 0
    for word in text.split("|"):
        number = names.get(word, _WORDS.get(word))
        if number is None:
            number = _read_number(word)
        if number is None:
            return None
        value |= number
    value &= bits_of_text(call, index)
    return value if text_of_argument(call, index, value) == text else None


_WORDS: Mapping[str, int] = MappingProxyType({"NULL": 0, "AT_FDCWD": AT_FDCWD})


def _read_number(word: str) -> int | None:
    digits = word.removeprefix("-")
    try:
        if digits.startswith("0x"):
            return int(word, 16)
        return int(word, 8 if digits.startswith("0") else 10)
    except ValueError:
        return None


def texts_of_open_how(abi: Abi, data: bytes) -> Mapping[str, str]:
    """
    ``flags``, ``mode`` and ``resolve`` of openat2's struct open_how as text; empty if `data` is too short to be one.
    """
    if len(data) < OPEN_HOW_BYTES:
        return {}
    flags, mode, resolve = struct.unpack_from("<QQQ", data)
    return {
        "flags": _OPEN.text(abi, flags),
        "mode": f"0{mode:o}" if mode else "0",
        "resolve": text_of_flags(resolve, names_of(abi, "resolve")),
    }


def _word_bits(abi: Abi) -> int:
    return 32 if abi in (Abi.I386, Abi.ARM) else 64


def _number(abi: Abi, kind: str, value: int) -> int:
    """The value of a register read as a C type; types not known here are as wide as an int, and unsigned."""
    bits = _bits_of(abi, kind)
    return _signed(value, bits) if kind in _SIGNED else value & ((1 << bits) - 1)


def _bits_of(abi: Abi, kind: str) -> int:
    if kind in _BITS_64:
        return 64
    if kind in _LONG:
        return _word_bits(abi)
    return 16 if kind in _BITS_16 else 32


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def number_of_argument(call: Syscall, index: int, value: int) -> int:
    """
    One argument of a call as a number, as wide as its C type and with its sign; a pointer is an address.

    :param value: the register, unsigned.
    """
    kind = call.args[index].type.removeprefix("const ")
    if "*" in kind or kind in _HANDLES:
        return value & ((1 << _word_bits(call.abi)) - 1)
    return _number(call.abi, kind, value)
