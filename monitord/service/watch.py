"""Noticing that files have changed, by looking at them."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from monitord.rules.reader import files_in

LOOK_S = 1.0
"""Between two looks; a change is taken when two looks in a row find the same."""

_GRAIN_NS = 10_000_000
"""Times of files come from a clock that the kernel moves on at its ticks."""

_Stamp = tuple[int, ...]
"""What changes when a file does: device, inode, time of change, size; empty when it is not there."""

_NEWER: _Stamp = (-1,)
"""Of a file that may have changed since it was loaded: unlike all others, so that it is loaded again."""


class FileWatch:
    """
    Looks at files and directories, once a second at most.

    As links are followed and inodes compared, a file that an editor puts in the place of another is seen, and so is a
    link that is pointed elsewhere. inotify would need a watch for each directory on the way of each link; looking
    takes some microseconds per file.

    :param paths: what to look at now; of a directory, its ``*.yaml`` and ``*.yml`` files. Empty while nothing is to be
        watched.
    :param since_ns: Unix time when what is there now began to be loaded.
    :param clock: seconds.
    """

    def __init__(
        self, paths: Callable[[], Iterable[Path]], since_ns: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._paths = paths
        self._clock = clock
        self._since_ns = since_ns
        self._before: Mapping[Path, _Stamp] = {}
        self.end()

    def begin(self) -> None:
        """Everything is about to be loaded anew."""
        self._since_ns = time.time_ns()
        self._before = self._look()

    def end(self) -> None:
        """It is loaded, or was refused. What is looked at may have become other files by that."""
        oldest_ns = self._since_ns - _GRAIN_NS
        self._loaded: dict[Path, _Stamp] = {}
        for path, stamp in self._look().items():
            newer = len(stamp) > 1 and stamp[2] >= oldest_ns
            self._loaded[path] = self._before.get(path, _NEWER if newer else stamp)
        self._seen: Mapping[Path, _Stamp] = self._loaded
        self._looked_s = self._clock()

    def changed(self) -> list[Path]:
        """The files that are not as they were loaded, once they stay as they are."""
        now_s = self._clock()
        if now_s < self._looked_s + LOOK_S:
            return []
        self._looked_s = now_s
        before, self._seen = self._seen, self._look()
        if self._seen != before:
            return []
        return sorted(path for path in {**self._seen, **self._loaded} if self._seen.get(path) != self._loaded.get(path))

    def _look(self) -> dict[Path, _Stamp]:
        stamps: dict[Path, _Stamp] = {}
        for path in self._paths():
            if path.is_dir():
                stamps |= {file: _stamp(file) for file in _files(path)}
            else:
                stamps[path] = _stamp(path)
        return stamps


def _files(directory: Path) -> list[Path]:
    try:
        return files_in(directory)
    except OSError:
        return []


def _stamp(path: Path) -> _Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_dev, status.st_ino, max(status.st_mtime_ns, status.st_ctime_ns), status.st_size
