"""Records read one by one: numpy takes ten times as long for one of them."""

import struct
from functools import cache

from monitord.abi.event import CELL_BYTES, EVENT

_CODES = {"u1": "B", "u2": "H", "u4": "I", "i4": "i", "u8": "Q", "i8": "q", "S16": "16s"}


@cache
def reader(*names: str, args: int = 6) -> struct.Struct:
    """
    Unpacks some fields of a cell.

    :param names: of fields of `EVENT`, in the order of their offsets.
    :param args: how many of ``args``; each is a value of its own.
    """
    layout, at = "<", 0
    for name in names:
        dtype, offset, *_ = (EVENT.fields or {})[name]
        code = f"{args}Q" if name == "args" else _CODES[dtype.str.lstrip("|<")]
        layout += f"{offset - at}x{code}"
        at = offset + struct.calcsize(f"<{code}")
    return struct.Struct(f"{layout}{CELL_BYTES - at}x")
