"""What the key ``throttle`` of a rule says, and every mistake in it."""

import pytest

from monitord.model.problem import errors
from monitord.rules.ast import FieldRef
from monitord.rules.ruleset import load
from monitord.rules.throttle import Throttle
from tests.support.rules import TABLE

RULE = "- rule: r\n  desc: d\n  condition: evt.type=open\n  output: o\n  priority: NOTICE\n  throttle: "


@pytest.fixture
def loaded(tmp_path):
    def load_text(text):
        (tmp_path / "rules.yaml").write_text(text)
        return load((tmp_path / "rules.yaml",), TABLE)

    return load_text


def test_keys_and_interval(loaded):
    rules, problems = loaded(RULE + "{key: [proc.pid, fd.name], interval: 5m}\n")

    assert ([], Throttle((FieldRef("proc.pid"), FieldRef("fd.name")), 300 * 10**9)) == (
        problems,
        rules.rules[0].throttle,
    )


def test_an_override_replaces_it(loaded):
    change = "- rule: r\n  throttle: {interval: 1h}\n  override: {throttle: replace}\n"
    rules, problems = loaded(RULE + "{key: [proc.pid], interval: 5m}\n" + change)

    assert ([], Throttle((), 3600 * 10**9)) == (problems, rules.rules[0].throttle)


@pytest.mark.parametrize(
    ("throttle", "code", "said"),
    [
        ("60s", "R041", "is a map"),
        ("{key: [proc.pid]}", "R041", "needs an 'interval'"),
        ("{interval: 60}", "R041", "60s or 5m"),
        ("{interval: 60s, keys: [proc.pid]}", "R041", "did you mean 'key'?"),
        ("{interval: 60s, key: [proc.pdi]}", "R011", "did you mean 'proc.pid'?"),
        ("{interval: 60s, key: [proc.aname]}", "R041", "give it an index"),
        ("{interval: 60s, key: {a: b}}", "R041", "list of texts"),
        ("{interval: 60s, key: [fd.name, fd.name]}", "R041", "twice"),
        ("{interval: 60s, interval: 60s}", "R006", "here twice"),
    ],
)
def test_mistakes(loaded, throttle, code, said):
    _, [problem] = loaded(RULE + throttle + "\n")

    assert (code, True) == (problem.code, said in problem.message), problem


def test_all_mistakes_at_once(loaded):
    _, problems = loaded(RULE + "{interval: x, key: [a, a], z: 1}\n")

    assert 3 == len(errors(problems))
