"""Writes captures."""

import contextlib
import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monitord.model.event import Event
from monitord.model.problem import Problem
from monitord.model.process import Context
from monitord.recording.capture import VERSION, CaptureError
from monitord.recording.code import Code
from monitord.recording.record import to_object


class CaptureWriter:
    """
    A capture being written. Whole lines only are in the file, whenever somebody looks.

    :param head: where and how it is made, for the first line.
    :param force: replace what is there.
    :ivar events: in the file.
    :raises CaptureError: the file is there already, or cannot be made.
    """

    def __init__(self, path: Path, head: Mapping[str, Any], force: bool = False) -> None:
        self._path = path
        self._waiting: list[bytes] = []
        self.events = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if force else os.O_EXCL)
        try:
            self._fd = os.open(path, flags, 0o600)  # command lines and paths are nobody else's
        except FileExistsError as err:
            message = "this file is there already; give another name, or --force to replace it"
            raise self._error(Code.EXISTS, message) from err
        except OSError as err:
            raise self._error(Code.FILE, f"cannot write this file: {err.strerror}; give another name") from err
        self._write([_line({"capture": VERSION, **head})])

    def add(self, event: Event, context: Context) -> None:
        """Add an event, to be written by `flush`."""
        self._waiting.append(_line(to_object(event, context)))

    def flush(self) -> None:
        """
        Write what was added.

        :raises CaptureError: the disk is full or broken; nothing of it is in the file.
        """
        lines, self._waiting = self._waiting, []
        if lines:
            self._write(lines)
            self.events += len(lines)

    def finish(self, end: Mapping[str, Any]) -> None:
        """
        Write the last line and close.

        :raises CaptureError: as `flush`.
        """
        try:
            self.flush()
            self._write([_line({"end": {"events": self.events, **end}})])
        finally:
            os.close(self._fd)

    def _write(self, lines: list[bytes]) -> None:
        data = b"".join(lines)
        written = 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError as err:
            with contextlib.suppress(OSError):  # a pipe or device keeps what it took
                os.ftruncate(self._fd, os.lseek(self._fd, 0, os.SEEK_CUR) - written)
            full = err.errno in (errno.ENOSPC, errno.EDQUOT)
            what = f"cannot write on: {err.strerror}; {self.events} events are in the file"
            raise self._error(Code.FULL if full else Code.FILE, f"{what}{', make room' if full else ''}") from err

    def _error(self, code: Code, message: str) -> CaptureError:
        return CaptureError(Problem(str(self._path), 0, 0, code.value, message))


def _line(plain: Mapping[str, Any]) -> bytes:
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
