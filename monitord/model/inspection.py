"""What a container runtime says of a container."""

from collections.abc import Mapping
from dataclasses import field

from monitord.dataclass import dataclass
from monitord.model.value import Missing, Value


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount of a container."""

    source: str
    dest: str
    mode: str
    writable: bool
    propagation: str


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of Kubernetes."""

    name: Value = Missing.UNKNOWN
    namespace: Value = Missing.UNKNOWN
    sandbox_id: Value = Missing.UNKNOWN
    ip: Value = Missing.UNKNOWN
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Inspection:
    """
    A container as its runtime describes it.

    :ivar image: as it was named when the container was made: repository and tag.
    :ivar image_id: hexadecimal.
    :ivar start_ns: Unix epoch.
    :ivar pod: NOT_APPLICABLE for a container that is in none.
    """

    name: Value = Missing.UNKNOWN
    image: Value = Missing.UNKNOWN
    image_id: Value = Missing.UNKNOWN
    repository: Value = Missing.UNKNOWN
    tag: Value = Missing.UNKNOWN
    digest: Value = Missing.UNKNOWN
    privileged: bool | Missing = Missing.UNKNOWN
    mounts: tuple[Mount, ...] = ()
    start_ns: int | Missing = Missing.UNKNOWN
    ip: Value = Missing.UNKNOWN
    labels: Mapping[str, str] = field(default_factory=dict)
    healthcheck: Value = Missing.NOT_APPLICABLE
    host_pid: bool | Missing = Missing.UNKNOWN
    host_network: bool | Missing = Missing.UNKNOWN
    host_ipc: bool | Missing = Missing.UNKNOWN
    pod: Pod | Missing = Missing.NOT_APPLICABLE
