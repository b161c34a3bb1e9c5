"""Signals as values that the main loop waits for."""

import select
import signal
import socket
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

STOP = frozenset({signal.SIGTERM, signal.SIGINT})
RELOAD = signal.SIGHUP
REOPEN = signal.SIGUSR1

HANDLED = STOP | {RELOAD, REOPEN}

_Handler = Callable[[int, FrameType | None], object] | int | signal.Handlers | None


class SignalQueue:
    """
    Collects the signals of the service while entered; one per process, in the main thread.

    Handlers and a wake-up socket, not blocked signals and sigwait: libraries (OpenBLAS, LLVM) have started threads
    by then, whose masks are their own, and a signal that one of them does not block would end the process.
    """

    def __enter__(self) -> Self:
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        self._old_fd = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        self._old: dict[signal.Signals, _Handler] = {
            number: signal.signal(number, lambda _number, _frame: None) for number in HANDLED
        }
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_fd)
        self._read.close()
        self._write.close()

    def wait(self, timeout_s: float) -> list[signal.Signals]:
        """
        Wait for signals.

        :return: in the order they came, each once per time that the kernel delivered it; empty when the time is over.
        """
        readable, _, _ = select.select([self._read], [], [], timeout_s)
        numbers = self._read.recv(4096) if readable else b""
        return [signal.Signals(number) for number in numbers if number in HANDLED]

    def release_stop(self) -> None:
        """From now on a `STOP` signal ends the process at once."""
        for number in STOP:
            signal.signal(number, signal.SIG_DFL)
