"""``container.*`` and ``k8s.*``: in which container the process runs, by the name of its cgroup or by the runtime."""

from monitord.rules.field import Argument, Field, FieldType
from monitord.rules.fields import sources
from monitord.rules.fields.placement import of_placement


def _of_runtime(
    name: str, meaning: str, type_: FieldType = FieldType.TEXT, argument: Argument = Argument.NONE
) -> Field:
    return Field(name, type_, meaning, sources.RUNTIME, sources.NO_RUNTIME, argument=argument)


CONTAINER_FIELDS = (
    Field(
        "container.id",
        FieldType.TEXT,
        "12 characters of the container's id, or its name where it has no id (LXC, nspawn); host for no container",
        sources.CGROUP,
        sources.NO_CGROUP,
        of_placement(lambda placement: placement.container_id),
    ),
    Field(
        "container.full_id",
        FieldType.TEXT,
        "all of the container's id, or its name; host for no container",
        sources.CGROUP,
        sources.NO_CGROUP,
        of_placement(lambda placement: placement.full_id),
    ),
    Field(
        "container.type",
        FieldType.TEXT,
        "docker, containerd, cri-o, podman, buildah, lxc (LXD and Incus, too), libvirt-lxc, systemd-nspawn, oci (runc "
        "or crun by hand), host",
        sources.CGROUP,
        sources.NO_CGROUP,
        of_placement(lambda placement: placement.runtime),
    ),
    _of_runtime("container.name", "its name; host for no container"),
    _of_runtime("container.image", "image that it was made from: repository and tag"),
    _of_runtime("container.image.id", "id of the image"),
    _of_runtime("container.image.repository", "repository of the image"),
    _of_runtime("container.image.tag", "tag of the image"),
    _of_runtime("container.image.digest", "digest of the image"),
    _of_runtime("container.privileged", "it runs with all privileges", FieldType.BOOL),
    _of_runtime("container.mounts", "mounts as source:dest:mode:rdwr:propagation, joined by blanks"),
    _of_runtime("container.mount", "one of them, by number or source", argument=Argument.REQUIRED),
    _of_runtime("container.mount.source", "its source, by number or destination", argument=Argument.REQUIRED),
    _of_runtime("container.mount.dest", "its destination, by number or source", argument=Argument.REQUIRED),
    _of_runtime("container.mount.mode", "its mode, by number or source", argument=Argument.REQUIRED),
    _of_runtime("container.mount.rdwr", "true if it can be written to", argument=Argument.REQUIRED),
    _of_runtime("container.mount.propagation", "its propagation", argument=Argument.REQUIRED),
    _of_runtime("container.start_ts", "start, in nanoseconds since the Unix epoch", FieldType.NUMBER),
    _of_runtime("container.duration", "nanoseconds since the start", FieldType.DURATION),
    _of_runtime("container.ip", "its IP address"),
    _of_runtime("container.labels", "labels as key:value, joined by commas"),
    _of_runtime("container.label", "the value of one label", argument=Argument.REQUIRED),
    _of_runtime("container.healthcheck", "command of its health check"),
    _of_runtime("container.liveness_probe", "command of its liveness probe"),
    _of_runtime("container.readiness_probe", "command of its readiness probe"),
    _of_runtime("container.host_pid", "it shares the host's pid namespace", FieldType.BOOL),
    _of_runtime("container.host_network", "it shares the host's network namespace", FieldType.BOOL),
    _of_runtime("container.host_ipc", "it shares the host's IPC namespace", FieldType.BOOL),
    Field(
        "k8s.pod.uid",
        FieldType.TEXT,
        "unique id of the Kubernetes pod",
        sources.CGROUP,
        "the caller is in no pod, or " + sources.NO_CGROUP,
        of_placement(lambda placement: placement.pod_uid),
    ),
    _of_runtime("k8s.pod.name", "name of the pod"),
    _of_runtime("k8s.pod.id", "id of the pod"),
    _of_runtime("k8s.pod.sandbox_id", "first 12 characters of the id of the pod's sandbox"),
    _of_runtime("k8s.pod.full_sandbox_id", "id of the pod's sandbox"),
    _of_runtime("k8s.pod.ip", "IP address of the pod"),
    _of_runtime("k8s.pod.labels", "labels of the pod as key:value, joined by commas"),
    _of_runtime("k8s.pod.label", "the value of one label of the pod", argument=Argument.REQUIRED),
    _of_runtime("k8s.ns.name", "namespace of the pod"),
)
