"""Debian's containerd, asked about containers that it has: by the CRI, and without Kubernetes."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from monitord.enrich.placement import placement_of
from monitord.enrich.runtimes.cri import Cri
from monitord.enrich.runtimes.grpc import call
from monitord.enrich.runtimes.kinds import runtimes_at
from monitord.model.inspection import Mount
from monitord.model.value import Missing
from tests.support import containerd as support
from tests.support.containerd import containerd
from tests.support.daemon import CHECKOUT
from tests.support.image import IMAGE

pytestmark = pytest.mark.skipif(not support.AVAILABLE, reason="needs containerd, runc and busybox-static")

REPOSITORY, _, TAG = IMAGE.rpartition(":")
ID = "4f0c" * 16
OTHER = "a1b2" * 16


@pytest.fixture(scope="module")
def runtime():
    directory = Path(tempfile.mkdtemp(prefix="monitord-test-"))
    directory.chmod(0o711)
    with containerd(directory) as opened:
        yield opened
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def pod(runtime):
    return runtime.pod("web-0", "shop", {"app": "web"})


@pytest.fixture(scope="module")
def full_id(runtime, pod):
    return runtime.container(pod, "nginx", ["/bin/sleep", "1000"], {})


@pytest.fixture
def asked(runtime):
    return {one.protocol: one for one in runtimes_at(runtime.socket)}


class TestKubernetes:
    def test_a_container_has_its_pod(self, asked, runtime, pod, full_id):
        found = asked["CRI v1"].inspection(full_id)

        assert ("nginx", IMAGE, runtime.image_id) == (found.name, found.image, found.image_id)
        assert (REPOSITORY, TAG, runtime.digest) == (found.repository, found.tag, found.digest)
        assert ("web-0", "shop", pod.sandbox_id) == (found.pod.name, found.pod.namespace, found.pod.sandbox_id)
        assert (False, True, False) == (found.privileged, found.host_network, found.host_pid)

    def test_the_sandbox_is_a_container_too(self, asked, pod):
        found = asked["CRI v1"].inspection(pod.sandbox_id)

        assert ("web-0", IMAGE, {"app": "web"}) == (found.name, found.image, found.labels)
        assert "shop" == found.pod.namespace

    def test_the_older_version_says_the_same(self, asked, runtime, full_id):
        assert asked["CRI v1"].inspection(full_id) == Cri(runtime.socket, "v1alpha2").inspection(full_id)

    def test_an_unknown_one_is_nobodys(self, asked):
        assert [None, None] == [one.inspection(OTHER) for one in asked.values()]


class TestWithoutKubernetes:
    def test_a_container_of_ctr_by_its_name(self, asked, runtime, tmp_path):
        mount = f"type=bind,src={tmp_path},dst=/data,options=rbind:ro"
        argv = ("--snapshotter", "native", "--label", "tier=front", "--mount", mount, "--net-host", IMAGE, "web.1")
        runtime.ctr("default", "containers", "create", *argv)
        found = asked["containerd"].inspection("web.1")

        assert ("web.1", IMAGE, REPOSITORY, TAG, runtime.digest) == (
            found.name,
            found.image,
            found.repository,
            found.tag,
            found.digest,
        )
        assert (Mount(str(tmp_path), "/data", "rbind,ro", False, "") in found.mounts, "front") == (
            True,
            found.labels["tier"],
        )
        assert (True, False, Missing.UNKNOWN) == (found.host_network, found.host_pid, found.privileged)

    def test_the_cgroup_that_ctr_chooses_names_the_container(self, runtime):
        runtime.ctr("default", "containers", "create", "--snapshotter", "native", IMAGE, "web.2")
        question = (
            "containerd.services.containers.v1.Containers/Get",
            {1: "web.2"},
            {"containerd-namespace": "default"},
        )
        spec = json.loads(call(runtime.socket, *question).message(1).message(5).data(2))
        found = placement_of([spec["linux"]["cgroupsPath"]])

        assert ("web.2", "containerd") == (found.full_id, found.runtime)

    def test_nerdctl_gives_names_by_a_label(self, asked, runtime):
        argv = ("--snapshotter", "native", "--label", "nerdctl/name=shop", IMAGE, ID)
        runtime.ctr("other", "images", "import", "--snapshotter", "native", str(runtime.archive))
        runtime.ctr("other", "containers", "create", *argv)

        assert "shop" == asked["containerd"].inspection(ID).name

    def test_an_answer_of_many_frames(self, asked, runtime):
        """Longer than HTTP/2 lets anybody send without being told to go on."""
        labels = {f"label{number}": "x" * 4000 for number in range(100)}
        shown = [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
        runtime.ctr("default", "containers", "create", "--snapshotter", "native", *shown, IMAGE, OTHER[:-1] + "0")

        found = asked["containerd"].inspection(OTHER[:-1] + "0")
        assert labels.items() <= found.labels.items()

    @pytest.mark.parametrize("name", ["../../x", "", "a b", "x" * 255, "ü"])
    def test_a_name_that_none_can_have_is_unknown(self, asked, name):
        assert None is asked["containerd"].inspection(name)


def test_its_group_may_ask(runtime, full_id):
    """The service is nobody special; containerd gives its socket to a group."""
    code = (
        "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "from pathlib import Path; from monitord.enrich.runtimes.kinds import runtimes_at\n"
        f"print(runtimes_at(Path({str(runtime.socket)!r}))[0].inspection({full_id!r}).name)"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False)

    assert ("nginx\n", "") == (said.stdout, said.stderr)
