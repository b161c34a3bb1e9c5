"""Cgroups of our own."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _mounts(kind: str) -> list[str]:
    return [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if line.split()[2] == kind]


V2 = _mounts("cgroup2")
"""Where cgroup v2 is mounted."""

V1 = [mount for mount in _mounts("cgroup") if os.access(f"{mount}/cgroup.procs", os.W_OK)]
"""Where hierarchies of cgroup v1 are mounted."""


@contextmanager
def cgroup(path: str, mount: str | None = None) -> Iterator[Path]:
    """A cgroup, with what is above it, removed at the end."""
    top = Path(mount or V2[0]) / f"monitord-test-{uuid.uuid4().hex}"
    directory = top / path
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        while True:
            if directory.exists():
                directory.rmdir()
            if directory == top:
                break
            directory = directory.parent


@contextmanager
def few_tasks() -> Iterator[Path]:
    """A cgroup whose ``pids.max`` limits processes and threads, removed at the end."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    for where in [where for _, where, kind, options, *_ in mounts if kind == "cgroup2" or "pids" in options.split(",")]:
        directory = Path(where) / f"monitord-test-{uuid.uuid4().hex}"
        with contextlib.suppress(OSError):
            directory.mkdir()
        if (directory / "pids.max").exists():
            break
        with contextlib.suppress(OSError):
            directory.rmdir()
    else:
        pytest.skip("no cgroup that limits processes")
    try:
        yield directory
    finally:
        directory.rmdir()
