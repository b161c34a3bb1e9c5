import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.rules.automaton import RegexError
from monitord.rules.regex import Regex


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("", ""),
        ("a|b", "b"),
        ("a*", "aaa"),
        ("(ab)+c?", "ababc"),
        ("[a-c]{2,3}", "abc"),
        ("[]x]+", "]x"),
        ("[^/]+", "a\nb"),
        (r"/tmp/[[:alnum:]_]+\.sh", "/tmp/run_1.sh"),
        (r"\d+\s\w", "17 x"),
        ("^/etc/.*$", "/etc/passwd"),
        ("(?:a|^b)c", "bc"),
        ("é.", "éü"),
    ],
)
def test_the_whole_text_matches(pattern, text):
    assert Regex(pattern).matches(text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("b", "abc"),
        ("a|b", "ab"),
        ("a{2}", "aaa"),
        (".", "\n"),
        ("[^a]", "a"),
        ("a^b", "ab"),
        ("a$b", "ab"),
        (r"\D", "1"),
    ],
)
def test_anything_less_than_the_whole_text_does_not(pattern, text):
    assert not Regex(pattern).matches(text)


@pytest.mark.parametrize(
    ("pattern", "message", "at"),
    [
        ("(a", r"'\(' is not closed", 0),
        ("a)", r"'\)' has no '\('", 1),
        ("[a", r"'\[' is not closed", 0),
        ("*a", "nothing to repeat", 0),
        ("a{3,2}", "out of range", 1),
        ("a{x}", "a repetition is a number", 2),
        (r"\q", "unknown escape", 0),
        ("(?=a)", r"only \(\?:", 0),
        ("[[:alfa:]]", "unknown class", 1),
        ("((a{1000}){1000})", "too large", 0),
        ("(" * 60 + ")" * 60, "nested", 50),
    ],
)
def test_a_pattern_that_does_not_read_says_why_and_where(pattern, message, at):
    with pytest.raises(RegexError, match=message) as caught:
        Regex(pattern)

    if "too large" not in message:
        assert at == caught.value.at


def test_a_pattern_that_makes_backtracking_explode_does_not():
    assert not Regex("(a*)*(a|aa)+(.*.*.*=.*)b").matches("a" * 3_000 + "=" * 3_000)


_atoms = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "(a|b)", "(ab)", "(a*b)"])
_pieces = st.tuples(_atoms, st.sampled_from(["", "*", "+", "?", "{2}", "{1,2}", "{0,}"])).map("".join)
_patterns = st.lists(st.lists(_pieces, max_size=4).map("".join), min_size=1, max_size=3).map("|".join)


@given(_patterns, st.text("ab\n", max_size=8))
def test_it_agrees_with_pythons_engine_where_both_know_the_syntax(pattern, text):
    assert (re.fullmatch(pattern, text) is not None) == Regex(pattern).matches(text)
