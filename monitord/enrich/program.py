"""What a process executes, kept as the record of its exec until somebody asks."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from monitord.abi.event import EVENT, Capture
from monitord.model.event import Captured, Event, environment_in, executable_in, texts_of
from monitord.model.text import argv_of, variables_of
from monitord.model.value import Missing, Value


class Facts(NamedTuple):
    """
    What one successful exec said, or /proc.

    :ivar filename: as the caller passed it.
    :ivar argv: all arguments.
    :ivar executable: the file itself, if the kernel side could tell.
    :ivar from_proc: /proc has said all that it says: it need not be asked again.
    :ivar relative_to_fd: whether `filename` is relative to a descriptor, and not to the working directory.
    """

    filename: Value
    argv: tuple[str, ...] | Missing
    executable: Value = Missing.UNKNOWN
    relative_to_fd: bool = False
    from_proc: bool = False


_ARGS_AT = (EVENT.fields or {})["args"][1]

AT_FDCWD_BITS = 0xFFFF_FF9C
"""-100 in the low half of a register."""


class Program:
    """
    A program, shared by all processes that have it from one exec.

    Most programs are never asked about: decoding one takes 6 us, keeping its record half a microsecond.

    :param facts: None when they are to be read from a record.
    :param cell: the record of a successful exec, `CELL_BYTES` long.
    :param more: the string data behind it.
    """

    __slots__ = ("_cell", "_facts", "_more")

    def __init__(self, facts: Facts | None = None, cell: bytes = b"", more: bytes = b"") -> None:
        self._facts = facts
        self._cell = cell
        self._more = more

    def facts(self) -> Facts:
        """What is known of it."""
        if self._facts is None:
            first = int.from_bytes(self._cell[_ARGS_AT : _ARGS_AT + 8], "little")
            self._facts = _facts_in(texts_of(self._cell, self._more), first)
            if environment_in(self._cell, self._more) is None:  # else it stays, for who asks for that
                self._cell = self._more = b""
        return self._facts

    def environment(self) -> Mapping[str, str] | None:
        """What it was given; None where only /proc may tell."""
        data = environment_in(self._cell, self._more) if self._cell else None
        return None if data is None else variables_of(data)


def facts_of(event: Event) -> Facts:
    """What a successful execve or execveat says."""
    return _facts_in(event.texts, event.args[0])


def _facts_in(texts: Sequence[Captured], first: int) -> Facts:
    argv, named, filename = None, 0, None
    for text in texts:
        if text.capture is Capture.ARGV:
            argv, named = text, text.arg - 1  # execveat has the descriptor in front
    for text in texts:
        if text.arg == named and text.capture is Capture.STR:
            filename = text
    return Facts(
        Missing.UNKNOWN if filename is None else filename.text,
        Missing.UNKNOWN if argv is None else argv.missing or argv_of(argv.data),
        executable_in(texts),
        named == 1 and first & 0xFFFF_FFFF != AT_FDCWD_BITS,
    )
