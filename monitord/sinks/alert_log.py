"""The alert log: JSON Lines in a file, whole lines only."""

import contextlib
import errno
import os
from collections.abc import Sequence
from pathlib import Path

from monitord.model.alert import Alert
from monitord.sinks.encode import Encode
from monitord.sinks.format import json_line
from monitord.stages import SinkError


class AlertLog:
    """
    Appends one line per alert, with one write() for all that wait.

    When the file was renamed or removed, the next alert goes to a new one of the same name: logrotate needs no signal.
    A disk without room for it is waited for, and so is the reader of a named pipe.

    :raises SinkError: the file cannot be opened for another reason; the message names it and the next step.
    """

    name = "alert_log"

    def __init__(self, path: Path, encode: Encode = json_line) -> None:
        self._path = path
        self._encode = encode
        self._fd: int | None = None
        try:
            self._fd = self._open()
        except SinkError as err:
            if not self._passes(err.__cause__):
                raise

    def write(self, alert: Alert) -> None:
        """
        Append the alert.

        :raises SinkError: it was not written, and nothing of it is in the file.
        """
        self.write_all((alert,))

    def write_all(self, alerts: Sequence[Alert]) -> None:
        """
        Append the alerts.

        :raises SinkError: they were not written, and nothing of them is in the file.
        """
        if self._fd is None or self._rotated(self._fd):
            self.reopen()
        assert self._fd is not None
        lines = b"".join(map(self._encode, alerts))
        written = 0
        try:
            while written < len(lines):  # a disk that fills up takes a part first and says ENOSPC then
                written += os.write(self._fd, lines[written:])
        except OSError as err:
            with contextlib.suppress(OSError):  # a pipe or device keeps what it took
                self._cut_back(self._fd, written)
            raise SinkError(f"{self._path}: {err.strerror}") from err

    def reopen(self) -> None:
        """
        Open the file by its name again.

        :raises SinkError: it cannot be opened; the next write tries again.
        """
        self.close()
        self._fd = self._open()

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            with contextlib.suppress(OSError):  # the descriptor is gone all the same, close(2)
                os.close(fd)

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            fd = os.open(self._path, flags | os.O_NONBLOCK, 0o640)  # or a pipe would have us wait for its reader
            os.set_blocking(fd, True)
            return fd
        except OSError as err:
            raise SinkError(f"cannot open the alert log {self._path}: {self._why(err)}") from err

    def _why(self, err: OSError) -> str:
        if err.errno == errno.ENOENT:
            directory = (self._path.resolve() if self._path.is_symlink() else self._path).parent
            return f"there is no directory {directory}; create it, or change outputs.alert_log.path"
        if err.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return f"{err.strerror}; let uid {os.geteuid()} write there, or change outputs.alert_log.path"
        if self._passes(err):
            return "it is a pipe that nobody reads" if err.errno == errno.ENXIO else err.strerror or ""
        if self._path.is_socket():  # /dev/log, or /dev/stdout of a service
            return "it is a socket; give a file as outputs.alert_log.path, or use outputs.syslog or outputs.console"
        if err.errno == errno.EISDIR:
            return "it is a directory; give a file in it as outputs.alert_log.path"
        return f"{err.strerror}; change outputs.alert_log.path"

    def _passes(self, err: BaseException | None) -> bool:
        """Whether it is no mistake of the configuration: a full disk, a quota used up, a pipe that nobody reads."""
        if not isinstance(err, OSError):
            return False
        return err.errno in (errno.ENOSPC, errno.EDQUOT) or (err.errno == errno.ENXIO and self._path.is_fifo())

    def _rotated(self, fd: int) -> bool:
        # Asked before every write: 2 us beside the 50 us that making a line takes.
        try:
            by_name = os.stat(self._path)
        except OSError:
            return True
        return not os.path.samestat(by_name, os.fstat(fd))

    @staticmethod
    def _cut_back(fd: int, written: int) -> None:
        """Take away the part of the lines that was written, unless somebody else appended behind it."""
        end = os.lseek(fd, 0, os.SEEK_CUR)
        if os.fstat(fd).st_size == end:
            os.ftruncate(fd, end - written)
