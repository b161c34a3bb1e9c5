"""Which arguments are copied, against the argument types of the tables."""

import pytest

from monitord.abi.arch import Abi
from monitord.abi.event import TEXTS, Capture
from monitord.tables.captures import ArgCapture, captures_of
from monitord.tables.syscalls import Group, SyscallTable

CONTENTS = {"read", "write", "pread64", "pwrite64", "getcwd", "readlink", "readlinkat"}
"""Calls of the file family with a buffer of file contents, or one that the kernel fills in."""

LISTS = {"listxattr", "llistxattr", "flistxattr", "listxattrat"}
"""The same, with the names of extended attributes."""

FAMILIES = {Group.FILES, Group.PROCESSES}

MESSAGES = ("user_msghdr", "compat_msghdr", "mmsghdr", "compat_mmsghdr")

MODULES = {"init_module", "finit_module", "delete_module"}


@pytest.fixture(scope="module")
def table() -> SyscallTable:
    return SyscallTable.load(Abi)


def strings(call) -> set[int]:
    """Indices of the arguments that are strings, by their type."""
    return {i for i, arg in enumerate(call.args) if arg.type in ("const char __user *", "char __user *")}


class TestCapturesOf:
    def test_every_string_of_the_file_exec_and_module_families_is_copied(self, table):
        left_out = {
            f"{call.abi.label} {call.name} {call.args[index].name}"
            for call in table
            if (call.group in FAMILIES or call.name in MODULES) and call.name not in CONTENTS | LISTS
            for index in strings(call) - {capture.arg for capture in captures_of(call)}
        }

        assert set() == left_out

    def test_buffers_are_not_copied(self, table):
        copied = {
            (call.name, call.args[capture.arg].name)
            for call in table
            if call.name in CONTENTS | LISTS
            for capture in captures_of(call)
        }

        assert {("readlink", "path"), ("readlinkat", "pathname")} | {
            (name, "pathname") for name in LISTS - {"flistxattr"}
        } == copied

    def test_what_is_copied_is_a_pointer(self, table):
        others = [
            (call.abi, call.name) for call in table for capture in captures_of(call) if not self.points(call, capture)
        ]

        assert [] == others

    @staticmethod
    def points(call, capture: ArgCapture) -> bool:
        kind = call.args[capture.arg].type
        expected = {
            Capture.STR: ("char __user *", "const char __user *", "const void __user *"),
            Capture.ARGV: ("const char __user *const __user *", "const compat_uptr_t __user *"),
            Capture.SOCKADDR: ("struct sockaddr __user *",),
            Capture.MSGHDR: tuple(f"struct {name} __user *" for name in MESSAGES),
            Capture.BYTES: ("struct open_how __user *",),
        }
        return kind in expected[capture.capture]

    def test_a_path_is_relative_to_a_descriptor_where_the_call_has_one_before_it(self, table):
        """In every ABI: execveat's is called fd, all others dfd or something ending in it."""
        wrong = []
        for call in table:
            for capture in captures_of(call):
                before = capture.arg - 1
                name = call.args[before].name if capture.is_path and before >= 0 else ""
                relative = name.endswith("dfd") or (call.name, name) == ("execveat", "fd")
                if capture.dirfd != (before if relative else None):
                    wrong.append((call.abi, call.name))

        assert [] == wrong

    def test_no_event_has_to_carry_more_than_fits(self, table):
        assert TEXTS >= max(len(captures_of(call)) for call in table)

    def test_variants_are_copied_like_the_call_itself(self, table):
        assert captures_of(table.named(Abi.X86_64, "stat")) == captures_of(table.named(Abi.I386, "stat64"))
        assert captures_of(table.named(Abi.X86_64, "newfstatat")) == captures_of(table.named(Abi.ARM, "fstatat64"))

    def test_a_path_behind_a_split_64_bit_value_is_found(self, table):
        (wide,) = captures_of(table.named(Abi.X86_64, "fanotify_mark"))
        (split,) = captures_of(table.named(Abi.I386, "fanotify_mark"))

        assert ((4, 3), (5, 4)) == ((wide.arg, wide.dirfd), (split.arg, split.dirfd))

    def test_the_peer_of_accept_is_there_only_when_the_call_returns(self, table):
        (accept,) = captures_of(table.named(Abi.X86_64, "accept4"))
        (connect,) = captures_of(table.named(Abi.X86_64, "connect"))

        assert (True, False) == (accept.filled_at_exit, connect.filled_at_exit)

    def test_a_symlinks_target_is_text_and_its_place_a_path(self, table):
        place, target = captures_of(table.named(Abi.X86_64, "symlinkat"))

        assert ((2, True), (0, False)) == ((place.arg, place.is_path), (target.arg, target.is_path))
