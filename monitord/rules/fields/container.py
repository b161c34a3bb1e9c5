"""``container.*`` and ``k8s.*``: in which container the process runs, by the name of its cgroup or by the runtime."""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

from monitord.model.event import Event
from monitord.model.inspection import Inspection, Mount, Pod
from monitord.model.placement import SHORT_ID
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.field import Argument, Field, FieldType
from monitord.rules.fields import sources
from monitord.rules.fields.placement import of_placement

Part = Callable[[Inspection, str | None], Value]
"""A value of what the runtime says; the second argument is the field's own."""


def _of_runtime(
    name: str,
    meaning: str,
    part: Part | None = None,
    type_: FieldType = FieldType.TEXT,
    argument: Argument = Argument.NONE,
) -> Field:
    if part is None:
        return Field(name, type_, meaning, sources.RUNTIME, sources.NO_RUNTIME, argument=argument)

    def extract(event: Event, context: Context, arg: str | None) -> Value:
        found = context.inspection(event)
        return found if isinstance(found, Missing) else part(found, arg)

    return Field(name, type_, meaning, sources.RUNTIME, sources.NO_RUNTIME, extract, argument=argument, of_runtime=True)


def _mount_part(part: Callable[[Mount], str]) -> Part:
    def extract(found: Inspection, arg: str | None) -> Value:
        mount = _mount(found, arg or "")
        return Missing.NOT_APPLICABLE if mount is None else part(mount)

    return extract


def _mount(found: Inspection, arg: str) -> Mount | None:
    """One mount, by number, source or destination; the last two may have wildcards."""
    if arg.isdecimal():
        return found.mounts[int(arg)] if int(arg) < len(found.mounts) else None
    return next((one for one in found.mounts if fnmatchcase(one.source, arg) or fnmatchcase(one.dest, arg)), None)


def _shown(mount: Mount) -> str:
    writable = "true" if mount.writable else "false"
    return f"{mount.source}:{mount.dest}:{mount.mode}:{writable}:{mount.propagation}"


def _pod_part(part: Callable[[Pod, str | None], Value]) -> Part:
    return lambda found, arg: found.pod if isinstance(found.pod, Missing) else part(found.pod, arg)


def _duration(event: Event, context: Context, _arg: str | None) -> Value:
    found = context.inspection(event)
    if isinstance(found, Missing) or isinstance(found.start_ns, Missing):
        return found if isinstance(found, Missing) else found.start_ns
    return max(context.wall_ns(event.ts_ns) - found.start_ns, 0)


def _joined(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}:{value}" for key, value in labels.items())


def _label(labels: Mapping[str, str], name: str | None) -> Value:
    return labels.get(name or "", Missing.NOT_APPLICABLE)


def _short(sandbox: Value) -> Value:
    return sandbox[:SHORT_ID] if isinstance(sandbox, str) else sandbox


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
        "docker, containerd, cri-o, podman, buildah, buildkit, lxc (LXD and Incus, too), libvirt-lxc, systemd-nspawn, "
        "garden, oci (runc or crun by hand), host",
        sources.CGROUP,
        sources.NO_CGROUP,
        of_placement(lambda placement: placement.runtime),
    ),
    _of_runtime("container.name", "its name; host for no container", lambda found, _arg: found.name),
    _of_runtime("container.image", "image that it was made from: repository and tag", lambda found, _arg: found.image),
    _of_runtime("container.image.id", "id of the image", lambda found, _arg: found.image_id),
    _of_runtime("container.image.repository", "repository of the image", lambda found, _arg: found.repository),
    _of_runtime("container.image.tag", "tag of the image", lambda found, _arg: found.tag),
    _of_runtime("container.image.digest", "digest of the image", lambda found, _arg: found.digest),
    _of_runtime(
        "container.privileged", "it runs with all privileges", lambda found, _arg: found.privileged, FieldType.BOOL
    ),
    _of_runtime(
        "container.mounts",
        "mounts as source:dest:mode:rdwr:propagation, joined by blanks",
        lambda found, _arg: " ".join(map(_shown, found.mounts)),
    ),
    _of_runtime("container.mount", "one of them, by number or source", _mount_part(_shown), argument=Argument.REQUIRED),
    _of_runtime(
        "container.mount.source",
        "its source, by number or destination",
        _mount_part(lambda mount: mount.source),
        argument=Argument.REQUIRED,
    ),
    _of_runtime(
        "container.mount.dest",
        "its destination, by number or source",
        _mount_part(lambda mount: mount.dest),
        argument=Argument.REQUIRED,
    ),
    _of_runtime(
        "container.mount.mode",
        "its mode, by number or source",
        _mount_part(lambda mount: mount.mode),
        argument=Argument.REQUIRED,
    ),
    _of_runtime(
        "container.mount.rdwr",
        "true if it can be written to",
        _mount_part(lambda mount: "true" if mount.writable else "false"),
        argument=Argument.REQUIRED,
    ),
    _of_runtime(
        "container.mount.propagation",
        "its propagation",
        _mount_part(lambda mount: mount.propagation),
        argument=Argument.REQUIRED,
    ),
    _of_runtime(
        "container.start_ts",
        "start, in nanoseconds since the Unix epoch",
        lambda found, _arg: found.start_ns,
        FieldType.NUMBER,
    ),
    Field(
        "container.duration",
        FieldType.DURATION,
        "nanoseconds since the start",
        sources.RUNTIME,
        sources.NO_RUNTIME,
        _duration,
        of_runtime=True,
    ),
    _of_runtime("container.ip", "its IP address", lambda found, _arg: found.ip),
    _of_runtime(
        "container.labels",
        "labels as key:value, joined by commas",
        lambda found, _arg: _joined(found.labels),
    ),
    _of_runtime(
        "container.label",
        "the value of one label",
        lambda found, arg: _label(found.labels, arg),
        argument=Argument.REQUIRED,
    ),
    _of_runtime("container.healthcheck", "command of its health check", lambda found, _arg: found.healthcheck),
    _of_runtime("container.liveness_probe", "command of its liveness probe"),
    _of_runtime("container.readiness_probe", "command of its readiness probe"),
    _of_runtime(
        "container.host_pid", "it shares the host's pid namespace", lambda found, _arg: found.host_pid, FieldType.BOOL
    ),
    _of_runtime(
        "container.host_network",
        "it shares the host's network namespace",
        lambda found, _arg: found.host_network,
        FieldType.BOOL,
    ),
    _of_runtime(
        "container.host_ipc", "it shares the host's IPC namespace", lambda found, _arg: found.host_ipc, FieldType.BOOL
    ),
    Field(
        "k8s.pod.uid",
        FieldType.TEXT,
        "unique id of the Kubernetes pod",
        sources.CGROUP,
        "the caller is in no pod, or " + sources.NO_CGROUP,
        of_placement(lambda placement: placement.pod_uid),
    ),
    Field(
        "k8s.pod.id",
        FieldType.TEXT,
        "the same",
        sources.CGROUP,
        "the caller is in no pod, or " + sources.NO_CGROUP,
        of_placement(lambda placement: placement.pod_uid),
    ),
    _of_runtime("k8s.pod.name", "name of the pod", _pod_part(lambda pod, _arg: pod.name)),
    _of_runtime(
        "k8s.pod.sandbox_id",
        "first 12 characters of the id of the pod's sandbox",
        _pod_part(lambda pod, _arg: _short(pod.sandbox_id)),
    ),
    _of_runtime("k8s.pod.full_sandbox_id", "id of the pod's sandbox", _pod_part(lambda pod, _arg: pod.sandbox_id)),
    _of_runtime("k8s.pod.ip", "IP address of the pod", _pod_part(lambda pod, _arg: pod.ip)),
    _of_runtime(
        "k8s.pod.labels",
        "labels of the pod as key:value, joined by commas",
        _pod_part(lambda pod, _arg: _joined(pod.labels)),
    ),
    _of_runtime(
        "k8s.pod.label",
        "the value of one label of the pod",
        _pod_part(lambda pod, arg: _label(pod.labels, arg)),
        argument=Argument.REQUIRED,
    ),
    _of_runtime("k8s.ns.name", "namespace of the pod", _pod_part(lambda pod, _arg: pod.namespace)),
)
