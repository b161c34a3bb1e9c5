"""What the kernel is asked for of a condition: never too little, and no more than it could tell."""

import posixpath

import pytest
from hypothesis import given, settings

from monitord.abi.arch import Abi
from monitord.abi.event import FILE, NO_ARGUMENT, Capture
from monitord.model.clause import simplified
from monitord.model.facts import LEAF, PATH, TOP
from monitord.rules.evaluate import evaluate
from monitord.rules.interest import InterestFinder
from monitord.rules.parser import parse_condition
from tests.support.kernel_part import conditions, events
from tests.support.rules import TABLE, FakeContext, make_event, make_text

FINDER = InterestFinder(TABLE)
AT_FDCWD = (1 << 64) - 100


class Context(FakeContext):
    """Paths are normal, as the daemon's are."""

    def path(self, event, dirfd, text):
        return "/" + posixpath.normpath(super().path(event, dirfd, text)).lstrip("/")


@settings(max_examples=400, deadline=None)
@given(conditions, events())
def test_no_event_that_a_condition_is_true_for_is_held_back(tree, event):
    assert FINDER.interest_of(tree).admits(event) or not evaluate(tree, event, Context())


@settings(max_examples=100, deadline=None)
@given(conditions, conditions, events())
def test_a_union_lets_through_what_either_lets_through(one, other, event):
    first, second = FINDER.interest_of(one), FINDER.interest_of(other)

    assert (first | second).admits(event) or not (first.admits(event) or second.admits(event))


@settings(max_examples=60, deadline=None)
@given(conditions, events())
def test_fewer_clauses_let_no_less_through(tree, event):
    for call, clauses in FINDER.interest_of(tree).clauses.items():
        if call == (event.abi, event.nr) and any(clause.admits(event) for clause in clauses):
            assert any(clause.admits(event) for clause in simplified(clauses, most=1))


def opened(path=b"/etc/passwd", flags=0, mode=0o644, **changes):
    return make_event("openat", args=(AT_FDCWD, 1, flags, mode), texts=[(1, path)], **{"ret": 3} | changes)


def leading_to(*names, path=b"/tmp/link", call="openat", **changes):
    """An open by a path that says nothing, of a file: its names from the inside out."""
    of_file = bytes(FILE.itemsize) + b"".join(name + b"\0" for name in names)
    texts = [(1, path), make_text(NO_ARGUMENT, of_file, Capture.FILE)]
    return make_event(call, args=(AT_FDCWD, 1), texts=texts, **{"ret": 3} | changes)


def made(call, *args, **changes):
    return make_event(call, args=args, **changes)


@pytest.mark.parametrize(
    ("condition", "admitted", "rejected"),
    [
        ("evt.type=openat and evt.is_open_write=true", opened(flags=1), opened(flags=0)),
        ("evt.type=openat and not evt.is_open_write=true", opened(flags=0), opened(flags=2)),
        ("evt.type=openat and evt.arg.flags contains O_TRUNC", opened(flags=0o1001), opened(flags=1)),
        ("evt.type=openat and not evt.arg.flags contains O_TRUNC", opened(flags=1), opened(flags=0o1001)),
        ("evt.type=openat and evt.is_open_exec=true", opened(flags=0o100, mode=0o755), opened(flags=0o100)),
        ("evt.type=openat and evt.res=EACCES", opened(ret=-13), opened(ret=-2)),
        ("evt.type=openat and evt.rawres in (-1, -13)", opened(ret=-1), opened(ret=3)),
        ("evt.type=openat and (evt.rawres>=0 or evt.res=ENOENT)", opened(ret=-2), opened(ret=-13)),
        ("evt.type=openat and user.uid=0", opened(uid=0), opened(uid=1)),
        ("evt.type=openat and user.uid>=1000", opened(uid=1000), opened(uid=999)),
        ("evt.type=openat and user.uid!=0", opened(uid=7), opened(uid=0)),
        ("evt.type=openat and proc.name in (cat, dog)", opened(comm="dog"), opened(comm="cow")),
        ("evt.type=openat and not proc.name in (cat, dog)", opened(comm="cow"), opened(comm="cat")),
        ("evt.type=openat and fd.name=/etc/passwd", opened(), opened(b"/etc/passwd-")),
        ("evt.type=openat and fd.name startswith /etc", opened(), opened(b"/var/x")),
        ("evt.type=openat and not fd.name startswith /proc/", opened(), opened(b"/proc/1/stat")),
        ("evt.type=openat and fd.name pmatch (/etc, /usr)", opened(b"/usr"), opened(b"/usrlocal")),
        ("evt.type=openat and fd.directory=/etc", opened(), opened(b"/etcetera")),
        ("evt.type=openat and evt.arg.path in (/etc/passwd)", opened(), opened(b"/etc/group")),
        ("evt.type=openat and fd.name=/etc/passwd", opened(b"/tmp/../etc/passwd"), opened(b"/tmp/passwd")),
        ("evt.type=openat and fd.nameraw contains ../", opened(b"/tmp/../etc"), opened(b"/tmp/.etc")),
        ("evt.type=openat and fd.name=/etc/passwd", opened(b"passwd"), opened(b"/passwd")),
        ("evt.type=openat and fd.realpath=/etc/shadow", leading_to(b"shadow", b"etc"), leading_to(b"group", b"etc")),
        ("evt.type=openat and fd.realpath=/etc/shadow", leading_to(b"shadow", b"tmp"), opened(ret=-13)),
        ("evt.type=openat and fd.realpath in (/a/b, /c/d)", leading_to(b"d", b"c"), leading_to(b"c", b"b")),
        ("evt.type=openat and fd.realpath endswith /.ssh/x", leading_to(b"x", b".ssh"), leading_to(b"y", b".ssh")),
        ("evt.type=openat and fd.realpath glob /proc/*/mem", leading_to(b"mem", b"7"), leading_to(b"maps", b"7")),
        ("evt.type=openat and fd.realpath startswith /etc", leading_to(b"x", b"etc"), opened(ret=-2)),
        ("evt.type=openat and fd.realpath startswith /etc/", leading_to(b"x", b"etc"), leading_to(b"etc", b"usr")),
        ("evt.type=openat and fd.realpath startswith /etc/a", leading_to(b"x", b"etc"), leading_to(b"x", b"usr")),
        ("evt.type=openat and fd.realpath glob /etc/*.d/*", leading_to(b"x", b"etc"), leading_to(b"x")),
        ("evt.type=openat and fd.realpath pmatch (/a, /b*, /c/d)", leading_to(b"x", b"c"), opened(ret=-2)),
        ("evt.type=openat and fd.realpath pmatch (/a, /b//d, /c)", leading_to(b"x", b"b"), leading_to(b"x", b"d")),
        (
            f"evt.type=openat and fd.realpath startswith /{'n' * 31}x/",
            leading_to(b"x", b"n" * 31 + b"y"),
            leading_to(b"x", b"n" * 30),
        ),
        ("evt.type=openat and not fd.realpath=/etc/shadow", leading_to(b"shadow", b"etc"), made("openat2")),
        (
            f"evt.type=openat and fd.realpath=/{'n' * 31}x",
            leading_to(b"n" * 31 + b"y"),  # what is longer is compared cut
            leading_to(b"n" * 30),
        ),
        (
            "evt.type=openat and (fd.name=/etc/shadow or fd.realpath=/etc/shadow)",
            leading_to(b"shadow", b"etc"),
            leading_to(b"link", b"tmp"),
        ),
        (
            "evt.type in (rename, openat) and fd.realpath=/etc/shadow",
            leading_to(b"shadow", b"etc"),
            make_event("rename", texts=[(0, b"/etc/shadow"), (1, b"/x")]),
        ),
        (
            "evt.type=ptrace and evt.arg.request in (PTRACE_ATTACH, PTRACE_SEIZE)",
            made("ptrace", 0x4206),
            made("ptrace", 0),
        ),
        ("evt.type=socket and evt.arg.domain=AF_PACKET", made("socket", 17), made("socket", 2)),
        ("evt.type=bpf and evt.arg.cmd=BPF_PROG_LOAD", made("bpf", 5), made("bpf", 1)),
        (
            "evt.type=mprotect and evt.arg.prot contains PROT_EXEC",
            made("mprotect", 1, 4096, 5),
            made("mprotect", 1, 4096, 3),
        ),
        ("evt.type=clone and evt.arg.flags contains CLONE_NEWUSER", made("clone", 0x10000011), made("clone", 0x11)),
        ("evt.type=unshare and evt.arg.flags contains CLONE_NEWNS", made("unshare", 0x20000), made("unshare", 0)),
        ("evt.type=setuid and evt.rawarg.uid=0", made("setuid", 0), made("setuid", 33)),
        ("evt.type=kill and evt.arg.sig=SIGKILL", made("kill", 7, 9), made("kill", 7, 15)),
        (
            "evt.type=chmod and evt.arg.mode contains S_ISUID",
            make_event("chmod", args=(1, 0o4755), texts=[(0, b"/x")]),
            make_event("chmod", args=(1, 0o755), texts=[(0, b"/x")]),
        ),
    ],
)
def test_the_kernel_can_tell_apart(condition, admitted, rejected):
    interest = FINDER.interest_of(parse_condition(condition))

    assert (True, False) == (interest.admits(admitted), interest.admits(rejected))


def test_a_directory_by_either_name_is_a_clause_by_the_path_and_one_by_the_first_name_of_the_file():
    condition = "evt.type=openat and (fd.name startswith /etc/ or fd.realpath startswith /etc/)"
    openat = TABLE.named(Abi.X86_64, "openat")
    clauses = FINDER.interest_of(parse_condition(condition)).wanted((openat.abi, openat.nr))

    assert [{PATH}, {TOP}] == [{PATH, TOP} & {key for key, _ in clause.limits} for clause in clauses]


def test_a_file_by_either_name_is_a_clause_by_its_path_and_one_by_its_last_name():
    condition = "evt.type=openat and (fd.name in (/etc/shadow, /a) or fd.realpath in (/etc/shadow, /a))"
    openat = TABLE.named(Abi.X86_64, "openat")
    clauses = FINDER.interest_of(parse_condition(condition)).wanted((openat.abi, openat.nr))

    assert [{PATH}, {LEAF}] == [{PATH, LEAF} & {key for key, _ in clause.limits} for clause in clauses]


@pytest.mark.parametrize(
    "test",
    [
        "endswith w",
        "contains shadow",
        "glob /etc*",
        "glob /etc[/]shadow",
        "endswith allof (/shadow, w)",
        "!= /x",
        "pmatch (/etc, /e*)",
        "startswith /etc",
        "in (/etc/shadow, x)",
    ],
)
def test_what_has_neither_a_last_nor_a_first_name_gets_all_that_succeed(test):
    tree = parse_condition(f"evt.type=openat and fd.realpath {test}")
    event, interest = leading_to(b"shadow", b"etc"), FINDER.interest_of(tree)

    assert evaluate(tree, event, Context())
    assert (True, False) == (interest.admits(event), interest.admits(opened(ret=-2)))


def test_what_is_in_no_directory_may_have_any_name():
    """Slashes in the name of a memory file are no directories."""
    interest = FINDER.interest_of(parse_condition('evt.type=openat and fd.realpath="/memfd:a/b (deleted)"'))

    assert interest.admits(leading_to(b"memfd:a/b"))


def test_a_call_that_changes_the_user_is_not_judged_by_the_user_that_it_began_with():
    interest = FINDER.interest_of(parse_condition("evt.type=setuid and user.uid=0"))

    assert interest.admits(made("setuid", 7, uid=7))
