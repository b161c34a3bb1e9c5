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


def hold() -> None:
    """
    The signals of the service wait from now on until a `SignalQueue` is entered.

    Each of them would end the process meanwhile. Threads that are started meanwhile never take one.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)


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
        self._came: dict[signal.Signals, None] = {}
        self._old: dict[signal.Signals, _Handler] = {number: signal.signal(number, self._note) for number in HANDLED}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_fd)
        self._read.close()
        self._write.close()

    @property
    def stop(self) -> signal.Signals | None:
        """The first `STOP` signal that came and was not waited for yet."""
        return next((number for number in self._came if number in STOP), None)

    def wait(self, timeout_s: float) -> list[signal.Signals]:
        """
        Wait for signals.

        :return: each that came, once, however often it came; `STOP` first, the others in their order; empty when the
            time is over, or a moment before there is one.
        """
        # The socket wakes, and no more: it takes some hundred bytes, and what comes while it is full is not in it.
        if not self._came:
            readable, _, _ = select.select([self._read], [], [], timeout_s)
            if readable:
                self._read.recv(4096)
        came, self._came = self._came, {}
        return sorted(came, key=lambda number: number not in STOP)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._came[signal.Signals(number)] = None

    def release_stop(self) -> None:
        """From now on a `STOP` signal ends the process at once."""
        for number in STOP:
            signal.signal(number, signal.SIG_DFL)
