"""An operator's mistake: collected, never raised one by one, each with its place and the next step."""

from collections.abc import Iterable

from monitord.dataclass import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """
    One mistake in a file of the operator's.

    :ivar line: 1-based; 0 when the mistake is of the whole file.
    :ivar column: 1-based; 0 when not known.
    :ivar code: stable, for people to search: ``R004``, ``C012``.
    :ivar message: what is wrong and what to do.
    :ivar warning: worth saying, but nothing stops for it.
    """

    file: str
    line: int
    column: int
    code: str
    message: str
    warning: bool = False

    def __str__(self) -> str:
        place = self.file + (f":{self.line}" if self.line else "") + (f":{self.column}" if self.column else "")
        return f"{place}: {'warning ' if self.warning else ''}{self.code} {self.message}"


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """The problems that stop something."""
    return [problem for problem in problems if not problem.warning]
