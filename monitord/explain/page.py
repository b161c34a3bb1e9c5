"""Text for people: 100 columns at most where words allow it, colour on a terminal only."""

import textwrap
from collections.abc import Iterator
from typing import TextIO

WIDTH = 100

_GREEN, _RED, _DIM, _BOLD, _END = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[0m"


class Paint:
    """
    Colours.

    :param on: whether there are any.
    """

    def __init__(self, on: bool) -> None:
        self._on = on

    @staticmethod
    def for_stream(stream: TextIO) -> "Paint":
        """Colours when the stream is a terminal."""
        return Paint(stream.isatty())

    def truth(self, text: str, truth: bool) -> str:
        """Green for what holds, red for what does not."""
        return self._in(_GREEN if truth else _RED, text)

    def dim(self, text: str) -> str:
        """For what did not matter."""
        return self._in(_DIM, text)

    def bold(self, text: str) -> str:
        """For headings."""
        return self._in(_BOLD, text)

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_END}" if self._on else text


def wrapped(text: str, indent: int = 0, hanging: int = 0, width: int = WIDTH) -> Iterator[str]:
    """
    Lines of a text.

    :param indent: columns left free.
    :param hanging: more of them, from the second line on.
    :param width: columns in all.
    """
    begin = " " * indent
    yield from textwrap.wrap(
        text,
        width,
        initial_indent=begin,
        subsequent_indent=begin + " " * hanging,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [begin.rstrip()]
