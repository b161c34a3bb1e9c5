"""Where a process runs: its container and its systemd unit, as told by the name of its cgroup."""

from monitord.dataclass import dataclass
from monitord.model.value import Missing, Value

HOST = "host"
"""The container id, and the runtime, of what is in no container; as in Falco."""

SHORT_ID = 12
"""Characters of a container's hexadecimal id that its tools show."""


@dataclass(frozen=True, slots=True)
class Placement:
    """
    Where a process runs.

    :ivar full_id: 64 hexadecimal digits, or the name where the runtime knows containers by name; `HOST` for none.
    :ivar runtime: ``docker``, ``containerd``, ``cri-o``, ``podman``, ``lxc``, ``systemd-nspawn``, ...; `HOST` for none.
    :ivar pod_uid: of Kubernetes, with dashes.
    :ivar unit: of the host's systemd: ``nginx.service``; of a container that systemd started, its scope.
    :ivar user_unit: of the user's own systemd.
    :ivar slice: the innermost slice around the unit; ``-.slice`` for the root.
    """

    full_id: str = HOST
    runtime: str = HOST
    pod_uid: Value = Missing.NOT_APPLICABLE
    unit: Value = Missing.NOT_APPLICABLE
    user_unit: Value = Missing.NOT_APPLICABLE
    slice: Value = Missing.NOT_APPLICABLE

    @property
    def container_id(self) -> str:
        """`full_id`, a hexadecimal one cut to the 12 characters that are usual."""
        return self.full_id[:SHORT_ID] if is_hex_id(self.full_id) else self.full_id


def origin_of(placement: Placement | Missing) -> tuple[str, str]:
    """Labels of a metric: the container and the unit; empty for no unit."""
    if isinstance(placement, Missing):
        return "unknown", ""
    return placement.container_id, placement.unit if isinstance(placement.unit, str) else ""


def is_hex_id(name: str) -> bool:
    """Whether a name is one of the ids that docker and the like give: 64 lower-case hexadecimal digits."""
    return len(name) == 64 and not name.strip("0123456789abcdef")
