"""What follows from fields that are not supplied."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.model.problem import errors
from monitord.rules.ast import And, Not, Or
from monitord.rules.evaluate import evaluate
from monitord.rules.field import not_supplied
from monitord.rules.fields import CATALOGUE
from monitord.rules.interest import InterestFinder, interest_of
from monitord.rules.parser import parse_condition
from monitord.rules.polarity import FALSE, Consequence, Polarity
from monitord.rules.ruleset import load
from tests.support.falco import FALCO_RULES
from tests.support.rules import TABLE, FakeContext, make_event

FINDER = InterestFinder(TABLE)
MISSING = {"user.shell", "proc.vpid", "container.privileged", "container.mount.dest", "container.image.repository"}
"""What these tests take for not supplied, whatever is."""
FIELDS = {name: replace(field, extract=not_supplied) if name in MISSING else field for name, field in CATALOGUE.items()}
POLARITY = Polarity(FIELDS, FINDER.can_hold)


def consequences(condition):
    return {one.name: fields for one, fields in POLARITY.of(parse_condition(condition))[1].items()}


@pytest.mark.parametrize(
    "condition",
    [
        "evt.type=open and user.shell=x",
        "evt.type=open and user.shell!=x",
        "evt.type=open and user.shell exists",
        "evt.type=open and not (proc.name=a or not user.shell=x)",
        "evt.type=open and (user.shell=x or user.shell=y)",
        "evt.type=open and proc.name=val(user.shell)",
        "evt.type=open and tolower(user.shell)=x",
        "(evt.type=open and user.shell=x) or evt.num=0",
        "evt.type=open and (evt.type=close or user.shell=x)",
    ],
)
def test_a_positive_test_that_all_hangs_on_makes_a_rule_that_never_fires(condition):
    assert {"NEVER": ("user.shell",)} == consequences(condition)


@pytest.mark.parametrize(
    "condition",
    [
        "evt.type=open and (user.shell=x or proc.name=a)",
        "evt.type=open and not (proc.name=a and not user.shell=x)",
        "(evt.type=open and user.shell=x) or evt.type=close",
    ],
)
def test_a_positive_test_beside_others_misses_cases(condition):
    assert {"MISSES": ("user.shell",)} == consequences(condition)


@pytest.mark.parametrize(
    "test",
    [
        'not user.shell in ("<NA>", "N/A")',
        'not user.shell = "<NA>"',
        "not user.shell = host",
        "not user.shell exists",
        "not user.shell != x",
        "not (proc.name = a or user.shell != x)",
    ],
)
def test_a_requirement_that_is_written_as_a_negation_fires_too_often(test):
    assert {"OFTEN": ("user.shell",)} == consequences(f"evt.type=open and {test}")


def test_a_negated_order_or_falsehood_is_a_requirement():
    assert {"OFTEN": ("proc.vpid",)} == consequences("evt.type=open and not proc.vpid > 1")
    assert {"OFTEN": ("container.privileged",)} == consequences("evt.type=open and not container.privileged=false")
    assert {"EXCEPTION": ("container.privileged",)} == consequences("evt.type=open and not container.privileged=true")


@pytest.mark.parametrize(
    "test",
    [
        "not user.shell in (a, b)",
        "not user.shell = x",
        "not user.shell startswith x",
        "not (proc.name = a and user.shell != x)",
        'not (proc.name = a and user.shell = "<NA>")',
        "not (proc.name = a or user.shell = x)",
        'not user.shell in ("<NA>", x)',
    ],
)
def test_what_takes_known_cases_away_is_an_exception(test):
    assert {"EXCEPTION": ("user.shell",)} == consequences(f"evt.type=open and {test}")


@pytest.mark.parametrize(
    "condition",
    [
        "evt.type=open and proc.name=a",
        "evt.type=open and not (container.id != host and user.shell in ())",
        "evt.type=open and not (evt.num=0 and user.shell=x)",
        "evt.type=open and (evt.num=0 and user.shell=x or proc.name=a)",
    ],
)
def test_what_could_not_be_true_anyway_is_of_no_consequence(condition):
    assert {} == consequences(condition)


def test_each_kind_of_consequence_is_named_with_its_fields():
    condition = (
        "evt.type=open and not container.image.repository in (a) and not user.shell=x"
        ' and not container.mount.dest[/proc*] in ("<NA>")'
    )

    assert {
        "OFTEN": ("container.mount.dest[/proc*]",),
        "EXCEPTION": ("container.image.repository", "user.shell"),
    } == consequences(condition)


def test_of_a_rule_that_never_fires_nothing_else_is_said():
    assert {"NEVER": ("container.privileged",)} == consequences(
        "evt.type=open and container.privileged=true and not user.shell=x"
    )


CHECKS = [
    *("evt.type=openat", "evt.type in (openat, connect)", "evt.failed=true", "proc.name=cat", "evt.num=0"),
    *("user.shell=x", "user.shell!=x", "user.shell exists", "proc.vpid in ()", "container.privileged=false"),
]
EVENTS = [make_event(call, ret=ret) for call in ("openat", "connect") for ret in (0, -2)]


def conditions():
    def grown(children):
        several = st.lists(children, min_size=1, max_size=3).map(tuple)
        return several.map(And) | several.map(Or) | children.map(Not)

    return st.recursive(st.sampled_from(CHECKS).map(parse_condition), grown, max_leaves=10)


@given(conditions())
def test_what_is_left_of_a_condition_holds_for_the_same_events(condition):
    left, found = POLARITY.of(condition)

    for event in EVENTS:
        assert evaluate(condition, event, FakeContext(), FIELDS) == evaluate(left, event, FakeContext(), FIELDS)
    if Consequence.NEVER in found:
        assert FALSE == left


def test_what_is_left_asks_the_kernel_for_what_can_still_match():
    left, _ = POLARITY.of(parse_condition("(evt.type=open and user.shell=x) or (evt.type=close and not user.shell=x)"))

    assert interest_of(parse_condition("evt.type=close"), TABLE) == interest_of(left, TABLE)
    assert FALSE == POLARITY.of(parse_condition("evt.type=open and user.shell=x"))[0]
    assert {} == FINDER.interest_of(FALSE).calls


RULE = """
- rule: {name}
  desc: d
  condition: {condition}
  output: o
  priority: NOTICE
  enabled: {enabled}
"""


@pytest.fixture
def load_rule(tmp_path):
    def load_one(condition, enabled="true"):
        path = tmp_path / "rules.yaml"
        path.write_text(RULE.format(name="r", condition=condition, enabled=enabled))
        rules, problems = load((path,), TABLE)
        assert [] == errors(problems)
        return rules.rules[0], [(problem.code, problem.line) for problem in problems]

    return load_one


@pytest.mark.parametrize(
    ("test", "code"),
    [
        ("k8s.ns.name=a", "R030"),
        ("not k8s.ns.name exists", "R031"),
        ("not k8s.ns.name=a", "R032"),
        ("(k8s.ns.name=a or proc.name=a)", "R033"),
    ],
)
def test_a_rule_is_reported_when_it_is_loaded(load_rule, test, code):
    rule, problems = load_rule(f"evt.type=open and {test}")

    assert [(code, 2)] == problems
    assert [("k8s.ns.name",)] == list(rule.consequences.values())


def test_a_rule_that_never_fires_costs_the_kernel_nothing(load_rule):
    rule, _ = load_rule("evt.type=open and k8s.ns.name=a")

    assert {} == rule.interest.calls


def test_a_disabled_rule_is_not_reported(load_rule):
    rule, problems = load_rule("evt.type=open and k8s.ns.name=a", enabled="false")

    assert [] == problems
    assert [Consequence.NEVER] == list(rule.consequences)


@pytest.mark.skipif(not FALCO_RULES.exists(), reason="Falco's own rules are not part of this project")
def test_falcos_rules_are_reported_for_images_and_names_of_addresses():
    rules, _ = load((FALCO_RULES,), TABLE)
    of = {rule.name: dict(rule.consequences) for rule in rules.rules}

    assert {Consequence.NEVER: ("fd.sip.name",)} == of["Contact K8S API Server From Container"]
    assert {Consequence.EXCEPTION: ("container.image.repository",)} == of["Clear Log Activities"]
    assert {} == of["Read sensitive file untrusted"], "its list of images is empty"
    assert {} == of["Run shell untrusted"]
