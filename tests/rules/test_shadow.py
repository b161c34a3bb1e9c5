"""Rules that another one leaves nothing to: found where it is certain, and never where it is not."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitord.abi.arch import Abi
from monitord.config.schema import RuleMatching, RulesConfig
from monitord.rules.ast import And, Check, Not, Or
from monitord.rules.evaluate import evaluate
from monitord.rules.fields import CATALOGUE
from monitord.rules.parser import parse_condition
from monitord.rules.ruleset import load
from monitord.rules.shadow import implies
from monitord.tables.syscalls import SyscallTable
from tests.detect.pools import CHECKS, TABLE, rows_of_all_calls
from tests.support.batches import batch_of
from tests.support.detect import FixedContext

CONTEXT = FixedContext(TABLE)
EVENTS = [batch.event(row) for batch in [batch_of(*rows_of_all_calls(each=3))] for row in range(len(batch))]


@pytest.mark.parametrize(
    ("later", "earlier", "expected"),
    [
        ("proc.name=a", "proc.name=a", True),
        ("proc.name=a and user.uid=0", "proc.name=a", True),
        ("proc.name=a", "proc.name=a and user.uid=0", False),
        ("user.uid=0 and proc.name=a and evt.type=open", "evt.type=open and proc.name=a", True),
        ("proc.name=a", "proc.name in (a, b)", True),
        ("proc.name in (a, b)", "proc.name in (c, b, a)", True),
        ("proc.name in (a, b)", "proc.name in (a, c)", False),
        ("fd.name startswith /etc/ssh", "fd.name startswith /etc", True),
        ("fd.name startswith /etc", "fd.name startswith /etc/ssh", False),
        ("fd.name=/etc/x", "fd.name startswith /etc", True),
        ("fd.name=/etc/x", "fd.name pmatch (/etc)", True),
        ("fd.name endswith .ssh/key", "fd.name endswith key", True),
        ("fd.name endswith .ssh/key", "fd.name contains ssh", True),
        ("fd.name contains ssh", "fd.name startswith ssh", False),
        ("proc.name=a", "proc.name exists", True),
        ("not proc.name exists", "not proc.name=a", True),
        ("not proc.name=a", "not proc.name in (a, b)", False),
        ("not proc.name in (a, b)", "not proc.name=a", True),
        ("proc.name=a or proc.name=b", "proc.name in (a, b, c)", True),
        ("proc.name=a", "user.uid=0 or proc.name in (a, b)", True),
        ("proc.name=a or user.uid=0", "proc.name=a", False),
        ("user.uid > 10", "user.uid > 5", True),
        ("user.uid > 10", "user.uid >= 10", True),
        ("user.uid >= 10", "user.uid > 10", False),
        ("user.uid < 5", "user.uid <= 5", True),
        ("user.uid < 5", "user.uid != 5", True),
        ("user.uid <= 5", "user.uid != 5", False),
        ("user.uid = 7", "user.uid > 5", True),
        ("user.uid in (7, 9)", "user.uid > 8", False),
        ("proc.name=a", "proc.name=val(proc.pname)", False),
    ],
)
def test_what_follows_from_what(later, earlier, expected):
    assert expected is implies(parse_condition(later), parse_condition(earlier), CATALOGUE)


def _trees(children):
    some = st.lists(children, min_size=2, max_size=3).map(tuple)
    return st.one_of(some.map(And), some.map(Or), children.map(Not))


@st.composite
def pairs(draw):
    """Conditions of few fields, so that one often follows from the other."""
    field = draw(st.sampled_from(list(CHECKS)))
    checks = [check for check in CHECKS[field] if isinstance(check, Check)]
    trees = st.recursive(st.sampled_from(checks), _trees, max_leaves=4)
    return draw(trees), draw(trees)


@settings(max_examples=600, deadline=None)
@given(pairs())
def test_what_is_said_to_follow_does(pair):
    later, earlier = pair
    if implies(later, earlier, CATALOGUE):
        assert [] == [e for e in EVENTS if evaluate(later, e, CONTEXT) and not evaluate(earlier, e, CONTEXT)]


@pytest.mark.parametrize("field", CHECKS, ids=str)
def test_every_two_tests_of_a_field(field):
    """What one is said to imply holds for every event; of many values, as of ``proc.aname``, too."""
    held = {check: {n for n, e in enumerate(EVENTS) if evaluate(check, e, CONTEXT)} for check in CHECKS[field]}
    for later in CHECKS[field]:
        for earlier in CHECKS[field]:
            if implies(later, earlier, CATALOGUE):
                assert held[later] <= held[earlier], (later, earlier)


class TestLoading:
    FILE = """
- rule: Any of etc
  desc: d
  condition: evt.type=openat and fd.name startswith /etc/
  output: x
  priority: NOTICE
- rule: Passwords
  desc: d
  condition: evt.type=openat and fd.name=/etc/shadow and not proc.name=login
  output: x
  priority: NOTICE
  enabled: {enabled}
"""

    def codes(self, tmp_path, enabled="true", config=None):
        path = tmp_path / "rules.yaml"
        path.write_text(self.FILE.format(enabled=enabled))
        rules = SyscallTable.load(Abi)
        return load((path,), rules, *([config] if config else []))[1]

    def test_says_which_rule_leaves_nothing_to_which(self, tmp_path):
        [problem] = self.codes(tmp_path)

        assert ("R034", True, 7) == (problem.code, problem.warning, problem.line)
        assert "rule 'Passwords' can never alert: 'Any of etc' is asked before it" in problem.message

    def test_not_where_all_rules_match(self, tmp_path):
        assert [] == self.codes(tmp_path, config=RulesConfig(rule_matching=RuleMatching.ALL))

    def test_not_of_a_rule_that_is_off(self, tmp_path):
        assert [] == self.codes(tmp_path, enabled="false")

    def test_the_shipped_rules_leave_something_to_each(self):
        shipped = Path(__file__).resolve().parents[2] / "config" / "rules"

        assert [] == load((shipped,), SyscallTable.load(Abi))[1]
