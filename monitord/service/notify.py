"""Telling systemd how the service is; see sd_notify(3)."""

import logging
import os
import time
from collections.abc import Callable

Notify = Callable[[str], None]
"""Sends one sd_notify state: lines of ``NAME=value``."""

READY = "READY=1"
STOPPING = "STOPPING=1"
WATCHDOG = "WATCHDOG=1"

_log = logging.getLogger(__name__)


class NotifyError(Exception):
    """systemd waits for a notification that cannot be sent; the message says what to do."""


def notifier() -> Notify:
    """
    The way to systemd, or a way to nowhere when it did not ask (no NOTIFY_SOCKET in the environment).

    :raises NotifyError: it asked, and systemd-python is not installed.
    """
    if not os.environ.get("NOTIFY_SOCKET"):
        return lambda _state: None
    try:
        from systemd import daemon
    except ImportError as err:
        message = "NOTIFY_SOCKET is set, but Python has no systemd module: apt install python3-systemd"
        raise NotifyError(message) from err

    def notify(state: str) -> None:
        try:
            daemon.notify(state)
        except OSError as err:  # the service goes on: systemd can be re-executing itself
            _log.warning("cannot notify systemd of %r: %s", state, err.strerror)

    return notify


def reloading() -> str:
    """The state between SIGHUP and the next `READY`."""
    # The time is what Type=notify-reload (systemd 253) wants, to tell this reload from an earlier one.
    return f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"


def status(text: str) -> str:
    """The line that `systemctl status` shows."""
    return "STATUS=" + " ".join(text.split())
