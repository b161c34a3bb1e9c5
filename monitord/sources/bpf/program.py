"""
Compiling and loading the programs in `bpf/`.

BCC compiles, makes the maps and puts their descriptors into the code. Loading is by libbpf: the programs are
BTF-typed raw tracepoints (BPF_TRACE_RAW_TP), a kind that BCC has no name for. Measured on 6.18, a typed pair
that counts costs 70 ns per call against 85 ns for the plain kind, whose every struct read is a helper call.
"""

import ctypes
import os
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monitord.config.schema import ScopeKind
from monitord.shipped import shipped
from monitord.sources.bpf import libbpf
from monitord.sources.bpf.btf import Btf
from monitord.sources.bpf.errors import LoadError
from monitord.sources.bpf.libbpf import ProgLoadOpts

# What the C refers to as OFF_struct__member: the place of a member may be inside others (the path).
_OFFSETS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("task_struct__tgid", "task_struct", ("tgid",)),
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
    ("signal_struct__live", "signal_struct", ("live",)),
    ("cred__uid", "cred", ("uid",)),
    ("css_set__dfl_cgrp", "css_set", ("dfl_cgrp",)),
    ("cgroup__kn", "cgroup", ("kn",)),
    ("kernfs_node__id", "kernfs_node", ("id",)),
    ("pid__level", "pid", ("level",)),
    ("pid__numbers", "pid", ("numbers",)),
    ("upid__ns", "upid", ("ns",)),
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

_TRACEPOINTS: dict[str, str] = {
    "on_process_exit": "sched_process_exit",
    "on_process_fork": "sched_process_fork",
    "on_process_exec": "sched_process_exec",
    "on_sched_switch": "sched_switch",
    "on_sys_enter": "sys_enter",
    "on_sys_exit": "sys_exit",
}
"""Program -> tracepoint, in the order of attachment: what cleans up and follows comes before what it follows."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What is compiled in.

    :ivar scope: kind, and the number that stands for it in the kernel: cgroup id, uid, pid namespace inode;
        for `ScopeKind.PID` the number of possible pids.
    """

    scope: ScopeKind
    scope_number: int
    latency: bool
    self_tgid: int


@dataclass(slots=True)
class Loaded:
    """
    Programs and maps in the kernel, not attached yet.

    :ivar bpf: BCC's object: owner of the maps.
    :ivar programs: name -> descriptor.
    """

    bpf: Any
    programs: Mapping[str, int]

    def map_fd(self, name: str) -> int:
        """The descriptor of a map."""
        return int(self.bpf[name.encode()].map_fd)


def attach(programs: Mapping[str, int]) -> list[int]:
    """
    Attach the programs to their tracepoints.

    :return: link descriptors; closing one detaches its program.
    :raises OSError: the kernel refused.
    """
    lib = libbpf.library()
    return [
        libbpf.check(lib.bpf_raw_tracepoint_open(None, programs[name]), f"attaching {name}")
        for name in _TRACEPOINTS
        if name in programs
    ]


def load(settings: Settings) -> Loaded:
    """
    Compile and load everything.

    :raises LoadError: this machine cannot; says what is missing.
    """
    if platform.machine() not in _ARCH_OFFSETS:
        raise LoadError(f"no register layout for {platform.machine()}: monitord runs on x86_64 and aarch64")
    names = [n for n in _TRACEPOINTS if n != "on_process_fork" or settings.scope is ScopeKind.PID]
    try:
        with Btf() as btf:
            flags = list(_defines(settings, btf))
            types = {name: btf.tracepoint(_TRACEPOINTS[name]) for name in names}
    except OSError as error:
        raise LoadError(f"libbpf.so.1 cannot be loaded ({error}): install python3-bpfcc, which brings it") from error
    bpf = _compile(flags)
    return Loaded(bpf, {name: _load(bpf, name, type_id) for name, type_id in types.items()})


def source_text(directory: Path) -> str:
    """
    The C source in one piece, each header where it is included.

    BCC rewrites map operations in the main file only, so the headers have to be part of it.
    """

    def include(match: re.Match[str]) -> str:
        name, rest = match.group(1), match.string.count("\n", 0, match.end()) + 1
        text = (directory / name).read_text(encoding="utf-8")
        return f'#line 1 "{name}"\n{text}\n#line {rest} "monitord.bpf.c"'

    main = (directory / "monitord.bpf.c").read_text(encoding="utf-8")
    return re.sub(r'^#include "([^"]+)".*$', include, main, flags=re.MULTILINE)


def _defines(settings: Settings, btf: Btf) -> Iterator[str]:
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


def _compile(defines: list[str]) -> Any:
    directory = shipped("bpf")
    # BCC reads this when it is imported and when it compiles.
    os.environ["BCC_KERNEL_SOURCE"] = str(directory / "kernel")
    try:
        import bcc
    except ImportError as error:
        raise LoadError(
            f"BCC's Python module cannot be imported ({error}): install python3-bpfcc; "
            "a virtual environment needs --system-site-packages"
        ) from error
    flags = ["-Wno-unused-function", "-Wno-macro-redefined", "-Wno-duplicate-decl-specifier", *defines]
    try:
        return bcc.BPF(text=source_text(directory), cflags=flags)
    except Exception as error:  # BCC raises bare Exception
        raise LoadError(
            _why_not(f"the BPF programs did not compile, or their maps could not be made ({error})")
        ) from error


def _load(bpf: Any, name: str, type_id: int) -> int:
    """One program into the kernel; the verifier's last lines come with the error."""
    code: bytes = bpf.dump_func(name.encode())
    log = ctypes.create_string_buffer(1 << 20)
    options = ProgLoadOpts(
        sz=ctypes.sizeof(ProgLoadOpts),
        expected_attach_type=libbpf.TRACE_RAW_TP,
        attach_btf_id=type_id,
    )
    lib = libbpf.library()
    arguments = (libbpf.PROG_TYPE_TRACING, name[:15].encode(), b"GPL", code, len(code) // 8)
    fd = int(lib.bpf_prog_load(*arguments, ctypes.byref(options)))
    if fd >= 0:
        return fd
    error = ctypes.get_errno()
    # Once more for the verifier's words: asking for them always would slow every start.
    options.log_level, options.log_size = 1, len(log)
    options.log_buf = ctypes.cast(log, ctypes.c_void_p)
    fd = int(lib.bpf_prog_load(*arguments, ctypes.byref(options)))
    if fd >= 0:
        return fd
    lines = log.value.decode(errors="replace").strip().splitlines()
    useful = [line for line in lines if not line.startswith(("processed ", "verification time", "stack depth"))]
    said = f"; the verifier said: {useful[-1]}" if useful else ""
    raise LoadError(_why_not(f"the kernel refused the program {name} ({os.strerror(error)}){said}"))


def _why_not(what: str) -> str:
    """The failure, with the usual reason when that is to be seen."""
    if os.geteuid() != 0 and not _has_capability(39):
        return f"{what}: loading BPF needs root, or CAP_BPF and CAP_PERFMON"
    return f"{what}: run `monitord doctor`"


def _has_capability(number: int) -> bool:
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    return bool(effective and int(effective[1], 16) >> number & 1)
