"""Debian's docker, with storage and cgroups of a test's own, and no network: its bridge would be the machine's."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.support.container import BUSYBOX, remove_cgroups
from tests.support.daemon import PATIENCE_S, until
from tests.support.image import IMAGE, layer

DOCKERD = Path(sys.prefix) / "docker/usr/sbin/dockerd"
"""`make test` fetches it; installed, it would make a bridge."""

AVAILABLE = DOCKERD.exists() and all(map(shutil.which, ("containerd", "runc"))) and Path(BUSYBOX).exists()


class Docker:
    """
    A docker with one image, whose API answers.

    :ivar socket: that answers.
    :ivar cgroup: the path of the cgroup of all its containers, in each hierarchy.
    :ivar digest: of the image, which no registry gave.
    :ivar image_id: of the image.
    """

    digest = "<NA>"

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "docker.sock"
        self.cgroup = f"/monitord-test-{uuid.uuid4().hex}/docker"
        places = [f"--{name}={directory / name}" for name in ("data-root", "exec-root", "pidfile")]
        ways = ("--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false", "--storage-driver=vfs")
        # With mounts of its own: that of a network namespace would outlive it.
        with (directory / "log").open("wb") as log:
            self._service = subprocess.Popen(
                ["unshare", "--mount", DOCKERD, f"--host=unix://{self.socket}", *places, *ways],
                env=os.environ | {"PATH": f"{DOCKERD.parent}:{os.environ['PATH']}:/usr/sbin"},
                stdout=log,
                stderr=log,
            )
        until(self._answers)
        name, _, tag = IMAGE.rpartition(":")
        answer = self.ask("POST", f"/images/create?{urlencode({'fromSrc': '-', 'repo': name, 'tag': tag})}", layer())
        self.image_id = json.loads(answer)["status"].removeprefix("sha256:")

    def ask(self, method: str, path: str, body: object = None) -> bytes:
        """What the API answers; an object is sent as JSON."""
        data, kind = (body, "application/x-tar") if isinstance(body, bytes) else (json.dumps(body), "application/json")
        connection = _Connection(str(self.socket))
        try:
            connection.request(method, path, data, {"Content-Type": kind})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        assert response.status < 300, f"{method} {path}: {response.status} {answer!r}"
        return answer

    def container(self, name: str, argv: Sequence[str], mounts: Mapping[Path, str], labels: Mapping[str, str]) -> str:
        """Start a container on the network of the host, and return its id."""
        host = {
            "Binds": [f"{source}:{dest}:ro" for source, dest in mounts.items()],
            "NetworkMode": "host",
            "CgroupParent": self.cgroup,
            "SecurityOpt": ["apparmor=unconfined"],
        }
        config = {"Image": IMAGE, "Cmd": argv, "Labels": labels, "HostConfig": host}
        full_id: str = json.loads(self.ask("POST", f"/containers/create?name={name}", config))["Id"]
        self.ask("POST", f"/containers/{full_id}/start")
        return full_id

    def execute(self, full_id: str, *argv: str) -> int:
        """Run a program in a container; its exit code."""
        started = json.loads(self.ask("POST", f"/containers/{full_id}/exec", {"Cmd": argv, "AttachStdout": True}))["Id"]
        self.ask("POST", f"/exec/{started}/start", {})
        answer: dict[str, Any] = json.loads(self.ask("GET", f"/exec/{started}/json"))
        return int(answer["ExitCode"])

    def close(self) -> None:
        """End the containers and what answers."""
        try:
            for container in json.loads(self.ask("GET", "/containers/json?all=1")):
                self.ask("DELETE", f"/containers/{container['Id']}?force=1")
        finally:
            self._service.terminate()
            self._service.wait(PATIENCE_S)
            remove_cgroups(self.cgroup)
            remove_cgroups(str(Path(self.cgroup).parent))

    def _answers(self) -> bool:
        assert self._service.poll() is None, (self.socket.parent / "log").read_text()[-2000:]
        try:
            return self.ask("GET", "/_ping") == b"OK"
        except OSError:
            return False


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@contextmanager
def docker() -> Iterator[Docker]:
    """A docker that answers, ended with its containers at the end."""
    directory = Path(tempfile.mkdtemp(prefix="monitord-test-"))  # 104 characters are what a socket's path may take
    try:
        opened = Docker(directory)
        try:
            yield opened
        finally:
            opened.close()
    finally:
        shutil.rmtree(directory)
