"""Operators and literals, by the type of their field."""

import pytest

from monitord.model.value import Missing
from monitord.rules.argument import argument_names
from monitord.rules.ast import Op, Quantifier
from monitord.rules.check import Vocabulary, mistakes_in
from monitord.rules.evaluate import check_test, evaluate
from monitord.rules.fields import CATALOGUE
from monitord.rules.parser import parse_condition
from tests.rules.test_fields import ACCEPT6, BIND, CONNECT, CONNECT_MAPPED, CONNECT_UNIX, CONTEXT, OPENAT
from tests.support.rules import TABLE

VOCABULARY = Vocabulary(CATALOGUE, TABLE.names(), argument_names(TABLE))


def mistakes(condition):
    return [mistake.code for mistake in mistakes_in(parse_condition(condition), VOCABULARY)]


def holds(condition, event):
    node = parse_condition(condition)
    assert [] == list(mistakes_in(node, VOCABULARY))
    return evaluate(node, event, CONTEXT)


def says(condition, value):
    return check_test(parse_condition(condition))(value)


SETS = "in intersects exists"
EQUAL = f"= != {SETS}"
ORDER = "< <= > >="
TYPES = {
    "evt.rawres": (f"{EQUAL} {ORDER}", "1"),
    "proc.duration": (f"{EQUAL} {ORDER}", "1"),
    "fd.sport": (f"{EQUAL} {ORDER}", "1"),
    "evt.failed": (EQUAL, "true"),
    "fd.sip": (EQUAL, "10.0.0.1"),
    "fd.snet": (EQUAL, "10.0.0.0/8"),
    "fd.types": (SETS, "file"),
    "evt.buffer": (f"{EQUAL} contains startswith endswith bcontains bstartswith", "7f"),
    "proc.name": (" ".join(op for op in Op if op not in ORDER.split()), "7f"),
}
"""A field of each type -> the operators it takes, and a literal of it."""


def written(field, op, literal):
    if op is Op.EXISTS:
        return f"{field} exists"
    return f"{field} {op} ({literal})" if op in (Op.IN, Op.INTERSECTS, Op.PMATCH) else f"{field} {op} {literal}"


@pytest.mark.parametrize("op", Op)
@pytest.mark.parametrize("field", TYPES)
def test_a_type_takes_its_operators_and_no_other(field, op):
    operators, literal = TYPES[field]
    if op in (Op.LT, Op.LE, Op.GT, Op.GE):
        literal = "1"  # all that the grammar takes

    assert ([] if op in operators.split() else ["R012"]) == mistakes(written(field, op, literal))


@pytest.mark.parametrize("op", Op)
@pytest.mark.parametrize("reason", Missing)
@pytest.mark.parametrize("field", TYPES)
def test_every_comparison_with_a_missing_value_is_false(field, op, reason):
    operators, literal = TYPES[field]
    if op in operators.split():
        assert not says(written(field, op, literal), reason)


TEXT_OPS = [
    "=",
    "!=",
    "glob",
    "iglob",
    "contains",
    "icontains",
    "bcontains",
    "startswith",
    "bstartswith",
    "endswith",
    "regex",
]


@pytest.mark.parametrize("quantifier", Quantifier)
@pytest.mark.parametrize("op", TEXT_OPS)
def test_so_is_every_comparison_of_it_with_several(op, quantifier):
    for reason in Missing:
        assert not says(f"proc.name {op} {quantifier} (7f, 80)", reason)
    # Not even "none of none", which would be all of them.
    assert not says(f"proc.name {op} {quantifier} ()", Missing.LATE)


@pytest.mark.parametrize("op", ["=", "!=", "contains", "startswith", "endswith", "in", "intersects"])
@pytest.mark.parametrize(
    ("left", "right"),
    [("proc.name", "fd.nameraw"), ("fd.nameraw", "proc.name"), ("fd.nameraw", "fd.nameraw")],
)
def test_so_is_a_comparison_with_a_missing_field(left, right, op):
    right = f"getopt({right}, 'a')" if op in ("in", "intersects") else f"val({right})"

    assert not holds(f"{left} {op} {right}", CONNECT)
    assert holds(f"not {left} {op} {right}", CONNECT)


@pytest.mark.parametrize(
    "transformer",
    ["tolower({})", "toupper({})", "b64({})", "basename({})", "join({}, (a, b))", "concat(proc.name, {})"],
)
def test_what_is_made_of_a_missing_value_is_missing(transformer):
    operand = transformer.format("fd.nameraw")

    for test in ("= ''", "!= ''", "startswith ''", "exists", "in ('')"):
        assert not holds(f"{operand} {test}", CONNECT)
    assert not holds("len(fd.nameraw) >= 0 or len(fd.nameraw) != 3 or getopt(fd.nameraw, 'a')[a] exists", CONNECT)


@pytest.mark.parametrize(
    "condition",
    [
        "fd.sip = 10.0.0.0/8",
        "fd.sip = 10.0.0",
        "fd.sip = localhost",
        "fd.sip in (10.0.0.1, 10.0.0.256)",
        "fd.snet = 10.0.0.1",
        "fd.snet = 10.0.0.0/33",
        "fd.snet = 10.0.0.0/255.0.0.0",
        "fd.snet in (10.0.0.0/8, x/8)",
        "fd.sport = 65536",
        "fd.sport = -1",
        "fd.sport = 1.5",
        "fd.sport in (80, no-such-service)",
        "proc.duration = 5s",
    ],
)
def test_a_literal_that_does_not_fit_is_a_mistake(condition):
    assert ["R013"] == mistakes(condition)


@pytest.mark.parametrize(
    "condition",
    [
        "proc.name = val(proc.aname)",
        "proc.name = val(proc.aname[1])",
        "proc.name = val(tolower(proc.aexe[1]))",
        "fd.sip = val(fd.ip)",
        "fd.sport = val(fd.port)",
        "proc.name = val(fd.sip.name)",
        "fd.snet = val(fd.cnet)",
        "fd.sip = val(fd.sport)",
    ],
)
def test_some_fields_do_not_stand_on_the_right(condition):
    assert ["R012"] == mistakes(condition)


@pytest.mark.parametrize(
    "condition",
    [
        "fd.sip = 192.0.2.7 and fd.sip in (192.0.2.7, 10.0.0.1) and fd.sip != 10.0.0.1",
        "fd.sip = ::ffff:192.0.2.7 and fd.sip = ::ffff:c000:207",
        "fd.snet = 192.0.2.0/24 and fd.snet in (10.0.0.0/8, 192.0.2.99/24) and fd.snet != 10.0.0.0/8",
        "fd.snet = ::ffff:192.0.2.0/120 and not fd.snet = ::/0 and fd.snet = 0.0.0.0/0",
        "fd.sport = 443 and fd.sport = https and fd.sport in (http, https) and fd.sport != http and fd.sport >= 443",
        "fd.ip = 192.0.2.7 and fd.ip != 10.0.0.1 and fd.net = 192.0.2.0/24 and fd.net in (192.0.2.0/24)",
        "fd.port = 443 and fd.port != 80 and fd.port > 1",
        "fd.sip = val(fd.rip) and fd.sport = val(fd.rport)",
    ],
)
@pytest.mark.parametrize("event", [CONNECT, CONNECT_MAPPED], ids=["ipv4", "mapped"])
def test_conditions_on_an_address_that_hold(condition, event):
    assert holds(condition, event)


def test_an_ipv6_address_is_compared_as_a_number():
    assert holds("fd.cip = 0:0::0001 and fd.cnet = ::/64 and fd.cnet != 0.0.0.0/0 and fd.cport = 80", ACCEPT6)


def test_what_has_no_address_is_in_no_network_and_outside_of_none():
    for event in (CONNECT_UNIX, OPENAT):
        for test in ("= 0.0.0.0/0", "!= 0.0.0.0/0", "in (0.0.0.0/0)", "exists"):
            assert not holds(f"fd.snet {test}", event)
            assert not holds(f"fd.net {test}", event)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("fd.ip = 10.0.0.1", True),
        ("fd.ip = 10.0.0.3", False),
        ("fd.ip in (10.0.0.2)", True),
        ("fd.ip != 10.0.0.1", False),
        ("fd.ip != 10.0.0.3", True),
        ("fd.net = 10.0.0.2/32", True),
        ("fd.net != 10.0.0.2/32", False),
        ("fd.net != 10.0.0.3/32", True),
        ("fd.net in (10.0.0.3/32, 10.0.0.2/32)", True),
    ],
)
def test_either_side_of_a_socket_is_meant_but_both_by_unequal(condition, expected):
    assert expected == says(condition, ("10.0.0.1", "10.0.0.2"))


@pytest.mark.parametrize("name", ["aname", "aexe", "acmdline", "aexepath"])
def test_any_ancestor_is_meant_by_unequal_too(name):
    assert says(f"proc.{name} = b", ("a", "b"))
    assert says(f"proc.{name} != b", ("a", "b"))
    assert not says(f"proc.{name} != b", ("b", "b"))
    assert says(f"proc.{name} in (b)", ("a", "b"))
    assert says(f"proc.{name} endswith b", ("a", "b"))


def test_bytes_are_compared_as_they_are():
    value = b"\x7fELF\xff\0".decode("utf-8", "surrogateescape")

    assert says("evt.buffer bstartswith 7f454c46", value)
    assert says("evt.buffer bcontains ff00", value)
    assert says("evt.buffer contains ELF", value)
    assert not says("evt.buffer bcontains 00ff", value)


def test_the_bound_address_is_that_of_this_side_and_of_the_server():
    assert holds("fd.lip = 192.0.2.7 and fd.sip = 192.0.2.7 and not fd.rip exists", BIND)
