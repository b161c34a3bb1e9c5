"""`monitord.dataclass` makes what the standard library makes."""

import dataclasses
from dataclasses import FrozenInstanceError, field, fields, replace

import pytest

from monitord import dataclass as ours

MAKERS = [
    pytest.param(dataclasses.dataclass, id="standard library"),
    pytest.param(ours.dataclass, id="monitord"),
]


@pytest.fixture(params=MAKERS)
def dataclass(request):
    return request.param


@pytest.fixture
def kinds(dataclass):
    """Classes of every kind that monitord has."""

    @dataclass(frozen=True, slots=True)
    class Value:
        a: int
        b: str = "b"
        many: list[int] = field(default_factory=list)
        place: int = field(default=7, compare=False)
        secret: str = field(default="", repr=False)

        def doubled(self) -> int:
            return 2 * self.a

    @dataclass(frozen=True, slots=True)
    class Special(Value):
        url: str = field(kw_only=True)
        c: int = 3

    @dataclass(frozen=True, slots=True, order=True)
    class Ordered:
        a: int
        b: int

    @dataclass(slots=True)
    class State:
        a: int = 1

    @dataclass(slots=True, unsafe_hash=True)
    class Key:
        a: int

    @dataclass(frozen=True, slots=True, eq=False)
    class Thing:
        a: int

    @dataclass(eq=False, slots=True)
    class TroubleError(Exception):
        what: str

        def __str__(self) -> str:
            return self.what

    @dataclass(frozen=True, slots=True)
    class Nothing:
        pass

    return {kind.__name__: kind for kind in (Value, Special, Ordered, State, Key, Thing, TroubleError, Nothing)}


def test_arguments_and_defaults(kinds):
    value = kinds["Value"](1, secret="s")

    assert (1, "b", [], 7, "s", 2) == (value.a, value.b, value.many, value.place, value.secret, value.doubled())
    assert value.many is not kinds["Value"](1).many
    assert kinds["Value"](a=1, b="c", many=[3], place=4).many == [3]
    special = kinds["Special"](1, "c", url="u")
    assert ("c", "u", 3) == (special.b, special.url, special.c)


@pytest.mark.parametrize(("name", "arguments"), [("Value", {}), ("Special", {"a": 1}), ("Value", {"a": 1, "d": 2})])
def test_arguments_that_do_not_fit(kinds, name, arguments):
    with pytest.raises(TypeError, match="argument"):
        kinds[name](**arguments)


def test_equal_by_what_is_compared(kinds):
    value, special = kinds["Value"], kinds["Special"]

    assert value(1, place=1) == value(1, place=2)
    assert value(1, secret="a") != value(1, secret="b")
    assert value(1) != special(1, url="u")
    assert kinds["Thing"](1) != kinds["Thing"](1)
    assert kinds["State"](1) == kinds["State"]() != 1
    assert kinds["Nothing"]() == kinds["Nothing"]()


def test_hash(kinds):
    assert hash(kinds["Value"](1, many=(), place=1)) == hash(kinds["Value"](1, many=(), place=2))
    assert len({kinds["Key"](1), kinds["Key"](1), kinds["Key"](2)}) == 2
    assert len({kinds["Thing"](1), kinds["Thing"](1)}) == 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(kinds["State"]())


def test_order(kinds):
    ordered = kinds["Ordered"]

    assert [ordered(1, 2), ordered(1, 3), ordered(2, 0)] == sorted([ordered(2, 0), ordered(1, 3), ordered(1, 2)])
    assert ordered(1, 2) <= ordered(1, 2) >= ordered(0, 9)
    assert ordered(1, 2) < ordered(1, 3) > ordered(1, 1)
    with pytest.raises(TypeError):
        assert ordered(1, 2) < 3
    with pytest.raises(TypeError):
        assert kinds["Value"](1) < kinds["Value"](2)


def test_frozen_cannot_be_changed(kinds):
    value = kinds["Special"](1, url="u")

    with pytest.raises(FrozenInstanceError):
        value.a = 2
    with pytest.raises(FrozenInstanceError):
        del value.url
    with pytest.raises((FrozenInstanceError, TypeError)):
        value.more = 2
    state = kinds["State"]()
    state.a = 2
    assert state.a == 2
    with pytest.raises(AttributeError):
        state.more = 2


def test_text(kinds):
    assert repr(kinds["Value"](1, secret="s")).endswith(".Value(a=1, b='b', many=[], place=7)")
    assert str(kinds["TroubleError"]("broken")) == "broken"
    assert repr(kinds["Nothing"]()).endswith(".Nothing()")


def test_what_the_standard_library_does_with_them(kinds):
    value = replace(kinds["Special"](1, url="u"), b="c")

    assert ["a", "b", "many", "place", "secret", "url", "c"] == [one.name for one in fields(value)]
    assert dataclasses.asdict(value) == {
        "a": 1,
        "b": "c",
        "many": [],
        "place": 7,
        "secret": "",
        "url": "u",
        "c": 3,
    }
    assert ("a", "b", "many", "place", "secret", "c") == value.__match_args__


def test_an_exception_is_raised_with_its_fields(kinds):
    with pytest.raises(kinds["TroubleError"]) as raised:
        raise kinds["TroubleError"]("broken")

    assert raised.value.what == "broken"
