"""Alerts of real containers, whose runtimes are asked: Debian's containerd with a pod of Kubernetes, podman, docker."""

import json
import re
from pathlib import Path

import pytest

from tests.support import containerd as of_containerd
from tests.support import docker as of_docker
from tests.support import podman as of_podman
from tests.support.containerd import containerd
from tests.support.daemon import ALERTS, configured, running, until
from tests.support.docker import docker
from tests.support.image import IMAGE
from tests.support.podman import podman

pytestmark = pytest.mark.bpf

SAYS = {
    "container": "%container.id",
    "type": "%container.type",
    "name": "%container.name",
    "image": "%container.image",
    "repository": "%container.image.repository",
    "tag": "%container.image.tag",
    "digest": "%container.image.digest",
    "image_id": "%container.image.id",
    "privileged": "%container.privileged",
    "mount": "%container.mount.source[/data]",
    "tier": "%container.label.tier",
    "pod": "%k8s.pod.name",
    "namespace": "%k8s.ns.name",
    "uid": "%k8s.pod.uid",
    "sandbox": "%k8s.pod.full_sandbox_id",
    "app": "%k8s.pod.label.app",
    "host_network": "%container.host_network",
    "host_pid": "%container.host_pid",
}

RULES = f"""
- rule: Look nowhere
  desc: Something looks for a file that is nowhere.
  condition: evt.type in (open, openat) and fd.name startswith /nowhere
  output: {json.dumps(json.dumps(SAYS))}
  priority: NOTICE
"""

ID = "4f0c" * 16
LOOK = ("/bin/awk", 'BEGIN { getline < "/nowhere/x" }')


def described(runtime, tmp_path, cgroup, full_id):
    """What an alert of a container says when the runtime has been asked, and the daemon's log."""
    config = configured(tmp_path, RULES, containers={"sockets": [str(runtime.socket)]})
    with running(tmp_path, f"cgroup:{cgroup}", config) as daemon:

        def looked():
            assert 0 == runtime.execute(full_id, *LOOK)
            daemon.settle()
            last = json.loads(daemon.alerts()[-1]["output"])
            return last["name"] != "<NA>" and last

        said = until(looked)
        threads = list(Path(f"/proc/{daemon.process.pid}/task").iterdir())
        capabilities = {re.search(r"CapEff:\s+(\w+)", (thread / "status").read_text())[1] for thread in threads}
        metrics = daemon.scrape()
        log = daemon.log
    assert 1 == len(capabilities), "a thread from before the daemon gave up its privileges"
    assert 1 == metrics.value("monitord_container_lookups_total", result="described")
    return said, log


COMMON = {
    "image": IMAGE,
    "repository": IMAGE.rpartition(":")[0],
    "tag": "1.25",
    "tier": "front",
    "host_network": "true",
    "host_pid": "false",
}


@pytest.mark.skipif(not of_containerd.AVAILABLE, reason="needs containerd, runc and busybox-static")
def test_a_container_of_a_pod(tmp_path):
    (tmp_path / "containerd").mkdir()
    with containerd(tmp_path / "containerd") as runtime:
        pod = runtime.pod("web-0", "shop", {"app": "web"})
        full_id = runtime.container(pod, "nginx", ["/bin/sleep", "1000"], {tmp_path: "/data"}, privileged=True)
        said, log = described(runtime, tmp_path, pod.cgroup, full_id)

    assert f"containers.sockets: {runtime.socket} answers, by CRI v1 and containerd" in log
    assert said == COMMON | {
        "container": full_id[:12],
        "type": "containerd",
        "name": "nginx",
        "digest": runtime.digest,
        "image_id": runtime.image_id,
        "privileged": "true",
        "mount": str(tmp_path),
        "pod": "web-0",
        "namespace": "shop",
        "uid": pod.uid,
        "sandbox": pod.sandbox_id,
        "app": "web",
    }


@pytest.mark.parametrize(
    ("kind", "engine"),
    [
        pytest.param(
            "podman",
            podman,
            marks=pytest.mark.skipif(not of_podman.AVAILABLE, reason="needs podman, conmon, runc and busybox-static"),
        ),
        pytest.param(
            "docker",
            docker,
            marks=pytest.mark.skipif(
                not of_docker.AVAILABLE, reason="make test fetches docker; needs containerd and busybox"
            ),
        ),
    ],
    ids=["podman", "docker"],
)
def test_a_container_by_itself(tmp_path, kind, engine):
    with engine() as runtime:
        full_id = runtime.container(
            "web", ["/bin/sleep", "1000"], {tmp_path: "/data"}, {"tier": "front", "db_password": "s3cret"}
        )
        said, log = described(runtime, tmp_path, runtime.cgroup, full_id)

    assert "s3cret" not in (tmp_path / ALERTS).read_text()
    assert f"containers.sockets: {runtime.socket} answers, by Docker Engine API" in log
    assert said == COMMON | {
        "container": full_id[:12],
        "type": kind,
        "name": "web",
        "digest": runtime.digest,
        "image_id": runtime.image_id,
        "privileged": "false",
        "mount": str(tmp_path),
        **dict.fromkeys(("pod", "namespace", "uid", "sandbox", "app"), "<NA>"),
    }
