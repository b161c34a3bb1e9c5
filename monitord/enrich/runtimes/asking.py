"""Asks container runtimes about containers, on a thread of their own: an event never waits for one."""

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from monitord.dataclass import dataclass
from monitord.enrich.bounded import Bounded
from monitord.enrich.runtimes.kinds import advice_on, runtimes_at
from monitord.enrich.runtimes.runtime import Runtime
from monitord.model.inspection import Inspection
from monitord.model.placement import Placement, is_hex_id
from monitord.model.value import Missing

CONTAINERS = 2048
"""Containers that are remembered; a few KiB each."""

WAITING = 256
"""Containers that may wait to be asked for; what does not fit is asked for by a later event."""

AGAIN_S = 10.0
"""
Until an answer that could not be had is asked for again, and until a socket that does not answer is tried again, so
that one that hangs holds up the others for a fifth of the time. An answer counts for the container's life.
"""

LONGEST_S = 600.0
"""The wait doubles up to this while nobody knows a container: its runtime is then hardly among those that are asked."""

DESCRIBED, UNKNOWN, FAILED = "described", "unknown", "failed"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Known:
    """
    What is known of a container.

    :ivar until_s: when it is asked for again.
    :ivar wait_s: for how long not, if the next answer is no better.
    """

    found: Inspection | Missing = Missing.LATE
    until_s: float = float("-inf")
    wait_s: float = AGAIN_S


class Runtimes:
    """
    What container runtimes say of containers. `inspection` is for one thread; the asking is done by another.

    :param sockets: of docker, podman, containerd, CRI-O; asked in their order.
    :param clock: seconds, monotonic.
    """

    def __init__(self, sockets: Sequence[Path], clock: Callable[[], float] = time.monotonic) -> None:
        self._sockets = [_Socket(path, clock) for path in sockets]
        self._clock = clock
        self._known: Bounded[str, _Known] = Bounded(CONTAINERS)
        self._asked: queue.Queue[str | None] = queue.Queue(WAITING)
        self._results = Counter(dict.fromkeys((DESCRIBED, UNKNOWN, FAILED), 0)) if sockets else Counter()
        self._thread: threading.Thread | None = None

    def inspection(self, placement: Placement) -> Inspection | Missing:
        """
        What is known of a container; LATE when the answer is not there yet.

        :return: UNKNOWN when no runtime is configured, or none knows it.
        """
        full_id = placement.full_id
        if not self._sockets or not (is_hex_id(full_id) or placement.runtime == "containerd"):
            return Missing.UNKNOWN
        known = self._known.get(full_id, _Known())
        now_s = self._clock()
        if now_s >= known.until_s:
            self._known[full_id] = replace(known, until_s=now_s + known.wait_s)  # before the answer can come
            try:
                self._asked.put_nowait(full_id)
            except queue.Full:
                self._known[full_id] = known
            self._start()
        return known.found

    @property
    def results(self) -> Mapping[str, int]:
        """What came of the questions so far; empty when nobody is asked."""
        return self._results

    def close(self) -> None:
        """Ask no more."""
        self._sockets = []
        with suppress(queue.Full):  # then it ends with the daemon
            self._asked.put_nowait(None)

    def _start(self) -> None:
        """Late: a thread that was started before the daemon gave up its privileges would keep them."""
        if self._thread is None:
            thread = threading.Thread(target=self._ask_all, name="containers", daemon=True)
            with suppress(RuntimeError):  # no thread can be started; the next question tries again
                thread.start()
                self._thread = thread

    def _ask_all(self) -> None:
        while (full_id := self._asked.get()) is not None:
            try:
                found, result = self._ask(full_id)
            except Exception:  # noqa: BLE001 - the outer edge of the thread: what is wrong with one container, others go on
                _log.exception("containers.sockets: container %s", full_id)
                found, result = Missing.UNKNOWN, FAILED
            wait_s = self._known.get(full_id, _Known()).wait_s
            until_s = float("inf") if result == DESCRIBED else self._clock() + wait_s
            wait_s = min(2 * wait_s, LONGEST_S) if result == UNKNOWN else AGAIN_S
            self._known[full_id] = _Known(found, until_s, wait_s)
            self._results[result] += 1  # last: whoever sees it finds the answer, too

    def _ask(self, full_id: str) -> tuple[Inspection | Missing, str]:
        result = UNKNOWN
        for asked in self._sockets:
            try:
                found = asked.inspection(full_id)
            except (OSError, ValueError):
                result = FAILED
                continue
            if found is not None:
                return found, DESCRIBED
        return Missing.UNKNOWN, result


class _Socket:
    """One socket. Who listens is found out when it is first asked, and anew after a failure."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._runtimes: Sequence[Runtime] = ()
        self._failed = self._odd = False
        self._rests_until_s = float("-inf")

    def inspection(self, full_id: str) -> Inspection | None:
        """
        What is said of a container; None when it is not known here.

        :raises OSError: there is no answer, or there was none lately.
        :raises ValueError: what there is is no answer.
        """
        if self._clock() < self._rests_until_s:
            raise OSError("it failed a moment ago")
        try:
            if not self._runtimes:
                self._runtimes = self._find()
            found = next(filter(None, (runtime.inspection(full_id) for runtime in self._runtimes)), None)
        except (OSError, ValueError) as err:
            if isinstance(err, OSError):
                self._runtimes = ()
            if self._runtimes:  # it is about this container, and said once for all such: they come and go among others
                said, self._odd = self._odd, True
            else:
                said, self._failed = self._failed, True
                self._rests_until_s = self._clock() + AGAIN_S
            if not said:
                advice = advice_on(err)
                _log.warning("containers.sockets: %s has no answer: %s%s", self._path, err, advice and f"; {advice}")
            raise
        self._failed = False
        return found

    def _find(self) -> Sequence[Runtime]:
        found = runtimes_at(self._path)
        spoken = " and ".join(runtime.protocol for runtime in found)
        _log.info("containers.sockets: %s answers, by %s", self._path, spoken)
        return found
