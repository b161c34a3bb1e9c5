"""Writes captures."""

import contextlib
import errno
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monitord.model.amount import amount
from monitord.model.event import Event
from monitord.model.problem import Problem
from monitord.model.process import Context
from monitord.recording.capture import VERSION, CaptureError
from monitord.recording.code import Code
from monitord.recording.record import to_object

_MODE = 0o600
"""Command lines and paths are nobody else's."""


class CaptureWriter:
    """
    A capture being written. Whole lines only are in the file, whenever somebody looks.

    :param force: replace what is there, once the recording begins.
    :ivar events: in the file.
    :raises CaptureError: the file is there already, or cannot be made.
    """

    def __init__(self, path: Path, force: bool = False) -> None:
        self._path = path
        self._waiting: list[bytes] = []
        self._is_new = True
        self.events = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
        try:
            try:
                self._fd = os.open(path, flags | os.O_EXCL, _MODE)
            except FileExistsError:
                if not force:
                    raise
                self._is_new = False
                self._fd = os.open(path, flags, _MODE)
        except FileExistsError as err:
            message = "this file is there already; give another name, or --force to replace it"
            raise self._error(Code.EXISTS, message) from err
        except OSError as err:
            raise self._error(Code.FILE, f"cannot write this file: {err.strerror}; give another name") from err

    def begin(self, head: Mapping[str, Any]) -> None:
        """
        Write the first line, in the place of what was there.

        :param head: where and how it is made.
        :raises CaptureError: as `flush`.
        """
        if stat.S_ISREG(os.fstat(self._fd).st_mode):
            os.fchmod(self._fd, _MODE)
            os.ftruncate(self._fd, 0)
        self._write([_line({"capture": VERSION, **head})])

    def abandon(self) -> None:
        """Close without having begun; all is as it was before."""
        os.close(self._fd)
        if self._is_new:
            self._path.unlink(missing_ok=True)

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
            what = f"cannot write on: {err.strerror}; {amount(self.events, 'event')} in the file"
            raise self._error(Code.FULL if full else Code.FILE, f"{what}{', make room' if full else ''}") from err

    def _error(self, code: Code, message: str) -> CaptureError:
        return CaptureError(Problem(str(self._path), 0, 0, code.value, message))


def _line(plain: Mapping[str, Any]) -> bytes:
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
