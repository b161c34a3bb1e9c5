"""The verdict of each part is the evaluator's, and what stands against a condition is what stands against it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitord.explain.page import WIDTH, Paint
from monitord.explain.tree import against, condition_lines, distance, judged, shown_value, verdict_lines
from monitord.model.value import Missing
from monitord.rules.ast import And, Check, Not, Or, checks_in
from monitord.rules.evaluate import evaluate
from monitord.rules.fields import CATALOGUE
from monitord.rules.parser import parse_condition
from monitord.rules.written import written_check
from tests.detect.pools import CHECKS, TABLE, rows_of_all_calls
from tests.support.batches import batch_of, open_of
from tests.support.conditions import parsed_trees
from tests.support.detect import FixedContext

PLAIN = Paint(on=False)
CONTEXT = FixedContext(TABLE)
ROWS = rows_of_all_calls(each=4)


def _trees(children):
    some = st.lists(children, min_size=2, max_size=4).map(tuple)
    return st.one_of(some.map(And), some.map(Or), children.map(Not))


conditions = st.recursive(st.sampled_from([check for checks in CHECKS.values() for check in checks]), _trees)


def asked_alone(verdict):
    """The verdict of a condition, worked out from the parts that were asked."""
    if isinstance(verdict.node, Check):
        return verdict.holds
    parts = [asked_alone(part) for part in verdict.parts if part.asked]
    if isinstance(verdict.node, Not):
        return not parts[0]
    return any(parts) if isinstance(verdict.node, Or) else all(parts)


def turned(verdict, tests):
    """A condition with some tests saying the opposite."""
    if isinstance(verdict.node, Check):
        return Not(verdict.node) if any(verdict is test for test in tests) else verdict.node
    parts = tuple(turned(part, tests) for part in verdict.parts)
    return Not(*parts) if isinstance(verdict.node, Not) else type(verdict.node)(parts)


@settings(max_examples=200, deadline=None)
@given(conditions, st.sampled_from(ROWS))
def test_a_verdict_is_the_evaluators_and_the_parts_asked_suffice(condition, row):
    event = batch_of(row).event(0)

    verdict = judged(condition, event, CONTEXT, CATALOGUE)

    assert evaluate(condition, event, CONTEXT) is verdict.holds is asked_alone(verdict)
    assert verdict.holds is (distance(verdict) == 0) is not any(against(verdict))


@settings(max_examples=200, deadline=None)
@given(conditions, st.sampled_from(ROWS))
def test_with_the_tests_against_it_turned_a_condition_holds(condition, row):
    event = batch_of(row).event(0)
    verdict = judged(condition, event, CONTEXT, CATALOGUE)

    assert evaluate(turned(verdict, list(against(verdict))), event, CONTEXT)


@given(parsed_trees)
def test_a_test_is_written_as_it_is_read(tree):
    for check in checks_in(tree):
        assert check == parse_condition(written_check(check))


class TestLines:
    def lines(self, condition, row, paint=PLAIN):
        return list(
            verdict_lines(judged(parse_condition(condition), batch_of(row).event(0), CONTEXT, CATALOGUE), 0, paint)
        )

    def test_each_part_says_what_it_found(self):
        assert [
            "false   and",
            "true      evt.type = openat   <- openat",
            "false     not",
            "true        fd.name startswith /etc   <- /etc/shadow",
            "(true)    or",
            "(false)     proc.name = x   <- cat",
            "(true)      proc.cwd exists   <- /etc/",
        ] == self.lines(
            "evt.type=openat and not fd.name startswith /etc and (proc.name=x or proc.cwd exists)",
            open_of(b"/etc/shadow"),
        )

    def test_a_missing_value_says_why(self):
        assert ["false   proc.cwd != /   <- missing: the process was gone before it was asked"] == self.lines(
            "proc.cwd != /", open_of(b"/x", pid=13)
        )

    def test_both_sides_of_a_comparison_of_fields(self):
        assert ["false   proc.name = val(proc.pname)   <- cat   <- bash"] == self.lines(
            "proc.name = val(proc.pname)", open_of(b"/x")
        )

    def test_only_a_terminal_gets_colours(self):
        assert ["\x1b[31mfalse   \x1b[0mproc.name = x   <- cat"] == self.lines(
            "proc.name=x", open_of(b"/x"), Paint(on=True)
        )

    def test_nothing_in_a_value_drives_the_terminal(self):
        assert ["true    proc.name exists   <- \\u001b[2J\\xff"] == self.lines(
            "proc.name exists", open_of(b"/x", comm=b"\x1b[2J\xff")
        )

    def test_they_fit_a_page(self):
        values = ", ".join(f"value{number}" for number in range(80))

        for lines in (
            self.lines(f"not proc.name in ({values})", open_of(b"/x")),
            condition_lines(parse_condition(f"not proc.name in ({values})"), 2),
        ):
            assert 4 < len(lines := list(lines))
            assert [] == [line for line in lines if len(line) > WIDTH]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (("a", "b"), "(a,b)"),
        (True, "true"),
        ("", '""'),
        (Missing.FAULT, "missing: the memory was not readable"),
        (7, "7"),
    ],
)
def test_values(value, shown):
    assert shown == shown_value(value)
