"""Alerts on a program's standard input."""

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections import deque
from typing import NoReturn

from monitord.config.outputs import ProgramConfig
from monitord.model.alert import Alert
from monitord.model.amount import amount
from monitord.sinks.encode import ENCODERS
from monitord.stages import SinkError, UnreadError

CLOSING_S = 1.0
"""What a program gets to end once its input has ended, and again after SIGTERM."""

PIPE_BYTES = 65536
"""What a pipe holds, pipe(7)."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 30.0
"""Between two starts; the pause doubles with every program that ends before `STEADY_S`."""

STEADY_S = 10.0


class Program:
    """
    Starts a program and writes one line of JSON per alert into its standard input.

    When it has ended, it is started anew, for what it had left in the pipe or for the next alert. What it had read is
    its own: that is lost, uncounted, if it dies before it has dealt with it.
    """

    name = "program"

    def __init__(self, config: ProgramConfig) -> None:
        self._config = config
        self._encode = ENCODERS[config.format]
        self._child: subprocess.Popen[bytes] | None = None
        self._sent: deque[bytes] = deque()  # the last lines, as many as may still be in the pipe
        self._again: deque[bytes] = deque()  # lines that a program before had not read
        self._begun_bytes = 0  # of a line that is in the pipe in part, behind those of `_sent`
        self._left_bytes = 0  # in the pipe when it was last looked into
        self._read_s = 0.0  # when it was last seen empty, or emptier
        self._how = ""  # the one before ended
        self._started_s = float("-inf")
        self._pause_s = FIRST_PAUSE_S
        self._child = self._start()

    def write(self, alert: Alert) -> None:
        """
        Write the alert.

        :raises SinkError: the program has ended, or does not read.
        """
        line = self._encode(alert)
        self._put(self._reader(), line)

    def reopen(self) -> None:
        """The program keeps running."""

    def unread(self) -> int:
        """Those in the pipe, and those that are to be written again."""
        child = self._child
        return len(self._again) + (len(self._left_in(child.stdin.fileno())) if child and child.stdin else 0)

    def resume(self) -> None:
        """
        Have what the program has left unread read by another.

        :raises SinkError: the program has ended, or does not read.
        """
        if self.unread():
            self._reader()

    def close(self) -> None:
        """
        End the input, wait for the program to end, and see to it that it does.

        :raises UnreadError: it ended before it had read all.
        """
        unread = len(self._again)
        child, self._child = self._child, None
        if child is not None:
            unread += self._closed(child)
        if unread:
            raise UnreadError(
                unread, f"{self._config.command[0]} has ended{self._how} and left {amount(unread, 'alert')} unread"
            )

    def _closed(self, child: subprocess.Popen[bytes]) -> int:
        """End a program; how many alerts it has left in the pipe."""
        assert child.stdin
        with contextlib.ExitStack() as stack:
            # An end of our own keeps what is in the pipe. Only now: with it, no write fails when the program has ended.
            pipe = None
            with contextlib.suppress(OSError):  # for want of descriptors: then nobody knows what is left in there
                pipe = os.open(f"/proc/self/fd/{child.stdin.fileno()}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
                stack.callback(os.close, pipe)
            child.stdin.close()
            _end(child)
            self._how = _how(child)
            return 0 if pipe is None else len(self._left_in(pipe))

    def _reader(self) -> subprocess.Popen[bytes]:
        """A program that runs, and has all that those before did not read."""
        child = self._child
        if child is not None and child.poll() is not None:
            left = self._take_back(child)
            if left:
                raise SinkError(
                    f"{self._config.command[0]} has ended{self._how} and left {amount(left, 'alert')} unread; "
                    "it is started anew"
                )
            child = None
        if child is None:
            child = self._restarted()
        if self._stalled(child):
            self._kill_unread(child)
        while self._again:
            self._put(child, self._again[0])
            self._again.popleft()
        return child

    def _stalled(self, child: subprocess.Popen[bytes]) -> bool:
        """Whether nothing has been read for too long, though there is something to read."""
        assert child.stdin
        left, before = _bytes_in(child.stdin.fileno()), self._left_bytes
        self._left_bytes = left
        now_s = time.monotonic()
        if left == 0 or left < before:
            self._read_s = now_s
        return now_s >= self._read_s + self._config.timeout_s

    def _kill_unread(self, child: subprocess.Popen[bytes]) -> NoReturn:
        _kill(child)  # a line may be there in part: only another program can begin with a whole one
        self._take_back(child)
        raise SinkError(f"{self._config.command[0]} has not read for {self._config.timeout_s} s; it is started anew")

    def _take_back(self, child: subprocess.Popen[bytes]) -> int:
        """What a program that has ended did not read is to be written again; how many these are."""
        assert child.stdin
        left = self._left_in(child.stdin.fileno())
        self._again.extendleft(reversed(left))
        self._sent.clear()
        self._begun_bytes = 0
        child.stdin.close()
        self._child, self._how = None, _how(child)
        return len(left)

    def _start(self) -> subprocess.Popen[bytes]:
        path = self._config.command[0]
        try:
            # Its output goes where the daemon's log goes: standard output may be the console's alerts.
            child = subprocess.Popen(
                self._config.command, stdin=subprocess.PIPE, stdout=2, bufsize=0, start_new_session=True
            )
        except OSError as err:
            raise SinkError(f"cannot start {path}: {err.strerror}; change outputs.program.command") from err
        assert child.stdin
        os.set_blocking(child.stdin.fileno(), False)
        return child

    def _restarted(self) -> subprocess.Popen[bytes]:
        """The program started anew, when it is time."""
        now_s = time.monotonic()
        if now_s < self._started_s + self._pause_s:
            raise SinkError(f"{self._config.command[0]} has ended{self._how}; it is started anew")
        self._pause_s = FIRST_PAUSE_S if now_s > self._started_s + STEADY_S else min(2 * self._pause_s, LONGEST_PAUSE_S)
        self._started_s = now_s
        self._child = self._start()
        return self._child

    def _left_in(self, fd: int) -> list[bytes]:
        """The lines of which something is still in the pipe; Linux keeps it until the last end is closed."""
        left = _bytes_in(fd) - self._begun_bytes
        unread: list[bytes] = []
        for line in reversed(self._sent):
            if left <= 0:
                break
            unread.insert(0, line)
            left -= len(line)
        return unread

    def _put(self, child: subprocess.Popen[bytes], line: bytes) -> None:
        assert child.stdin
        fd, rest = child.stdin.fileno(), line
        end_s = time.monotonic() + self._config.timeout_s
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        while rest:
            try:
                rest = rest[os.write(fd, rest) :]
                self._begun_bytes = len(line) - len(rest)
                end_s = time.monotonic() + self._config.timeout_s
                continue
            except BlockingIOError:
                pass
            except OSError as err:  # EPIPE: it has ended, or closed its input
                _kill(child)
                self._take_back(child)
                raise SinkError(f"{self._config.command[0]} has ended{self._how}; it is started anew") from err
            wait_s = end_s - time.monotonic()
            if wait_s <= 0:
                self._kill_unread(child)
            poll.poll(wait_s * 1000)
        self._begun_bytes = 0
        self._left_bytes += len(line)
        self._sent.append(line)
        kept = sum(map(len, self._sent))
        while kept - len(self._sent[0]) >= PIPE_BYTES:
            kept -= len(self._sent.popleft())


def _bytes_in(pipe: int) -> int:
    """What was written and not read yet; of either end."""
    return int(struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0])


def _end(child: subprocess.Popen[bytes]) -> None:
    """See to it that a program ends whose input has ended."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            child.wait(CLOSING_S)
            return
        except subprocess.TimeoutExpired:
            _signal(child, number)
    child.wait()


def _kill(child: "subprocess.Popen[bytes]") -> None:
    _signal(child, signal.SIGKILL)
    child.wait()


def _signal(child: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    """With all that it has started: of a shell script, what hangs is most often another process."""
    if child.poll() is None:  # not waited for: its pid, which is its session's, is nobody else's
        os.killpg(child.pid, number)


def _how(child: "subprocess.Popen[bytes]") -> str:
    """How it ended."""
    assert child.returncode is not None
    return f" by signal {-child.returncode}" if child.returncode < 0 else f" with exit code {child.returncode}"
