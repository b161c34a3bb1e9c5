"""
Protocol Buffers on the wire, as much of them as a few questions and answers take.

https://protobuf.dev/programming-guides/encoding/ describes the format. Fields are known by number; which are strings
and which are messages is for the caller to know.
"""

from collections.abc import Iterator, Mapping, Sequence

from monitord.model.value import Missing

Written = Mapping[int, "str | int | Written | Sequence[str | Written]"]
"""A message to write: by the number of the field; a list for one that is repeated."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}


def write(message: Written) -> bytes:
    """The bytes of a message."""
    out = bytearray()
    for number, value in message.items():
        if isinstance(value, int):
            out += _varint(number << 3 | _VARINT) + _varint(value)
            continue
        for one in (value,) if isinstance(value, str | Mapping) else value:
            data = one.encode() if isinstance(one, str) else write(one)
            out += _varint(number << 3 | _BYTES) + _varint(len(data)) + data
    return bytes(out)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Message:
    """
    A message that was read. A field that is absent, or of another type than it is asked for, is one that was not sent.

    :raises ValueError: these bytes are no message.
    """

    def __init__(self, data: bytes = b"") -> None:
        self._fields: dict[int, list[bytes | int]] = {}
        for number, value in _fields(data):
            self._fields.setdefault(number, []).append(value)

    def text(self, number: int) -> str | Missing:
        """A string; UNKNOWN for an empty one, which is not sent."""
        return self.string(number) or Missing.UNKNOWN

    def string(self, number: int) -> str:
        """A string, which may be empty."""
        return self.data(number).decode(errors="replace")

    def texts(self, number: int) -> list[str]:
        """All strings of a repeated field."""
        return [one.decode(errors="replace") for one in self._all(number)]

    def data(self, number: int) -> bytes:
        """Bytes."""
        return next(reversed(self._all(number)), b"")

    def number(self, number: int) -> int:
        """An unsigned integer, an enumeration or a bool."""
        return next((one for one in reversed(self._fields.get(number, ())) if isinstance(one, int)), 0)

    def message(self, number: int) -> "Message":
        """
        A message within.

        :raises ValueError: it is none.
        """
        return Message(self.data(number))

    def messages(self, number: int) -> "list[Message]":
        """
        All messages of a repeated field.

        :raises ValueError: one is none.
        """
        return [Message(one) for one in self._all(number)]

    def map(self, number: int) -> dict[str, str]:
        """
        A map of strings to strings.

        :raises ValueError: it is none.
        """
        return {one.string(1): one.string(2) for one in self.messages(number)}

    def _all(self, number: int) -> list[bytes]:
        return [one for one in self._fields.get(number, ()) if isinstance(one, bytes)]


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _read_varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            length, at = _read_varint(data, at)
        elif kind in _FIXED:
            length = _FIXED[kind]
        else:
            raise ValueError(f"no Protocol Buffers: a field of type {kind}")
        if at + length > len(data):
            raise ValueError("no Protocol Buffers: a field that does not end")
        yield number, data[at : at + length]
        at += length


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        value |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return value, at
    raise ValueError("no Protocol Buffers: a number that does not end")
