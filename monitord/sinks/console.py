"""Alerts as lines for people."""

import os
from collections.abc import Sequence

from monitord.model.alert import Alert
from monitord.model.priority import Priority
from monitord.sinks.format import console_line
from monitord.stages import SinkError

_RESET = "\x1b[0m"
_RED = "\x1b[1;31m"
_YELLOW = "\x1b[33m"
_CYAN = "\x1b[36m"


class Console:
    """
    Prints one line per alert; the priority is coloured on a terminal.

    :param fd: an open descriptor, which stays the caller's: 1 for standard output.
    """

    name = "console"

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._colour = os.isatty(fd)

    def write(self, alert: Alert) -> None:
        """
        Print the alert.

        :raises SinkError: nobody reads, or the descriptor is broken.
        """
        self.write_all((alert,))

    def write_all(self, alerts: Sequence[Alert]) -> None:
        """
        Print the alerts.

        :raises SinkError: as `write`.
        """
        rest = "".join(map(self._line, alerts)).encode()
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as err:
            raise SinkError(f"cannot print alerts: {err.strerror}") from err

    def _line(self, alert: Alert) -> str:
        line = console_line(alert)
        if self._colour:
            label = f" {alert.priority.label} "
            line = line.replace(label, f" {_colour_of(alert.priority)}{alert.priority.label}{_RESET} ", 1)
        return f"{line}\n"

    def reopen(self) -> None:
        """Nothing is open by name."""

    def close(self) -> None:
        """The descriptor is the caller's."""


def _colour_of(priority: Priority) -> str:
    if priority <= Priority.ERROR:
        return _RED
    return _YELLOW if priority == Priority.WARNING else _CYAN
