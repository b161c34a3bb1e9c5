"""
The CRI, by which the kubelet speaks to containerd, CRI-O and others.

Numbers of fields are those of k8s.io/cri-api/pkg/apis/runtime/v1/api.proto; those used here are the same in v1alpha2.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

from monitord.enrich.runtimes.answers import ID_PREFIX, digest_among, image_id, json_of, part, reference, text
from monitord.enrich.runtimes.grpc import NOT_FOUND, UNIMPLEMENTED, GrpcError, call
from monitord.enrich.runtimes.protobuf import Message, Written
from monitord.model.inspection import Inspection, Mount, Pod
from monitord.model.placement import is_hex_id
from monitord.model.value import Missing

VERSIONS = ("v1", "v1alpha2")
"""Newest first. containerd has v1 since 1.6, CRI-O since 1.20."""

_NODE = 2
"""NamespaceMode: the namespace is the host's."""

_PROPAGATION = ("private", "rslave", "rshared")
"""MountPropagation: what the kernel's documentation calls them."""


def cri_version(path: Path) -> str | None:
    """
    The newest version that is spoken on a socket; None where it is not the CRI.

    :raises OSError: nobody answers.
    :raises ValueError: it does not speak gRPC.
    """
    for version in VERSIONS:
        try:
            call(path, f"runtime.{version}.RuntimeService/Version", {})
        except GrpcError as err:
            if err.status != UNIMPLEMENTED:
                raise
        else:
            return version
    return None


class Cri:
    """
    A runtime of Kubernetes.

    :param path: of the socket.
    :param version: that it speaks.
    """

    def __init__(self, path: Path, version: str) -> None:
        self._path = path
        self._version = version
        self.protocol = f"CRI {version}"

    def inspection(self, full_id: str) -> Inspection | None:
        """As of `Runtime`."""
        if not is_hex_id(full_id):
            return None
        try:
            # A list names the sandbox, and says "none" in one way; of a missing status, each runtime in its own.
            listed = self._ask("RuntimeService/ListContainers", {1: {1: full_id}}).messages(1)
            if listed:
                return self._container(full_id, listed[0])
            if self._ask("RuntimeService/ListPodSandbox", {1: {1: full_id}}).messages(1):
                return self._sandbox(full_id)
        except GrpcError as err:
            if err.status != NOT_FOUND:
                raise  # else it has ended since
        return None

    def _container(self, full_id: str, listed: Message) -> Inspection:
        answer = self._ask("RuntimeService/ContainerStatus", {1: full_id, 2: True})
        status, info = answer.message(1), _info(answer)
        sandbox = self._ask("RuntimeService/PodSandboxStatus", {1: listed.string(2)}).message(1)
        image = self._ask("ImageService/ImageStatus", {1: {1: listed.string(5)}}).message(1)
        named = status.message(8).text(1)
        if isinstance(named, Missing) or is_hex_id(named.removeprefix(ID_PREFIX)):
            named = next(iter((*image.texts(2), *image.texts(3))), Missing.UNKNOWN)
        repository, tag, digest = reference(named)
        if isinstance(digest, Missing):
            digest = digest_among([*image.texts(3), status.text(9)])
        host_network, host_pid, host_ipc = _host_namespaces(sandbox)
        return Inspection(
            name=status.message(2).text(1),
            image=named,
            image_id=image_id(image.text(1)),
            repository=repository,
            tag=tag,
            digest=digest,
            privileged=_privileged(info),
            mounts=tuple(_mount(mount) for mount in status.messages(14)),
            start_ns=status.number(5) or Missing.UNKNOWN,
            ip=sandbox.message(5).text(1),
            labels=status.map(12),
            host_pid=host_pid,
            host_network=host_network,
            host_ipc=host_ipc,
            pod=_pod(sandbox),
        )

    def _sandbox(self, full_id: str) -> Inspection:
        """The pause process, which holds the namespaces of a pod, is a container without a name of its own."""
        answer = self._ask("RuntimeService/PodSandboxStatus", {1: full_id, 2: True})
        sandbox = answer.message(1)
        named = text(_info(answer), "image")
        repository, tag, digest = reference(named)
        host_network, host_pid, host_ipc = _host_namespaces(sandbox)
        pod = _pod(sandbox)
        return Inspection(
            name=pod.name,
            image=named,
            repository=repository,
            tag=tag,
            digest=digest,
            start_ns=sandbox.number(4) or Missing.UNKNOWN,
            ip=pod.ip,
            labels=sandbox.map(7),
            host_pid=host_pid,
            host_network=host_network,
            host_ipc=host_ipc,
            pod=pod,
        )

    def _ask(self, method: str, question: Written) -> Message:
        return call(self._path, f"runtime.{self._version}.{method}", question)


def _info(answer: Message) -> Any:
    """What a runtime says besides, in JSON of its own."""
    with suppress(ValueError):
        return json_of(answer.map(2).get("info", "").encode())
    return None


def _privileged(info: Any) -> bool | Missing:
    """CRI-O says it; containerd shows what it was asked for, where false is left out."""
    said = part(info).get("privileged")
    if isinstance(said, bool):
        return said
    asked = part(info, "config", "linux", "security_context")
    return asked.get("privileged") is True if part(info, "config") else Missing.UNKNOWN


def _mount(mount: Message) -> Mount:
    propagation = mount.number(5)
    return Mount(
        mount.string(2),
        mount.string(1),
        "",
        not mount.number(3),
        _PROPAGATION[propagation] if propagation < len(_PROPAGATION) else "",
    )


def _pod(sandbox: Message) -> Pod:
    metadata = sandbox.message(2)
    return Pod(metadata.text(1), metadata.text(3), sandbox.text(1), sandbox.message(5).text(1), sandbox.map(7))


def _host_namespaces(sandbox: Message) -> tuple[bool | Missing, bool | Missing, bool | Missing]:
    """Whether those of the network, of pids and of IPC are the host's."""
    if not sandbox.data(6):
        return Missing.UNKNOWN, Missing.UNKNOWN, Missing.UNKNOWN
    options = sandbox.message(6).message(1).message(2)
    return options.number(1) == _NODE, options.number(2) == _NODE, options.number(3) == _NODE
