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


def bundle(
    directory: Path,
    cgroup: str,
    argv: Sequence[str],
    environ: Mapping[str, str] | None = None,
    capabilities: Sequence[str] = (),
    terminal: bool = False,
) -> list[str]:
    """
    Make a container that is not started yet.

    :param directory: an empty one, for the root file system and runc's own files.
    :param cgroup: the path of its cgroups, in each hierarchy; whoever starts it removes them with `remove_cgroups`.
    :param argv: of a program of busybox.
    :param capabilities: that it has beside runc's usual ones.
    :param terminal: whether it gets one; whoever starts it must have one, too.
    :return: the command that runs it.
    """
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
    spec["process"] |= {"terminal": terminal, "args": list(argv)}
    spec["process"]["env"] += [f"{key}={value}" for key, value in (environ or {}).items()]
    for kept in spec["process"]["capabilities"].values():
        kept.extend(capabilities)
    spec["linux"] |= {"cgroupsPath": cgroup, "resources": {}}
    (directory / "config.json").write_text(json.dumps(spec))
    name = f"monitord-test-{uuid.uuid4().hex[:12]}"
    return ["runc", "--root", str(directory / "state"), "run", "--bundle", str(directory), name]


@contextmanager
def container(
    directory: Path, cgroup: str, argv: Sequence[str], environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """
    A container that runs a command, killed at the end; its standard input and output are pipes.

    The parameters are those of `bundle`.
    """
    command = bundle(directory, cgroup, argv, environ)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        subprocess.run([*command[:3], "kill", command[-1], "KILL"], capture_output=True, check=False)
        process.communicate()
        remove_cgroups(cgroup)


def pid_of(directory: Path) -> int:
    """The first process of the container in a directory, as the host numbers it."""
    state = next((directory / "state").glob("*/state.json"))
    return int(json.loads(state.read_text())["init_process_pid"])


def remove_cgroups(path: str) -> None:
    """runc removes the last part of the path alone."""
    for mount in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = mount.split()
        if kind in ("cgroup", "cgroup2"):
            at = Path(where + path)
            while at != Path(where):
                if at.exists():
                    at.rmdir()
                at = at.parent
