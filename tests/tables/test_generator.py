"""tools/gen_syscalls.py on a small kernel tree."""

import subprocess
import sys
from pathlib import Path

import pytest

GENERATOR = Path(__file__).resolve().parents[2] / "tools" / "gen_syscalls.py"

TBLS = (
    "arch/x86/entry/syscalls/syscall_64.tbl",
    "arch/x86/entry/syscalls/syscall_32.tbl",
    "scripts/syscall.tbl",
    "arch/arm64/tools/syscall_32.tbl",
)


@pytest.fixture
def tree(tmp_path: Path):
    """A kernel tree whose x86_64 has one call, and whose only C file is as given."""

    def make(row: str, source: str) -> Path:
        for tbl in TBLS:
            path = tmp_path / tbl
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{row}\n" if tbl == TBLS[0] else "")
        (tmp_path / "Makefile").write_text("VERSION = 9\nPATCHLEVEL = 8\nSUBLEVEL = 7\n")
        (tmp_path / "fs").mkdir()
        (tmp_path / "fs" / "open.c").write_text(source)
        return tmp_path

    return make


def check(tree: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, GENERATOR, "--check", "--source", tree]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


class TestCheck:
    def test_a_call_without_a_group_is_refused_by_name(self, tree):
        done = check(tree("600 common brand_new sys_brand_new", "SYSCALL_DEFINE1(brand_new, int, fd)"))

        assert 1 == done.returncode
        assert "syscall brand_new has no group" in done.stderr

    def test_an_entry_point_without_a_definition_is_refused(self, tree):
        done = check(tree("257 common openat sys_openat", "SYSCALL_DEFINE1(brand_new, int, fd)"))

        assert 1 == done.returncode
        assert "sys_openat has 0 definitions" in done.stderr

    def test_arguments_that_it_cannot_read_are_refused(self, tree):
        done = check(tree("257 common openat sys_openat", "SYSCALL_DEFINE2(openat, SOME_MACRO(dfd))"))

        assert 1 == done.returncode
        assert "fs/open.c: SYSCALL_DEFINE2(openat: cannot read its arguments" in done.stderr
