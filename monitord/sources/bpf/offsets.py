"""What the C is told of the running kernel: struct offsets from BTF, and what the operator chose, as -D flags."""

import platform
import re
from collections.abc import Iterator

from monitord.config.schema import ScopeKind
from monitord.sources.bpf.btf import Btf
from monitord.sources.bpf.errors import LoadError
from monitord.sources.bpf.settings import Settings

# What the C refers to as OFF_struct__member: the place of a member may be inside others (the path).
_OFFSETS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("task_struct__tgid", "task_struct", ("tgid",)),
    ("task_struct__pid", "task_struct", ("pid",)),
    ("task_struct__exit_code", "task_struct", ("exit_code",)),
    ("task_struct__group_leader", "task_struct", ("group_leader",)),
    ("task_struct__real_parent", "task_struct", ("real_parent",)),
    ("task_struct__comm", "task_struct", ("comm",)),
    ("task_struct__start_boottime", "task_struct", ("start_boottime",)),
    ("task_struct__cred", "task_struct", ("cred",)),
    ("task_struct__cgroups", "task_struct", ("cgroups",)),
    ("task_struct__thread_pid", "task_struct", ("thread_pid",)),
    ("task_struct__signal", "task_struct", ("signal",)),
    ("task_struct__mm", "task_struct", ("mm",)),
    ("mm_struct__arg_start", "mm_struct", ("arg_start",)),
    ("mm_struct__arg_end", "mm_struct", ("arg_end",)),
    ("mm_struct__exe_file", "mm_struct", ("exe_file",)),
    ("signal_struct__live", "signal_struct", ("live",)),
    ("signal_struct__flags", "signal_struct", ("flags",)),
    ("signal_struct__group_exit_code", "signal_struct", ("group_exit_code",)),
    ("signal_struct__pids", "signal_struct", ("pids",)),
    ("cred__uid", "cred", ("uid",)),
    ("cred__gid", "cred", ("gid",)),
    ("css_set__dfl_cgrp", "css_set", ("dfl_cgrp",)),
    ("cgroup__kn", "cgroup", ("kn",)),
    ("kernfs_node__id", "kernfs_node", ("id",)),
    ("pid__level", "pid", ("level",)),
    ("pid__numbers", "pid", ("numbers",)),
    ("upid__ns", "upid", ("ns",)),
    ("upid__nr", "upid", ("nr",)),
    ("pid_namespace__inum", "pid_namespace", ("ns", "inum")),
    ("linux_binprm__filename", "linux_binprm", ("filename",)),
    ("task_struct__fs", "task_struct", ("fs",)),
    ("task_struct__files", "task_struct", ("files",)),
    ("fs_struct__pwd", "fs_struct", ("pwd",)),
    ("files_struct__fdt", "files_struct", ("fdt",)),
    ("fdtable__max_fds", "fdtable", ("max_fds",)),
    ("fdtable__fd", "fdtable", ("fd",)),
    ("file__f_path", "file", ("f_path",)),
    ("path__mnt", "path", ("mnt",)),
    ("path__dentry", "path", ("dentry",)),
    ("vfsmount__mnt_root", "vfsmount", ("mnt_root",)),
    ("mount__mnt", "mount", ("mnt",)),
    ("mount__mnt_parent", "mount", ("mnt_parent",)),
    ("mount__mnt_mountpoint", "mount", ("mnt_mountpoint",)),
    ("dentry__d_parent", "dentry", ("d_parent",)),
    ("dentry__d_name", "dentry", ("d_name", "name")),
)
_ARCH_OFFSETS: dict[str, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    "x86_64": (
        ("thread_info__status", "task_struct", ("thread_info", "status")),
        *(
            (f"pt_regs__{r}", "pt_regs", (r,))
            for r in ("orig_ax", "cs", "bx", "cx", "dx", "si", "di", "bp", "r8", "r9", "r10")
        ),
    ),
    "aarch64": (
        ("thread_info__flags", "task_struct", ("thread_info", "flags")),
        *((f"pt_regs__{r}", "pt_regs", (r,)) for r in ("regs", "orig_x0", "syscallno")),
    ),
}


def is_supported(machine: str) -> bool:
    """Whether there is a register layout for `uname -m`."""
    return machine in _ARCH_OFFSETS


def defines(settings: Settings, btf: Btf) -> Iterator[str]:
    """
    The compiler flags.

    :raises LoadError: this kernel has no such struct or member.
    """
    for name, struct, path in _OFFSETS + _ARCH_OFFSETS[platform.machine()]:
        offset = btf.offset(struct, *path)
        if offset is None:
            raise LoadError(f"this kernel's {struct} has no {'.'.join(path)}: monitord is tested on Linux 5.10 to 6.18")
        yield f"-DOFF_{name}={offset}"
    yield f"-DMACHINE_{platform.machine()}"
    yield f"-DSIZE_upid={btf.size('upid')}"
    yield f"-DSELF_TGID={settings.self_tgid}"
    if _has_task_btf():
        yield "-DHAVE_TASK_BTF"
    if settings.latency:
        yield "-DLATENCY"
    if settings.scope is not ScopeKind.ALL:
        kind = ScopeKind.CGROUP if settings.scope is ScopeKind.UNIT else settings.scope
        yield f"-DSCOPE_{kind.name}={settings.scope_number}"


def _has_task_btf() -> bool:
    # bpf_get_current_task_btf came in Linux 5.11, "bpf: Add bpf_get_current_task_btf"; it cannot be asked for
    # without loading a program.
    major, minor = platform.release().split(".")[:2]
    return (int(major), int(re.match(r"\d+", minor)[0])) >= (5, 11)  # type: ignore[index]
