"""
Compiled programs on disk, for the next start: compiling takes LLVM a second, and under emulation twenty.

What is read here goes into the kernel with the daemon's capabilities. So nothing is taken that another user could have
written; and whatever is wrong with a file or the directory, the programs are compiled as if there were none.
"""

import contextlib
import hashlib
import logging
import os
import stat
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from monitord.sources.bpf.compiled import Compiled

DEFAULT = Path("/var/cache/monitord")

KEPT = 8
"""Entries of 300 KB: kernels that are booted in turn, with and without latency, another scope tried by hand."""

STALE_S = 3600
"""When what a start that was killed left half written is removed."""

_SUFFIX = ".bpf"
_NEW = ".new"
_MAGIC = b"monitord-bpf 1 "

_log = logging.getLogger(__name__)


class _UnusableError(Exception):
    """Nothing is read or written; the text says why."""


def cache_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """Where a service is to keep such things, systemd.exec(5); for whom is not one, the same place by name."""
    return Path(environ.get("CACHE_DIRECTORY", "").partition(":")[0] or DEFAULT)


class Cache:
    """Files of compiled programs, by the recipe that they were made after."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def get(self, recipe: str) -> Compiled | None:
        """What is kept for a recipe; None when there is nothing, or nothing to be trusted."""
        path = self._path(recipe)
        try:
            _trusted(os.lstat(self._directory), stat.S_ISDIR)
        except (_UnusableError, OSError):  # `put` will say so
            return None
        try:
            # What somebody could put in its place: a link that leads elsewhere, a pipe that waits.
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
                _trusted(os.fstat(file.fileno()), stat.S_ISREG)
                header, _, body = file.read().partition(b"\n")
                if header != _header(body):
                    raise _UnusableError("damaged, or of another version")
                compiled = Compiled.from_bytes(body)
                with contextlib.suppress(OSError):  # the time tells what was not used for longest
                    os.utime(file.fileno())
        except FileNotFoundError:
            return None
        except (_UnusableError, ValueError, OSError) as error:
            _log.info("BPF programs: %s is not used: %s", path, _reason(error))
            return None
        return compiled

    def put(self, recipe: str, compiled: Compiled) -> str:
        """
        Keep it.

        :return: where, or why not: "kept in ...", "not kept: ...".
        """
        body = compiled.to_bytes()
        try:
            self._directory.mkdir(0o700, parents=True, exist_ok=True)
            _trusted(os.lstat(self._directory), stat.S_ISDIR)
            descriptor, new = tempfile.mkstemp(_NEW, recipe, self._directory)
            try:
                with open(descriptor, "wb") as file:
                    file.write(_header(body) + b"\n" + body)
                os.replace(new, self._path(recipe))
            except OSError:
                os.unlink(new)
                raise
            self._clean()
        except (_UnusableError, OSError) as error:
            return f"not kept: {self._directory}: {_reason(error)}"
        return f"kept in {self._directory}"

    def _path(self, recipe: str) -> Path:
        return self._directory / f"{recipe}{_SUFFIX}"

    def _clean(self) -> None:
        """Remove the entries that were not used for longest, and what was never finished."""
        times = {}
        for path in self._directory.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another daemon cleans, too
                times[path] = path.stat().st_mtime
        entries = sorted((path for path in times if path.suffix == _SUFFIX), key=times.__getitem__)
        newest_s = max(times.values(), default=0)
        stale = [path for path in times if path.suffix == _NEW and times[path] < newest_s - STALE_S]
        for path in [*entries[:-KEPT], *stale]:
            path.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _header(body: bytes) -> bytes:
    return _MAGIC + hashlib.sha256(body).hexdigest().encode()


def _trusted(found: os.stat_result, is_kind: Callable[[int], bool]) -> None:
    """
    That nobody but root and we could have written it.

    :raises _UnusableError: somebody else could.
    """
    if not is_kind(found.st_mode):
        raise _UnusableError("neither a file nor a directory of monitord's")
    if found.st_uid not in (0, os.geteuid()):
        raise _UnusableError(f"it belongs to uid {found.st_uid}, not to root or to this daemon's user")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _UnusableError(f"others may write to it (mode {stat.S_IMODE(found.st_mode):04o})")
