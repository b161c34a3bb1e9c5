"""The transformers: functions of fields in conditions and outputs."""

import base64
import binascii
from collections.abc import Callable, Mapping
from types import MappingProxyType

from monitord.model.text import text_of
from monitord.model.value import Missing, Value
from monitord.rules.field import FieldType

RESULT_TYPES: Mapping[str, FieldType] = MappingProxyType(
    {
        "tolower": FieldType.TEXT,
        "toupper": FieldType.TEXT,
        "b64": FieldType.TEXT,
        "basename": FieldType.TEXT,
        "len": FieldType.NUMBER,
        "join": FieldType.TEXT,
        "concat": FieldType.TEXT,
        "getopt": FieldType.TEXT,
    }
)
"""The type of each transformer's value; `getopt` without an index is a list."""

ONE_TO_ONE = frozenset(("tolower", "toupper", "b64", "basename"))
"""Those of one text, which are applied to each candidate of a field that has several (``proc.aname``)."""


def transform(function: str, args: list[Value], option: str | None) -> Value:
    """
    The value of a transformer.

    :param option: the index behind ``getopt(...)[x]``.
    :return: the first missing argument, if one is; NOT_APPLICABLE where there is no result.
    """
    for arg in args:
        if isinstance(arg, Missing):
            return arg
    if function in ONE_TO_ONE:
        make = _TEXT_FUNCTIONS[function]
        if isinstance(args[0], tuple):
            made = tuple(value for element in args[0] if isinstance(value := make(str(element)), str))
            return made or Missing.NOT_APPLICABLE
        return make(str(args[0]))
    if function == "len":
        return len(args[0]) if isinstance(args[0], tuple) else len(_bytes(str(args[0])))
    if function == "join":
        return str(args[0]).join(_words(args[1]))
    if function == "concat":
        return "".join(map(str, args))
    return _getopt(_words(args[0]), str(args[1]), option)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _words(value: Value) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, tuple) else tuple(str(value).split())


def _b64(text: str) -> Value:
    try:
        return text_of(base64.b64decode(_bytes(text), validate=True))
    except (binascii.Error, ValueError):
        return Missing.NOT_APPLICABLE


# ASCII only, as in the C locale.
_TEXT_FUNCTIONS: Mapping[str, Callable[[str], Value]] = MappingProxyType(
    {
        "tolower": lambda text: text_of(_bytes(text).lower()),
        "toupper": lambda text: text_of(_bytes(text).upper()),
        "b64": _b64,
        "basename": lambda text: text.rpartition("/")[2],
    }
)


def _getopt(words: tuple[str, ...], letters: str, wanted: str | None) -> Value:
    """
    Short options as getopt(3) finds them, options it does not know and other words being passed over.

    :return: the letters found, in order; with `wanted`, the argument of that option (the last one given), which
        is the empty text for an option that takes none.
    """
    found: dict[str, str] = {}
    pending = iter(words)
    for word in pending:
        if word == "--":
            break
        if not word.startswith("-"):
            continue
        for at, letter in enumerate(word[1:], 2):
            place = letters.find(letter)
            if place < 0 or letter == ":":
                continue
            if letters[place + 1 : place + 2] == ":":
                found[letter] = word[at:] or next(pending, "")
                break
            found[letter] = ""
    if wanted is None:
        return tuple(found) or Missing.NOT_APPLICABLE
    return found.get(wanted, Missing.NOT_APPLICABLE)
