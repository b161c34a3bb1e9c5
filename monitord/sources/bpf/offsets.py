"""What the C is told of the running kernel: struct offsets from BTF, and what the operator chose, as -D flags."""

import mmap
import platform
import re
from collections.abc import Iterator

from monitord.sources.bpf.btf import Btf
from monitord.sources.bpf.errors import LoadError
from monitord.sources.bpf.settings import MAGIC, Settings

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
    ("mm_struct__env_start", "mm_struct", ("env_start",)),
    ("mm_struct__env_end", "mm_struct", ("env_end",)),
    ("mm_struct__exe_file", "mm_struct", ("exe_file",)),
    ("signal_struct__live", "signal_struct", ("live",)),
    ("signal_struct__nr_threads", "signal_struct", ("nr_threads",)),
    ("signal_struct__flags", "signal_struct", ("flags",)),
    ("signal_struct__group_exit_code", "signal_struct", ("group_exit_code",)),
    ("signal_struct__pids", "signal_struct", ("pids",)),
    ("cred__uid", "cred", ("uid",)),
    ("cred__gid", "cred", ("gid",)),
    ("css_set__dfl_cgrp", "css_set", ("dfl_cgrp",)),
    ("cgroup__kn", "cgroup", ("kn",)),
    ("cgroup__root", "cgroup", ("root",)),
    ("cgroup__parent", "cgroup", ("self", "parent")),
    ("cgroup_root__hierarchy_id", "cgroup_root", ("hierarchy_id",)),
    ("cgroup_subsys_state__cgroup", "cgroup_subsys_state", ("cgroup",)),
    ("kernfs_node__id", "kernfs_node", ("id",)),
    ("pid__level", "pid", ("level",)),
    ("pid__numbers", "pid", ("numbers",)),
    ("upid__ns", "upid", ("ns",)),
    ("upid__nr", "upid", ("nr",)),
    ("pid_namespace__inum", "pid_namespace", ("ns", "inum")),
    ("pid_namespace__child_reaper", "pid_namespace", ("child_reaper",)),
    ("linux_binprm__filename", "linux_binprm", ("filename",)),
    ("linux_binprm__fdpath", "linux_binprm", ("fdpath",)),
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
    ("dentry__d_name_len", "dentry", ("d_name", "len")),
    ("task_struct__pid_links", "task_struct", ("pid_links",)),
    ("pid__tasks", "pid", ("tasks",)),
    *(
        (f"cred__{name}", "cred", (name,))
        for name in (
            *("euid", "egid", "suid", "sgid", "fsuid", "fsgid", "group_info", "user_ns"),
            *("cap_effective", "cap_permitted", "cap_inheritable", "cap_bset", "cap_ambient"),
        )
    ),
    ("signal_struct__tty", "signal_struct", ("tty",)),
    ("tty_struct__driver", "tty_struct", ("driver",)),
    ("tty_struct__index", "tty_struct", ("index",)),
    ("tty_driver__major", "tty_driver", ("major",)),
    ("tty_driver__minor_start", "tty_driver", ("minor_start",)),
    ("file__f_inode", "file", ("f_inode",)),
    ("file__f_flags", "file", ("f_flags",)),
    ("file__f_mode", "file", ("f_mode",)),
    ("file__private_data", "file", ("private_data",)),
    *((f"inode__{name}", "inode", (name,)) for name in ("i_mode", "i_uid", "i_gid", "i_ino", "i_nlink", "i_sb")),
    ("inode__i_flags", "inode", ("i_flags",)),
    ("group_info__ngroups", "group_info", ("ngroups",)),
    ("group_info__gid", "group_info", ("gid",)),
    ("user_namespace__level", "user_namespace", ("level",)),
    ("user_namespace__nr_extents", "user_namespace", ("uid_map", "nr_extents")),
    ("user_namespace__extent", "user_namespace", ("uid_map", "extent")),
    ("super_block__s_flags", "super_block", ("s_flags",)),
    ("super_block__s_dev", "super_block", ("s_dev",)),
    ("super_block__s_magic", "super_block", ("s_magic",)),
    ("socket__sk", "socket", ("sk",)),
    ("socket__type", "socket", ("type",)),
    ("sock__sk_protocol", "sock", ("sk_protocol",)),
    *(
        (f"sock_common__{name}", "sock_common", (name,))
        for name in ("skc_family", "skc_state", "skc_dport", "skc_rcv_saddr", "skc_daddr")
    ),
    ("inet_sock__inet_sport", "inet_sock", ("inet_sport",)),
)

# What has moved: the first that the kernel has.
_MOVED: tuple[tuple[str, str, tuple[tuple[str, ...], ...]], ...] = (
    # i_ctime became __i_ctime in 6.6, and both times were split into numbers in 6.11.
    ("inode__ctime_sec", "inode", (("i_ctime_sec",), ("__i_ctime", "tv_sec"), ("i_ctime", "tv_sec"))),
    ("inode__ctime_nsec", "inode", (("i_ctime_nsec",), ("__i_ctime", "tv_nsec"), ("i_ctime", "tv_nsec"))),
    ("inode__mtime_sec", "inode", (("i_mtime_sec",), ("__i_mtime", "tv_sec"), ("i_mtime", "tv_sec"))),
    ("inode__mtime_nsec", "inode", (("i_mtime_nsec",), ("__i_mtime", "tv_nsec"), ("i_mtime", "tv_nsec"))),
)

# What a kernel may be configured without; the C asks whether it is there.
_OPTIONAL: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("task_struct__loginuid", "task_struct", ("loginuid",)),  # CONFIG_AUDIT
    ("task_struct__sessionid", "task_struct", ("sessionid",)),
    ("sock_common__skc_v6_daddr", "sock_common", ("skc_v6_daddr",)),  # CONFIG_IPV6
    ("sock_common__skc_v6_rcv_saddr", "sock_common", ("skc_v6_rcv_saddr",)),
    ("unix_sock__addr", "unix_sock", ("addr",)),  # CONFIG_UNIX=y
    ("unix_sock__peer", "unix_sock", ("peer",)),
    ("unix_address__len", "unix_address", ("len",)),
    ("unix_address__name", "unix_address", ("name",)),
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
    fixed = ((name, struct, (path,)) for name, struct, path in _OFFSETS + _ARCH_OFFSETS[platform.machine()])
    for name, struct, paths in (*fixed, *_MOVED):
        offsets = (btf.offset(struct, *path) for path in paths)
        offset = next((offset for offset in offsets if offset is not None), None)
        if offset is None:
            where = ".".join(paths[-1])
            raise LoadError(f"this kernel's {struct} has no {where}: monitord is tested on Linux 5.10 to 6.18")
        yield f"-DOFF_{name}={offset}"
    for name, struct, path in _OPTIONAL:
        offset = btf.offset(struct, *path)
        if offset is not None:
            yield f"-DOFF_{name}={offset}"
    yield f"-DSIZE_inode={btf.size('inode')}"
    yield f"-DMACHINE_{platform.machine()}"
    yield f"-DSIZE_upid={btf.size('upid')}"
    yield from (f"-D{name}={value:#x}" for name, value in MAGIC.items())
    yield f"-DPAGE_SIZE={mmap.PAGESIZE}"  # BCC sizes the spare ring with it
    if _has_task_btf():
        yield "-DHAVE_TASK_BTF"
    if settings.latency:
        yield "-DLATENCY"
    if settings.scope_define:
        yield settings.scope_define


def _has_task_btf() -> bool:
    # bpf_get_current_task_btf came in Linux 5.11, "bpf: Add bpf_get_current_task_btf"; it cannot be asked for
    # without loading a program.
    major, minor = platform.release().split(".")[:2]
    return (int(major), int(re.match(r"\d+", minor)[0])) >= (5, 11)  # type: ignore[index]
