"""
Values as JSON and back, by the types that their dataclasses declare: what a dataclass gains is recorded, too.

- A missing value is ``{"missing": "late"}``, by the name of its `Missing`.
- Text and bytes are strings. With a byte that is not UTF-8 they are ``{"hex": "2f746d702fff"}``; bytes with NULs
  between texts are a list of these.
- Enums are their names in lower case, flags lists of such names.
- What is at its default is left out.
"""

import dataclasses
import difflib
import enum
import functools
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from monitord.model.text import text_of
from monitord.model.value import Missing

Path = tuple[str | int, ...]
"""Keys and indices that lead to a value in an object."""


class RecordError(ValueError):
    """
    An object that is no record; the message says what is wrong and what to write instead.

    :ivar path: leads to what is wrong.
    :ivar of_key: whether that is a key, and not its value.
    """

    def __init__(self, path: Path, message: str, of_key: bool = False) -> None:
        super().__init__(message)
        self.path = path
        self.of_key = of_key

    @property
    def where(self) -> str:
        """``process.parent.argv[0]``; empty for the whole object."""
        keys = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in self.path)
        return "".join(keys).removeprefix(".")


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'openat'?`` for the known name most like this one, or all of them if they are few."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; there are {', '.join(names)}" if len(names) <= 40 else ""


def encoded(value: Any) -> Any:
    """A value as `json` writes it."""
    return _encoder_of(value.__class__)(value)


def decoded(type_: Any, plain: Any, path: Path = ()) -> Any:
    """
    The value of a type that `encoded` made something of.

    :raises RecordError: it made no such thing.
    """
    if isinstance(type_, types.UnionType) or typing.get_origin(type_) is typing.Union:
        return _decoded_union(typing.get_args(type_), plain, path)
    origin, args = typing.get_origin(type_), typing.get_args(type_)
    if origin is tuple or origin is frozenset:
        if not isinstance(plain, list):
            raise RecordError(path, f"expected a list, found {shown(plain)}")
        if origin is tuple and args[-1] is not Ellipsis and len(args) != len(plain):
            raise RecordError(path, f"expected {len(args)} values, found {len(plain)}")
        each = args if origin is tuple and args[-1] is not Ellipsis else (args[0],) * len(plain)
        return origin(decoded(one, part, (*path, at)) for at, (one, part) in enumerate(zip(each, plain, strict=True)))
    if origin is not None and issubclass(origin, Mapping):
        part_of = _object(plain, path)
        return {decoded(args[0], key, (*path, key)): decoded(args[1], part_of[key], (*path, key)) for key in part_of}
    if dataclasses.is_dataclass(type_) or hasattr(type_, "_fields"):
        return _decoded_members(type_, _object(plain, path), path)
    if isinstance(type_, enum.EnumMeta):
        return _decoded_enum(type_, plain, path)
    return _DECODERS[type_](plain, path)


def shown(plain: Any) -> str:
    """A value as messages show it."""
    if isinstance(plain, Mapping):
        return "keys"
    return "a list" if isinstance(plain, list) else "nothing" if plain is None else repr(plain)


def _text(text: str) -> Any:
    try:
        text.encode()
    except UnicodeEncodeError:
        return {"hex": text.encode("utf-8", "surrogateescape").hex()}
    return text


def _bytes(data: bytes) -> Any:
    texts = data.split(b"\0")
    try:
        decoded_texts = [text.decode() for text in texts]
    except UnicodeDecodeError:
        return {"hex": data.hex()}
    if any(letter < " " and letter not in "\t\n\r" for text in decoded_texts for letter in text):
        return {"hex": data.hex()}  # a struct that happens to be UTF-8
    return decoded_texts[0] if len(texts) == 1 else decoded_texts


@functools.cache
def _encoder_of(type_: Any) -> Callable[[Any], Any]:
    """What a type's values are made into, found out once: an alert holds some hundred values."""
    if issubclass(type_, enum.Flag):
        return functools.lru_cache(1024)(_flag_names)
    if issubclass(type_, Missing):
        return lambda value: {"missing": value.name.lower()}
    if issubclass(type_, enum.Enum):
        return lambda value: value.name.lower()
    if issubclass(type_, str):
        return lambda value: value if value.isascii() else _text(value)
    if issubclass(type_, (bool, int, float, types.NoneType)):
        return lambda value: value
    if issubclass(type_, bytes):
        return _bytes
    if dataclasses.is_dataclass(type_):
        return _encoder_of_members(type_)
    if issubclass(type_, tuple) and hasattr(type_, "_asdict"):
        return lambda value: {name: encoded(part) for name, part in value._asdict().items()}
    if issubclass(type_, Mapping):
        return lambda value: {str(encoded(key)): encoded(part) for key, part in value.items()}
    return lambda value: [encoded(part) for part in value]


def _encoder_of_members(type_: Any) -> Callable[[Any], Any]:
    members = [(field.name, field.default, type(field.default)) for field in dataclasses.fields(type_)]

    def encode(value: Any) -> dict[str, Any]:
        made = {}
        for name, default, type_of_default in members:
            part = getattr(value, name)
            if type(part) is not type_of_default or part != default:
                made[name] = encoded(part)
        return made

    return encode


def _flag_names(value: enum.Flag) -> list[str]:
    number = int(value.value)
    names = []
    for flag in type(value):
        if flag.value and number & flag.value == flag.value:
            names.append(str(flag.name).lower())
            number &= ~flag.value
    return [*names, *([hex(number)] if number else [])]


@functools.cache
def _hints(type_: Any) -> Mapping[str, Any]:
    return typing.get_type_hints(type_)


def _decoded_members(type_: Any, plain: Mapping[str, Any], path: Path) -> Any:
    hints = _hints(type_)
    for key in plain:
        if key not in hints:
            raise RecordError((*path, key), f"there is no key '{key}' here{nearest(key, hints)}", of_key=True)
    optional = getattr(type_, "_field_defaults", None)
    if optional is None:
        optional = {field.name for field in dataclasses.fields(type_) if field.default is not dataclasses.MISSING}
    for name in hints:
        if name not in plain and name not in optional:
            raise RecordError(path, f"the key '{name}' is missing")
    return type_(**{name: decoded(hints[name], part, (*path, name)) for name, part in plain.items()})


def _decoded_union(choices: tuple[Any, ...], plain: Any, path: Path) -> Any:
    """The choices differ in the shape of what is made of them; where several fit, the first does."""
    if Missing in choices and isinstance(plain, Mapping) and "missing" in plain:
        return _decoded_enum(Missing, plain["missing"], (*path, "missing"))
    fitting = [choice for choice in choices if choice is not Missing and _fits(choice, plain)]
    if not fitting:
        fitting = [choice for choice in choices if choice is not Missing]
    return decoded(fitting[0], plain, path)


def _fits(choice: Any, plain: Any) -> bool:
    if isinstance(plain, bool) or plain is None:
        return choice is (bool if isinstance(plain, bool) else type(None))
    if isinstance(plain, (int, float)):
        return choice is type(plain)
    if isinstance(plain, list):
        return typing.get_origin(choice) in (tuple, frozenset)
    if isinstance(plain, Mapping) and "hex" not in plain:
        return dataclasses.is_dataclass(choice) or hasattr(choice, "_fields")
    return choice in (str, bytes)


def _object(plain: Any, path: Path) -> Mapping[str, Any]:
    if not isinstance(plain, Mapping):
        raise RecordError(path, f"expected keys with values, found {shown(plain)}")
    return plain


def _decoded_enum(type_: Any, plain: Any, path: Path) -> Any:
    if issubclass(type_, enum.Flag):
        words = plain if isinstance(plain, list) else [plain]
        number = 0
        for at, word in enumerate(words):
            number |= _one_of(type_, word, (*path, at) if words is plain else path)
        return type_(number)
    return type_(_one_of(type_, plain, path))


def _one_of(type_: Any, plain: Any, path: Path) -> Any:
    names = {name.lower(): member.value for name, member in type_.__members__.items()}
    if isinstance(plain, str) and plain.lower() in names:
        return names[plain.lower()]
    if issubclass(type_, enum.IntFlag) and isinstance(plain, (int, str)):
        number = number_of(plain)
        if number is not None:
            return number
    raise RecordError(path, f"{shown(plain)} is not known{nearest(str(plain).lower(), names)}")


def number_of(plain: Any) -> int | None:
    """A whole number, written as one or as text: decimal, ``0x`` or ``0o``; None for what is none."""
    if isinstance(plain, int) and not isinstance(plain, bool):
        return plain
    try:
        return int(plain, 0) if isinstance(plain, str) and len(plain) < 80 else None
    except ValueError:
        return None


def _decoded_int(plain: Any, path: Path) -> int:
    number = number_of(plain)
    if number is None:
        raise RecordError(path, f"expected a whole number, found {shown(plain)}")
    return number


def _decoded_bool(plain: Any, path: Path) -> bool:
    if isinstance(plain, bool):
        return plain
    if plain in ("true", "false"):
        return bool(plain == "true")
    raise RecordError(path, f"expected true or false, found {shown(plain)}")


def _decoded_str(plain: Any, path: Path) -> str:
    if isinstance(plain, list):
        raise RecordError(path, "expected a text, found a list")
    return text_of(_decoded_bytes(plain, path))


def _decoded_bytes(plain: Any, path: Path) -> bytes:
    if isinstance(plain, list):
        return b"\0".join(_decoded_bytes(text, (*path, at)) for at, text in enumerate(plain))
    if isinstance(plain, str):
        try:
            return plain.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as err:
            raise RecordError(path, f"{plain!r} holds half a surrogate pair, which is no text") from err
    if isinstance(plain, Mapping) and list(plain) == ["hex"] and isinstance(plain["hex"], str):
        try:
            return bytes.fromhex(plain["hex"])
        except ValueError as err:
            raise RecordError((*path, "hex"), f"{plain['hex']!r} is no sequence of hexadecimal bytes") from err
    raise RecordError(path, f"expected a text, or {{hex: 2f746d70}}, found {shown(plain)}")


def _decoded_none(plain: Any, path: Path) -> None:
    if plain is not None:
        raise RecordError(path, f"expected null, found {shown(plain)}")


def _decoded_float(plain: Any, path: Path) -> float:
    if isinstance(plain, (int, float)) and not isinstance(plain, bool):
        return float(plain)
    raise RecordError(path, f"expected a number, found {shown(plain)}")


_DECODERS: Mapping[Any, Any] = types.MappingProxyType(
    {
        int: _decoded_int,
        bool: _decoded_bool,
        str: _decoded_str,
        bytes: _decoded_bytes,
        float: _decoded_float,
        type(None): _decoded_none,
    }
)
