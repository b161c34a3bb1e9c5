import struct

import pytest

from monitord.abi.arch import Abi
from monitord.abi.event import Capture, Flag, TextFlag
from monitord.model.inspection import Inspection, Mount, Pod
from monitord.model.placement import Placement
from monitord.model.value import Missing
from monitord.rules.evaluate import CATALOGUE
from monitord.rules.operand import value_of
from monitord.rules.parser import parse_operand
from tests.support.rules import FakeContext, make_event, make_process, make_text

CONTEXT = FakeContext(
    [
        make_process("cat", argv=("/bin/cat", "-n", "x y"), cwd="/", exepath="/usr/bin/cat"),
        make_process("bash", argv=("-bash", "-l"), exepath="memfd:x"),
        make_process("sshd"),
    ]
)
HOW = struct.pack("<QQQ", 0o1101, 0o755, 8)
INET = struct.pack("<HH", 2, 0xBB01) + bytes([192, 0, 2, 7]) + bytes(8)
MAPPED = struct.pack("<HHI", 10, 0xBB01, 0) + bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 7]) + bytes(4)
INET6 = struct.pack("<HHI", 10, 0x5000, 0) + bytes(15) + b"\1" + bytes(4)


def at_cwd():
    return (1 << 64) - 100


NONE = 0xFFFF_FFFF
OPENAT = make_event("openat", args=(at_cwd(), 1, 0o1101, 0o644), texts=[(1, b"a//b/../x")], ret=5)
OPENAT_BY_32 = make_event("openat", abi=Abi.I386, args=((1 << 32) - 100, 1, 0, 0), texts=[(1, b"x")], ret=-2)
OPENAT2 = make_event("openat2", args=(9, 1, 2, 24), texts=[(1, b"x"), (2, HOW, Capture.BYTES)], ret=5)
CREAT = make_event("creat", args=(1, 0o755), texts=[(0, b"/x")], ret=5)
RENAME = make_event("renameat2", args=(3, 1, 4, 1, 0), texts=[(1, b"a"), (3, b"b")])
SYMLINK = make_event("symlinkat", args=(1, 3, 1), texts=[(2, b"b"), (0, b"../a")])
CONNECT = make_event("connect", args=(3, 1, 16), texts=[(1, INET, Capture.SOCKADDR)])
CONNECT_UNIX = make_event("connect", args=(3, 1, 16), texts=[(1, b"\1\0\0bus", Capture.SOCKADDR)])
CONNECT_MAPPED = make_event("connect", args=(3, 1, 28), texts=[(1, MAPPED, Capture.SOCKADDR)])
BIND = make_event("bind", args=(3, 1, 16), texts=[(1, INET, Capture.SOCKADDR)])
ACCEPT6 = make_event("accept4", args=(3, 1, 1, 0), texts=[(1, INET6, Capture.SOCKADDR)], ret=8)
EXECVE = make_event("execve", args=(1, 2, 3), texts=[(0, b"/bin/cat")])
EXECVEAT = make_event("execveat", args=(5, 1, 2, 3, 0x1000), texts=[(1, b"")])
MODE = "S_IXGRP|S_IRGRP|S_IXUSR|S_IWUSR|S_IRUSR|S_ISUID"
FAULTY = make_event("openat", texts=[make_text(1, b"", flags=TextFlag.FAULT)], ret=-14)
GONE = make_event("openat", flags=Flag.UNFINISHED)
UNKNOWN = make_event(600)


@pytest.mark.parametrize(
    ("field", "event", "expected"),
    [
        ("evt.num", OPENAT, 23),
        ("evt.type", OPENAT, "openat"),
        ("evt.type", make_event("setuid32", abi=Abi.I386), "setuid"),
        ("evt.type", UNKNOWN, Missing.UNKNOWN),
        ("evt.nr", UNKNOWN, 600),
        ("evt.abi", OPENAT_BY_32, "i386"),
        ("evt.is_foreign_abi", OPENAT, False),
        ("evt.is_foreign_abi", make_event(flags=Flag.FOREIGN), True),
        ("evt.dir", OPENAT, "<"),
        ("evt.cpu", OPENAT, 1),
        ("evt.latency", OPENAT, 700),
        ("evt.latency.s", OPENAT, 0),
        ("evt.latency.ns", OPENAT, 700),
        ("evt.rawtime.s", OPENAT, 1_700_000_005),
        ("evt.rawtime.ns", OPENAT, 0),
        ("evt.count", OPENAT, 1),
        ("evt.source", OPENAT, "syscall"),
        ("evt.category", OPENAT, "file"),
        ("evt.category", CONNECT, "net"),
        ("evt.category", UNKNOWN, Missing.UNKNOWN),
        ("syscall.type", OPENAT, "openat"),
        ("evt.info", make_event("kill", args=(7, 9)), "pid=7 sig=SIGKILL"),
        ("evt.is_io", OPENAT, False),
        ("evt.is_io_read", make_event("recvmsg"), True),
        ("evt.is_io_write", make_event("recvmsg"), False),
        ("evt.io_dir", make_event("sendfile64", abi=Abi.I386), "write"),
        ("evt.io_dir", OPENAT, Missing.NOT_APPLICABLE),
        ("evt.buflen", make_event("read", ret=41), 41),
        ("evt.buflen", make_event("read", ret=-4), Missing.NOT_APPLICABLE),
        ("evt.buffer", make_event("read", ret=41), Missing.UNKNOWN),
        ("evt.latency", GONE, Missing.UNFINISHED),
        ("evt.rawtime", OPENAT, 1_700_000_005_000_000_000),
        ("evt.time.iso8601", OPENAT, "2023-11-14T22:13:25.000000000+0000"),
        ("evt.rawres", OPENAT_BY_32, -2),
        ("evt.res", OPENAT_BY_32, "ENOENT"),
        ("evt.res", OPENAT, "SUCCESS"),
        ("evt.res", make_event("mmap", ret=-(1 << 40)), "SUCCESS"),
        ("evt.failed", OPENAT_BY_32, True),
        ("evt.failed", GONE, Missing.UNFINISHED),
        ("evt.is_open_write", OPENAT, True),
        ("evt.is_open_read", OPENAT, False),
        ("evt.is_open_read", OPENAT_BY_32, True),
        ("evt.is_open_read", RENAME, False),
        ("evt.is_open_write", OPENAT2, True),
        ("evt.is_open_exec", OPENAT, False),
        ("evt.is_open_exec", OPENAT2, True),
        ("evt.is_open_exec", CREAT, True),
        ("evt.is_open_write", CREAT, False),
        ("evt.is_open_create", OPENAT, Missing.UNKNOWN),
        ("evt.is_open_create", OPENAT_BY_32, False),
        ("evt.is_open_create", make_event("open", args=(1, 0o301)), True),
        ("evt.is_open_write", make_event("openat2"), False),
        ("evt.arg.flags", OPENAT, "O_WRONLY|O_CREAT|O_TRUNC"),
        ("evt.arg.flags", OPENAT2, "O_WRONLY|O_CREAT|O_TRUNC"),
        ("evt.arg.mode", OPENAT2, "0755"),
        ("evt.arg.resolve", OPENAT2, "RESOLVE_BENEATH"),
        ("evt.arg.name", OPENAT, "/home/ann/a//b/../x"),
        ("evt.arg.filename", OPENAT, "/home/ann/a//b/../x"),
        ("evt.arg[0]", OPENAT, "AT_FDCWD"),
        ("evt.arg.dirfd", RENAME, Missing.NOT_APPLICABLE),
        ("evt.arg.fd", OPENAT, "5"),
        ("evt.arg[6]", OPENAT, Missing.NOT_APPLICABLE),
        ("evt.arg.oldpath", RENAME, "/fd3/a"),
        ("evt.arg.newpath", RENAME, "/fd4/b"),
        ("evt.arg.target", SYMLINK, "../a"),
        ("evt.arg.linkpath", SYMLINK, "/fd3/b"),
        ("evt.arg.request", make_event("ptrace", args=(16, 7)), "PTRACE_ATTACH"),
        ("evt.arg.domain", make_event("socket", args=(17, 3)), "AF_PACKET"),
        ("evt.arg.cmd", make_event("bpf", args=(5,)), "BPF_PROG_LOAD"),
        ("evt.arg.uid", make_event("setuid", args=(0,)), "root"),
        ("evt.arg.uid", make_event("fchown", args=(3, 7, 9)), "7"),
        ("evt.arg.gid", make_event("fchown", args=(3, 7, 9)), "9"),
        ("evt.arg.gid", make_event("setgid", args=(1009,)), "staff"),
        ("evt.arg.euid", make_event("setresuid", args=(0, NONE, 3)), "<NONE>"),
        ("evt.args", make_event("setresuid", args=(0, NONE, 3)), "ruid=0(root) euid=-1(<NONE>) suid=3"),
        ("evt.rawarg.ruid", make_event("setresuid", args=(0, NONE, 3)), 0),
        ("evt.arg.nstype", make_event("setns", args=(3, 0x20000000)), "CLONE_NEWPID"),
        ("evt.arg.flags", make_event("unshare", args=(0x10020000,)), "CLONE_NEWNS|CLONE_NEWUSER"),
        ("evt.arg.flags", make_event("clone", args=(0x10000011,)), "SIGCHLD|CLONE_NEWUSER"),
        ("evt.arg.mode", make_event("chmod", texts=[(0, b"/x")], args=(1, 0o4750)), MODE),
        ("evt.arg.filename", make_event("fchmodat", args=(at_cwd(), 1, 0o644), texts=[(1, b"x")]), "/home/ann/x"),
        ("evt.arg.mode", make_event("mkdirat", args=(at_cwd(), 1, 0o755), texts=[(1, b"x")]), "0755"),
        ("evt.arg.path", make_event("mkdirat", args=(at_cwd(), 1, 0o755), texts=[(1, b"x")]), "/home/ann/x"),
        ("evt.arg.path", make_event("unlink", args=(1,), texts=[(0, b"/x")]), "/x"),
        ("evt.arg.name", make_event("unlinkat", args=(at_cwd(), 1, 0x200), texts=[(1, b"/x")]), "/x"),
        ("evt.arg.flags", make_event("unlinkat", args=(at_cwd(), 1, 0x200), texts=[(1, b"/x")]), "AT_REMOVEDIR"),
        ("evt.arg.name", make_event("memfd_create", args=(1, 1), texts=[(0, b"x")]), "x"),
        ("evt.arg.fd", make_event("dup", args=(7,)), "7"),
        ("evt.arg.type", make_event("socket", args=(2, 2, 17)), "SOCK_DGRAM"),
        ("evt.arg.proto", make_event("socket", args=(2, 2, 17)), "17"),
        ("evt.arg.request", make_event("ptrace", args=(0,)), "PTRACE_TRACEME"),
        ("evt.arg.res", OPENAT, "5"),
        ("evt.arg.res", OPENAT_BY_32, "ENOENT"),
        ("evt.arg.res", GONE, Missing.UNFINISHED),
        ("evt.arg.flags", EXECVE, "0"),
        ("evt.arg.flags", EXECVEAT, "0"),
        ("evt.arg.exe", EXECVE, "/bin/cat"),
        ("evt.arg.args", EXECVE, "-n x y"),
        ("evt.arg.comm", EXECVE, "cat"),
        ("evt.arg.cwd", EXECVE, "/"),
        ("evt.arg.exe", OPENAT, Missing.NOT_APPLICABLE),
        ("evt.rawarg.flags", OPENAT, 0o1101),
        ("evt.rawarg.dirfd", OPENAT, -100),
        ("evt.rawarg.dfd", OPENAT, -100),
        ("evt.rawarg.name", OPENAT, 1),
        ("evt.rawarg.res", OPENAT_BY_32, -2),
        ("evt.rawarg.dfd", OPENAT_BY_32, -100),
        ("evt.rawarg.x", UNKNOWN, Missing.UNKNOWN),
        ("evt.arg.addr", CONNECT, "192.0.2.7:443"),
        ("evt.arg.name", FAULTY, Missing.FAULT),
        ("evt.args", make_event("kill", args=(7, 9)), "pid=7 sig=SIGKILL"),
        ("evt.args", UNKNOWN, Missing.UNKNOWN),
        ("proc.pid", OPENAT, 101),
        ("proc.ppid", OPENAT, 97),
        ("thread.tid", OPENAT, 103),
        ("proc.name", OPENAT, "cat"),
        ("proc.pname", OPENAT, "bash"),
        ("proc.pname", make_event(ppid=0), Missing.NOT_APPLICABLE),
        ("proc.exe", OPENAT, "/bin/cat"),
        ("proc.exepath", OPENAT, "/usr/bin/cat"),
        ("proc.args", OPENAT, "-n x y"),
        ("proc.args[1]", OPENAT, "x y"),
        ("proc.args[2]", OPENAT, Missing.NOT_APPLICABLE),
        ("proc.cmdline", OPENAT, "cat -n x y"),
        ("proc.exeline", OPENAT, "/bin/cat -n x y"),
        ("proc.cwd", OPENAT, "/"),
        ("proc.aname", OPENAT, ("bash", "sshd")),
        ("proc.aname[2]", OPENAT, "sshd"),
        ("proc.aname[3]", OPENAT, Missing.NOT_APPLICABLE),
        ("proc.pcmdline", OPENAT, "bash -l"),
        ("proc.apid", OPENAT, (101, 101)),
        ("proc.apid[0]", OPENAT, 101),
        ("proc.apid[1]", OPENAT, 101),
        ("proc.apid[3]", OPENAT, Missing.NOT_APPLICABLE),
        ("proc.aexe", OPENAT, ("-bash",)),
        ("proc.aexe[0]", OPENAT, "/bin/cat"),
        ("proc.aexe[2]", OPENAT, Missing.LATE),
        ("proc.aexepath", OPENAT, ("memfd:x",)),
        ("proc.acmdline", OPENAT, ("bash -l",)),
        ("proc.acmdline[0]", OPENAT, "cat -n x y"),
        ("proc.cmdnargs", OPENAT, 2),
        ("proc.cmdlenargs", OPENAT, 5),
        ("proc.duration", OPENAT, 2_000_000_000),
        ("proc.pid.ts", OPENAT, 1_700_000_003_000_000_000),
        ("proc.ppid.duration", OPENAT, 2_000_000_000),
        ("proc.ppid.ts", OPENAT, 1_700_000_003_000_000_000),
        ("thread.ismain", OPENAT, False),
        ("thread.nametid", OPENAT, "cat103"),
        ("proc.pexe", OPENAT, "-bash"),
        ("proc.pexepath", OPENAT, "memfd:x"),
        ("proc.is_exe_from_memfd", OPENAT, False),
        ("user.uid", OPENAT, 1000),
        ("user.name", OPENAT, "ann"),
        ("user.name", make_event(uid=3), Missing.UNKNOWN),
        ("group.gid", OPENAT, 1009),
        ("group.name", OPENAT, "staff"),
        ("fd.num", OPENAT, 5),
        ("fd.num", OPENAT_BY_32, -1),
        ("fd.num", CONNECT, 3),
        ("fd.num", RENAME, Missing.NOT_APPLICABLE),
        ("fd.num", make_event("pipe2", args=(0x7FFD914B9138, 0)), Missing.NOT_APPLICABLE),  # where two go to
        ("fd.name", OPENAT, "/home/ann/a//b/../x"),
        ("fd.name", RENAME, "/fd3/a"),
        ("fd.name", SYMLINK, "/fd3/b"),
        ("fd.name", CONNECT, "192.0.2.7:443"),
        ("fd.name", FAULTY, Missing.FAULT),
        ("fd.nameraw", OPENAT, "a/b/../x"),
        ("fd.directory", CREAT, "/"),
        ("fd.filename", CREAT, "x"),
        ("fd.typechar", FAULTY, "f"),
        ("fd.typechar", make_event("open", args=(1, 0o200000)), "d"),
        ("fd.type", CONNECT, "ipv4"),
        ("fd.typechar", CONNECT_UNIX, "u"),
        ("fd.sockfamily", CONNECT_UNIX, "unix"),
        ("fd.name", CONNECT_UNIX, "@bus"),
        ("fd.sip", CONNECT, "192.0.2.7"),
        ("fd.sport", CONNECT, 443),
        ("fd.sip", CONNECT_UNIX, Missing.NOT_APPLICABLE),
        ("fd.cip", ACCEPT6, "::1"),
        ("fd.cport", ACCEPT6, 80),
        ("fd.rip", ACCEPT6, "::1"),
        ("fd.ip", ACCEPT6, ("::1",)),
        ("fd.port", CONNECT, (443,)),
        ("fd.net", CONNECT, ("192.0.2.7",)),
        ("fd.ip", CONNECT_UNIX, Missing.NOT_APPLICABLE),
        ("fd.sip", CONNECT_MAPPED, "192.0.2.7"),
        ("fd.typechar", CONNECT_MAPPED, "4"),
        ("fd.name", CONNECT_MAPPED, "192.0.2.7:443"),
        ("fd.snet", CONNECT, "192.0.2.7"),
        ("fd.sproto", CONNECT, "https"),
        ("fd.lip", CONNECT, Missing.NOT_APPLICABLE),
        ("fd.lport", BIND, 443),
        ("fd.is_server", CONNECT, False),
        ("fd.is_server", BIND, True),
        ("fd.l4proto", make_event("socket", args=(2, 1 | 0o2000000, 0)), "tcp"),
        ("fd.l4proto", make_event("socket", args=(10, 2, 0)), "udp"),
        ("fd.l4proto", make_event("socket", args=(10, 2, 58)), "icmp"),
        ("fd.l4proto", make_event("socket", args=(2, 3, 1)), "raw"),
        ("fd.l4proto", make_event("socket", args=(17, 3, 0)), Missing.NOT_APPLICABLE),
        ("fd.l4proto", CONNECT, Missing.NOT_APPLICABLE),
        ("fs.path.name", CREAT, "/x"),
        ("fs.path.name", RENAME, Missing.NOT_APPLICABLE),
        ("fs.path.source", RENAME, "/fd3/a"),
        ("fs.path.target", RENAME, "/fd4/b"),
        ("fs.path.targetraw", RENAME, "b"),
        ("fs.path.source", SYMLINK, "../a"),
        ("fs.path.target", SYMLINK, "/fd3/b"),
        ("fs.path.name", SYMLINK, Missing.NOT_APPLICABLE),
        ("fs.path.name", CONNECT, Missing.NOT_APPLICABLE),
        ("fd.num", ACCEPT6, 8),
        ("fd.sip", ACCEPT6, Missing.NOT_APPLICABLE),
    ],
)
def test_fields_of_an_event(field, event, expected):
    operand, _ = parse_operand(field, 0)

    assert expected == value_of(operand, event, CONTEXT, CATALOGUE)


def test_a_process_run_from_memory_is_seen_as_such():
    context = FakeContext([make_process("x", exepath="memfd:payload")])

    assert CATALOGUE["proc.is_exe_from_memfd"].extract(OPENAT, context, None)


def test_an_exec_from_memory_is_flagged_so():
    context = FakeContext([make_process("x", exepath="memfd:payload")])

    assert "EXE_FROM_MEMFD" == CATALOGUE["evt.arg"].extract(EXECVE, context, "flags")
    assert Missing.LATE is CATALOGUE["evt.arg"].extract(EXECVE, FakeContext(), "flags")


def test_the_working_directory_ends_with_one_slash():
    context = FakeContext([make_process("x", cwd="/dev/shm")])

    assert "/dev/shm/" == CATALOGUE["proc.cwd"].extract(OPENAT, context, None)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_field_has_a_value_or_a_reason_for_any_call(name):
    field = CATALOGUE[name]
    for event in (OPENAT, CONNECT, FAULTY, GONE, UNKNOWN, make_event("exit_group", flags=Flag.NO_RETURN)):
        value = field.extract(event, FakeContext(), "1" if field.argument.value == "required" else None)

        assert isinstance(value, str | int | tuple | Missing)


def test_where_a_process_runs():
    event = make_event("openat")
    inside = FakeContext(where=Placement("4f0c" * 16, "docker", unit="docker.service", slice="system.slice"))

    def shown(name, context=inside):
        return value_of(parse_operand(name, 0)[0], event, context, CATALOGUE)

    assert ["4f0c4f0c4f0c", "4f0c" * 16] == [shown("container.id"), shown("container.full_id")]
    assert ["docker", "docker.service", "system.slice"] == [
        shown("container.type"),
        shown("systemd.unit"),
        shown("systemd.slice"),
    ]
    assert "host" == shown("container.id", CONTEXT)
    assert Missing.LATE is shown("container.id", FakeContext(where=Missing.LATE))


def test_a_relative_path_of_a_call_without_descriptor_starts_at_the_working_directory():
    event = make_event("open", texts=((0, b"notes"),))

    assert "/home/ann/notes" == CATALOGUE["fd.name"].extract(event, FakeContext(), None)


class TestEnvironment:
    CONTEXT = FakeContext(
        [make_process("cat"), make_process("bash"), make_process("sshd")],
        environments={0: {"HOME": "/root", "EMPTY": ""}, 1: {"HOME": "/home/ann"}, 2: {"LANG": "C"}},
    )

    @pytest.mark.parametrize(
        ("field", "expected"),
        [
            ("proc.env", "HOME=/root EMPTY="),
            ("proc.env[HOME]", "/root"),
            ("proc.env[EMPTY]", ""),
            ("proc.env[NONE]", Missing.NOT_APPLICABLE),
            ("proc.aenv", ("HOME=/home/ann", "LANG=C")),
            ("proc.aenv[HOME]", ("/home/ann",)),
            ("proc.aenv[2]", "LANG=C"),
            ("proc.aenv[NONE]", Missing.NOT_APPLICABLE),
            ("proc.loginshellid", 101),
            ("user.homedir", "/home/ann"),
            ("user.shell", "/bin/sh"),
            ("thread.cgroups", "unified=/v2 cpu=/v1"),
            ("thread.cgroup.cpu", "/v1"),
            ("thread.cgroup.memory", "/v2"),
        ],
    )
    def test_what_is_asked_of_the_context(self, field, expected):
        operand, _ = parse_operand(field, 0)

        assert expected == value_of(operand, make_event("openat", uid=1000), self.CONTEXT, CATALOGUE)


INSPECTION = Inspection(
    name="web",
    repository="shop/nginx",
    privileged=True,
    mounts=(Mount("/srv", "/data", "z", False, "rprivate"), Mount("/etc/x", "/x", "", True, "")),
    start_ns=1_700_000_002_000_000_000,
    labels={"tier": "front"},
    pod=Pod("web-0", "shop", "a1b2" * 16, labels={"app": "web", "a": "b"}),
)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("container.name", "web"),
        ("container.image.repository", "shop/nginx"),
        ("container.image.tag", Missing.UNKNOWN),
        ("container.privileged", True),
        ("container.mounts", "/srv:/data:z:false:rprivate /etc/x:/x::true:"),
        ("container.mount.dest[1]", "/x"),
        ("container.mount.dest[/etc/*]", "/x"),
        ("container.mount.source[/data]", "/srv"),
        ("container.mount.rdwr[0]", "false"),
        ("container.mount[7]", Missing.NOT_APPLICABLE),
        ("container.duration", 3_000_000_000),
        ("container.label.tier", "front"),
        ("container.label.app", Missing.NOT_APPLICABLE),
        ("k8s.pod.name", "web-0"),
        ("k8s.pod.sandbox_id", "a1b2a1b2a1b2"),
        ("k8s.pod.full_sandbox_id", "a1b2" * 16),
        ("k8s.pod.ip", Missing.UNKNOWN),
        ("k8s.pod.label.app", "web"),
        ("k8s.pod.labels", "app:web,a:b"),
        ("k8s.ns.name", "shop"),
    ],
)
def test_what_the_runtime_says(field, expected):
    operand, _ = parse_operand(field, 0)

    assert expected == value_of(operand, OPENAT, FakeContext(container=INSPECTION), CATALOGUE)
    assert Missing.LATE is value_of(operand, OPENAT, FakeContext(container=Missing.LATE), CATALOGUE)


def test_of_a_container_that_is_in_no_pod():
    assert Missing.NOT_APPLICABLE is CATALOGUE["k8s.pod.name"].extract(
        OPENAT, FakeContext(container=Inspection(name="web")), None
    )
