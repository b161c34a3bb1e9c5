"""Containers of Debian's runc and crun, with a root file system made here: a busybox, and no image from anywhere."""

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.daemon import until

CGROUPS = "/sys/fs/cgroup"

BUSYBOX = "/usr/bin/busybox"
"""Of the package busybox-static."""

AVAILABLE = bool(shutil.which("runc")) and Path(BUSYBOX).exists()

RUNTIMES = [
    pytest.param(name, marks=pytest.mark.skipif(not shutil.which(name), reason=f"needs {name}"))
    for name in ("runc", "crun")
]


def bundle(
    directory: Path,
    cgroup: str,
    argv: Sequence[str],
    environ: Mapping[str, str] | None = None,
    capabilities: Sequence[str] = (),
    terminal: bool = False,
    runtime: str = "runc",
) -> list[str]:
    """
    Make a container that is not started yet.

    :param directory: an empty one, for the root file system and the runtime's own files.
    :param cgroup: the path of its cgroups, in each hierarchy; whoever starts it removes them with `remove_cgroups`.
    :param argv: of a program of busybox.
    :param capabilities: that it has beside runc's usual ones.
    :param terminal: whether it gets one; whoever starts it must have one, too.
    :param runtime: runc or crun, which take the same options.
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
    subprocess.run([runtime, "spec"], cwd=directory, check=True)
    spec = json.loads((directory / "config.json").read_text())
    spec["process"] |= {"terminal": terminal, "args": list(argv)}
    spec["process"]["env"] += [f"{key}={value}" for key, value in (environ or {}).items()]
    for kept in spec["process"]["capabilities"].values():
        kept.extend(capabilities)
    spec["linux"] |= {"cgroupsPath": cgroup, "resources": {}}
    (directory / "config.json").write_text(json.dumps(spec))
    name = f"monitord-test-{uuid.uuid4().hex[:12]}"
    return _command(runtime, directory, "run", "--bundle", str(directory), name)


def _command(runtime: str, directory: Path, *argv: str) -> list[str]:
    """A command of the runtime. crun does not know hybrid hosts: it is shown one that has cgroup v2 alone."""
    command = [runtime, "--root", str(directory / "state"), *argv]
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    mount = next((fields[1] for fields in mounts if fields[2] == "cgroup2"), CGROUPS)
    if runtime == "runc" or mount == CGROUPS:
        return command
    return ["unshare", "--mount", "sh", "-c", f'mount --bind {mount} {CGROUPS} && exec "$@"', "sh", *command]


@contextmanager
def container(
    directory: Path,
    cgroup: str,
    argv: Sequence[str],
    environ: Mapping[str, str] | None = None,
    runtime: str = "runc",
) -> Iterator[subprocess.Popen[bytes]]:
    """
    A container that runs a command, killed at the end; its standard input and output are pipes.

    The parameters are those of `bundle`.
    """
    command = bundle(directory, cgroup, argv, environ, runtime=runtime)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        kill = _command(runtime, directory, "kill", command[-1], "KILL")
        subprocess.run(kill, capture_output=True, check=False)
        process.communicate()
        remove_cgroups(cgroup)


def pid_of(directory: Path) -> int:
    """The first process of the container in a directory, as the host numbers it."""
    state = directory / "state"
    written = until(
        lambda: [*state.glob("*/state.json"), *state.glob("*/status")]
    )  # crun's comes when the container runs
    said = json.loads(written[0].read_text())
    return int(said.get("init_process_pid") or said["pid"])  # runc's, or crun's


def remove_cgroups(path: str) -> None:
    """A runtime removes the last part of the path alone."""
    for mount in Path("/proc/mounts").read_text().splitlines():
        _, where, kind, *_ = mount.split()
        if kind in ("cgroup", "cgroup2"):
            at = Path(where + path)
            while at != Path(where):
                if at.exists():
                    at.rmdir()
                at = at.parent
