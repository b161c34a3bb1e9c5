"""Literals of a condition: text as written, read by the type of the field they are compared with."""

import re

_DECIMAL = re.compile(r"[+-]?[0-9]{1,40}")
_REAL = re.compile(r"[+-]?[0-9]{1,40}\.?[0-9]{0,40}([eE][+-]?[0-9]{1,3})?")
_HEX = re.compile(r"0[xX][0-9a-fA-F]{1,32}")
_BOOLS = {"true": True, "false": False}


def number_of(text: str) -> int | float | None:
    """The number a literal stands for (decimal, ``0x``, or with a point or exponent), or None."""
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _HEX.fullmatch(text):
        return int(text, 16)
    return float(text) if _REAL.fullmatch(text) else None


def bool_of(text: str) -> bool | None:
    """``true`` or ``false``, or None."""
    return _BOOLS.get(text)


def bytes_of(text: str) -> bytes | None:
    """The bytes of a hex string, as `bcontains` and `bstartswith` take it, or None."""
    if len(text) % 2 or not re.fullmatch("[0-9a-fA-F]+", text):
        return None
    return bytes.fromhex(text)
