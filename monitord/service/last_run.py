"""
A note of each run in the service's state directory, so that the next can say how it ended, and what that may have lost.

A stop says in the log what came of every event. Who is killed says nothing: the next start does.
"""

import contextlib
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

NOTE_BYTES = 4096
"""Of the file, blanks at its end: each note takes the place of the one before, also on a disk that has filled up."""

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
        self._failing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="last-run", daemon=True)

    def start(self) -> None:
        """The run watches from now on: tell of the one before, and begin the note."""
        if self._path is None:
            return
        self._tell(self._path)
        with contextlib.suppress(OSError):  # told: when no other can be written, the next start is not to tell it again
            self._path.unlink()
        self._thread.start()

    def stopped(self) -> None:
        """The run has stopped, and said what came of everything."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_S)

    def _tell(self, path: Path) -> None:
        try:
            text = read_file(path)
            if not text:
                raise ValueError("it could write no note")
            note = json.loads(text)
            pid, seen_s, stopped, totals = (note[key] for key in ("pid", "time_s", "stopped", "totals"))
            gap = _gap(self._clock() - seen_s, "" if stopped else " or less")
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
                "What came later and was not written is lost; %s",
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
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.write(fd, json.dumps(note).encode().ljust(NOTE_BYTES))
            finally:
                os.close(fd)
        except OSError as err:
            if not self._failing:
                _log.warning("%s: %s; the next start cannot tell how this run ended", self._path, err.strerror)
            self._failing = True
        else:
            self._failing = False


def _gap(gap_s: float, bound: str) -> str:
    if gap_s < 0:
        return "how long nothing was watched is not known, as the clock was set back"
    return f"not watched for {gap_s:.1f} s{bound}"


def note_path(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Where the note of a service is; None for what systemd gave no state directory, systemd.exec(5)."""
    directory = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(directory) / NAME if directory else None
