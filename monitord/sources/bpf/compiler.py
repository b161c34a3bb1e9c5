"""
Compiling the programs in `bpf/`, in a process of its own: `python -m monitord.sources.bpf.compiler FD`.

BCC compiles, and makes maps to put their descriptors into the code. LLVM takes 120 MB doing so, which would stay
with the daemon; so a helper does it, writes down what came of it (monitord/sources/bpf/compiled.py), and ends.
"""

import ctypes
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from monitord.config.schema import ScopeKind
from monitord.shipped import shipped
from monitord.sources.bpf import libbpf
from monitord.sources.bpf.btf import Btf
from monitord.sources.bpf.compiled import Compiled, MapDefinition, Program
from monitord.sources.bpf.errors import LoadError
from monitord.sources.bpf.machine import advice
from monitord.sources.bpf.offsets import defines
from monitord.sources.bpf.settings import MAGIC, Settings

TRACEPOINTS: Mapping[str, str] = {
    "on_process_exit": "sched_process_exit",
    "on_process_fork": "sched_process_fork",
    "on_process_exec": "sched_process_exec",
    "on_cgroup_mkdir": "cgroup_mkdir",
    "on_cgroup_join": "cgroup_attach_task",
    "on_sched_switch": "sched_switch",
    "on_sys_enter": "sys_enter",
    "on_sys_exit": "sys_exit",
}
"""Program -> tracepoint, in the order of attachment: what cleans up and follows comes before what it follows."""

_SCOPED = ("on_sys_enter", "on_sys_exit")
"""Programs that certainly ask whether a task is in scope, and so hold every constant."""

_QUIET = ("-Wno-unused-function", "-Wno-macro-redefined", "-Wno-duplicate-decl-specifier")

_CHEAPLY = ("-Xclang", "-disable-llvm-passes", "-fno-unroll-loops", "-g0")
"""
BCC optimises what Clang gives it. Clang would before, which took a fifth of the time and made no difference. Loops that
are unrolled are more to compile, and for the verifier to look at. BCC asks for debug information, which nobody here
reads, and which takes a sixth of the time.
"""


def main(fd: int) -> None:
    """
    The helper: `Settings` as JSON on stdin; compiled programs, or ``{"error": text}``, into the file `fd`.
    """
    asked = json.load(sys.stdin)
    try:
        answer = compile_for(Settings(**{**asked, "scope": ScopeKind(asked["scope"])})).to_bytes()
    except LoadError as error:
        answer = json.dumps({"error": str(error)}).encode()
    with os.fdopen(fd, "wb") as out:
        out.write(answer)


def asked_of(settings: Settings) -> bytes:
    """What `main` is to be told."""
    return json.dumps(asdict(settings) | {"scope": settings.scope.value}).encode()


def answered(answer: bytes) -> Compiled:
    """
    What `main` answered.

    :raises LoadError: it could not.
    """
    error = json.loads(answer).get("error")
    if error is not None:
        raise LoadError(error)
    return Compiled.from_bytes(answer)


def compile_for(settings: Settings) -> Compiled:
    """
    Compile everything for the running kernel.

    :raises LoadError: this machine cannot; says what is missing.
    """
    with Btf() as btf:
        flags = list(defines(settings, btf))
        types = {name: btf.tracepoint(tracepoint) for name, tracepoint in TRACEPOINTS.items()}
    bpf = compile_source(flags)
    descriptors = _descriptors(bpf)
    names = {fd: name for name, fd in descriptors.items()}
    magic = {value: name for name, value in MAGIC.items()}
    try:
        programs = {name: Program.of(bpf.dump_func(name.encode()), types[name], names, magic) for name in TRACEPOINTS}
    except ValueError as error:
        raise LoadError(f"the compiler made what monitord does not know ({error}): {advice()}") from error
    for name in _SCOPED:
        missing = set(settings.constants) - set(programs[name].constants.values())
        if missing:
            raise LoadError(f"the compiler left {' and '.join(sorted(missing))} out of {name}: {advice()}")
    return Compiled({name: _definition(name, fd) for name, fd in descriptors.items()}, programs)


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


def compile_source(flags: Sequence[str]) -> Any:
    """
    The programs, as BCC's object.

    :raises LoadError: BCC is not there, or cannot.
    """
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
        return bcc.BPF(text=source_text(directory), cflags=[*_QUIET, *_CHEAPLY, *flags])
    except Exception as error:  # BCC raises bare Exception
        raise LoadError(
            f"the BPF programs did not compile, or their maps could not be made ({error}): {advice()}"
        ) from error


def _descriptors(bpf: Any) -> Mapping[str, int]:
    """Map -> descriptor; BCC's Python side has classes for the kinds that it knows, its library knows them all."""
    import bcc

    lib = bcc.lib
    lib.bpf_num_tables.restype, lib.bpf_num_tables.argtypes = ctypes.c_size_t, (ctypes.c_void_p,)
    lib.bpf_table_name.restype, lib.bpf_table_name.argtypes = ctypes.c_char_p, (ctypes.c_void_p, ctypes.c_size_t)
    names = [lib.bpf_table_name(bpf.module, number) for number in range(lib.bpf_num_tables(bpf.module))]
    return {name.decode(): int(lib.bpf_table_fd(bpf.module, name)) for name in names}


def _definition(name: str, fd: int) -> MapDefinition:
    info, size = libbpf.MapInfo(), ctypes.c_uint32(ctypes.sizeof(libbpf.MapInfo))
    result = libbpf.library().bpf_obj_get_info_by_fd(fd, ctypes.byref(info), ctypes.byref(size))
    libbpf.check(result, f"asking for the definition of map {name}")
    return MapDefinition(info.type, info.key_size, info.value_size, info.max_entries, info.map_flags)


if __name__ == "__main__":
    main(int(sys.argv[1]))
