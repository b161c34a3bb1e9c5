"""Finding in the kernel's terms what an operator's scope names."""

import re
from pathlib import Path

from monitord.config.schema import Scope, ScopeKind


class ScopeError(Exception):
    """A scope that names nothing; the message says what was looked for and where."""


def cgroup2_mount(mountinfo: Path = Path("/proc/self/mountinfo")) -> Path:
    """
    Where the cgroup v2 hierarchy is mounted.

    :raises ScopeError: it is not.
    """
    for line in mountinfo.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        if after.split(" ", 1)[0] == "cgroup2":
            return Path(before.split(" ")[4])
    raise ScopeError("no cgroup v2 hierarchy is mounted: mount one with `mount -t cgroup2 none /sys/fs/cgroup`")


def cgroup_directory(scope: Scope) -> Path:
    """
    The directory of a cgroup or unit.

    A cgroup is named by its path in the file system, or by its path in the hierarchy as /proc/PID/cgroup has it.

    :raises ScopeError: there is none.
    """
    mount = cgroup2_mount()
    if scope.kind is ScopeKind.UNIT:
        name = scope.target if re.search(r"\.(service|scope|slice)$", scope.target) else f"{scope.target}.service"
        for directory in mount.rglob(name):
            if directory.is_dir():
                return directory
        raise ScopeError(f"unit {name} has no cgroup below {mount}: is it running? (systemctl status {name})")
    given = Path(scope.target)
    for directory in (given, mount / scope.target.lstrip("/")):
        if (directory / "cgroup.procs").exists():
            return directory
    raise ScopeError(f"no cgroup v2 {scope.target}: neither {given} nor {mount / scope.target.lstrip('/')} is one")


def children(pid: int) -> list[int]:
    """The processes that a process has started and that are still its children; empty when it is gone."""
    found = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
    except OSError:
        pass  # it ended meanwhile
    return found


def pid_max() -> int:
    """One more than the largest pid this kernel gives."""
    return int(Path("/proc/sys/kernel/pid_max").read_text(encoding="ascii"))
