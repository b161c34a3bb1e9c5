"""Debian's containerd, run by a test in a directory of its own, with pods that are made as the kubelet makes them."""

import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from monitord.enrich.runtimes.grpc import call
from monitord.enrich.runtimes.protobuf import Message, Written
from tests.support.container import BUSYBOX, remove_cgroups
from tests.support.daemon import PATIENCE_S, until
from tests.support.image import IMAGE, write_image

AVAILABLE = all(map(shutil.which, ("containerd", "ctr", "runc"))) and Path(BUSYBOX).exists()

CONFIG = """
version = 2
root = "{0}/root"
state = "{0}/state"
[grpc]
address = "{0}/containerd.sock"
gid = 65534
[ttrpc]
address = "{0}/containerd.ttrpc.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{1}"
disable_apparmor = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{0}/none"
conf_dir = "{0}/none"
"""


@dataclass(frozen=True)
class Pod:
    """
    A pod on the network of the host, which takes no plugin.

    :ivar cgroup: the path of its cgroups, in each hierarchy.
    """

    sandbox_id: str
    uid: str
    cgroup: str
    config: Written


class Containerd:
    """
    A running containerd, with one image.

    :ivar socket: that answers the CRI and containerd's own API.
    :ivar archive: of the image.
    :ivar digest: of the image.
    :ivar image_id: of the image: the digest of its configuration.
    """

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "containerd.sock"
        self.archive = directory / "image.tar"
        self._directory = directory
        config = directory / "config.toml"
        config.write_text(CONFIG.format(directory, IMAGE))
        with (directory / "log").open("wb") as log:
            self.process = subprocess.Popen(["containerd", "-c", config], stdout=log, stderr=log)
        self._pods: list[Pod] = []
        self._cgroups: list[str] = []

    def load(self) -> None:
        """Wait until it serves, and give it the image, for Kubernetes and for ctr."""
        until(lambda: self.socket.exists() or self.process.poll() is not None)
        self.digest, self.image_id = write_image(self.archive)
        for namespace in ("k8s.io", "default"):
            self.ctr(namespace, "images", "import", "--snapshotter", "native", str(self.archive))
            self.ctr(namespace, "images", "tag", IMAGE, f"{IMAGE.rpartition(':')[0]}@{self.digest}")  # as a pull does
        until(lambda: self.ask("ImageService/ImageStatus", {1: {1: IMAGE}}).message(1).texts(3))

    def ctr(self, namespace: str, *argv: str) -> None:
        """Run Debian's ctr."""
        command = ["ctr", "--address", self.socket, "--namespace", namespace, *argv]
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S)

    def ask(self, method: str, question: Written) -> Message:
        """One call of the CRI."""
        return call(self.socket, f"runtime.v1.{method}", question, timeout_s=PATIENCE_S)

    def pod(self, name: str, namespace: str, labels: Mapping[str, str]) -> Pod:
        """Start a pod."""
        uid = str(uuid.uuid4())
        cgroup = f"/monitord-test-{uuid.uuid4().hex}/kubepods/besteffort/pod{uid}"
        config: Written = {
            1: {1: name, 2: uid, 3: namespace},
            6: [{1: key, 2: value} for key, value in labels.items()],
            8: {1: cgroup, 2: {1: {1: 2}, 6: 1}},  # in the network namespace of the node, and privileged if asked for
        }
        self._cgroups.append(cgroup)
        pod = Pod(self.ask("RuntimeService/RunPodSandbox", {1: config}).string(1), uid, cgroup, config)
        self._pods.append(pod)
        return pod

    def container(
        self, pod: Pod, name: str, argv: Sequence[str], mounts: Mapping[Path, str], privileged: bool = False
    ) -> str:
        """Start a container of a pod, and return its id."""
        labels = {"io.kubernetes.pod.name": "not asked", "tier": "front"}
        config: Written = {
            1: {1: name},
            2: {1: IMAGE},
            3: argv,
            7: [{1: dest, 2: str(source), 3: 1} for source, dest in mounts.items()],
            9: [{1: key, 2: value} for key, value in labels.items()],
            15: {2: {2: privileged, 3: {1: 2}}},
        }
        full_id = self.ask("RuntimeService/CreateContainer", {1: pod.sandbox_id, 2: config, 3: pod.config}).string(1)
        self.ask("RuntimeService/StartContainer", {1: full_id})
        return full_id

    @contextmanager
    def task(self, cgroup: str, full_id: str, argv: Sequence[str], labels: Mapping[str, str]) -> Iterator[None]:
        """
        A container without Kubernetes, as nerdctl makes them, removed at the end.

        :param cgroup: the path of its cgroups, in each hierarchy; without Kubernetes the last part is the id.
        """
        shown = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
        options = ("--snapshotter", "native", "--cgroup", cgroup)
        self._cgroups.append(cgroup)
        self.ctr("default", "run", "--detach", *options, *shown, IMAGE, full_id, *argv)
        try:
            yield
        finally:
            self.ctr("default", "tasks", "delete", "--force", full_id)
            self.ctr("default", "containers", "delete", full_id)

    def execute(self, full_id: str, *argv: str) -> int:
        """Run a program in a container, as ``kubectl exec`` does; its exit code."""
        return self.ask("RuntimeService/ExecSync", {1: full_id, 2: argv, 3: round(PATIENCE_S)}).number(3)

    def close(self) -> None:
        """Stop the pods, then containerd, and remove what they leave."""
        try:
            for pod in self._pods:
                self.ask("RuntimeService/StopPodSandbox", {1: pod.sandbox_id})
                self.ask("RuntimeService/RemovePodSandbox", {1: pod.sandbox_id})
        finally:
            self.process.terminate()
            self.process.wait(PATIENCE_S)
            mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
            for mount in reversed([one for one in mounted if one.startswith(f"{self._directory}/")]):
                subprocess.run(["umount", mount], check=True)
            for cgroup in self._cgroups:
                remove_cgroups(cgroup)


@contextmanager
def containerd(directory: Path) -> Iterator[Containerd]:
    """A containerd that serves, ended with all its pods at the end."""
    running = Containerd(directory)
    try:
        running.load()
        yield running
    finally:
        running.close()
