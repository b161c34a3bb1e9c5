import pytest

from monitord.abi.event import Flag
from monitord.model.value import Missing
from monitord.rules.ast import Op
from monitord.rules.compare import make_test
from monitord.rules.evaluate import evaluate
from monitord.rules.parser import parse_condition
from monitord.rules.transform import transform
from tests.support.rules import FakeContext, make_event, make_process

LINE = [
    make_process("cat", argv=("/bin/cat", "-n", "/etc/shadow"), cwd="/tmp"),
    make_process("bash", argv=("-bash",), exepath="/bin/bash"),
    make_process("sshd"),
]


def holds(condition, **changes):
    event = make_event("openat", args=(3, 0, 0o2, 0), texts=[(1, b"/etc/shadow")], ret=7, **changes)
    return evaluate(parse_condition(condition), event, FakeContext(list(LINE)))


@pytest.mark.parametrize(
    "condition",
    [
        "evt.rawres = 7 and evt.rawres >= 0x7 and evt.rawres < 7.5 and evt.rawres in (1, 7)",
        "evt.failed=false and evt.failed != true and evt.failed in (false)",
        "proc.name = cat and proc.name != dog and proc.name in (cat, dog) and proc.name intersects (cat)",
        "proc.name startswith c and proc.name endswith at and proc.name contains a and proc.name icontains AT",
        "proc.name glob c? and proc.name iglob C* or proc.name glob 'c*'",
        "proc.name regex '[a-c]+t' and not proc.name regex 'a'",
        "proc.name bcontains 6174 and proc.name bstartswith 63 and not proc.name bstartswith 61",
        "fd.name pmatch (/bin, /etc) and not fd.name pmatch (/et)",
        "proc.name startswith anyof (x, c) and proc.name startswith oneof (x, c) and proc.name contains allof (c, a)",
        "not proc.name startswith oneof (c, ca) and not proc.name startswith allof (c, x)",
        "proc.exe endswith val(proc.name) and proc.name != val(proc.pname)",
        "tolower(proc.name) = val(proc.name) and toupper(proc.name) = CAT",
        "basename(proc.exe) = cat and len(proc.name) = 3 and concat(proc.name, '-', proc.pname) = cat-bash",
        "join(':', (a, b)) = a:b and b64(concat('Y2', 'F0')) = cat",
        "getopt(proc.args, 'n')[n] exists and not getopt(proc.args, 'n')[x] exists",
        "getopt(proc.args, 'n') in (n, m)",
        "proc.aname = sshd and proc.aname in (sshd, x) and proc.aname[2] = sshd and proc.aname[0] = cat",
        "proc.aname != bash and toupper(proc.aname) = SSHD",
        "not proc.aname = cat",
    ],
)
def test_conditions_that_hold(condition):
    assert holds(condition)


@pytest.mark.parametrize(
    "test",
    [
        "= x",
        "!= x",
        "in (x)",
        "pmatch (x)",
        "startswith x",
        "glob *",
        "regex .*",
        "contains ''",
        "exists",
        "= val(proc.name)",
    ],
)
def test_every_comparison_with_what_is_missing_is_false(test):
    assert not holds(f"proc.exepath {test}")
    assert holds(f"not proc.exepath {test}")


def test_what_is_missing_on_the_right_side_makes_it_false_too():
    assert not holds("proc.name != val(proc.exepath)")


def test_a_call_that_did_not_return_has_no_result():
    assert not holds("evt.rawres >= 0 or evt.rawres < 0 or evt.res exists or evt.failed exists", flags=Flag.UNFINISHED)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(("a", "b"), True), (("a",), True), (("a", "c"), False), ((), False), (Missing.LATE, False)],
)
def test_a_list_is_in_a_set_when_all_of_it_is(value, expected):
    assert expected == make_test(Op.IN, ("a", "b"), None)(value)


@pytest.mark.parametrize(("value", "expected"), [(("a", "c"), True), (("c",), False), ((), False)])
def test_a_list_intersects_a_set_when_any_of_it_is_in_it(value, expected):
    assert expected == make_test(Op.INTERSECTS, ("a", "b"), None)(value)


@pytest.mark.parametrize(
    ("function", "args", "option", "expected"),
    [
        ("b64", ["!"], None, Missing.NOT_APPLICABLE),
        ("len", [("a", "b", "c")], None, 3),
        ("len", ["é"], None, 2),
        ("tolower", ["ÄB\udcff"], None, "Äb\udcff"),
        ("join", ["-", Missing.LATE], None, Missing.LATE),
        ("getopt", [("-vl", "80", "-e/bin/sh", "--", "-x"), "vl:e:x"], None, ("v", "l", "e")),
        ("getopt", [("-vl", "80", "-e/bin/sh"), "vl:e:"], "l", "80"),
        ("getopt", [("-vl", "80", "-e/bin/sh"), "vl:e:"], "e", "/bin/sh"),
        ("getopt", [("-l",), "l:"], "l", ""),
    ],
)
def test_transformers(function, args, option, expected):
    assert expected == transform(function, args, option)
