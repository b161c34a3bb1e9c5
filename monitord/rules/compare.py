"""What the operators mean: a test made of an operator and its literals, to be asked about any number of values."""

import ipaddress
from collections.abc import Callable, Mapping
from types import MappingProxyType

from monitord.model.value import Missing, Value
from monitord.rules.ast import Op, Quantifier
from monitord.rules.field import FieldType
from monitord.rules.glob import glob_test, path_prefix_test
from monitord.rules.literal import Network, address_of, bool_of, bytes_of, network_of, number_of, port_of
from monitord.rules.regex import Regex

Literal = str | int | float | bool | bytes | Network
Test = Callable[[Value], bool]
"""False for a `Missing`, whatever the operator: not even ``!=`` holds of what is not there."""


def read_literal(text: str, op: Op, type_: FieldType) -> Literal | None:
    """A literal as the operator compares it with a field of this type, or None when it does not read so."""
    if op in (Op.BCONTAINS, Op.BSTARTSWITH):
        return bytes_of(text)
    read = _READERS.get(type_)
    return text if read is None else read(text)


_READERS: Mapping[FieldType, Callable[[str], Literal | None]] = MappingProxyType(
    {
        FieldType.NUMBER: number_of,
        FieldType.DURATION: number_of,
        FieldType.PORT: port_of,
        FieldType.BOOL: bool_of,
        FieldType.ADDRESS: address_of,
        FieldType.NET: network_of,
    }
)
"""Of the types whose literals are more than text."""


def make_test(op: Op, literals: tuple[Literal, ...], quantifier: Quantifier | None = None) -> Test:
    """
    The test that an operator makes with what stands right of it.

    The literals are of the field's own type (`read_literal`), or the value of a field by ``val()``.
    """
    test = _scalar_test(op, literals, quantifier)
    if op in (Op.IN, Op.INTERSECTS, Op.EXISTS):
        every = op is Op.IN  # of a list: whether all of it is among the literals

        def list_test(value: Value) -> bool:
            if isinstance(value, tuple):
                return bool(value) and (all if every else any)(test(element) for element in value)
            return test(value)

        return list_test
    return test


def _scalar_test(op: Op, literals: tuple[Literal, ...], quantifier: Quantifier | None) -> Test:
    if op is Op.EXISTS:
        return lambda value: not isinstance(value, Missing)
    networks = tuple(literal for literal in literals if isinstance(literal, Network))
    if networks:
        return _network_test(networks, inside=op is not Op.NE)
    if op in (Op.IN, Op.INTERSECTS):
        wanted = frozenset(literals)
        return lambda value: value in wanted
    if op is Op.PMATCH:
        prefix_test = path_prefix_test(tuple(str(literal) for literal in literals))
        return lambda value: isinstance(value, str) and prefix_test(value)
    make = _TESTS[op]
    tests = [make(literal) for literal in literals]
    if len(tests) == 1:
        alone = tests[0]
        return lambda value: not isinstance(value, Missing) and alone(value)

    def test(value: Value) -> bool:
        if isinstance(value, Missing):
            return False
        held = sum(one(value) for one in tests)
        if quantifier is Quantifier.ONEOF:
            return held == 1
        return held > 0 if quantifier is Quantifier.ANYOF else held == len(tests)

    return test


def _network_test(networks: tuple[Network, ...], inside: bool) -> Test:
    """Whether an address is in one of the networks, or for `inside` False in none."""

    def test(value: Value) -> bool:
        if not isinstance(value, str):
            return False
        address = ipaddress.ip_address(value)
        return any(address in network for network in networks) is inside

    return test


def _bytes(text: Literal | Value) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode("utf-8", "surrogateescape")


def _folded(text: Literal | Value) -> bytes:
    """ASCII letters in lower case, all else as it is: strcasestr in the C locale."""
    return _bytes(text).lower()


def _less(op: Op) -> Callable[[Literal], Test]:
    def make(literal: Literal) -> Test:
        def test(value: Value) -> bool:
            if not isinstance(value, int) or not isinstance(literal, (int, float)):
                return False
            if op is Op.LT:
                return value < literal
            if op is Op.LE:
                return value <= literal
            return value > literal if op is Op.GT else value >= literal

        return test

    return make


def _text_test(make: Callable[[str], Callable[[str], bool]]) -> Callable[[Literal], Test]:
    def made(literal: Literal) -> Test:
        test = make(str(literal))
        return lambda value: isinstance(value, str) and test(value)

    return made


def _icontains(literal: str) -> Callable[[str], bool]:
    needle = _folded(literal)
    return lambda text: needle in _folded(text)


_TESTS: Mapping[Op, Callable[[Literal], Test]] = MappingProxyType(
    {
        Op.LT: _less(Op.LT),
        Op.LE: _less(Op.LE),
        Op.GT: _less(Op.GT),
        Op.GE: _less(Op.GE),
        Op.EQ: lambda literal: lambda value: value == literal,
        Op.NE: lambda literal: lambda value: value != literal,
        Op.CONTAINS: _text_test(lambda literal: lambda text: literal in text),
        Op.STARTSWITH: lambda literal: lambda value: isinstance(value, str) and value.startswith(str(literal)),
        Op.ENDSWITH: lambda literal: lambda value: isinstance(value, str) and value.endswith(str(literal)),
        Op.ICONTAINS: _text_test(_icontains),
        Op.GLOB: _text_test(glob_test),
        Op.IGLOB: _text_test(lambda literal: glob_test(literal, ignore_case=True)),
        Op.REGEX: _text_test(lambda literal: Regex(literal).matches),
        Op.BCONTAINS: lambda literal: lambda value: _bytes(literal) in _bytes(value),
        Op.BSTARTSWITH: lambda literal: lambda value: _bytes(value).startswith(_bytes(literal)),
    }
)
