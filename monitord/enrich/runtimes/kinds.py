"""Finds out who listens on a socket, by asking."""

from collections.abc import Sequence
from pathlib import Path

from monitord.enrich.runtimes.docker import Docker, is_docker
from monitord.enrich.runtimes.runtime import Runtime


def runtimes_at(path: Path) -> Sequence[Runtime]:
    """
    Those that can be asked on a socket, the one that knows most first.

    HTTP/1 is tried first: docker and podman speak it, and whoever has only these needs no HTTP/2. CRI-O does too, but
    not what `is_docker` asks for.

    :raises OSError: nobody answers, or what takes to understand it is not installed.
    :raises ValueError: what answers is no container runtime.
    """
    if is_docker(path):
        return (Docker(path),)
    try:
        from monitord.enrich.runtimes.containerd import Containerd, is_containerd
        from monitord.enrich.runtimes.cri import Cri, cri_version
    except ModuleNotFoundError as err:
        raise OSError(f"it does not speak HTTP/1, and for gRPC {err.name} is missing: install python3-h2") from err
    found: list[Runtime] = []
    if version := cri_version(path):
        found.append(Cri(path, version))
    if is_containerd(path):
        found.append(Containerd(path))
    if not found:
        raise ValueError("it speaks gRPC, but neither the CRI nor containerd's own API")
    return found


def advice_on(err: Exception) -> str:
    """What to do about an error of `runtimes_at`; empty where the error says it."""
    if isinstance(err, PermissionError):
        return "the user of the daemon must be in the group of the socket"
    if isinstance(err, FileNotFoundError | ConnectionRefusedError):
        return "it is asked when it is there"
    return ""
