"""What columns say of events is what the slow evaluator says of each."""

import socket
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from monitord.abi.arch import Abi
from monitord.abi.event import Capture, Flag, TextFlag
from monitord.detect.detector import RuleDetector
from monitord.model.alert import Priority
from monitord.rules.ast import And, Check, FieldRef, Node, Not, Op, Or, Quantifier, Transformed
from monitord.rules.evaluate import evaluate
from monitord.rules.interest import InterestFinder
from monitord.rules.output import parse_output
from monitord.rules.ruleset import Rule, RuleSet
from monitord.tables.captures import captures_of
from monitord.tables.syscalls import SyscallTable
from monitord.telemetry import Telemetry
from tests.support.batches import AT_FDCWD, Row, Text, batch_of
from tests.support.detect import ABIS, FixedContext

TABLE = SyscallTable.load(ABIS)
FINDER = InterestFinder(TABLE)

NAMES = ("cat", "sh", "nginx", "very_long_name1", "\udcff", "")
PATHS = (
    *("/etc/shadow", "/etc//./shadow", "/etc/cron.d/x", "/var/log/wtmp", "/root/.ssh/authorized_keys"),
    *("shadow", "../etc/shadow", "./x", "", ".", "/", "/\udcc3(", "/" + "a" * 60, "/etc/" + "b" * 100),
)
NUMBERS = ("0", "-1", "-2", "3", "1000", "4242", "4294967295", "0x10", "1.5", "1e3", "18446744073709551615", "-9e18")
CALLS = ("open", "openat", "openat2", "creat", "open_by_handle_at", "execve", "connect", "close", "renameat2", "mount")

TEXTS_OF = {
    "evt.type": CALLS,
    "evt.abi": ("x86_64", "i386", "x32"),
    "evt.dir": ("<", ">"),
    "evt.res": ("SUCCESS", "ENOENT", "EACCES", "4095"),
    "proc.name": NAMES,
    "proc.pname": NAMES,
    "proc.aname": NAMES,
    "proc.cmdline": ("cat -l", "sh -l"),
    "user.name": ("root",),
    "fd.name": PATHS,
    "fd.nameraw": PATHS,
    "fd.directory": ("/etc", "/", "/root/.ssh"),
    "fd.filename": ("shadow", "wtmp", "authorized_keys", ""),
    "fd.typechar": ("f", "d", "4", "u"),
    "fd.type": ("file", "directory", "ipv4"),
    "fd.sip": ("127.0.0.1", "10.0.0.1"),
    "fd.sockfamily": ("ip", "unix"),
}
ARGUMENTS = {
    "flags": ("O_RDONLY", "O_TRUNC", "O_WRONLY|O_CREAT", "O_CREAT"),
    "mode": ("0644", "0755"),
    "name": PATHS,
    "filename": PATHS,
    "oldpath": PATHS,
    "fd": ("3", "4"),
    "argv": ("sh -c id",),
    "0": ("AT_FDCWD", "3"),
    "1": PATHS,
    "5": ("0",),
}
NUMBER_FIELDS = (
    *("evt.num", "evt.nr", "evt.cpu", "evt.rawres", "evt.latency", "fd.num", "fd.sport", "fd.rport"),
    *("proc.pid", "proc.ppid", "thread.tid", "user.uid", "group.gid"),
)
BOOL_FIELDS = (
    *("evt.failed", "evt.is_foreign_abi", "evt.is_open_read", "evt.is_open_write", "evt.is_open_exec"),
    *("evt.is_open_create", "proc.is_exe_from_memfd"),
)
TEXT_OPS = (Op.CONTAINS, Op.ICONTAINS, Op.STARTSWITH, Op.ENDSWITH, Op.GLOB, Op.IGLOB, Op.EQ, Op.NE)


@st.composite
def text_checks(draw) -> Check:
    operand = FieldRef(draw(st.sampled_from(tuple(TEXTS_OF))))
    values = TEXTS_OF[operand.name]
    if draw(st.integers(0, 3)) == 0:
        argument = draw(st.sampled_from(tuple(ARGUMENTS)))
        operand, values = FieldRef("evt.arg", argument), ARGUMENTS[argument]
    literals = st.sampled_from(values)
    some = st.lists(literals, min_size=1, max_size=3).map(tuple)
    kind = draw(st.integers(0, 6))
    if kind == 0:
        return Check(operand, Op.EXISTS)
    if kind == 1:
        return Check(operand, draw(st.sampled_from((Op.IN, Op.INTERSECTS, Op.PMATCH))), draw(some))
    if kind == 2:
        return Check(operand, draw(st.sampled_from(TEXT_OPS)), draw(some), quantifier=draw(st.sampled_from(Quantifier)))
    if kind == 3:
        lower = Transformed(draw(st.sampled_from(("tolower", "basename"))), (operand,))
        return Check(lower, Op.ENDSWITH, (draw(literals),))
    if kind == 4:
        return Check(operand, Op.EQ, other=FieldRef(draw(st.sampled_from(tuple(TEXTS_OF)))))
    return Check(operand, draw(st.sampled_from(TEXT_OPS)), (draw(literals),))


@st.composite
def number_checks(draw) -> Check:
    operand = FieldRef(draw(st.sampled_from(NUMBER_FIELDS)))
    literals = st.sampled_from(NUMBERS)
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return Check(operand, Op.IN, tuple(draw(st.lists(literals, max_size=3))))
    if kind == 1:
        return Check(operand, Op.EXISTS)
    if kind == 2:
        return Check(operand, Op.GE, other=FieldRef(draw(st.sampled_from(NUMBER_FIELDS))))
    return Check(operand, draw(st.sampled_from((Op.LT, Op.LE, Op.GT, Op.GE, Op.EQ, Op.NE))), (draw(literals),))


@st.composite
def bool_checks(draw) -> Check:
    operand = FieldRef(draw(st.sampled_from(BOOL_FIELDS)))
    return Check(operand, draw(st.sampled_from((Op.EQ, Op.NE))), (draw(st.sampled_from(("true", "false"))),))


def conditions() -> st.SearchStrategy[Node]:
    def inner(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        some = st.lists(children, min_size=2, max_size=4).map(tuple)
        return st.one_of(some.map(And), some.map(Or), children.map(Not))

    return st.recursive(st.one_of(text_checks(), number_checks(), bool_checks()), inner, max_leaves=8)


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


SOCKADDRS = (
    struct.pack("=HH4s8x", socket.AF_INET, socket.htons(443), socket.inet_aton("10.0.0.1")),
    struct.pack("=HH4s8x", socket.AF_INET, socket.htons(53), socket.inet_aton("127.0.0.1")),
    struct.pack("=H", socket.AF_UNIX) + b"/run/x",
    struct.pack("=HHI16sI", socket.AF_INET6, socket.htons(80), 0, bytes(15) + b"\1", 0),
    b"\2",
    b"",
)
HOWS = (struct.pack("=QQQ", 0o101, 0o755, 0), struct.pack("=QQQ", 0, 0, 4), struct.pack("=Q", 2), b"")
ARGVS = (b"sh\0-c\0id", b"cat", b"", b"\xff\0x")


@st.composite
def texts(draw, arg: int, capture: Capture) -> Text:
    flags = draw(st.sampled_from((0, 0, 0, TextFlag.TRUNCATED, TextFlag.FAULT, TextFlag.LATE, TextFlag.NULL)))
    values = {
        Capture.STR: tuple(map(raw, PATHS)),
        Capture.ARGV: ARGVS,
        Capture.SOCKADDR: SOCKADDRS,
        Capture.BYTES: HOWS,
    }
    data = b"" if flags & (TextFlag.FAULT | TextFlag.NULL) else draw(st.sampled_from(values[capture]))
    return Text(arg, data, capture, TextFlag(flags))


RETURNS = st.sampled_from((0, 3, 1000, -1, -2, -13, -4095, -4096, 1 << 40, -(1 << 63)))
REGISTERS = st.sampled_from((AT_FDCWD, 0, 1, 2, 3, 0o100, 0o101, 0o1102, 0o755, 0o200000, 0o20200001, (1 << 64) - 1))


@st.composite
def rows(draw) -> Row:
    abi = draw(st.sampled_from(ABIS))
    known = TABLE.named(abi, draw(st.sampled_from(CALLS)))
    nr = (
        known.nr if known is not None and draw(st.integers(0, 9)) else draw(st.sampled_from((-1, 600, 638, 639, 70000)))
    )
    foreign = 0 if abi is Abi.X86_64 else Flag.FOREIGN  # 64-bit code makes no 64-bit call by a foreign way
    copied = [
        draw(texts(one.arg, one.capture))
        for one in (captures_of(known) if known is not None and known.nr == nr else ())
    ]
    return Row(
        nr=nr,
        abi=abi,
        flags=draw(st.sampled_from((0, 0, Flag.UNFINISHED, Flag.NO_RETURN, Flag.NO_START, foreign))),
        ret=draw(RETURNS),
        args=draw(st.tuples(*[REGISTERS] * 6)),
        texts=tuple(copied[: draw(st.sampled_from((4, 4, 4, 1, 0)))]),
        comm=raw(draw(st.sampled_from(NAMES))),
        parent_comm=raw(draw(st.sampled_from(NAMES))),
        pid=draw(st.sampled_from((4242, 4243))),
        tid=draw(st.sampled_from((4242, 1))),
        ppid=draw(st.sampled_from((0, 1, 4242))),
        uid=draw(st.sampled_from((0, 1000, 0xFFFFFFFF))),
        gid=draw(st.sampled_from((0, 1000, 0xFFFFFFFF))),
        seq=draw(st.sampled_from((1, 2, (1 << 64) - 1))),
        duration_ns=draw(st.sampled_from((0, 1000, 1500, (1 << 64) - 1))),
        cpu=draw(st.sampled_from((0, 1))),
        lost=draw(st.booleans()),
    )


def rule(name: str, condition: Node) -> Rule:
    interest = FINDER.interest_of(condition)
    return Rule(name, name, condition, parse_output(name), Priority.NOTICE, (), "syscall", True, interest)


@settings(max_examples=400, deadline=None)
@given(st.lists(conditions(), min_size=1, max_size=3), st.lists(st.lists(rows(), max_size=9), min_size=1, max_size=3))
def test_columns_and_the_slow_evaluator_agree_on_every_event(nodes, batches):
    """Over several batches, so that what was remembered of one is used in the next."""
    context = FixedContext(TABLE)
    rules = RuleSet(tuple(rule(str(number), node) for number, node in enumerate(nodes)))
    detector = RuleDetector(rules, TABLE, context, Telemetry(), "host", match_all=True)
    for batch in (batch_of(*some) for some in batches):
        events = [batch.event(row) for row in range(len(batch))]
        expected = [
            (name, event)
            for event in events
            for name, node in ((str(number), node) for number, node in enumerate(nodes))
            if evaluate(node, event, context)
        ]

        assert expected == [(alert.rule, alert.event) for alert in detector.judge(batch, 0)]
