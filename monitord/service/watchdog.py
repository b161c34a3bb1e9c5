"""Feeding systemd's watchdog, only while every thread that matters makes progress."""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from monitord.model.heartbeat import Heartbeat
from monitord.service.notify import WATCHDOG, Notify

_log = logging.getLogger(__name__)


def watchdog_period_s(environ: Mapping[str, str] = os.environ) -> float | None:
    """
    How long systemd waits between two signs of life, as sd_watchdog_enabled(3) reads it.

    :return: seconds; None when no watchdog watches this process.
    """
    usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", str(os.getpid()))
    return int(usec) / 1e6 if usec.isdecimal() and int(usec) and pid == str(os.getpid()) else None


class Watchdog:
    """
    Called from the main loop. A thread that did not come round for half a period starves the watchdog, and systemd
    kills and restarts the service at the end of the period.

    :param period_s: None when nobody watches: then this does nothing.
    """

    def __init__(
        self,
        heartbeats: Sequence[Heartbeat],
        notify: Notify,
        period_s: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._heartbeats = heartbeats
        self._notify = notify
        self._half_s = period_s / 2 if period_s else None
        self._clock = clock
        self._fed_s = float("-inf")
        self._hanging: list[str] = []

    def turn(self) -> None:
        """Feed if it is time and all threads are alive; tell the log when one hangs, and when it goes on."""
        if self._half_s is None:
            return
        hanging = [heart.name for heart in self._heartbeats if heart.age_s() >= self._half_s]
        if hanging != self._hanging:
            self._report(hanging)
        now_s = self._clock()
        if not hanging and now_s >= self._fed_s + self._half_s:
            self._notify(WATCHDOG)
            self._fed_s = now_s

    @contextlib.contextmanager
    def turning(self, limit_s: float) -> Iterator[None]:
        """
        While the main loop does one long thing, a thread turns in its place; after `limit_s` it hangs like any other.

        A reload takes a second of CPU, and a machine under attack may have none to spare for half a minute: to be
        killed then for reading rules, and to begin anew without what was remembered, helps nobody.
        """
        if self._half_s is None:
            yield
            return
        done = threading.Event()
        thread = threading.Thread(target=self._turn_until, args=(done, limit_s), name="watchdog", daemon=True)
        try:
            thread.start()
        except RuntimeError as err:
            _log.warning("%s: the watchdog is not fed during a reload", err)
        try:
            yield
        finally:
            done.set()
            if thread.ident is not None:
                thread.join()

    def _turn_until(self, done: threading.Event, limit_s: float) -> None:
        assert self._half_s is not None
        end_s = time.monotonic() + limit_s
        while time.monotonic() < end_s:
            self.turn()
            if done.wait(self._half_s / 4):
                return

    def _report(self, hanging: list[str]) -> None:
        if hanging:
            _log.error("no progress for %g s: %s; the watchdog is not fed", self._half_s, ", ".join(hanging))
        else:
            _log.warning("progress again: %s", ", ".join(self._hanging))
        self._hanging = hanging
