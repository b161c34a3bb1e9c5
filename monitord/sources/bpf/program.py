"""
Compiling and loading the programs in `bpf/`, in a process of its own: `python -m monitord.sources.bpf.program FD`.

BCC compiles, makes the maps and puts their descriptors into the code. LLVM takes 100 MB doing so, which would stay
with the daemon; so a helper does it, hands the descriptors over a socket, and ends (monitord/sources/bpf/loader.py).

Loading is by libbpf: the programs are BTF-typed raw tracepoints (BPF_TRACE_RAW_TP), a kind that BCC has no name for.
Measured on 6.18, a typed pair that counts costs 70 ns per call against 85 ns for the plain kind, whose every struct
read is a helper call.
"""

import ctypes
import json
import os
import platform
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from monitord.config.schema import ScopeKind
from monitord.shipped import shipped
from monitord.sources.bpf import libbpf
from monitord.sources.bpf.btf import Btf
from monitord.sources.bpf.errors import LoadError
from monitord.sources.bpf.libbpf import ProgLoadOpts
from monitord.sources.bpf.machine import advice
from monitord.sources.bpf.offsets import defines, is_supported
from monitord.sources.bpf.settings import Settings

TRACEPOINTS: Mapping[str, str] = {
    "on_process_exit": "sched_process_exit",
    "on_process_fork": "sched_process_fork",
    "on_process_exec": "sched_process_exec",
    "on_sched_switch": "sched_switch",
    "on_sys_enter": "sys_enter",
    "on_sys_exit": "sys_exit",
}
"""Program -> tracepoint, in the order of attachment: what cleans up and follows comes before what it follows."""

MESSAGE_BYTES = 65536
DESCRIPTORS = 64

_QUIET = ("-Wno-unused-function", "-Wno-macro-redefined", "-Wno-duplicate-decl-specifier")


def main(fd: int) -> None:
    """
    The helper: settings in, descriptors out.

    In: a JSON object of `Settings`. Out: ``{"maps": [names], "programs": [names]}`` with the descriptors in that order,
    or ``{"error": text}``.
    """
    with socket.socket(fileno=fd) as daemon:
        asked = json.loads(daemon.recv(MESSAGE_BYTES))
        settings = Settings(**{**asked, "scope": ScopeKind(asked["scope"])})
        try:
            maps, programs = load(settings)
        except LoadError as error:
            daemon.send(json.dumps({"error": str(error)}).encode())
            return
        answer = {"maps": list(maps), "programs": list(programs)}
        socket.send_fds(daemon, [json.dumps(answer).encode()], [*maps.values(), *programs.values()])


def load(settings: Settings) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """
    Compile and load everything; nothing is attached.

    :return: maps and programs, name -> descriptor.
    :raises LoadError: this machine cannot; says what is missing.
    """
    if not is_supported(platform.machine()):
        raise LoadError(f"no register layout for {platform.machine()}: monitord runs on x86_64 and aarch64")
    if not _may_load():
        raise LoadError("loading BPF needs root, or CAP_BPF and CAP_PERFMON")
    try:
        with Btf() as btf:
            flags = list(defines(settings, btf))
            types = {name: btf.tracepoint(TRACEPOINTS[name]) for name in TRACEPOINTS}
    except OSError as error:
        raise LoadError(f"libbpf.so.1 cannot be loaded ({error}): install python3-bpfcc, which brings it") from error
    bpf = _compile(flags)
    # Side by side: the verifier takes tenths of a second for the large ones, and the interpreter is not held meanwhile.
    with ThreadPoolExecutor() as pool:
        loading = {name: pool.submit(_load, bpf, name, type_id) for name, type_id in types.items()}
        programs = {name: future.result() for name, future in loading.items()}
    return {name: bpf[name.encode()].map_fd for name in _maps(settings)}, programs


def _maps(settings: Settings) -> Iterator[str]:
    """The maps that the daemon reads or writes; the programs hold the others."""
    yield from ("calls", "errors", "stats", "plans", "gates", "filters", "names", "places")
    yield from ("lifecycle", "events", "spare")
    if settings.latency:
        yield "latencies"
    if settings.scope is ScopeKind.PID:
        yield "scope_pids"
    if settings.scope in (ScopeKind.CGROUP, ScopeKind.UNIT):
        yield "scope_cgroup"


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


def _compile(flags: list[str]) -> Any:
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
    try:
        return bcc.BPF(text=source_text(directory), cflags=[*_QUIET, *flags])
    except Exception as error:  # BCC raises bare Exception
        raise LoadError(
            f"the BPF programs did not compile, or their maps could not be made ({error}): {advice()}"
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
    raise LoadError(f"the kernel refused the program {name} ({os.strerror(error)}){said}: {advice()}")


def _may_load() -> bool:
    """Whether this process has CAP_SYS_ADMIN, or CAP_BPF and CAP_PERFMON; without, libbcc prints its own mind."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    held = int(effective[1], 16) if effective else 0
    return bool(held >> 21 & 1 or (held >> 39 & 1 and held >> 38 & 1))


if __name__ == "__main__":
    main(int(sys.argv[1]))
