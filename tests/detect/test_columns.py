"""What columns say of events is what the slow evaluator says of each."""

import contextlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitord.abi.arch import NR_SLOTS
from monitord.detect import codebook, detector, group, plan
from monitord.detect.codebook import FEW
from monitord.detect.detector import RuleDetector
from monitord.detect.origin import origin_of
from monitord.model.batch import EventBatch
from monitord.model.interest import Interest, Outcome
from monitord.model.priority import Priority
from monitord.rules.ast import And, FieldRef, Node, Not, Or
from monitord.rules.evaluate import evaluate
from monitord.rules.interest import InterestFinder
from monitord.rules.operand import fields_of
from monitord.rules.output import parse_output
from monitord.rules.rule import Rule, RuleSet
from monitord.telemetry import Telemetry
from tests.detect.pools import CHECKS, TABLE, rows_of_all_calls
from tests.support.batches import batch_of
from tests.support.detect import ABIS, FixedContext

WAYS = (0, FEW)
"""Events of a call up to which each is looked at by itself: never, and as it is."""


@contextlib.contextmanager
def few(most: int) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (codebook, group, plan, detector):
            patch.setattr(module, "FEW", most)
        yield


FINDER = InterestFinder(TABLE)
EVERY_CALL = Interest({(abi, nr): Outcome.ANY for abi in ABIS for nr in range(NR_SLOTS)})


def rule(name: str, condition: Node, interest: Interest) -> Rule:
    return Rule(name, name, condition, parse_output(name), Priority.NOTICE, (), "syscall", interest, True)


def detector_of(rules: list[Rule]) -> RuleDetector:
    return RuleDetector(RuleSet(tuple(rules)), TABLE, FixedContext(TABLE), Telemetry(), "host", match_all=True)


def matches(detector: RuleDetector, batch: EventBatch) -> list[tuple[int, str]]:
    """(time of the event, rule); the time tells the events of the tests here apart."""
    return [(alert.event.ts_ns, alert.rule) for alert in detector.judge(batch, 0)]


def expected_matches(rules: list[Rule], batch: EventBatch) -> list[tuple[int, str]]:
    context = FixedContext(TABLE)
    events = [batch.event(row) for row in range(len(batch))]
    return [(event.ts_ns, rule.name) for event in events for rule in rules if evaluate(rule.condition, event, context)]


def numbered(batch: EventBatch) -> EventBatch:
    batch.records["ts_ns"] = range(len(batch))
    return batch


@pytest.mark.parametrize("field", CHECKS, ids=str)
def test_a_test_of_a_field_holds_for_the_events_for_which_it_holds_slowly(field: FieldRef):
    """In two batches, so that what numpy learned from the first is used one by one in the second."""
    rules = [rule(str(number), check, EVERY_CALL) for number, check in enumerate(CHECKS[field])]
    detector = detector_of(rules)
    rows = rows_of_all_calls(each=6)
    for half, way in zip((rows[::2], rows[1::2]), WAYS, strict=True):
        batch = numbered(batch_of(*half))

        with few(way):
            assert expected_matches(rules, batch) == matches(detector, batch)


def conditions() -> st.SearchStrategy[Node]:
    def inner(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        some = st.lists(children, min_size=2, max_size=4).map(tuple)
        return st.one_of(some.map(And), some.map(Or), children.map(Not))

    return st.recursive(st.sampled_from([check for checks in CHECKS.values() for check in checks]), inner, max_leaves=8)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(conditions(), min_size=1, max_size=3),
    st.lists(st.lists(st.sampled_from(rows_of_all_calls(each=20)), max_size=50), min_size=1, max_size=3),
    st.sampled_from((*WAYS, 2)),
)
def test_rules_match_the_events_that_they_match_slowly(nodes: list[Node], batches: list, way: int):
    """With the interest that follows from them."""
    rules = [rule(str(number), node, FINDER.interest_of(node)) for number, node in enumerate(nodes)]
    detector = detector_of(rules)
    for batch in (numbered(batch_of(*rows)) for rows in batches):
        with few(way):
            assert expected_matches(rules, batch) == matches(detector, batch)


def test_a_part_has_the_same_key_by_itself_and_among_others():
    rows = rows_of_all_calls(each=12)
    batch = batch_of(*rows)
    fields = {field for checks in CHECKS.values() for check in checks for field in fields_of(check.operand)}
    calls = {call for row in rows if (call := TABLE.find(row.abi, row.nr))}
    parts = {origin.part for field in fields for call in calls if (origin := origin_of(field, call)) and origin.part}
    assert {"Comm", "Texts", "Descriptor", "Ends", "Executed", "OfTask", "OfProgram"} <= {
        type(part).__name__ for part in parts
    }
    assert batch.overflow

    for part in parts:
        assert part.keys(batch) == [part.key(cells) for cells in batch.cells(range(len(batch)))], part
