"""
containerd without Kubernetes: containers of nerdctl, ctr, BuildKit and others, in namespaces of theirs.

Numbers of fields are those of containerd's api/services/{containers,namespaces,images}/v1.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from monitord.enrich.runtimes.answers import items, json_of, part, pod_of, reference
from monitord.enrich.runtimes.grpc import INVALID_ARGUMENT, NOT_FOUND, UNIMPLEMENTED, GrpcError, call
from monitord.enrich.runtimes.protobuf import Message, Written
from monitord.model.inspection import Inspection, Mount
from monitord.model.value import Missing

_SERVICES = "containerd.services"

_OF_DOCKER = "moby"
"""Of these docker alone knows image and name."""

_NAME = "nerdctl/name"
"""The label with the name that nerdctl shows."""


def is_containerd(path: Path) -> bool:
    """
    Whether containerd's own API is spoken on a socket.

    :raises OSError: nobody answers.
    :raises ValueError: it does not speak gRPC.
    """
    try:
        call(path, f"{_SERVICES}.version.v1.Version/Version", {})
    except GrpcError as err:
        if err.status != UNIMPLEMENTED:
            raise
        return False
    return True


class Containerd:
    """
    containerd's own containers.

    :param path: of the socket.
    """

    protocol = "containerd"

    def __init__(self, path: Path) -> None:
        self._path = path

    def inspection(self, full_id: str) -> Inspection | None:
        """As of `Runtime`. The id is a name for ctr, and two namespaces can have it: then the first in order counts."""
        namespaces = call(self._path, f"{_SERVICES}.namespaces.v1.Namespaces/List", {}).messages(1)
        for namespace in (one.string(1) for one in namespaces):
            if namespace != _OF_DOCKER:
                container = self._get("containers.v1.Containers/Get", full_id, namespace)
                if container is not None:
                    return self._inspection(container, namespace)
        return None

    def _inspection(self, container: Message, namespace: str) -> Inspection:
        labels = container.map(2)
        named = container.text(3)
        repository, tag, digest = reference(named)
        if isinstance(named, str) and isinstance(digest, Missing):
            image = self._get("images.v1.Images/Get", named, namespace)
            digest = image.message(3).text(2) if image is not None else Missing.UNKNOWN
        spec = None
        with suppress(ValueError):
            spec = json_of(container.message(5).data(2))
        return Inspection(
            name=labels.get(_NAME) or container.text(1),
            image=named,
            repository=repository,
            tag=tag,
            digest=digest,
            mounts=tuple(_mount(one) for one in map(part, items(spec, "mounts")) if one.get("type") == "bind"),
            labels=labels,
            host_pid=_is_host(spec, "pid"),
            host_network=_is_host(spec, "network"),
            host_ipc=_is_host(spec, "ipc"),
            pod=pod_of(labels),
        )

    def _get(self, method: str, name: str, namespace: str) -> Message | None:
        question: Written = {1: name}
        try:
            return call(self._path, f"{_SERVICES}.{method}", question, {"containerd-namespace": namespace}).message(1)
        except GrpcError as err:
            if err.status not in (NOT_FOUND, INVALID_ARGUMENT):
                raise
            return None


def _mount(mount: Mapping[str, Any]) -> Mount:
    options = [option for option in items(mount, "options") if isinstance(option, str)]
    propagation = next((one for one in options if one.removeprefix("r") in ("private", "shared", "slave")), "")
    return Mount(
        str(mount.get("source", "")),
        str(mount.get("destination", "")),
        ",".join(options),
        "ro" not in options,
        propagation,
    )


def _is_host(spec: Any, kind: str) -> bool | Missing:
    """A namespace that the specification does not name is that of the host."""
    namespaces = items(part(spec, "linux"), "namespaces")
    return all(part(one).get("type") != kind for one in namespaces) if namespaces else Missing.UNKNOWN
