"""Debian's podman, with storage and cgroups of a test's own."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.container import BUSYBOX, CGROUPS, remove_cgroups
from tests.support.daemon import PATIENCE_S, until
from tests.support.image import IMAGE, write_image

AVAILABLE = all(map(shutil.which, ("podman", "conmon", "runc"))) and Path(BUSYBOX).exists()


class Podman:
    """
    A podman with one image, whose API answers.

    :ivar socket: that answers.
    :ivar cgroup: the path of the cgroup of all its containers, in each hierarchy.
    :ivar digest: of the image.
    :ivar image_id: of the image.
    """

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "podman.sock"
        self.cgroup = f"/monitord-test-{uuid.uuid4().hex}"
        places = [f"--{name}={directory / name}" for name in ("root", "runroot", "tmpdir")]
        ways = ("--storage-driver=vfs", "--cgroup-manager=cgroupfs", "--runtime=runc", "--events-backend=none")
        self._command = ["podman", *places, *ways]
        config = directory / "containers.conf"
        config.write_text('[engine]\nlock_type = "file"\n')  # instead of one in /dev/shm that stays
        self._environ = os.environ | {"CONTAINERS_CONF": str(config)}
        self.digest, self.image_id = write_image(directory / "image.tar")
        self.run("load", "-i", str(directory / "image.tar"))
        service = [*self._command, "system", "service", "--time=0", f"unix://{self.socket}"]
        self._service = subprocess.Popen(service, env=self._environ)
        until(self.socket.exists)

    def run(self, *argv: str) -> str:
        """Run a command of podman; what it prints."""
        command = [*self._command, *argv]
        return subprocess.run(
            command, env=self._environ, stdout=subprocess.PIPE, text=True, check=True, timeout=PATIENCE_S
        ).stdout.strip()

    def container(self, name: str, argv: Sequence[str], mounts: Mapping[Path, str], labels: Mapping[str, str]) -> str:
        """Start a container on the network of the host, and return its id."""
        options = [f"--volume={source}:{dest}:ro" for source, dest in mounts.items()]
        options += [f"--label={key}={value}" for key, value in labels.items()]
        options += ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]  # the default takes CAP_SYS_RESOURCE
        options += ["--network=host", f"--cgroup-parent={self.cgroup}", "--security-opt=apparmor=unconfined"]
        return self.run("run", "--detach", f"--name={name}", *options, IMAGE, *argv)

    def execute(self, full_id: str, *argv: str) -> int:
        """Run a program in a container; its exit code."""
        return subprocess.run([*self._command, "exec", full_id, *argv], env=self._environ, check=False).returncode

    def close(self) -> None:
        """End the containers and what answers."""
        try:
            self.run("rm", "--force", "--all", "--time=0")
        finally:
            self._service.terminate()
            self._service.wait(PATIENCE_S)
            until(self._emptied)
            remove_cgroups(f"{self.cgroup}/conmon")

    def _emptied(self) -> bool:
        """conmon ends a little after its container."""
        name = f"{self.cgroup.removeprefix('/')}/conmon/cgroup.procs"
        left = [*Path(CGROUPS).glob(name), *Path(CGROUPS).glob(f"*/{name}")]
        return not any(procs.read_text() for procs in left)


@contextmanager
def podman() -> Iterator[Podman]:
    """A podman that answers, ended with its containers at the end."""
    directory = Path(tempfile.mkdtemp(prefix="monitord-test-"))  # podman takes 50 characters for a path
    try:
        opened = Podman(directory)
        try:
            yield opened
        finally:
            opened.close()
    finally:
        shutil.rmtree(directory)
