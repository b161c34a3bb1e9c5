"""Whatever a rules file holds, loading it ends soon, with rules or with problems that stand in the file."""

import time
from itertools import accumulate, count, takewhile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitord.rules.ruleset import load
from tests.support.rules import TABLE

SIZE = 64 << 10
TIMES = 6
"""What a file may take in CPU time: so often what ordinary rules of the same size take. It is 2 at most."""


def filled(make, size=SIZE):
    """The texts of 0, 1, 2, ... up to a size."""
    pieces = map(make, count())
    return "".join(piece for piece, _ in takewhile(lambda one: one[1] <= size, _sized(pieces)))


def _sized(pieces):
    for total, piece in accumulate(((len(piece), piece) for piece in pieces), lambda a, b: (a[0] + b[0], b[1])):
        yield piece, total


def rule(condition, more=""):
    return f"- rule: r\n  desc: d\n  condition: {condition}\n  output: x\n  priority: INFO\n{more}"


LONG = "- list: long\n  items: &a [" + filled(lambda n: f"a{n},", SIZE // 2) + "b]\n"
PAIRS = filled(lambda _: "[*a,*a],", SIZE // 2)

HOSTILE = {
    "unknown macros": filled(lambda n: f"- macro: m{n}\n  condition: mm{n}\n"),
    "macros that name the next": filled(lambda n: f"- macro: m{n}\n  condition: m{n + 1}\n"),
    "macros that name the one before": filled(lambda n: f"- macro: m{n}\n  condition: m{n - 1} or proc.name=x\n"),
    "pairs of macros in circles": filled(lambda n: f"- macro: m{n}\n  condition: m{n ^ 1}\n"),
    "macros that lead to a circle": "- macro: m0\n  condition: m1\n"
    + filled(lambda n: f"- macro: m{n + 1}\n  condition: m{n}\n"),
    "unknown fields": rule(filled(lambda n: f"proc.n{n}=a or ") + "proc.name=c"),
    "unknown syscalls": rule("evt.type in (" + filled(lambda n: f"ope{n},") + "a)"),
    "lists that double": filled(lambda n: f"- list: l{n}\n  items: [l{n + 1}, l{n + 1}]\n"),
    "lists in lists": filled(lambda n: f"- list: l{n}\n  items: [l{n + 1}]\n"),
    "items that are no YAML": filled(lambda _: "- rule: a: b\n"),
    "quotes that are not closed": "'" + filled(lambda _: "- '\n"),
    "exceptions by alias": LONG
    + rule("evt.type=open", f"  exceptions: [{{name: e, fields: [a.b, c.d], comps: [in, in], values: [{PAIRS}]}}]\n"),
    "lists by alias": LONG + filled(lambda n: f"- list: m{n}\n  items: *a\n", SIZE // 2),
    "many appends": rule("proc.name=x") + filled(lambda _: "- rule: r\n  condition: or a.b=c\n  append: true\n"),
    "parentheses": rule("(" * SIZE),
    "negations": rule("not " * (SIZE // 4) + "proc.name=x"),
    "escapes": rule("proc.name = '" + "\\x" * (SIZE // 2)),
    "a pattern of repetitions": rule("proc.name regex '" + "(a|b){1,99}" * (SIZE // 11) + "'"),
    "globs": rule("proc.name glob '" + "[a" * (SIZE // 2) + "'"),
    "documents": "---\n" * (SIZE // 4),
}


def loading_s(path, text):
    """CPU time."""
    path.write_text(text)
    begin_s = time.process_time()
    load((path,), TABLE)
    return time.process_time() - begin_s


@pytest.fixture(scope="module")
def ordinary_s(tmp_path_factory):
    """What ordinary rules take."""
    path = tmp_path_factory.mktemp("ordinary") / "rules.yaml"
    text = filled(lambda n: rule(f"evt.type = open and proc.name = n{n}").replace("rule: r", f"rule: r{n}"))
    return min(loading_s(path, text) for _ in range(3))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_takes_no_time(tmp_path, text, ordinary_s):
    assert loading_s(tmp_path / "rules.yaml", text) < TIMES * ordinary_s


WORDS = (
    "proc.name fd.name evt.type m l r = != < in (a, b) (l) exists and or not ( ) , 'x' %proc.name % %20fd.name "
    "tolower( val( startswith anyof open 1 true false NOTICE append replace [ ] { } - : # & * | > --- ~ \\ \t"
)
KEYS = (
    "rule macro list condition output desc priority items tags enabled exceptions override append source name fields "
    "comps values required_engine_version required_plugin_versions skip-if-unknown-filter correlation throttle"
)

_words = st.sampled_from(WORDS.split(" "))
_texts = st.lists(_words | st.text(max_size=4), max_size=8).map(" ".join)
_keys = st.sampled_from(KEYS.split())
_values = st.recursive(
    _texts,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda some: f"[{', '.join(some)}]")
        | st.lists(st.tuples(_keys, inner), max_size=3).map(
            lambda some: "{" + ", ".join(f"{key}: {value}" for key, value in some) + "}"
        )
    ),
    max_leaves=6,
)
_items = st.lists(st.tuples(_keys, _values), min_size=1, max_size=6).map(
    lambda keys: "- " + "\n  ".join(f"{key}: {value}" for key, value in keys)
)
_files = st.lists(_items | _texts, max_size=5).map("\n".join)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("rules") / "rules.yaml"


@settings(max_examples=150, deadline=None)
@given(data=_files.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary())
def test_any_file_is_rules_or_problems_within_it(path, data):
    path.write_bytes(data)

    _, problems = load((path,), TABLE)

    lines = len(data.decode("utf-8", "replace").splitlines()) + 1
    assert [] == [problem for problem in problems if not 0 <= problem.line <= lines or not problem.message]
