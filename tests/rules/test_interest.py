import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitord.abi.arch import NR_UNKNOWN, Abi
from monitord.abi.event import Flag
from monitord.model.interest import Outcome
from monitord.rules.ast import And, Check, FieldRef, Not, Op, Or
from monitord.rules.evaluate import evaluate
from monitord.rules.interest import InterestFinder
from monitord.rules.parser import parse_condition
from tests.support.rules import TABLE, FakeContext, make_event

FINDER = InterestFinder(TABLE)
SUCCESS, FAILURE, FOREIGN, ANY = Outcome.SUCCESS, Outcome.FAILURE, Outcome.FOREIGN, Outcome.ANY


def interest(condition):
    """What a condition asks for: name -> outcome of the x86_64 calls; '?' for numbers outside the table."""
    calls = FINDER.interest_of(parse_condition(condition)).calls
    named = {}
    for (abi, nr), outcome in calls.items():
        syscall = TABLE.find(abi, nr)
        if abi is Abi.X86_64:
            named["?" if syscall is None else syscall.name] = outcome
    return named


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("evt.type=ptrace", {"ptrace": ANY}),
        ("evt.type in (init_module, finit_module)", {"init_module": ANY, "finit_module": ANY}),
        ("evt.type startswith io_uring_s", {"io_uring_setup": ANY}),
        ("evt.type=ptrace and proc.name=x", {"ptrace": ANY}),
        ("evt.type=ptrace and evt.failed=false", {"ptrace": SUCCESS}),
        ("evt.type=ptrace and not evt.failed=true", {"ptrace": SUCCESS}),
        ("evt.type=ptrace and evt.res=SUCCESS", {"ptrace": SUCCESS}),
        ("evt.type=ptrace and evt.res=EPERM", {"ptrace": FAILURE}),
        ("evt.type=ptrace and evt.res startswith E", {"ptrace": FAILURE}),
        ("evt.type=ptrace and not evt.res=SUCCESS", {"ptrace": ANY}),
        ("evt.type=ptrace and evt.rawres>=0", {"ptrace": SUCCESS}),
        ("evt.type=ptrace and evt.rawres=-13", {"ptrace": FAILURE}),
        ("evt.type=ptrace and evt.rawres in (0, 1, 2)", {"ptrace": SUCCESS}),
        ("evt.type=ptrace and evt.rawres in (0, -1)", {"ptrace": ANY}),
        ("evt.type=ptrace and evt.rawres!=0", {"ptrace": ANY}),
        ("evt.type=open and fd.num>=0", {"open": SUCCESS}),
        ("evt.type=open and fd.num=-1", {"open": FAILURE}),
        ("evt.type=connect and fd.num=-1", {"connect": ANY}),
        ("evt.is_open_read=true and evt.type in (open, unlink)", {"open": ANY}),
        ("evt.type=open and evt.num=0", {}),
        ("evt.type=open and (evt.num=0 or proc.name=x)", {"open": ANY}),
        ("evt.type=open and evt.dir=>", {}),
        ("evt.type=open or evt.type=close and evt.failed=true", {"open": ANY, "close": FAILURE}),
        # The type of an unknown number is missing, so that '!=' is false of it.
        ("not (evt.type!=open or evt.failed=true)", {"open": SUCCESS, "?": SUCCESS}),
        ("evt.type=open and evt.type=close", {}),
        ("evt.abi=x86_64 and evt.nr=101", {"ptrace": ANY}),
        ("evt.abi=i386 and evt.type=open", {}),
        ("evt.nr=1000 or evt.nr=-1", {"?": ANY}),
        ("evt.is_foreign_abi=true", {}),
        ("tolower(evt.type)=x and evt.nr=2", {"open": ANY}),
    ],
)
def test_a_condition_asks_for_the_calls_it_can_be_true_for(condition, expected):
    assert expected == interest(condition)


def test_a_condition_on_anything_else_asks_for_every_call():
    calls = FINDER.interest_of(parse_condition("proc.name=x")).calls

    assert {ANY} == set(calls.values())
    assert {(abi, NR_UNKNOWN) for abi in (Abi.X86_64, Abi.I386, Abi.X32)} <= calls.keys()


def test_a_name_asks_for_the_32_bit_variants_of_the_call_too():
    calls = FINDER.interest_of(parse_condition("evt.type=setuid")).calls

    assert {"setuid", "setuid32"} == {TABLE.find(*call).name for call in calls}


def test_foreign_calls_are_asked_for_as_such():
    calls = FINDER.interest_of(parse_condition("evt.is_foreign_abi=true and evt.type=open")).calls

    assert {Abi.I386: FOREIGN, Abi.X32: FOREIGN} == {abi: outcome for (abi, _), outcome in calls.items()}


def test_foreign_failures_beside_all_successes():
    condition = "evt.type=open and evt.abi=i386 and (evt.failed=false or evt.is_foreign_abi=true)"

    calls = FINDER.interest_of(parse_condition(condition)).calls

    assert [SUCCESS | FOREIGN] == list(calls.values())


def _check(name, op, *values):
    return Check(FieldRef(name), op, values)


_NAMES = ("open", "openat", "openat2", "creat", "connect", "exit_group", "setuid", "ptrace", "close")
_leaves = st.one_of(
    st.builds(_check, st.just("evt.type"), st.sampled_from([Op.EQ, Op.NE, Op.IN]), st.sampled_from(_NAMES)),
    st.builds(_check, st.just("evt.type"), st.sampled_from([Op.CONTAINS, Op.STARTSWITH]), st.sampled_from("ope")),
    st.builds(
        _check,
        st.sampled_from(["evt.rawres", "fd.num", "evt.nr", "evt.num"]),
        st.sampled_from([Op.EQ, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE, Op.IN]),
        st.sampled_from(["-4096", "-4095", "-13", "-1", "0", "1", "2", "639", "1000", "1.5"]),
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
    st.builds(_check, st.just("evt.res"), st.sampled_from([Op.EQ, Op.NE]), st.sampled_from(["SUCCESS", "EACCES"])),
    st.builds(_check, st.just("evt.abi"), st.sampled_from([Op.EQ, Op.NE]), st.sampled_from(["x86_64", "i386"])),
    st.builds(_check, st.sampled_from(["evt.res", "evt.failed", "evt.type", "fd.num"]), st.just(Op.EXISTS)),
    st.builds(_check, st.just("proc.name"), st.just(Op.EQ), st.sampled_from(["cat", "dog"])),
)


def _grown(children):
    several = st.lists(children, min_size=2, max_size=3).map(tuple)
    return st.builds(And, several) | st.builds(Or, several) | st.builds(Not, children)


_trees = st.recursive(_leaves, _grown, max_leaves=8)


@st.composite
def _events(draw):
    abi = draw(st.sampled_from([Abi.X86_64, Abi.I386, Abi.X32]))
    flags = draw(st.sampled_from([Flag(0), Flag.UNFINISHED, Flag.NO_RETURN, Flag.NO_START]))
    if abi is not Abi.X86_64 and draw(st.booleans()):
        flags |= Flag.FOREIGN
    call = draw(st.sampled_from([*_NAMES, 500, 638, 639, 1000]))
    ret = draw(st.sampled_from([-(1 << 40), -4096, -4095, -13, -1, 0, 1, 2, 5]))
    if isinstance(call, str) and call in ("open", "openat", "openat2", "creat") and ret < 0:
        ret = max(ret, -4095)  # no descriptor is below -4095
    flag_bits = draw(st.sampled_from([0, 0o1, 0o2, 0o101, 0o301]))
    return make_event(call, abi=abi, flags=flags, ret=ret, args=(0, flag_bits, flag_bits, 0o755))


@settings(max_examples=400, deadline=None)
@given(_trees, _events())
def test_no_event_that_a_condition_is_true_for_is_held_back(tree, event):
    admitted = FINDER.interest_of(tree).admits(event)

    assert admitted or not evaluate(tree, event, FakeContext())
