"""
Files of recorded events: captures, and the alert log, whose alerts carry theirs.

A capture is JSON Lines: first where and how it was made, then an event per line, last what came of it. The keys of the
first and the last line are ``capture`` and ``end``.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from monitord.dataclass import dataclass
from monitord.model.event import Event
from monitord.model.problem import Problem
from monitord.recording.code import Code
from monitord.recording.codec import RecordError, shown
from monitord.recording.record import from_object
from monitord.recording.snapshot import Snapshot

VERSION = 1
"""Of the form of captures."""


class CaptureError(Exception):
    """A file that cannot be used."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Recorded:
    """
    One event of a file.

    :ivar line: 1-based.
    :ivar rule: of an alert, the rule that made it.
    """

    line: int
    event: Event
    context: Snapshot
    rule: str | None = None


def read_events(path: Path, problems: list[Problem] | None = None) -> Iterator[Recorded]:
    """
    The events of a capture or an alert log, in its order.

    :param problems: gets what is worth a warning.
    :raises CaptureError: at the first line that is wrong.
    """
    begun = ended = False
    for number, line in _lines(path):
        plain = _object(path, number, line)
        if plain is None:
            continue
        begun, ended = begun or "capture" in plain, "end" in plain
        recorded = _recorded(path, number, plain)
        if recorded is not None:
            yield recorded
    if begun and not ended and problems is not None:
        message = "this capture has no last line with totals: its recording was killed; the events in it are used"
        problems.append(Problem(str(path), 0, 0, Code.NO_END.value, message, warning=True))


def event_at(path: Path, wanted: int | None) -> Recorded:
    """
    One event of a capture or an alert log.

    :param wanted: its line; None for the last one that has an event.
    :raises CaptureError: there is none, or the line is wrong.
    """
    last: tuple[int, bytes] | None = None
    count = 0
    for count, line in _lines(path):
        if count == wanted or (wanted is None and (b'"event":' in line or b'"call":' in line)):
            last = (count, line)
            if wanted is not None:
                break
    if last is None:
        message = (
            f"there is no line {wanted}; the file has {count}"
            if wanted is not None
            else "there is no event in this file"
        )
        raise _wrong(path, 0, Code.NO_EVENT, f"{message}. Give an alert log, or what 'monitord record' writes")
    plain = _object(path, *last)
    recorded = None if plain is None else _recorded(path, last[0], plain)
    if recorded is None:
        raise _wrong(path, last[0], Code.NO_EVENT, "this line holds no event; give the number of one that does")
    return recorded


def split_place(text: str) -> tuple[Path, int | None]:
    """``FILE:N`` as the file and the line; a file whose name ends so is meant itself."""
    name, colon, number = text.rpartition(":")
    if colon and number.isascii() and number.isdigit() and len(number) < 18 and not Path(text).exists():
        return Path(name), int(number)
    return Path(text), None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with path.open("rb") as file:
            yield from enumerate(file, 1)
    except OSError as err:
        raise _wrong(path, 0, Code.FILE, f"cannot read this file: {err.strerror}; check its path and mode") from err


def _object(path: Path, number: int, line: bytes) -> Mapping[str, Any] | None:
    """What is on a line; None for an empty one."""
    if not line.strip():
        return None
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError) as err:
        if not line.endswith(b"\n"):
            message = "the file ends in the middle of this line; remove the line to use those before it"
            raise _wrong(path, number, Code.CUT, message) from err
        message = f"this line is no JSON: {_why(err)}; captures and alert logs have one object per line"
        raise _wrong(path, number, Code.LINE, message) from err
    if not isinstance(plain, dict):
        message = f"expected an event or an alert, found {shown(plain)}; give a capture or an alert log"
        raise _wrong(path, number, Code.LINE, message)
    return plain


def _why(err: Exception) -> str:
    return (
        f"{err.msg} at column {err.colno}" if isinstance(err, json.JSONDecodeError) else "it is not UTF-8, or too deep"
    )


def _recorded(path: Path, number: int, plain: Mapping[str, Any]) -> Recorded | None:
    """The event of a line; None for the first and last of a capture."""
    if "end" in plain:
        return None
    if "capture" in plain:
        version = plain["capture"]
        if version != VERSION:
            message = f"this capture is of form {shown(version)}; this monitord reads form {VERSION}"
            raise _wrong(path, number, Code.RECORD, message)
        return None
    rule = plain.get("rule")
    if rule is not None and "event" not in plain:
        message = "this alert carries no event: it is none of monitord's, or of an older version"
        raise _wrong(path, number, Code.RECORD, message)
    try:
        event, context = from_object(plain.get("event", plain))
    except RecordError as err:
        where = f"{err.where}: " if err.where else ""
        raise _wrong(path, number, Code.RECORD, f"this is no event: {where}{err}") from err
    return Recorded(number, event, context, str(rule) if rule is not None else None)


def _wrong(path: Path, line: int, code: Code, message: str) -> CaptureError:
    return CaptureError(Problem(str(path), line, 0, code.value, message))
