"""Containers of Debian's runc, with a root file system made here: a busybox, and no image from anywhere."""

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

BUSYBOX = "/usr/bin/busybox"
"""Of the package busybox-static."""

AVAILABLE = bool(shutil.which("runc")) and Path(BUSYBOX).exists()


@contextmanager
def container(
    directory: Path, cgroup: str, argv: Sequence[str], environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """
    A container that runs a command, killed at the end; its standard input and output are pipes.

    :param directory: an empty one, for the root file system and runc's own files.
    :param cgroup: the path of its cgroups, in each hierarchy.
    :param argv: of a program of busybox.
    """
    name = f"monitord-test-{uuid.uuid4().hex[:12]}"
    programs = directory / "rootfs" / "bin"
    programs.mkdir(parents=True)
    shutil.copy(BUSYBOX, programs)
    subprocess.run([BUSYBOX, "--install", "-s", programs], check=True)
    for link in programs.iterdir():
        if link.is_symlink():
            link.unlink()
            link.symlink_to("busybox")
    subprocess.run(["runc", "spec"], cwd=directory, check=True)
    spec = json.loads((directory / "config.json").read_text())
    spec["process"] |= {"terminal": False, "args": list(argv)}
    spec["process"]["env"] += [f"{key}={value}" for key, value in (environ or {}).items()]
    spec["linux"] |= {"cgroupsPath": cgroup, "resources": {}}
    (directory / "config.json").write_text(json.dumps(spec))
    runc = ["runc", "--root", str(directory / "state")]
    process = subprocess.Popen([*runc, "run", name], cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        subprocess.run([*runc, "kill", name, "KILL"], capture_output=True, check=False)
        process.communicate()
        _remove_cgroups(cgroup)


def pid_of(directory: Path) -> int:
    """The first process of the container in a directory, as the host numbers it."""
    state = next((directory / "state").glob("*/state.json"))
    return int(json.loads(state.read_text())["init_process_pid"])


def _remove_cgroups(path: str) -> None:
    """runc removes the last part of the path alone."""
    for mount in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = mount.split()
        if kind in ("cgroup", "cgroup2"):
            at = Path(where + path)
            while at != Path(where):
                if at.exists():
                    at.rmdir()
                at = at.parent
