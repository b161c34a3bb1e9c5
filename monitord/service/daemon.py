"""The main loop of `monitord run`: start, serve signals, stop."""

import logging
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from monitord.model.heartbeat import Heartbeat
from monitord.model.problem import Problem, errors
from monitord.service.notify import READY, STOPPING, Notify, reloading, status
from monitord.service.signals import RELOAD, REOPEN, STOP, SignalQueue
from monitord.service.watchdog import Watchdog, watchdog_period_s
from monitord.telemetry import Telemetry

STOP_DEADLINE_S = 4.5
"""What the pipeline may take to drain: the service is to be gone 5 s after SIGTERM."""

RELOAD_S = 300.0
"""How long a reload may keep the main loop before the watchdog starves: seconds of CPU, on a machine that has none."""

TURN_S = 0.5
"""How long the loop sleeps without a signal: a watchdog period of 2 s is still fed in time."""

_log = logging.getLogger(__name__)


class Pipeline(Protocol):
    """What the service asks of `monitord.pipeline`."""

    @property
    def heartbeats(self) -> Sequence[Heartbeat]:
        """The threads that must make progress: reader and worker."""

    @property
    def failed(self) -> str | None:
        """Why it cannot go on; None while it can."""

    def start(self) -> None:
        """Begin to watch."""

    def stop(self, deadline_s: float) -> None:
        """Stop producing, drain, write the last alerts, close; return after `deadline_s` seconds whatever is left."""

    def reopen(self) -> None:
        """Open the outputs again that were opened by name."""


def serve(
    pipeline: Pipeline,
    reload: Callable[[], Sequence[Problem]],
    changed: Callable[[], Sequence[Path]],
    ready: Callable[[], None],
    signals: SignalQueue,
    notify: Notify,
    telemetry: Telemetry,
) -> int:
    """
    Run until a signal or a failure ends it. A second SIGTERM or SIGINT ends the process at once.

    :param pipeline: not yet started.
    :param reload: loads configuration and rules and puts them in place; when it returns errors, nothing has changed.
    :param changed: files that are to be loaded again, asked twice a second.
    :param ready: told once the pipeline watches.
    :param signals: entered; what came since then is served after the start.
    :return: the exit code: 0 after SIGTERM or SIGINT, 1 when the pipeline failed.
    """
    pipeline.start()
    watchdog = Watchdog(pipeline.heartbeats, notify, watchdog_period_s())
    ready()
    notify(f"{READY}\n{status('watching')}")

    def fed_reload() -> Sequence[Problem]:
        with watchdog.turning(RELOAD_S):
            return reload()

    try:
        while pipeline.failed is None:
            for number in signals.wait(TURN_S):
                if number in STOP:
                    _log.info("%s: stopping", number.name)
                    return 0
                _serve(number, pipeline, fed_reload, notify, telemetry)
            if files := changed():
                _log.info("changed: %s", ", ".join(map(str, files)))
                _serve(RELOAD, pipeline, fed_reload, notify, telemetry)
            watchdog.turn()
        _log.error("stopping: %s", pipeline.failed)
        return 1
    finally:
        notify(f"{STOPPING}\n{status('writing the last alerts')}")
        signals.release_stop()
        pipeline.stop(STOP_DEADLINE_S)


def _serve(
    number: signal.Signals,
    pipeline: Pipeline,
    reload: Callable[[], Sequence[Problem]],
    notify: Notify,
    telemetry: Telemetry,
) -> None:
    if number == REOPEN:
        pipeline.reopen()
    elif number == RELOAD:
        notify(reloading())
        notify(f"{READY}\n{status(_reload(reload, telemetry))}")


def _reload(reload: Callable[[], Sequence[Problem]], telemetry: Telemetry) -> str:
    """Load anew, tell the log and the metrics, and say how it went."""
    problems = reload()
    wrong = len(errors(problems))
    for problem in problems:
        _log.log(logging.WARNING if problem.warning else logging.ERROR, "%s", problem)
    telemetry.reloaded(not wrong, time.time())
    if wrong:
        result = f"reload refused, {wrong} to correct; the old configuration and rules stay"
        _log.error("%s", result)
    else:
        result = "reloaded; watching"
        _log.info("%s", result)
    return result
