"""Lines on disk that wait for a receiver, oldest first, and outlive the process that wrote them."""

import contextlib
import fcntl
import os
import threading
from pathlib import Path

SEGMENT_BYTES = 1 << 20
"""A file is deleted when all of it has been sent; the limit holds to within one of these."""

_POSITION = "%020d %020d %d\n"


class SpoolBusyError(Exception):
    """Another process, or a worker that is about to end, has the spool."""


class SpoolFullError(Exception):
    """What waits has reached the limit."""


class Spool:
    """
    A directory of files ``NUMBER.jsonl``, written at the end of the last one and read from the first one, and a file
    ``position`` that says how far the reading is.

    One thread appends and one takes. A kill loses nothing of what `append` has returned from, a machine that loses
    power nothing that was there at the last `flush`.

    :param limit_bytes: of all files.
    :raises SpoolBusyError: somebody has it.
    :raises OSError: the directory cannot be made or used.
    """

    def __init__(self, directory: Path, limit_bytes: int) -> None:
        self._directory = directory
        self._limit = limit_bytes
        self._segment = min(SEGMENT_BYTES, limit_bytes // 4)
        self._lock = threading.Lock()
        self._head: bytes | None = None
        self._sending = False
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._position = os.open(directory / "position", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._writer = self._reader = -1
        try:
            fcntl.flock(self._position, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._recover()
        except BaseException as err:
            self.close()
            if isinstance(err, BlockingIOError):
                raise SpoolBusyError(f"{directory} is in use by another process") from err
            raise

    @property
    def size_bytes(self) -> int:
        """What the files take on disk."""
        return self._bytes

    def __len__(self) -> int:
        return self._waiting

    def append(self, line: bytes) -> None:
        """
        Keep a line; it ends in a newline and has no other.

        :raises OSError: it is not kept, and nothing of it is on disk.
        :raises SpoolFullError: the same.
        """
        with self._lock:
            if self._bytes + len(line) > self._limit:
                raise SpoolFullError
            if self._end and self._end + len(line) > self._segment:
                self._next_segment()
            written = 0
            try:
                while written < len(line):
                    written += os.write(self._writer, line[written:])
            except OSError:
                os.ftruncate(self._writer, self._end)
                raise
            self._end += written
            self._bytes += written
            self._waiting += 1

    def flush(self) -> None:
        """
        Let the disk have all that was appended; for the thread that appends.

        :raises OSError: the disk failed.
        """
        os.fdatasync(self._writer)

    def head(self) -> bytes:
        """
        The oldest line; there must be one.

        :raises OSError: it cannot be read now.
        """
        with self._lock:
            if self._head is None:
                self._skip_sent()
                self._head = self._read_line()
            return self._head

    def mark(self, sending: bool) -> bool:
        """
        Note that the head is about to be sent, or surely was not.

        :return: what was noted before: True is of a process that did not live to know whether it was sent.
        """
        with self._lock:
            before, self._sending = self._sending, sending
            if before != sending:
                self._write_position()
            return before

    def pop(self) -> None:
        """The head was sent."""
        with self._lock:
            line = self._read_line() if self._head is None else self._head
            self._head = None
            self._offset += len(line)
            self._waiting -= 1
            self._sending = False
            with contextlib.suppress(OSError):  # then `head` tries again
                self._skip_sent()
            self._write_position()

    def close(self) -> None:
        """Let go of the directory; what waits stays there."""
        for fd in (self._writer, self._reader, self._position):
            with contextlib.suppress(OSError):
                os.close(fd)
        self._writer = self._reader = self._position = -1

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:010d}.jsonl"

    def _open(self, number: int, flags: int) -> int:
        return os.open(self._path(number), flags | os.O_CLOEXEC, 0o600)

    def _recover(self) -> None:
        """Find out what waits."""
        numbers = sorted(int(path.stem) for path in self._directory.glob("[0-9]" * 10 + ".jsonl"))
        first, offset, sending = self._read_position()
        if first not in numbers:  # the first start; or somebody cleared the directory
            first, offset, sending = (numbers[0] if numbers else 1), 0, False
        for number in [number for number in numbers if number < first]:
            self._path(number).unlink()
        self._first, self._last = first, max([first, *numbers])
        self._writer = self._open(self._last, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        self._flush_names()
        self._end = self._cut_torn_line()
        self._reader = self._open(self._first, os.O_RDONLY)
        self._offset = min(offset, os.fstat(self._reader).st_size)
        self._bytes = self._waiting = 0
        for number in range(self._first, self._last + 1):
            with contextlib.suppress(FileNotFoundError):
                data = self._path(number).read_bytes()
                self._bytes += len(data)
                self._waiting += data.count(b"\n", self._offset if number == self._first else 0)
        self._sending = sending and self._waiting > 0
        self._store_position()

    def _flush_names(self) -> None:
        """A new file is there after a loss of power once its directory is flushed."""
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _cut_torn_line(self) -> int:
        """Cut the last file behind its last whole line, and say where that is."""
        data = self._path(self._last).read_bytes()
        end = data.rfind(b"\n") + 1
        if end < len(data):
            os.ftruncate(self._writer, end)
        return end

    def _read_position(self) -> tuple[int, int, bool]:
        words = os.pread(self._position, 64, 0).split()
        if len(words) != 3 or not all(word.isdigit() for word in words):
            return -1, 0, False
        return int(words[0]), int(words[1]), words[2] == b"1"

    def _write_position(self) -> None:
        with contextlib.suppress(OSError):  # then the head is sent again at the next start, if it comes to that
            self._store_position()

    def _store_position(self) -> None:
        # One write of the same length each time: a kill leaves the old one or the new one.
        os.pwrite(self._position, (_POSITION % (self._first, self._offset, self._sending)).encode(), 0)

    def _next_segment(self) -> None:
        os.fdatasync(self._writer)
        writer = self._open(self._last + 1, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        self._flush_names()
        os.close(self._writer)
        self._writer, self._end = writer, 0
        self._last += 1
        if self._first == self._last - 1:
            self._skip_sent()
            self._write_position()

    def _skip_sent(self) -> None:
        """When all of the first file was sent, go on with the next one that is there."""
        if self._first == self._last or self._offset < (size := os.fstat(self._reader).st_size):
            return
        for number in range(self._first + 1, self._last + 1):
            try:
                reader = self._open(number, os.O_RDONLY)
            except FileNotFoundError:
                continue
            os.close(self._reader)
            done, self._first = self._first, number
            self._reader, self._offset = reader, 0
            self._bytes -= size
            with contextlib.suppress(OSError):  # then the next start deletes it
                self._path(done).unlink()
            return

    def _read_line(self) -> bytes:
        parts = []
        at = self._offset
        while part := os.pread(self._reader, 65536, at):
            line, newline, _ = part.partition(b"\n")
            parts.append(line + newline)
            if newline:
                break
            at += len(part)
        return b"".join(parts)
