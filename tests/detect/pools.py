"""Tests of fields and events, chosen so that they meet: every way a text can be missing, every edge of a number."""

import random
import socket
import struct
from dataclasses import replace
from itertools import product

import numpy as np

from monitord.abi.arch import Abi
from monitord.abi.event import FILE, NO_ARGUMENT, PROGRAM, SOCKET, TASK, Capture, Flag, TextFlag
from monitord.rules.ast import Check, FieldRef, Op, Operand, Quantifier, Transformed
from monitord.tables.captures import captures_of
from monitord.tables.descriptors import descriptor_of
from monitord.tables.syscalls import Syscall, SyscallTable
from tests.support.batches import AT_FDCWD, Row, Text, directory, executable
from tests.support.detect import ABIS

TABLE = SyscallTable.load(ABIS)

NAMES = ("cat", "nginx", "\udcff", "")
PATHS = (
    *("/" + "a" * 90 + "b", "/" + "a" * 90 + "c"),  # alike in the head cell
    *("/etc/shadow", "/etc//./shadow", "/etc/cron.d/x", "/root/.ssh/authorized_keys", "/\udcc3(", "/"),
    *("/etc/", "/etc/.", "/etc/..", "/etc/../shadow", "/etc/...", "/.shadow", "/etc/shadow.", "/..shadow", "//"),
    *("shadow", "./shadow", "shadow/", "cron.d/../shadow", "../root/x", "x/..", "", ".", "..", "b" * 80),
)
LONG = (b"/" + b"d" * 70, b"/etc/" + b"d" * 70)  # not in the head cell, and so lost at times
DIRECTORIES = ("/etc", "/", "/root/.ssh")
FILENAMES = ("shadow", "dow", "authorized_keys", "/shadow", "")
NUMBERS = ("0", "-1", "-2", "3", "1000", "4242", "4294967295", "0x10", "1.5", "1e3", "18446744073709551615", "-9e18")
CALLS = (
    *("open", "openat", "openat2", "creat", "open_by_handle_at", "execve", "execveat", "connect", "accept4", "socket"),
    *("close", "bind", "read", "sendmsg", "dup2", "renameat2", "unlinkat", "mount", "ptrace", "setuid", "memfd_create"),
    "recvfrom",
)

TEXT_FIELDS = {
    FieldRef("evt.type"): CALLS,
    FieldRef("evt.abi"): ("x86_64", "i386", "x32"),
    FieldRef("evt.dir"): ("<", ">"),
    FieldRef("evt.res"): ("SUCCESS", "ENOENT", "EACCES", "4095"),
    FieldRef("proc.name"): NAMES,
    FieldRef("proc.pname"): NAMES,
    FieldRef("proc.aname"): NAMES,
    FieldRef("proc.aname", "1"): NAMES,
    FieldRef("proc.exepath"): ("/usr/bin/cat", "memfd:x", "/memfd:x", "/"),
    FieldRef("proc.cmdline"): ("cat -l", "nginx -l"),
    FieldRef("user.name"): ("root",),
    FieldRef("fd.name"): (*PATHS, *FILENAMES),
    FieldRef("fd.nameraw"): PATHS,
    FieldRef("fd.directory"): DIRECTORIES,
    FieldRef("fd.filename"): FILENAMES,
    FieldRef("fd.typechar"): ("f", "d", "4", "u"),
    FieldRef("fd.type"): ("file", "directory", "ipv4"),
    FieldRef("fd.sproto"): ("http", "https"),
    FieldRef("fd.proto"): ("http", "https"),
    FieldRef("fd.l4proto"): ("tcp", "udp", "raw"),
    FieldRef("syscall.type"): CALLS,
    FieldRef("evt.category"): ("file", "net", "process"),
    FieldRef("evt.io_dir"): ("read", "write"),
    FieldRef("evt.buffer"): ("x",),
    FieldRef("fs.path.name"): PATHS,
    FieldRef("fs.path.target"): (*PATHS, *FILENAMES),
    FieldRef("proc.exe"): ("sh", "cat", "\udcff", ""),
    FieldRef("proc.args"): ("-l", "-c id", "x"),
    FieldRef("proc.args", "0"): ("-l", "-c", "id"),
    FieldRef("proc.exeline"): ("sh -c id", "cat -l"),
    FieldRef("proc.aname", "0"): NAMES,
    FieldRef("proc.aexe"): ("cat", "sh"),
    FieldRef("group.name"): ("root",),
    FieldRef("user.loginname"): ("root",),
    FieldRef("thread.cap_effective"): ("CAP_CHOWN", "CAP_CHOWN CAP_SYS_ADMIN", "CHOWN"),
    FieldRef("fd.realpath"): PATHS,
    FieldRef("container.id"): ("host",),
    FieldRef("k8s.ns.name"): ("default",),
    FieldRef("fd.sockfamily"): ("ip", "unix"),
    FieldRef("evt.args"): ("flags=O_RDONLY", "fd=3"),
    FieldRef("evt.arg", "flags"): ("O_RDONLY", "O_TRUNC", "O_WRONLY|O_CREAT", "O_CREAT"),
    FieldRef("evt.arg", "mode"): ("0644", "0755"),
    FieldRef("evt.arg", "name"): (*PATHS, *FILENAMES),
    FieldRef("evt.arg", "oldpath"): PATHS,
    FieldRef("evt.arg", "newpath"): (*PATHS, *FILENAMES),
    FieldRef("evt.arg", "fd"): ("3", "4", "-2"),
    FieldRef("evt.arg", "res"): ("0", "3", "ENOENT"),
    FieldRef("evt.arg", "exe"): ("sh", "cat"),
    FieldRef("evt.arg", "dev"): PATHS,
    FieldRef("evt.arg", "request"): ("PTRACE_ATTACH", "PTRACE_CONT"),
    FieldRef("evt.arg", "resolve"): ("0x0", "0x4"),
    FieldRef("evt.arg", "0"): ("AT_FDCWD", "3"),
    FieldRef("evt.arg", "1"): PATHS,
    FieldRef("evt.arg", "2"): ("0x3", "O_RDONLY"),
    FieldRef("evt.arg", "5"): ("0",),
    FieldRef("evt.arg", "uid"): ("root", "<NONE>", "7"),
    FieldRef("evt.rawarg", "uid"): ("0", "7", "4294967295"),
}
NUMBER_FIELDS = tuple(
    FieldRef(name)
    for name in (
        *("evt.num", "evt.nr", "evt.cpu", "evt.rawres", "evt.latency", "evt.count", "evt.buflen", "fd.num"),
        *("proc.tty", "proc.vpid", "user.loginuid", "proc.sid", "fd.ino"),
        *("proc.pid", "proc.ppid", "proc.duration", "proc.cmdnargs", "thread.tid", "user.uid", "group.gid"),
    )
)
PORT_FIELDS = tuple(FieldRef(f"fd.{side}port") for side in ("", "s", "c", "l", "r"))
ADDRESS_FIELDS = tuple(FieldRef(f"fd.{side}ip") for side in ("", "s", "c", "r"))
NET_FIELDS = tuple(FieldRef(f"fd.{side}net") for side in ("", "s", "c", "r"))
ADDRESSES = ("10.0.0.1", "127.0.0.1", "::1", "192.0.2.7")
NETWORKS = ("10.0.0.0/8", "127.0.0.0/8", "::/0", "0.0.0.0/0", "192.0.2.0/24")
PORTS = ("80", "1000", "3", "https", "0")
BOOL_FIELDS = tuple(
    FieldRef(name)
    for name in (
        *("evt.failed", "evt.is_foreign_abi", "evt.is_open_read", "evt.is_open_write", "evt.is_open_exec"),
        *("fd.connected", "fd.name_changed", "proc.is_exe_writable", "proc.is_exe_upper_layer", "proc.is_sid_leader"),
        *("evt.is_open_create", "evt.is_io_read", "proc.is_exe_from_memfd", "fd.is_server", "thread.ismain"),
    )
)
TEXT_OPS = (Op.CONTAINS, Op.ICONTAINS, Op.STARTSWITH, Op.ENDSWITH, Op.GLOB, Op.EQ, Op.NE)
NUMBER_OPS = (Op.LT, Op.LE, Op.GT, Op.GE, Op.EQ, Op.NE)


def text_checks(field: FieldRef) -> list[Check]:
    """Tests of a text."""
    values = TEXT_FIELDS[field]
    checks = [Check(field, op, (value,)) for op, value in product(TEXT_OPS, values)]
    checks += [Check(field, op, values[:2]) for op in (Op.IN, Op.INTERSECTS, Op.PMATCH)]
    checks += [Check(field, Op.ENDSWITH, values[:3], quantifier=quantifier) for quantifier in Quantifier]
    operands: list[Operand] = [Transformed("tolower", (field,)), Transformed("basename", (field,))]
    checks += [Check(operand, Op.ENDSWITH, (value,)) for operand, value in product(operands, values[:3])]
    checks += [Check(field, Op.EQ, other=other) for other in (field, FieldRef("fd.name"), FieldRef("proc.name"))]
    return [*checks, Check(field, Op.EXISTS), Check(Transformed("len", (field,)), Op.GT, ("3",))]


def number_checks(field: FieldRef) -> list[Check]:
    """Tests of a number."""
    checks = [Check(field, op, (value,)) for op, value in product(NUMBER_OPS, NUMBERS)]
    checks += [Check(field, Op.IN, values) for values in ((), ("3", "-1"), ("1.0", "1000"))]
    return [*checks, Check(field, Op.EXISTS), Check(field, Op.GE, other=FieldRef("proc.pid"))]


def bool_checks(field: FieldRef) -> list[Check]:
    """Tests of a truth value."""
    checks = [Check(field, op, (value,)) for op, value in product((Op.EQ, Op.NE), ("true", "false"))]
    return [*checks, Check(field, Op.EXISTS), Check(field, Op.EQ, other=FieldRef("evt.failed"))]


def equal_checks(field: FieldRef, literals: tuple[str, ...]) -> list[Check]:
    """Tests of what is only compared for being equal."""
    checks = [Check(field, op, (literal,)) for op, literal in product((Op.EQ, Op.NE), literals)]
    return [*checks, *(Check(field, op, literals[:2]) for op in (Op.IN, Op.INTERSECTS)), Check(field, Op.EXISTS)]


def port_checks(field: FieldRef) -> list[Check]:
    """Tests of a port."""
    checks = [Check(field, op, (port,)) for op, port in product((Op.LT, Op.LE, Op.GT, Op.GE), ("0", "3", "1000"))]
    return [*equal_checks(field, PORTS), *checks, Check(field, Op.GE, other=FieldRef("fd.sport"))]


def address_checks(field: FieldRef) -> list[Check]:
    """Tests of an address."""
    return [*equal_checks(field, ADDRESSES), Check(field, Op.NE, other=FieldRef("fd.sip"))]


CHECKS = {
    **{field: text_checks(field) for field in TEXT_FIELDS},
    **{field: number_checks(field) for field in NUMBER_FIELDS},
    **{field: bool_checks(field) for field in BOOL_FIELDS},
    **{field: port_checks(field) for field in PORT_FIELDS},
    **{field: address_checks(field) for field in ADDRESS_FIELDS},
    **{field: equal_checks(field, NETWORKS) for field in NET_FIELDS},
}
"""By field, its tests."""


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


DATA = {
    Capture.STR: tuple(map(raw, (*PATHS[:2] * 4, *["shadow"] * 12, *PATHS))),  # some meet often
    Capture.ARGV: (b"sh\0-c\0id", b"cat", b"", b"\xff\0x"),
    Capture.SOCKADDR: (
        struct.pack("=HH4s8x", socket.AF_INET, socket.htons(1000), socket.inet_aton("10.0.0.1")),
        struct.pack("=HH4s8x", socket.AF_INET, socket.htons(3), socket.inet_aton("127.0.0.1")),
        struct.pack("=H", socket.AF_UNIX) + b"/run/x",
        struct.pack("=HHI16sI", socket.AF_INET6, socket.htons(443), 0, socket.inet_pton(10, "::ffff:192.0.2.7"), 0),
        struct.pack("=HHI16sI", socket.AF_INET6, socket.htons(80), 0, bytes(15) + b"\1", 0),
        *(b"\2", b""),
    ),
    Capture.BYTES: (
        *(struct.pack("=QQQ", flags, 0o755, 4) for flags in (0, 0o101, 0o301, 0o20200002)),
        *(struct.pack("=Q", 2), b""),
    ),
}
REGISTERS = (AT_FDCWD, 0, 1, 2, 3, 16, 0o100, 0o101, 0o301, 0o1102, 0o755, 0o200000, 0o20200001, (1 << 64) - 1)
RETURNS = (0, 3, 3, 1000, -1, -2, -13, -4095, -4096, 1 << 40, -(1 << 63))
FLAGS = (0, 0, 0, Flag.UNFINISHED, Flag.NO_RETURN, Flag.NO_START)


def text_of(pick: random.Random, arg: int, capture: Capture) -> Text:
    """Mostly something, sometimes why there is nothing."""
    capture = Capture.SOCKADDR if capture is Capture.MSGHDR else capture
    flags = pick.choice((0, 0, 0, 0, 0, TextFlag.TRUNCATED, TextFlag.LATE, TextFlag.FAULT, TextFlag.NULL))
    data = b"" if flags & (TextFlag.FAULT | TextFlag.NULL) else pick.choice(DATA[capture])
    return Text(arg, data, capture, flags)


def directory_of(pick: random.Random, path: Text) -> Text:
    """Where a relative path starts, or why that is not known."""
    start = directory(path.arg, pick.choice((b"/", b"/etc", b"/root/.ssh", *LONG)))
    return replace(start, flags=pick.choice((0, 0, 0, TextFlag.TRUNCATED, TextFlag.FAULT)))


def executable_of(pick: random.Random) -> Text:
    """What an exec runs, a file or a memfd, or why that is not known."""
    file = executable(pick.choice((b"/", b"/", b"/usr/bin/cat", b"/memfd:x", *LONG)))
    memfd = Text(file.arg, b"memfd:x\0", Capture.EXE, TextFlag.FAULT)
    return pick.choice((file, file, memfd, replace(memfd, data=b""), replace(file, flags=TextFlag.TRUNCATED)))


def socket_of(family: int, kind: int, state: int, bits: int, ports: tuple[int, int], *addresses: str) -> bytes:
    """A `Capture.SOCKET`."""
    record = np.zeros(1, SOCKET)
    record["family"], record["type"], record["state"], record["bits"] = family, kind, state, bits
    record["ino"] = 4711 + ports[0]
    record["local_port"], record["remote_port"] = ports
    for side, address in zip(("local", "remote"), addresses, strict=True):
        record[side] = np.void(socket.inet_pton(family, address).ljust(16, b"\0"))
    return record.tobytes()


def _unix_socket(name: bytes, peer: bytes) -> bytes:
    record = np.zeros(1, SOCKET)
    record["family"], record["type"] = socket.AF_UNIX, socket.SOCK_STREAM
    record["local_port"], record["remote_port"] = len(name), len(peer)
    return record.tobytes() + name + peer


def _file(mode: int, magic: int, names: bytes) -> bytes:
    record = np.zeros(1, FILE)
    record["ino"], record["mode"], record["magic"], record["nlink"] = 4711, mode, magic, 1
    return record.tobytes() + names


BEHIND = (
    *(
        (Capture.SOCKET, socket_of(socket.AF_INET, kind, state, bits, ports, "10.0.0.1", other))
        for kind, state, bits, ports, other in (
            (1, 1, 0, (3, 1000), "127.0.0.1"),
            (1, 1, 0, (4, 1000), "127.0.0.1"),
            (1, 1, 0, (1000, 3), "10.0.0.1"),
            (1, 10, 0, (80, 0), "0.0.0.0"),
            (2, 7, 3, (0, 0), "0.0.0.0"),
            (2, 1, 3, (53, 53), "192.0.2.7"),
        )
    ),
    *((Capture.SOCKET, socket_of(socket.AF_INET, 1, 7, 1, (port, 0), "0.0.0.0", "0.0.0.0")) for port in (0, 5)),
    (Capture.SOCKET, socket_of(socket.AF_INET6, 1, 1, 1, (40000, 80), "::1", "::ffff:192.0.2.7")),
    (Capture.SOCKET, _unix_socket(b"/run/x", b"")),
    (Capture.SOCKET, _unix_socket(b"/run", b"/x")),
    (Capture.SOCKET, b"short"),
    (Capture.FILE, _file(0o100644, 0xEF53, b"x\0etc\0")),
    (Capture.FILE, _file(0o40755, 0xEF53, b"etc\0")),
    (Capture.FILE, _file(0o10600, 0x50495045, b"")),
    (Capture.FILE, b""),
)


def behind_of(pick: random.Random, call: Syscall | None) -> Text | None:
    """What is behind the descriptor, for some of the calls that have one, or why that is not known."""
    descriptor = None if call is None else descriptor_of(call)
    if descriptor is None or pick.random() < 0.3:
        return None
    capture, data = pick.choice(BEHIND)
    arg = NO_ARGUMENT if descriptor.arg is None else descriptor.arg
    flags = pick.choice((0, 0, 0, 0, TextFlag.FAULT))
    return Text(arg, data, capture, flags)


def task_of(pick: random.Random) -> Text | None:
    """What the kernel says of the thread and its executable, for some events, or too little of it."""
    if pick.random() < 0.3:
        return None
    task, program = np.zeros(1, TASK), np.zeros(1, PROGRAM)
    for name in ("tty", "vpid", "loginuid", "cap_effective", "cap_permitted", "sid", "pid_ns_start_ns"):
        task[name] = pick.choice((0, 1, 4242, 0xFFFF_FFFF))
    program["bits"] = pick.choice(range(16))
    data = pick.choice((task.tobytes(), task.tobytes() + program.tobytes(), task.tobytes() + program.tobytes(), b""))
    return Text(NO_ARGUMENT, data, Capture.TASK)


def row_of(pick: random.Random, abi: Abi, nr: int, call: Syscall | None) -> Row:
    """One event of a call."""
    texts = [text_of(pick, one.arg, one.capture) for one in (captures_of(call) if call else ())]
    # Where the relative paths start and what is executed come last, and not always.
    starts = [directory_of(pick, text) for text in texts if text.capture is Capture.STR and text.data[:1] != b"/"]
    if call and call.name in ("execve", "execveat"):
        starts.append(executable_of(pick))
    texts = (texts + starts if pick.random() < 0.5 else texts)[: pick.choice((4, 4, 4, 1, 0))]
    foreign = 0 if abi is Abi.X86_64 else pick.choice((0, Flag.FOREIGN))
    return Row(
        nr=nr,
        abi=abi,
        flags=pick.choice(FLAGS) | foreign,
        ret=pick.choice(RETURNS),
        args=tuple(pick.choice(REGISTERS) for _ in range(6)),
        texts=tuple(texts),
        behind=behind_of(pick, call),
        task=task_of(pick),
        comm=raw(pick.choice(NAMES)),
        parent_comm=raw(pick.choice(NAMES)),
        pid=pick.choice((4242, 4243)),
        tid=pick.choice((4242, 1)),
        ppid=pick.choice((0, 1, 4242)),
        uid=pick.choice((0, 1000, 0xFFFFFFFF)),
        gid=pick.choice((0, 1000, 0xFFFFFFFF)),
        seq=pick.choice((1, 2, (1 << 64) - 1)),
        start_ns=pick.choice((0, 3, 1_000_000_000)),
        duration_ns=pick.choice((0, 1000, 1500, (1 << 64) - 1)),
        cpu=pick.choice((0, 1)),
        lost=pick.random() < 0.2,
    )


def rows_of_all_calls(each: int) -> list[Row]:
    """So many events of each call in each ABI, and of numbers that no table has, one behind the other."""
    pick = random.Random(7)
    calls = [call for abi, name in product(ABIS, CALLS) if (call := TABLE.named(abi, name)) is not None]
    rows = [row_of(pick, call.abi, call.nr, call) for call in calls for _ in range(each)]
    rows += [row_of(pick, abi, nr, None) for abi, nr in product(ABIS, (-1, 600, 638, 639, 70_000))]
    pick.shuffle(rows)
    return rows
