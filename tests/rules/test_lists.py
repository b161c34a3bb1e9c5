import pytest

from monitord.rules.lists import TooLargeError, flattened, put_in_lists, written
from monitord.rules.reader import Scalar, SourceFile
from monitord.rules.text import Text

LISTS = {"shells": ("sh", "bash"), "none": (), "nil": (), "one": ("x",)}


def scalar(text):
    return Scalar(text, SourceFile("rules.yaml", text), 0)


def put_in(text):
    return put_in_lists(Text.of(scalar(text)), LISTS, set()).text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("proc.name in (shells)", "proc.name in (sh, bash)"),
        ("proc.name in (a,shells , b)", "proc.name in (a,sh, bash , b)"),
        ("proc.name=one", "proc.name=x"),
        ("shells", "sh, bash"),
        ("a.shells = xshells", "a.shells = xshells"),
        ("a.b = 'x shells y'", "a.b = 'x shells y'"),
        ("a.b = 'shells", "a.b = 'shells"),
        ("a.b in (none)", "a.b in ()"),
        ("a.b in (a, none)", "a.b in (a)"),
        ("a.b in (none, a)", "a.b in ( a)"),
        ("a.b in (a, none, nil)", "a.b in (a)"),
        ("a.b in (none, nil, a)", "a.b in (  a)"),
        ("a.b in (none, nil)", "a.b in ( )"),
    ],
)
def test_names_of_lists_become_their_items(text, expected):
    assert expected == put_in(text)


def test_places_stay_those_of_the_file():
    text = put_in_lists(Text.of(scalar("a.b in (shells) and c")), LISTS, set())

    assert 9 == text.place(text.text.index("bash")).column
    assert 21 == text.place(text.text.index("c", 5 + text.text.index("bash"))).column


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("bash", "bash"),
        ("/usr/bin/x", "/usr/bin/x"),
        ("two words", '"two words"'),
        ("a,b", '"a,b"'),
        ("(systemd)", '"(systemd)"'),
        ('"(systemd)"', '"(systemd)"'),
        ("", '""'),
        ('x "y"', '"x \\"y\\""'),
    ],
)
def test_items_are_quoted_if_they_have_to_be(item, expected):
    assert expected == written(item)


def flat(**lists):
    flat, failed = flattened({name: tuple(map(scalar, items.split())) for name, items in lists.items()}, set())
    return failed or flat["start"]


def test_lists_in_lists_are_put_in():
    assert ("a", "b", "c", "d") == flat(start="a inner d", inner="b innermost", innermost="c")


def test_a_list_that_contains_itself_is_a_loop_said_once():
    (loop,) = flat(start="one", one="x two", two="one").items()

    assert ("one", ("one", "two", "one")) == (loop[0], loop[1].names)


def test_every_loop_is_said():
    assert {"a", "c"} == flat(start="x", a="b", b="a", c="d x", d="c").keys()


def test_a_list_may_hold_a_text_that_is_its_name():
    assert ("start", "x", "inner", "y") == flat(start="start x inner", inner="inner y")


def test_a_list_may_be_met_twice_without_being_a_loop():
    assert ("x", "x") == flat(start="one one", one="x")


def test_lists_that_double_at_each_step_end_in_an_error():
    doubling = {f"l{step}": f"l{step + 1} l{step + 1}" for step in range(40)}

    assert {TooLargeError} == {type(error) for error in flat(start="l0", **doubling, l40="x").values()}


def test_many_long_lists_end_in_an_error():
    many = {f"l{number}": "long" for number in range(100)}

    assert {TooLargeError} == {type(error) for error in flat(start="x", long="x" * 200_000, **many).values()}


def test_lists_may_nest_deep():
    deep = {f"l{step}": f"l{step + 1}" for step in range(3000)}

    assert ("l3000",) == flat(start="l0", **deep)
