"""The C is right for the machines that these tests do not run on, too."""

import os
import subprocess
import sys

import pytest

from monitord.config.schema import ScopeKind
from monitord.sources.bpf.btf import Btf
from monitord.sources.bpf.offsets import defines
from monitord.sources.bpf.settings import Settings

pytestmark = pytest.mark.bpf

COMPILE = """
import sys
from monitord.sources.bpf.compiler import compile_source
bpf = compile_source(sys.argv[1:])
print(len(bpf.dump_func(b"on_sys_enter")), len(bpf.dump_func(b"on_sys_exit")))
"""


def compiled_sizes(flags: list[str]) -> list[int]:
    """Bytes of the two large programs; a process of its own, so that LLVM goes again."""
    done = subprocess.run([sys.executable, "-c", COMPILE, *flags], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    return [int(size) for size in done.stdout.split()]


def flags_of(**changes) -> list[str]:
    settings = Settings(
        **{"scope": ScopeKind.ALL, "scope_number": 0, "latency": True, "self_tgid": os.getpid()} | changes
    )
    with Btf() as btf:
        return list(defines(settings, btf))


def test_the_arm64_layout_compiles():
    here = [flag for flag in flags_of() if "MACHINE_" not in flag]
    offsets = ["-DOFF_thread_info__flags=0", "-DOFF_pt_regs__regs=0", "-DOFF_pt_regs__orig_x0=272"]

    assert all(compiled_sizes([*here, "-DMACHINE_aarch64", *offsets, "-DOFF_pt_regs__syscallno=280"]))


def test_what_older_kernels_get_compiles():
    """Linux 5.10 has no bpf_get_current_task_btf: every load is a helper call there."""
    flags = [flag for flag in flags_of() if flag != "-DHAVE_TASK_BTF"]

    assert compiled_sizes(flags) > compiled_sizes(flags_of())


def test_latency_that_is_off_leaves_nothing_behind():
    assert compiled_sizes(flags_of(latency=False))[1] < compiled_sizes(flags_of(latency=True))[1]
