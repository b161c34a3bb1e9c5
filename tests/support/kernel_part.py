"""Conditions and events that meet where the kernel can tell them apart: flags, users, errors, names, paths."""

from hypothesis import strategies as st

from monitord.abi.arch import Abi
from monitord.abi.event import FILE, NO_ARGUMENT, Capture, Flag, TextFlag
from monitord.rules.ast import And, Check, FieldRef, Not, Op, Or, Quantifier
from monitord.rules.opens import OPEN_CALLS
from monitord.tables.captures import captures_of
from tests.support.rules import TABLE, make_event, make_text

CALLS = (
    *("open", "openat", "openat2", "creat", "open_by_handle_at", "mmap", "mprotect", "clone", "unshare", "socket"),
    *("ptrace", "bpf", "setuid", "setresuid", "chmod", "fchmodat", "rename", "unlinkat", "execve", "kill", "mount"),
    *("connect", "prctl", "setns"),
)
COMMS = ("cat", "nginx", "", "fifteen-bytes-x", "fifteen-bytes-xy", "caté", "ca")
PATHS = (
    *(
        "/etc",
        "/etc/",
        "/etc/shadow",
        "/etc/shadow-",
        "/etc/shadow/x",
        "/etc//shadow",
        "/etc/./shadow",
        "/etc/../etc/x",
    ),
    *("/", "//", "", "etc/shadow", "../etc/shadow", "/tmp/..x", "/tmp/.x", "/tmp/x/", "/tmp/x", "/tmpx", "/et"),
    *("/" + "d" * 58, "/" + "d" * 59, "/" + "d" * 60, "/" + "d" * 70 + "e", "/" + "d" * 70 + "f", "/" + "d" * 300),
    *("/a../b", "/a..", "/a../", "..", "a../b"),
    *("/caf\udcc3", "/café", "/caf\udcc3\udca9", "/etc/shadow/..", "/etc/.", "/etc/..", "/etc/.../x"),
)
_PLAIN = tuple(path for path in PATHS if "\udcc3" not in path or path == "/caf\udcc3")
LONG = "n" * 31
OPENED = (
    *(
        b"shadow\0etc\0",
        b"shadow\0root\0",
        b"shadow-\0etc\0",
        b"",
        b"etc\0",
        b"x\0tmp\0",
        b"\0",
        b"x\0a\0tmp\0",
        b"memfd:a/shadow\0",
    ),
    *(
        name.encode(errors="surrogateescape") + b"\0"
        for name in (LONG, LONG + "x", LONG[1:], "caf\udcc3", "café", "a]b")
    ),
    *(b"x\0" + name.encode() + b"\0" for name in (LONG, LONG + "x")),
)
"""Names of opened files, from the inside out."""

_REAL_PATHS = (
    *("/etc/shadow", "/shadow", "/root/shadow", "/etc/shadow-", "/etc/", "/", "shadow", "w", "", "/etc", "pipe:[4711]"),
    *(
        "/memfd:a/shadow (deleted)",
        "/shadow (deleted)",
        f"/{LONG}",
        f"/{LONG}x",
        f"/{LONG}y",
        f"/{LONG}y/x",
        "/café",
        "*/shadow",
        "*w",
    ),
    *(
        "/etc/*",
        "/etc/s*w",
        "/tmp/x",
        "/tmp/",
        "//tmp",
        "/etc*/shadow",
        "/[a/e]tc/shadow",
        "/a]b",
        "/[/]b",
        "*[/a]b",
        "*/shado?",
        "//shadow",
        "/etc\\/shadow",
    ),
)
ERRORS = (0, 3, 1 << 40, -1, -2, -13, -17, -115, -512, -4095, -4096)
WORDS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 0x40, 0x41, 0xC0, 0xC2, 0x206, 0x241, 0x4206, 0x200, 0x10000000, 0x12000000)
REGISTERS = (*WORDS, 0o4755, 0o755, 0o20200002, 0o4010000, 0o10000, 0xFFFF_FFFF, (1 << 64) - 1, (1 << 63) | 16)
HIGH = (0, 0, 0, 1 << 32, 0xFFFF_FFFF_0000_0000)


def _check(name, op, *values, quantifier=None):
    field, _, arg = name.partition("[")
    return Check(FieldRef(field, arg.rstrip("]") or None), op, values, quantifier=quantifier)


_ARG_TEXTS = {
    "flags": (
        "O_RDONLY",
        "O_WRONLY|O_CREAT",
        "O_TRUNC",
        "O_SYNC",
        "O_DSYNC",
        "CLONE_NEWUSER",
        "0",
        "0x4",
        "SIGCHLD",
        "O_",
    ),
    "prot": ("PROT_EXEC", "PROT_READ|PROT_EXEC", "PROT_NONE", "PROT_READ", "exec", "0x8"),
    "domain": ("AF_INET", "AF_UNIX", "AF_PACKET", "16", "99", "INET"),
    "type": ("SOCK_STREAM", "SOCK_RAW", "SOCK_STREAM|SOCK_CLOEXEC", "raw"),
    "request": ("PTRACE_ATTACH", "PTRACE_SEIZE", "PTRACE_TRACEME", "77", "-1", "PTRACE"),
    "cmd": ("BPF_PROG_LOAD", "BPF_MAP_CREATE", "BPF"),
    "uid": ("0", "1", "-1", "4294967295", "root"),
    "ruid": ("0", "4294967295"),
    "mode": ("S_ISUID", "0755", "S_ISUID|S_IRUSR", "S_I"),
    "sig": ("SIGKILL", "SIGCHLD", "9", "0"),
    "option": ("PR_SET_NAME", "PR_SET_DUMPABLE", "4"),
    "nstype": ("CLONE_NEWNS", "0"),
    "clone_flags": ("CLONE_NEWUSER", "CLONE_VM", "SIGCHLD"),
    "path": PATHS[:6],
    "name": PATHS[:6],
    "0": ("16", "3", "AT_FDCWD", "PTRACE_ATTACH", "NULL"),
    "2": ("O_RDONLY", "0x41", "64", "PROT_EXEC"),
    "newpath": PATHS[:4],
}
_arg_checks = st.sampled_from(sorted(_ARG_TEXTS)).flatmap(
    lambda arg: st.one_of(
        st.builds(
            lambda op, text: _check(f"evt.arg[{arg}]", op, text),
            st.sampled_from([Op.EQ, Op.NE, Op.CONTAINS, Op.ICONTAINS, Op.STARTSWITH, Op.ENDSWITH]),
            st.sampled_from(_ARG_TEXTS[arg]),
        ),
        st.builds(
            lambda texts: _check(f"evt.arg[{arg}]", Op.IN, *texts),
            st.lists(st.sampled_from(_ARG_TEXTS[arg]), max_size=3),
        ),
        st.builds(
            lambda texts, quantifier: _check(f"evt.arg[{arg}]", Op.CONTAINS, *texts, quantifier=quantifier),
            st.lists(st.sampled_from(_ARG_TEXTS[arg]), min_size=1, max_size=2),
            st.sampled_from(Quantifier),
        ),
        st.just(_check(f"evt.arg[{arg}]", Op.EXISTS)),
    )
)


def _texts_of(names, values):
    return st.one_of(
        st.builds(
            _check,
            st.sampled_from(names),
            st.sampled_from([Op.EQ, Op.NE, Op.STARTSWITH, Op.ENDSWITH, Op.CONTAINS, Op.GLOB]),
            st.sampled_from(values),
        ),
        st.builds(
            lambda name, op, texts: _check(name, op, *texts),
            st.sampled_from(names),
            st.sampled_from([Op.IN, Op.PMATCH]),
            st.lists(st.sampled_from(values), max_size=4),
        ),
        st.builds(
            lambda name, texts, quantifier: _check(name, Op.STARTSWITH, *texts, quantifier=quantifier),
            st.sampled_from(names),
            st.lists(st.sampled_from(values), max_size=3),
            st.sampled_from(Quantifier),
        ),
        st.builds(_check, st.sampled_from(names), st.just(Op.EXISTS)),
    )


_PREFIXES = (*_PLAIN, "/e", "/etc/s", "/etc/*/x", "/*", "/tmp/[xy]", "/d", "../", "/..", "//", "/./")
leaves = st.one_of(
    st.builds(_check, st.just("evt.type"), st.sampled_from([Op.EQ, Op.NE, Op.IN]), st.sampled_from(CALLS)),
    st.builds(
        _check,
        st.just("user.uid"),
        st.sampled_from([Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE, Op.IN]),
        st.sampled_from(["0", "1", "1000", "1000.5", "-1", "4294967295", "4294967296"]),
    ),
    st.builds(
        _check,
        st.just("evt.rawres"),
        st.sampled_from([Op.EQ, Op.NE, Op.LT, Op.GE, Op.IN]),
        st.sampled_from(["-4096", "-4095", "-13", "-1.5", "-1", "0", "3"]),
    ),
    st.builds(
        lambda op, texts: _check("evt.res", op, *texts),
        st.sampled_from([Op.EQ, Op.NE]),
        st.sampled_from([("SUCCESS",), ("EACCES",), ("EINPROGRESS",), ("ERESTARTSYS",), ("ERRNO_4095",), ("EPERM",)]),
    ),
    st.builds(
        lambda texts: _check("evt.res", Op.IN, *texts),
        st.lists(st.sampled_from(["SUCCESS", "EACCES", "EINPROGRESS", "ENOENT", "ERESTARTSYS"]), max_size=3),
    ),
    st.builds(
        _check,
        st.sampled_from(["evt.failed", "evt.is_foreign_abi"]),
        st.sampled_from([Op.EQ, Op.NE]),
        st.sampled_from(["true", "false"]),
    ),
    st.builds(
        _check,
        st.sampled_from(["evt.is_open_read", "evt.is_open_write", "evt.is_open_exec", "evt.is_open_create"]),
        st.sampled_from([Op.EQ, Op.NE]),
        st.sampled_from(["true", "false"]),
    ),
    _arg_checks,
    _texts_of(["proc.name"], COMMS),
    _texts_of(["fd.realpath"], _REAL_PATHS),
    _texts_of(["fd.name", "fd.nameraw", "fd.directory", "evt.arg[path]"], _PREFIXES),
)


def _grown(children):
    several = st.lists(children, min_size=2, max_size=4).map(tuple)
    return st.builds(And, several) | st.builds(Or, several) | st.builds(Not, children)


conditions = st.recursive(leaves, _grown, max_leaves=10)


@st.composite
def events(draw):
    """Calls that the kernel could report; what it captured is there, or why not."""
    abi = draw(st.sampled_from([Abi.X86_64, Abi.I386, Abi.X32]))
    names = [name for name in CALLS if TABLE.named(abi, name) is not None]
    syscall = TABLE.named(abi, draw(st.sampled_from(names)))
    flags = draw(st.sampled_from([Flag(0), Flag(0), Flag.UNFINISHED, Flag.NO_RETURN, Flag.NO_START]))
    if abi is not Abi.X86_64 and draw(st.booleans()):
        flags |= Flag.FOREIGN
    top = 0 if abi is Abi.I386 else draw(st.sampled_from(HIGH))
    registers = st.sampled_from(REGISTERS).map(lambda word: word & 0xFFFF_FFFF | top)
    texts = []
    for capture in captures_of(syscall):
        missing = draw(st.sampled_from([0, 0, 0, 0, TextFlag.LATE, TextFlag.FAULT, TextFlag.NULL, TextFlag.TRUNCATED]))
        data = (
            b""
            if missing in (TextFlag.FAULT, TextFlag.NULL)
            else draw(st.sampled_from(PATHS)).encode(errors="surrogateescape")
        )
        texts.append(make_text(capture.arg, data, capture.capture, missing))
    ret = draw(st.sampled_from(ERRORS))
    if syscall.name in OPEN_CALLS and ret >= 0 and not flags & (Flag.UNFINISHED | Flag.NO_RETURN):
        names = draw(st.sampled_from(OPENED))
        how = (
            TextFlag.FAULT
            if names.startswith((b"memfd:", b"\0"))
            else draw(st.sampled_from([0, 0, TextFlag.TRUNCATED]))
        )
        texts.append(make_text(NO_ARGUMENT, bytes(FILE.itemsize) + names, Capture.FILE, how))
    return make_event(
        syscall.nr,
        abi=abi,
        flags=flags,
        args=[draw(registers) for _ in range(6)],
        ret=ret,
        uid=draw(st.sampled_from([0, 1, 1000, 1001, 0xFFFF_FFFF])),
        comm=draw(st.sampled_from([comm[:15] for comm in COMMS])),
        texts=texts,
    )
