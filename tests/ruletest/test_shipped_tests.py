"""The rules that ship are tested in the form in which users test theirs."""

from dataclasses import replace
from pathlib import Path

import pytest

from monitord.abi.arch import NR_UNKNOWN
from monitord.rules.items import Problems
from monitord.rules.ruleset import load
from monitord.ruletest.judge import all_abis
from monitord.ruletest.run import mistakes, run
from monitord.ruletest.testfile import read_tests

CONFIG = Path(__file__).resolve().parents[2] / "config"
TABLE = all_abis()
SHIPPED = load((CONFIG / "rules",), TABLE)[0]
PROBLEMS = Problems()
FILES = read_tests((CONFIG / "tests",), PROBLEMS)
RULES = {file.rules: load(file.rules, TABLE)[0] for file in FILES}
TESTS = [(file, test) for file in FILES for test in file.tests]
NAMES = [test.name for _, test in TESTS]


def test_the_readme_says_how_many_they_are():
    assert f"    {len(TESTS)} passed, 0 failed\n" in (CONFIG.parent / "README.md").read_text()


def test_they_have_no_mistakes():
    for file in FILES:
        mistakes(file, RULES[file.rules], PROBLEMS)

    assert [] == PROBLEMS.found


@pytest.mark.parametrize(("file", "test"), TESTS, ids=NAMES)
def test_they_pass(file, test):
    assert () == run(test, RULES[file.rules], TABLE, file.match_all).wrong


@pytest.mark.parametrize("rule", [rule.name for rule in SHIPPED.rules if rule.name not in SHIPPED.silent])
def test_every_rule_has_one_that_fires_and_one_that_does_not(rule):
    assert any(expected.rule == rule for _, test in TESTS for expected in test.expect or ())
    assert any(name == rule for _, test in TESTS for name, _ in test.forbidden)


@pytest.mark.parametrize(("file", "test"), TESTS, ids=NAMES)
def test_none_passes_whatever_the_rules_say(file, test):
    """Without their rules they do not fire, and what is quiet is about the calls of its rule."""
    rules = RULES[file.rules]
    named = {expected.rule for expected in test.expect or ()}
    others = replace(rules, rules=tuple(replace(r, off_by="test") if r.name in named else r for r in rules.rules))
    calls = {(event.abi, event.nr if event.nr < NR_UNKNOWN else NR_UNKNOWN) for event, _ in test.events}

    assert not named or run(test, others, TABLE, file.match_all).wrong
    for name, _ in test.forbidden:
        [rule] = [rule for rule in rules.rules if rule.name == name]
        assert calls & rule.interest.calls.keys()
