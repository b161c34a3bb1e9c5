"""``container.*``, ``k8s.*`` and ``systemd.*``: where the caller runs, by the name of its cgroup."""

from collections.abc import Callable

from monitord.model.event import Event
from monitord.model.placement import Placement
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.field import Extract, Field, FieldType

_LATE = "the cgroup was removed before it was asked for"


def _of_placement(part: Callable[[Placement], Value]) -> Extract:
    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        placement = context.placement(event)
        return placement if isinstance(placement, Missing) else part(placement)

    return extract


CONTAINER_FIELDS = (
    Field(
        "container.id",
        FieldType.TEXT,
        "12 characters of the container's id, or its name where it has no id (LXC, nspawn); host for no container",
        _LATE,
        _of_placement(lambda placement: placement.container_id),
    ),
    Field(
        "container.full_id",
        FieldType.TEXT,
        "all of the container's id, or its name; host for no container",
        _LATE,
        _of_placement(lambda placement: placement.full_id),
    ),
    Field(
        "container.type",
        FieldType.TEXT,
        "docker, containerd, cri-o, podman, buildah, lxc (LXD and Incus, too), libvirt-lxc, systemd-nspawn, oci (runc "
        "or crun by hand), host",
        _LATE,
        _of_placement(lambda placement: placement.runtime),
    ),
    Field(
        "k8s.pod.uid",
        FieldType.TEXT,
        "unique id of the Kubernetes pod",
        "the caller is in no pod, or " + _LATE,
        _of_placement(lambda placement: placement.pod_uid),
    ),
    Field(
        "systemd.unit",
        FieldType.TEXT,
        "unit of the host's systemd: nginx.service, session-2.scope, user@1000.service",
        "the caller is in no unit, or " + _LATE,
        _of_placement(lambda placement: placement.unit),
    ),
    Field(
        "systemd.user_unit",
        FieldType.TEXT,
        "unit of the user's own systemd",
        "the caller is in no such unit, or " + _LATE,
        _of_placement(lambda placement: placement.user_unit),
    ),
    Field(
        "systemd.slice",
        FieldType.TEXT,
        "the innermost slice around the unit: system.slice, user-1000.slice",
        "the caller is in no slice, or " + _LATE,
        _of_placement(lambda placement: placement.slice),
    ),
)
