"""Register values as people read them."""

import struct

import pytest

from monitord.abi.arch import Abi
from monitord.tables.arguments import text_of_argument, texts_of_open_how
from monitord.tables.syscalls import Arg, Group, Syscall, SyscallTable

U64 = 1 << 64
U32 = 1 << 32


@pytest.fixture(scope="module")
def table() -> SyscallTable:
    return SyscallTable.load(Abi)


@pytest.fixture
def shown(table):
    """The text of an argument, by ABI, call and the argument's name."""

    def text(abi: Abi, call_name: str, arg: str, value: int) -> str:
        call = table.named(abi, call_name)
        return text_of_argument(call, [one.name for one in call.args].index(arg), value)

    return text


class TestNames:
    @pytest.mark.parametrize(
        ("text", "call", "arg", "value"),
        [
            ("O_RDONLY", "openat", "flags", 0),
            ("O_WRONLY|O_CREAT|O_TRUNC", "open", "flags", 0o1101),
            ("O_RDWR|O_CREAT", "openat", "flags", 0o102),
            ("O_RDWR|O_TMPFILE", "openat", "flags", 0o20200002),
            ("O_RDONLY|0x10000000", "openat", "flags", 0x1000_0000),
            ("PTRACE_TRACEME", "ptrace", "request", 0),
            ("PTRACE_ATTACH", "ptrace", "request", 16),
            ("PTRACE_SEIZE", "ptrace", "request", 0x4206),
            ("39321", "ptrace", "request", 39321),
            ("AF_PACKET", "socket", "family", 17),
            ("AF_UNSPEC", "socket", "family", 0),
            ("SOCK_RAW|SOCK_CLOEXEC", "socket", "type", 0o2000003),
            ("SOCK_STREAM", "socketpair", "type", 1),
            ("PROT_NONE", "mprotect", "prot", 0),
            ("PROT_READ|PROT_EXEC", "mmap", "prot", 5),
            ("MAP_PRIVATE|MAP_ANONYMOUS", "mmap", "flags", 0x22),
            ("MAP_SHARED_VALIDATE", "mmap", "flags", 3),
            ("SIGCHLD|CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID", "clone", "clone_flags", 0x1200011),
            ("CLONE_NEWNS", "clone", "clone_flags", 0x20000),
            ("CLONE_NEWTIME|CLONE_NEWUSER", "unshare", "unshare_flags", 0x10000080),
            ("CLONE_NEWNET", "setns", "flags", 0x40000000),
            ("0", "setns", "flags", 0),
            ("BPF_PROG_LOAD", "bpf", "cmd", 5),
            ("MFD_CLOEXEC|MFD_ALLOW_SEALING", "memfd_create", "flags", 3),
            ("MS_RDONLY|MS_REMOUNT|MS_BIND", "mount", "flags", 0x1021),
            ("MNT_DETACH", "umount2", "flags", 2),
            ("F_OK", "access", "mode", 0),
            ("W_OK|R_OK", "faccessat", "mode", 6),
            ("AT_EACCESS", "faccessat2", "flags", 0x200),
            ("AT_REMOVEDIR", "unlinkat", "flag", 0x200),
            ("AT_SYMLINK_NOFOLLOW", "newfstatat", "flag", 0x100),
            ("RENAME_NOREPLACE", "renameat2", "flags", 1),
            ("SIGKILL", "kill", "sig", 9),
            ("0", "kill", "sig", 0),
            ("40", "tgkill", "sig", 40),
            ("PR_SET_NO_NEW_PRIVS", "prctl", "option", 38),
            ("SECCOMP_SET_MODE_FILTER", "seccomp", "op", 1),
            ("MODULE_INIT_IGNORE_VERMAGIC", "finit_module", "flags", 2),
        ],
    )
    def test_are_those_of_the_headers(self, shown, text, call, arg, value):
        assert text == shown(Abi.X86_64, call, arg, value)

    def test_setuid_bits_read_as_rules_test_them(self, shown):
        assert "S_IRUSR|S_ISUID" == shown(Abi.X86_64, "fchmodat", "mode", 0o4400)

    @pytest.mark.parametrize(
        ("text", "abi"),
        [
            ("O_RDONLY|O_DIRECTORY", Abi.X86_64),
            ("O_RDONLY|O_DIRECTORY", Abi.I386),
            ("O_RDONLY|O_DIRECT", Abi.ARM64),
            ("O_RDONLY|O_DIRECT", Abi.ARM),
        ],
    )
    def test_follow_the_architecture(self, shown, text, abi):
        assert text == shown(abi, "openat", "flags", 0o200000)

    def test_are_found_under_a_32_bit_variants_name(self, shown):
        assert "MAP_PRIVATE" == shown(Abi.I386, "mmap2", "flags", 2)


class TestNumbers:
    @pytest.mark.parametrize("register", [U64 - 100, U32 - 100])
    def test_the_working_directory_is_a_name_however_it_was_extended(self, shown, register):
        assert "AT_FDCWD" == shown(Abi.X86_64, "openat", "dfd", register)

    def test_a_descriptor_that_is_no_directory_is_a_number(self, shown):
        assert "-100" == shown(Abi.X86_64, "close", "fd", U32 - 100)

    def test_the_descriptor_of_an_anonymous_mapping_is_minus_one(self, shown):
        assert "-1" == shown(Abi.X86_64, "mmap", "fd", U64 - 1)

    @pytest.mark.parametrize(
        ("text", "abi", "call", "arg", "value"),
        [
            ("-1", Abi.X86_64, "kill", "pid", U32 - 1),
            ("7", Abi.X86_64, "kill", "pid", (5 << 32) + 7),
            ("-2", Abi.X86_64, "pread64", "pos", U64 - 2),
            ("4294967295", Abi.X86_64, "setresuid", "ruid", U64 - 1),
            ("65535", Abi.I386, "setuid", "uid", 0x7FFFF),
            ("4294967295", Abi.I386, "setuid32", "uid", U32 - 1),
            ("18446744073709551615", Abi.X86_64, "write", "count", U64 - 1),
            ("4294967295", Abi.I386, "write", "count", U64 - 1),
        ],
    )
    def test_have_the_width_and_sign_of_the_c_type(self, shown, text, abi, call, arg, value):
        assert text == shown(abi, call, arg, value)

    def test_permissions_are_octal(self, shown):
        assert "0644" == shown(Abi.X86_64, "openat", "mode", 0o644)
        assert "0" == shown(Abi.X86_64, "openat", "mode", 0)

    def test_flags_without_names_are_hexadecimal(self, shown):
        assert "0x12" == shown(Abi.X86_64, "getrandom", "flags", 0x12)

    def test_requests_of_ioctl_are_hexadecimal(self, shown):
        assert "0x5401" == shown(Abi.X86_64, "ioctl", "cmd", 0x5401)


class TestPointers:
    def test_are_hexadecimal(self, shown):
        assert "0x7ffe1000" == shown(Abi.X86_64, "openat", "filename", 0x7FFE1000)

    def test_of_a_32_bit_abi_have_32_bits(self, shown):
        assert "0x1000" == shown(Abi.I386, "openat", "filename", (1 << 32) + 0x1000)

    def test_nothing_is_null(self, shown):
        assert "NULL" == shown(Abi.X86_64, "mount", "data", 0)

    def test_hidden_behind_a_typedef_are_hexadecimal(self, shown):
        assert "0x1000" == shown(Abi.X86_64, "capset", "header", 0x1000)


class TestUnknown:
    def test_a_register_behind_the_last_argument_is_hexadecimal(self, table):
        assert "0x2a" == text_of_argument(table.named(Abi.X86_64, "close"), 5, 42)

    def test_every_argument_of_every_call_has_a_text(self, table):
        texts = [text_of_argument(call, i, U64 - 1) for call in table for i in range(len(call.args))]

        assert all(texts)

    def test_a_type_nobody_knows_is_a_number(self):
        call = Syscall(Abi.X86_64, 600, "new", "sys_new", (Arg("what", "struct_like_t"),), Group.SYSTEM)

        assert "4294967295" == text_of_argument(call, 0, U64 - 1)


class TestOpenHow:
    def test_reads_as_the_arguments_of_openat(self):
        how = struct.pack("<QQQ", 0o101, 0o600, 0x0A)

        assert {
            "flags": "O_WRONLY|O_CREAT",
            "mode": "0600",
            "resolve": "RESOLVE_NO_MAGICLINKS|RESOLVE_BENEATH",
        } == texts_of_open_how(Abi.X86_64, how)

    def test_too_few_bytes_are_nothing(self):
        assert {} == texts_of_open_how(Abi.X86_64, bytes(23))
