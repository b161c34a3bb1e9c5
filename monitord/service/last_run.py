"""
A note of each run in the service's state directory, so that the next can say how it ended, and what that may have lost.

A stop says in the log what came of every event. Who is killed says nothing: the next start does.
"""

import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from monitord.config.file import read_file

NAME = "last_run.json"

PERIOD_S = 10.0
"""Between two notes: some two hundred bytes, and no wait for the disk."""

STOP_S = 1.0
"""What the last note gets. Without it the next start says that this run was killed."""

_log = logging.getLogger(__name__)


class LastRun:
    """
    Tells the log of the run before, and keeps the note of this one.

    A thread of its own writes it: a disk that hangs delays nobody.

    :param path: of the note; None keeps none.
    :param totals: asked for each note: what came of events and alerts so far, in words.
    :param clock: Unix time in seconds.
    """

    def __init__(
        self,
        path: Path | None,
        totals: Callable[[], str],
        clock: Callable[[], float] = time.time,
        period_s: float = PERIOD_S,
    ) -> None:
        self._path = path
        self._totals = totals
        self._clock = clock
        self._period_s = period_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="last-run", daemon=True)

    def start(self) -> None:
        """The run watches from now on: tell of the one before, and begin the note."""
        if self._path is None:
            return
        self._tell(self._path)
        self._thread.start()

    def stopped(self) -> None:
        """The run has stopped, and said what came of everything."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_S)

    def _tell(self, path: Path) -> None:
        try:
            note = json.loads(read_file(path))
            pid, seen_s, stopped, totals = (note[key] for key in ("pid", "time_s", "stopped", "totals"))
            gap = f"not watched for {max(0.0, self._clock() - seen_s):.1f} s"
            seen = datetime.fromtimestamp(seen_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as err:
            _log.warning("%s: cannot tell how the last run ended: %s", path, err)
            return
        if stopped:
            _log.info("the last run (pid %s) stopped at %s; %s", pid, seen, gap)
        else:
            _log.warning(
                "the last run (pid %s) ended without stopping after %s, when it had: %s. "
                "What came later and was not written is lost; %s or less",
                pid,
                seen,
                totals,
                gap,
            )

    def _run(self) -> None:
        stopped = False
        while not stopped:
            self._write(stopped=False)
            stopped = self._stopping.wait(self._period_s)
        self._write(stopped=True)

    def _write(self, *, stopped: bool) -> None:
        assert self._path
        note: Mapping[str, object] = {
            "pid": os.getpid(),
            "time_s": self._clock(),
            "stopped": stopped,
            "totals": self._totals(),
        }
        new = self._path.with_suffix(".new")
        try:
            new.write_text(json.dumps(note) + "\n")
            new.replace(self._path)
        except OSError as err:  # the next note, or the next run, is one without
            _log.debug("%s: %s", self._path, err.strerror)


def note_path(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Where the note of a service is; None for what systemd gave no state directory, systemd.exec(5)."""
    directory = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(directory) / NAME if directory else None
