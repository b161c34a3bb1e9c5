"""What the running kernel's tracefs adds to the table."""

from pathlib import Path

import pytest

from monitord.abi.arch import Abi, machine_abis
from monitord.tables.syscalls import Arg, Group, SyscallTable
from monitord.tables.tracefs import extended

NATIVE = machine_abis()[0]

FORMAT = """\
name: sys_enter_{name}
ID: 782
format:
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:unsigned char common_flags;	offset:2;	size:1;	signed:0;
	field:unsigned char common_preempt_count;	offset:3;	size:1;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:int __syscall_nr;	offset:8;	size:4;	signed:1;
	field:int dfd;	offset:16;	size:8;	signed:0;
	field:const char * filename;	offset:24;	size:8;	signed:0;
	field:__data_loc char[] __filename_val;	offset:32;	size:4;	signed:0;

print fmt: "dfd: 0x%08lx, filename: 0x%08lx", ((unsigned long)(REC->dfd)), ((unsigned long)(REC->filename))
"""

ARGS = (Arg("dfd", "int"), Arg("filename", "const char *"))


@pytest.fixture
def tracefs(tmp_path: Path):
    """A tracefs in which the kernel describes calls of the given names."""

    def make(*names: str) -> Path:
        for name in names:
            event = tmp_path / "events" / "syscalls" / f"sys_enter_{name}"
            event.mkdir(parents=True)
            (event / "format").write_text(FORMAT.format(name=name))
        return tmp_path

    return make


@pytest.fixture
def unistd(tmp_path: Path) -> Path:
    header = tmp_path / "unistd_64.h"
    header.write_text("#ifndef _ASM_UNISTD_64_H\n#define __NR_read 0\n#define __NR_brand_new 599\n#endif\n")
    return header


class TestExtended:
    def test_without_tracefs_the_calls_are_the_same(self, tmp_path):
        table = SyscallTable.load([NATIVE])

        assert list(table) == list(extended(table, tmp_path / "none"))

    def test_a_call_newer_than_the_table_is_added(self, tracefs, unistd):
        call = extended(SyscallTable.load([NATIVE]), tracefs("brand_new"), unistd).find(NATIVE, 599)

        assert ("brand_new", "sys_brand_new", ARGS, Group.SYSTEM) == (call.name, call.entry, call.args, call.group)

    def test_a_call_whose_number_nobody_tells_is_not_added(self, tracefs, unistd):
        table = SyscallTable.load([NATIVE])

        assert list(table) == list(extended(table, tracefs("numberless"), unistd))

    def test_missing_arguments_are_filled_in(self, tracefs, unistd):
        """A call that is gone from the source of the table, and that this kernel still has."""
        call = extended(SyscallTable.load([NATIVE]), tracefs("lookup_dcookie"), unistd).named(NATIVE, "lookup_dcookie")

        assert ("sys_lookup_dcookie", ARGS) == (call.entry, call.args)

    def test_what_the_table_knows_stays(self, tracefs, unistd):
        """Rules name arguments, so the names must not change from kernel to kernel."""
        table = SyscallTable.load([NATIVE])

        assert list(table) == list(extended(table, tracefs("openat", "newfstat"), unistd))

    def test_a_table_of_another_abi_is_left_alone(self, tracefs, unistd):
        table = SyscallTable.load([Abi.ARM])

        assert list(table) == list(extended(table, tracefs("brand_new"), unistd))
