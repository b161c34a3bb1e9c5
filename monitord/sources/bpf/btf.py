"""
Struct offsets and type ids of the running kernel, by name, from its BTF.

Headers are right for one kernel; BTF is right for the one that runs.
"""

import ctypes
from collections.abc import Sequence
from types import TracebackType

from monitord.sources.bpf.errors import LoadError
from monitord.sources.bpf.libbpf import library
from monitord.sources.bpf.machine import too_old

# enum of uapi/linux/btf.h
_STRUCT = 4
_UNION = 5
_TYPEDEF = 8
_MODIFIERS = frozenset({8, 9, 10, 11, 18})  # typedef, volatile, const, restrict, type_tag

NO_BTF = (
    "this kernel has no BTF (/sys/kernel/btf/vmlinux): monitord needs the kernel's own description of its structs. "
    "Kernels of Debian 11 and later, Ubuntu 20.10, Fedora 31 have it; your own needs CONFIG_DEBUG_INFO_BTF=y"
)


class _Type(ctypes.Structure):
    """struct btf_type."""

    _fields_ = (("name_off", ctypes.c_uint32), ("info", ctypes.c_uint32), ("size_or_type", ctypes.c_uint32))

    @property
    def kind(self) -> int:
        return int(self.info >> 24 & 0x1F)


class _Member(ctypes.Structure):
    """struct btf_member."""

    _fields_ = (("name_off", ctypes.c_uint32), ("type", ctypes.c_uint32), ("offset", ctypes.c_uint32))


class Btf:
    """The kernel's BTF, open. A context manager: closing frees the 5 MB it takes."""

    def __init__(self) -> None:
        """:raises LoadError: the kernel has none."""
        self._lib = library()
        self._btf = self._lib.btf__load_vmlinux_btf()
        if not self._btf:
            raise LoadError(NO_BTF)

    def __enter__(self) -> "Btf":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lib.btf__free(self._btf)
        self._btf = None

    def offset(self, struct: str, *path: str) -> int | None:
        """
        The byte offset of a member, looked for inside anonymous members too.

        :param path: member names, from the outside in: ``offset("pid_namespace", "ns", "inum")``.
        :return: None when this kernel has no such struct or member.
        """
        type_id = self._find(struct, _STRUCT)
        total = 0
        for name in path:
            found = self._member(type_id, name) if type_id is not None else None
            if found is None:
                return None
            bits, type_id = found
            total += bits
        return total // 8

    def size(self, struct: str) -> int | None:
        """The size of a struct in bytes."""
        type_id = self._find(struct, _STRUCT)
        return None if type_id is None else int(self._lib.btf__resolve_size(self._btf, type_id))

    def tracepoint(self, name: str) -> int:
        """
        The type id that a BTF-typed program attaches to a tracepoint by.

        :raises LoadError: the kernel has no such tracepoint.
        """
        type_id = self._find(f"btf_trace_{name}", _TYPEDEF)
        if type_id is None:
            needed = too_old() or "it needs CONFIG_FTRACE_SYSCALLS=y and CONFIG_TRACEPOINTS=y"
            raise LoadError(f"this kernel has no tracepoint {name}: {needed}")
        return type_id

    def _find(self, name: str, kind: int) -> int | None:
        found = int(self._lib.btf__find_by_name_kind(self._btf, name.encode(), kind))
        return found if found > 0 else None

    def _type(self, type_id: int) -> tuple[int, _Type]:
        """A type with typedefs and qualifiers taken off, and its address."""
        while True:
            address = int(self._lib.btf__type_by_id(self._btf, type_id))
            found = _Type.from_address(address)
            if found.kind not in _MODIFIERS:
                return address, found
            type_id = int(found.size_or_type)

    def _members(self, type_id: int) -> Sequence[_Member]:
        address, found = self._type(type_id)
        if found.kind not in (_STRUCT, _UNION):
            return ()
        members: Sequence[_Member] = (_Member * (found.info & 0xFFFF)).from_address(address + ctypes.sizeof(_Type))
        return members

    def _member(self, type_id: int, name: str) -> tuple[int, int] | None:
        """Offset in bits and type id of a member."""
        for member in self._members(type_id):
            # The upper 8 bits hold a bitfield's size where the struct has bitfields (kind_flag).
            bits = int(member.offset & 0xFFFFFF)
            label = self._lib.btf__name_by_offset(self._btf, member.name_off)
            if label == name.encode():
                return bits, int(member.type)
            if not label:
                inner = self._member(int(member.type), name)
                if inner is not None:
                    return bits + inner[0], inner[1]
        return None
