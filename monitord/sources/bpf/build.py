"""Compiled programs for a start: kept ones, or new ones from the helper that compiles."""

import logging
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

import monitord
from monitord.sources.bpf.cache import Cache, cache_directory
from monitord.sources.bpf.compiled import Compiled
from monitord.sources.bpf.compiler import answered, asked_of
from monitord.sources.bpf.errors import LoadError, PassingError
from monitord.sources.bpf.recipe import recipe
from monitord.sources.bpf.settings import Settings

_log = logging.getLogger(__name__)


class Build:
    """The programs for these settings, and where they are kept."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cache = Cache(cache_directory())
        self._key = recipe(settings)

    def kept(self) -> Compiled | None:
        """Those of an earlier start; None when there are none, or none to be trusted."""
        return self._cache.get(self._key)

    def fresh(self) -> tuple[Compiled, str]:
        """
        Have the helper compile, and keep what comes of it.

        :return: with what became of it, in words.
        :raises LoadError: this machine cannot; says what is missing.
        :raises PassingError: it could not this time.
        """
        begin_s = time.monotonic()
        compiled = _compile(self._settings)
        took_s = time.monotonic() - begin_s
        done = f"compiled in {took_s:.1f} s, {self._cache.put(self._key, compiled)}"
        _log.info("BPF programs: %s", done)
        return compiled, done


def _compile(settings: Settings) -> Compiled:
    # What LLVM, libbcc and Python print by themselves goes into our one line, not between the lines of the log.
    with (
        os.fdopen(os.memfd_create("compiler"), "w+b") as stderr,
        os.fdopen(os.memfd_create("compiled"), "rb") as compiled,
    ):
        # -P: the working directory is no place to import from, the directory of this package is.
        path = {"PYTHONPATH": str(Path(monitord.__file__).resolve().parent.parent)}
        # However long it takes: systemd's TimeoutStartSec is the limit of a start.
        done = subprocess.run(
            [sys.executable, "-P", "-m", "monitord.sources.bpf.compiler", str(compiled.fileno())],
            input=asked_of(settings),
            pass_fds=[compiled.fileno()],
            env=os.environ | path,
            stdout=stderr,
            stderr=stderr,
            check=False,
            start_new_session=True,  # Ctrl-C is for the daemon, which ends when it has started
        )
        said = _useful_line(stderr)
        compiled.seek(0)
        answer = compiled.read()
    if done.returncode or not answer:
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
        raise PassingError(f"the process that compiles the BPF programs ended with {how}: run `monitord doctor`{said}")
    try:
        return answered(answer)
    except LoadError as error:
        raise LoadError(f"{error}{said}") from error


def _useful_line(stderr: BinaryIO) -> str:
    """Of what the helper printed, the first line that names an error, or else the last."""
    stderr.seek(0)
    lines = [line.strip() for line in stderr.read().decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        return ""
    return f"; it printed: {next((line for line in lines if 'error:' in line), lines[-1])}"
