"""What the record of an event has room for: what is beyond it never came from a kernel."""

from typing import Any

import numpy as np

from monitord.abi.event import ARG_TEXTS, EVENT, TEXT, Capture
from monitord.model.event import Event
from monitord.recording.codec import RecordError

ARGS = 6
COMM_BYTES = 15

_OF_DESCRIPTOR = frozenset((Capture.FILE, Capture.SOCKET))
_RANGES = {name: EVENT[name] for name in EVENT.names or () if name in Event.__slots__ and EVENT[name].kind in "ui"}
_REGISTER = np.dtype("<u8")


def check(event: Event) -> None:
    """
    See whether the record has room for an event.

    :raises RecordError: it has not.
    """
    if len(event.args) != ARGS:
        raise RecordError(("args",), f"a call has {ARGS} registers, here are {len(event.args)}")
    for at, register in enumerate(event.args):
        _check_range(register, _REGISTER, ("args", at))
    _check_range(event.cpu, np.dtype("<u2"), ("cpu",))
    for name, dtype in _RANGES.items():
        _check_range(int(getattr(event, name)), dtype, (name,))
    for name in ("comm", "parent_comm"):
        size = len(getattr(event, name).encode("utf-8", "surrogateescape"))
        if size > COMM_BYTES:
            raise RecordError((name,), f"the kernel cuts names at {COMM_BYTES} bytes, this one has {size}")
    slots = {"argument": 0, "descriptor": 0, "thread": 0}
    for at, text in enumerate(event.texts):
        _check_range(text.arg, np.dtype("u1"), ("texts", at, "arg"), most=15)
        _check_range(len(text.data), TEXT["len"], ("texts", at, "data"))
        _check_range(int(text.flags), TEXT["flags"], ("texts", at, "flags"))
        kind = "thread" if text.capture is Capture.TASK else "argument"
        slots["descriptor" if text.capture in _OF_DESCRIPTOR else kind] += 1
    if slots["argument"] > ARG_TEXTS or max(slots["descriptor"], slots["thread"]) > 1:
        raise RecordError(("texts",), f"there is room for {ARG_TEXTS} texts, one descriptor and one thread")


def _check_range(number: int, dtype: np.dtype[Any], path: tuple[str | int, ...], most: int | None = None) -> None:
    info = np.iinfo(dtype)
    high = int(info.max) if most is None else most
    if not int(info.min) <= number <= high:
        raise RecordError(path, f"{number} is not between {info.min} and {high}")
