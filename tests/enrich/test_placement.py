import pytest

from monitord.enrich.placement import placement_of
from monitord.model.placement import HOST, Placement
from monitord.model.value import Missing

ID = "4f0c" * 16
INNER = "a1b2" * 16
BUILD = "ks2vkbs0xfjwlk1vlqx0nsg5x"
UID = "0f9a3c1e-7b52-4d18-9c3f-8f1d2e3a4b5c"
IN_UID = UID.replace("-", "_")
POD_SLICE = f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{IN_UID}.slice"
USER = "/user.slice/user-1000.slice/user@1000.service"


@pytest.mark.parametrize(
    ("path", "full_id", "runtime"),
    [
        (f"/docker/{ID}", ID, "docker"),
        (f"/system.slice/docker-{ID}.scope", ID, "docker"),
        (f"/system.slice/docker-{ID}.scope/init.scope", ID, "docker"),
        (f"/docker/{ID}/system.slice/nginx.service", ID, "docker"),
        (f"{USER}/user.slice/docker-{ID}.scope", ID, "docker"),
        (f"/docker/{ID}/docker/{INNER}", INNER, "docker"),
        (f"/ecs/my-task/{ID}", ID, "docker"),
        (f"/kubepods/besteffort/pod{UID}/{ID}", ID, "containerd"),
        (f"/kubepods/pod{'ab' * 16}/{ID}", ID, "containerd"),
        (f"{POD_SLICE}/cri-containerd-{ID}.scope", ID, "containerd"),
        (f"/kubelet.slice/kubelet{POD_SLICE[1:]}/cri-containerd-{ID}.scope", ID, "containerd"),
        (f"/system.slice/containerd.service/kubepods-pod{IN_UID}.slice:cri-containerd:{ID}", ID, "containerd"),
        (f"/system.slice/nerdctl-{ID}.scope", ID, "containerd"),
        (f"/default/{ID}", ID, "containerd"),
        (f"{POD_SLICE}/crio-{ID}.scope", ID, "cri-o"),
        (f"{POD_SLICE}/crio-{ID}.scope/container", ID, "cri-o"),
        (f"/kubepods/besteffort/pod{UID}/crio-{ID}", ID, "cri-o"),
        (f"/machine.slice/libpod-{ID}.scope", ID, "podman"),
        (f"/machine.slice/libpod-{ID}.scope/container", ID, "podman"),
        (f"/machine.slice/machine-libpod_pod_{INNER}.slice/libpod-{ID}.scope/container", ID, "podman"),
        (f"{USER}/user.slice/libpod-{ID}.scope/container", ID, "podman"),
        (f"/libpod_parent/libpod-{ID}", ID, "podman"),
        (f"/system.slice/web.service/libpod-payload-{ID}", ID, "podman"),
        ("/machine.slice/systemd-nspawn@web.service/payload", "web", "systemd-nspawn"),
        (r"/machine.slice/systemd-nspawn@web\x2d1.service/payload/init.scope", "web-1", "systemd-nspawn"),
        ("/machine.slice/machine-web.scope/payload", "web", "systemd-nspawn"),
        (r"/machine.slice/web\x2d1.scope/payload/init.scope", "web-1", "systemd-nspawn"),
        (r"/machine.slice/machine-b\xc3\xbccher.scope", "bücher", "systemd-nspawn"),
        ("/lxc/web", "web", "lxc"),
        ("/lxc/web/system.slice/cron.service", "web", "lxc"),
        ("/lxc.payload/web", "web", "lxc"),
        ("/lxc.payload.web/init.scope", "web", "lxc"),
        (f"{USER}/lxc.payload.project_web", "project_web", "lxc"),
        (f"/lxc.payload.web/docker/{ID}", ID, "docker"),
        (r"/machine.slice/machine-lxc\x2d12\x2dweb.scope", "web", "libvirt-lxc"),
        ("/system.slice/runc-web.scope", "web", "oci"),
        ("/system.slice/crun-web.scope", "web", "oci"),
        # kind and minikube: a node is a container of docker or podman, with pods in it.
        (f"/docker/{INNER}/kubelet.slice/kubelet{POD_SLICE[1:]}/cri-containerd-{ID}.scope", ID, "containerd"),
        (f"/system.slice/docker-{INNER}.scope/kubelet.slice/cri-containerd-{ID}.scope", ID, "containerd"),
        (f"/machine.slice/libpod-{INNER}.scope/container{POD_SLICE}/crio-{ID}.scope", ID, "cri-o"),
        (f"/docker/{INNER}/kubelet/kubepods/burstable/pod{UID}/{ID}", ID, "containerd"),
        (f"/kubepods/pod{UID}/{INNER}/docker/{ID}", ID, "docker"),
        (f"/kubepods/burstable/pod{UID}/{ID}", ID, "containerd"),
        (f"{POD_SLICE}/docker-{ID}.scope", ID, "docker"),
        (f"/system.slice:cri-containerd:{ID}", ID, "containerd"),
        (f"/kubepods-burstable-pod{IN_UID}.slice:crio:{ID}", ID, "cri-o"),
        (f"/k8s.io/{ID}", ID, "containerd"),
        (f"/moby/{ID}", ID, "docker"),
        (f"{USER}/user.slice/nerdctl-{ID}.scope", ID, "containerd"),
        ("/default/web.1", "web.1", "containerd"),
        (f"/libpod_parent/libpod-{ID}/container", ID, "podman"),
        (f"/docker/buildkit/{BUILD}", BUILD, "buildkit"),
        (f"/docker/{ID}/buildkit/{BUILD}", BUILD, "buildkit"),
        (f"/buildkit/{BUILD}", BUILD, "buildkit"),
        (f"/system.slice/docker-{BUILD}.scope", BUILD, "buildkit"),
        (f"/garden/{UID}", UID, "garden"),
        ("/lxc/100/ns/init.scope", "100", "lxc"),
    ],
)
def test_container(path, full_id, runtime):
    found = placement_of([path])

    assert (full_id, runtime) == (found.full_id, found.runtime)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/init.scope",
        "/system.slice/docker.service",
        "/system.slice/containerd.service",
        "/user.slice/user-0.slice/session-1.scope",
        f"/machine.slice/libpod-conmon-{ID}.scope",
        f"{POD_SLICE}/crio-conmon-{ID}.scope",
        f"/kubepods/besteffort/pod{UID}/crio-conmon-{ID}",
        f"/libpod_parent/libpod-conmon-{ID}",
        "/libpod_parent/conmon",
        f"/kubepods/besteffort/pod{UID}",
        POD_SLICE,
        "/kubelet.slice/kubelet.service",
        "/docker/buildkit",
        "/system.slice/default/web",
        "/default",
        "/garden",
        "/lxc.monitor.web",
        "/lxc.monitor/100",
        "/lxc.pivot",
        "/machine.slice/systemd-nspawn@web.service/supervisor",
        "/machine.slice/machine-web.scope/supervisor",
        "/machine.slice/web.scope/supervisor",
        r"/machine.slice/machine-qemu\x2d1\x2dvm.scope",
        f"/machine.slice/machine-libpod_pod_{ID}.slice",
        f"/system.slice/docker-{ID[:-1]}.scope",
        f"/docker/{ID[:-1]}g",
        "/docker/buildx",
    ],
)
def test_host(path):
    """What runs containers, and what has half of their names, is not in one."""
    found = placement_of([path])

    assert (HOST, HOST) == (found.full_id, found.runtime)


@pytest.mark.parametrize(
    ("path", "unit", "user_unit", "slice_name"),
    [
        ("/system.slice/nginx.service", "nginx.service", Missing.NOT_APPLICABLE, "system.slice"),
        ("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", None, "system-getty.slice"),
        ("/init.scope", "init.scope", None, "-.slice"),
        ("/user.slice/user-0.slice/session-1.scope", "session-1.scope", None, "user-0.slice"),
        (f"{USER}/app.slice/code.service", "user@1000.service", "code.service", "user-1000.slice"),
        (f"{USER}/init.scope", "user@1000.service", "init.scope", "user-1000.slice"),
        (f"/system.slice/docker-{ID}.scope/system.slice/x.service", f"docker-{ID}.scope", None, "system.slice"),
        ("/user.slice", Missing.NOT_APPLICABLE, None, "user.slice"),
        (f"/docker/{ID}/system.slice/nginx.service", Missing.NOT_APPLICABLE, None, Missing.NOT_APPLICABLE),
        ("/", Missing.NOT_APPLICABLE, None, Missing.NOT_APPLICABLE),
    ],
)
def test_unit(path, unit, user_unit, slice_name):
    found = placement_of([path])

    assert (unit, user_unit or Missing.NOT_APPLICABLE, slice_name) == (found.unit, found.user_unit, found.slice)


def test_hexadecimal_ids_are_shown_short_and_names_whole():
    assert ID[:12] == placement_of([f"/docker/{ID}"]).container_id
    assert "a-rather-long-name" == placement_of(["/lxc/a-rather-long-name"]).container_id


def test_pod_uid_has_dashes_whatever_the_driver():
    assert UID == placement_of([f"{POD_SLICE}/crio-{ID}.scope"]).pod_uid
    assert UID == placement_of([f"/kubepods/besteffort/pod{UID}/{ID}"]).pod_uid
    assert UID == placement_of([f"/kubepods-burstable-pod{IN_UID}.slice:crio:{ID}"]).pod_uid


def test_the_pod_is_the_innermost_one():
    """A cluster can run in the pod of another."""
    outer = UID.replace("0f9a", "aaaa")

    assert UID == placement_of([f"/kubepods/pod{outer}/{INNER}/kubelet/kubepods/pod{UID}/{ID}"]).pod_uid


def test_any_hierarchy_can_name_the_container_and_any_the_unit():
    """On a hybrid machine a container may be in cgroup v1 alone."""
    paths = ["/system.slice/cron.service", f"/docker/{ID}", "/"]

    assert Placement(ID, "docker", unit="cron.service", slice="system.slice") == placement_of(paths)
