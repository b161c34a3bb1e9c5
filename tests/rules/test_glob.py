import ctypes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitord.rules.glob import glob_test, path_prefix_test


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*", ""),
        ("/home/*/.ssh/*", "/home/ann/x/.ssh/id_rsa"),
        ("a?c", "abc"),
        ("[!a]b", "cb"),
        ("[[:digit:]]*", "7 up"),
        (r"\*", "*"),
        ("*.conf", ".conf"),
        ("[", "["),
    ],
)
def test_globs_match_whole_texts_and_stars_cross_slashes(pattern, text):
    assert glob_test(pattern)(text)


def test_case_counts_unless_told_otherwise():
    assert not glob_test("*.SH")("x.sh")
    assert glob_test("*.SH", ignore_case=True)("x.sh")


def test_many_stars_do_not_backtrack():
    assert not glob_test("*a" * 30 + "b")("a" * 8_000)


@given(st.text("ab*?[]!^-\\", max_size=7), st.text("ab*[]-!\\", max_size=6))
def test_it_agrees_with_fnmatch_of_the_c_library(pattern, text):
    libc = ctypes.CDLL(None)

    expected = libc.fnmatch(pattern.encode(), text.encode(), 0) == 0

    assert expected == glob_test(pattern)(text)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/log", True),
        ("/var/log/syslog", True),
        ("/var//log/x", True),
        ("/var/logs", False),
        ("/var", False),
        ("/home/ann/.ssh/id", True),
        ("var/log", False),
    ],
)
def test_pmatch_compares_whole_components(path, expected):
    assert expected == path_prefix_test(("/var/log", "/home/*/.ssh"))(path)


def test_the_root_is_a_prefix_of_every_absolute_path():
    assert path_prefix_test(("/",))("/etc/passwd")
