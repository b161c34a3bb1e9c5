"""Alerts of real containers of Debian's containerd: in a pod, asked for as the kubelet asks, and without one."""

import json
import shlex
import time
import uuid

import pytest

from tests.support import containerd as support
from tests.support.containerd import IMAGE, containerd
from tests.support.daemon import configured, running, until

pytestmark = [
    pytest.mark.bpf,
    pytest.mark.skipif(not support.AVAILABLE, reason="needs containerd, runc and busybox-static"),
]

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


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    with containerd(tmp_path_factory.mktemp("containerd")) as opened:
        yield opened


def described(runtime, tmp_path, cgroup, look):
    """What an alert of a container says when the runtime has been asked."""
    config = configured(tmp_path, RULES, containers={"sockets": [str(runtime.socket)]})
    with running(tmp_path, f"cgroup:{cgroup}", config) as daemon:

        def looked():
            look()
            daemon.settle()
            alerts = daemon.alerts()
            last = alerts and json.loads(alerts[-1]["output"])
            return last and last["name"] != "<NA>" and last

        said = until(looked)
        metrics = daemon.scrape()
        log = daemon.log
    assert 1 == metrics.value("monitord_container_lookups_total", result="described")
    assert f"containers.sockets: {runtime.socket} answers, by CRI v1 and containerd" in log
    return said


def test_an_alert_says_container_image_and_pod(runtime, tmp_path):
    pod = runtime.pod("web-0", "shop", {"app": "web"})
    full_id = runtime.container(pod, "nginx", ["/bin/sleep", "1000"], {tmp_path: "/data"}, privileged=True)

    assert {
        "container": full_id[:12],
        "type": "containerd",
        "name": "nginx",
        "image": IMAGE,
        "repository": IMAGE.rpartition(":")[0],
        "tag": "1.25",
        "digest": runtime.digest,
        "image_id": runtime.image_id,
        "privileged": "true",
        "mount": str(tmp_path),
        "tier": "front",
        "pod": "web-0",
        "namespace": "shop",
        "uid": pod.uid,
        "sandbox": pod.sandbox_id,
        "app": "web",
        "host_network": "true",
        "host_pid": "false",
    } == described(runtime, tmp_path, pod.cgroup, lambda: runtime.execute(full_id, *LOOK))


def test_an_alert_of_a_container_without_a_pod(runtime, tmp_path):
    cgroup = f"/monitord-test-{uuid.uuid4().hex}/default/{ID}"
    argv = ["/bin/sh", "-c", f"while :; do {shlex.join(LOOK)}; /bin/sleep 0.5; done"]
    with runtime.task(cgroup, ID, argv, {"nerdctl/name": "web", "tier": "front"}):
        said = described(runtime, tmp_path, cgroup, lambda: time.sleep(0.5))

    assert {
        "container": ID[:12],
        "type": "containerd",
        "name": "web",
        "image": IMAGE,
        "digest": runtime.digest,
        "tier": "front",
        "host_network": "false",
        "pod": "<NA>",
    } == {key: said[key] for key in ("container", "type", "name", "image", "digest", "tier", "host_network", "pod")}
