"""
A cgroup's path, read as container runtimes and systemd name their cgroups.

Container ids are told by the innermost part of the path that has one, so that a container in a container is itself.
Units are told from the outside, as systemd does (sd_pid_get_unit): those of the host, not of a systemd in a container.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from monitord.model.placement import HOST, Placement, is_hex_id
from monitord.model.text import text_of
from monitord.model.value import Missing, Value

_ID = "[0-9a-f]{64}"
_BUILD = "[0-9a-z]{25}"

# What a runtime puts in front of an id, with systemd as the cgroup driver (a .scope) or without. A runtime's helper
# that stays outside the container (conmon, lxc.monitor) has a cgroup of its own, which matches none of these.
_NAMED: Sequence[tuple[re.Pattern[str], str]] = tuple(
    (re.compile(pattern), runtime)
    for pattern, runtime in (
        (rf"docker-({_ID})(?:\.scope)?", "docker"),
        (rf"docker-({_BUILD})\.scope", "buildkit"),  # RUN of a Dockerfile
        (rf"(?:.*:)?cri-containerd[-:]({_ID})(?:\.scope)?", "containerd"),  # with colons when the drivers differ
        (rf"nerdctl-({_ID})\.scope", "containerd"),
        (rf"(?:.*:)?crio[-:]({_ID})(?:\.scope)?", "cri-o"),
        (rf"libpod-(?:payload-)?({_ID})(?:\.scope)?", "podman"),
        (r"buildah-(buildah\d+)(?:\.scope)?", "buildah"),
        (r"lxc\.payload\.(.+)", "lxc"),  # LXC from 4.0, LXD, Incus
        (r"machine-lxc\\x2d\d+\\x2d(.+)\.scope", "libvirt-lxc"),
        (r"(.+)\.libvirt-lxc", "libvirt-lxc"),
        (r"systemd-nspawn@(.+)\.service", "systemd-nspawn"),
        (r"machine-(?!qemu\\x2d|lxc\\x2d|libpod_pod_)(.+)\.scope", "systemd-nspawn"),
        (r"(?:runc|crun)-(.+)\.scope", "oci"),
    )
)

# The names of directories in which a runtime makes one for each container, named by the container's id: 64 hexadecimal
# digits, or what is said here.
_PARENTS = {"docker": "docker", "k8s.io": "containerd", "moby": "docker"}
_PARENTS_OF: Mapping[str, tuple[re.Pattern[str], str]] = {
    "buildkit": (re.compile(_BUILD), "buildkit"),
    "garden": (re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{4,12}"), "garden"),
}

# The same, at the top of a hierarchy alone, where the name of the container can be any.
_TOPS = {"lxc": "lxc", "lxc.payload": "lxc", "default": "containerd"}  # what ctr does unless told otherwise
_NSPAWN_HELPER, _NSPAWN_PAYLOAD = "supervisor", "payload"  # systemd-nspawn itself, on the host, beside the machine

_POD = re.compile(r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?::|$)")
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")
_UNIT = re.compile(r".+\.(?:service|scope|socket|mount|swap|device|automount|target|timer|path)")
_MANAGER = re.compile(r"user@\d+\.service")


def placement_of(paths: Iterable[str]) -> Placement:
    """
    Where the cgroups of a process say that it runs.

    :param paths: from the root of their hierarchies. Of several, which cgroup v1 has, the first that is in a container
        counts, and for the unit the first that has one.
    """
    found = Placement()
    for path in paths:
        parts = [part for part in path.split("/") if part and part != ".."]
        if found.full_id == HOST and (container := _container(parts)):
            found = replace(found, full_id=container[0], runtime=container[1], pod_uid=_pod(parts))
        if isinstance(found.slice, Missing) and parts and parts[0].endswith((".slice", ".scope", ".service")):
            found = _with_unit(found, parts)
    return found


def _container(parts: Sequence[str]) -> tuple[str, str] | None:
    """The id and the runtime of the innermost container."""
    for at in range(len(parts) - 1, -1, -1):
        name, parent = parts[at], parts[at - 1] if at else ""
        for pattern, runtime in _NAMED:
            if match := pattern.fullmatch(name):
                if runtime == "systemd-nspawn" and parts[at + 1 : at + 2] == [_NSPAWN_HELPER]:
                    break
                return match[1] if is_hex_id(match[1]) else _unescaped(match[1]), runtime
        # With --register=no the scope is named by the machine alone.
        if parent == "machine.slice" and name.endswith(".scope") and parts[at + 1 : at + 2] == [_NSPAWN_PAYLOAD]:
            return _unescaped(name.removesuffix(".scope")), "systemd-nspawn"
        if is_hex_id(name):
            runtime = "containerd" if _POD.search(parent) else _PARENTS.get(parent, _TOPS.get(parent, "docker"))
            return name, runtime
        if (known := _PARENTS_OF.get(parent)) and known[0].fullmatch(name):
            return name, known[1]
        if at == 1 and parent in _TOPS:
            return name, _TOPS[parent]
    return None


def _pod(parts: Sequence[str]) -> Value:
    """The innermost pod: a cluster can run in the pod of another."""
    for part in reversed(parts):
        if match := _POD.search(part):
            return match[1].replace("_", "-")
    return Missing.NOT_APPLICABLE


def _with_unit(found: Placement, parts: Sequence[str]) -> Placement:
    slice_name, unit, rest = _unit(parts)
    if isinstance(unit, str) and _MANAGER.fullmatch(unit):
        _, user_unit, _ = _unit(rest)
        return replace(found, slice=slice_name, unit=unit, user_unit=user_unit)
    return replace(found, slice=slice_name, unit=unit)


def _unit(parts: Sequence[str]) -> tuple[str, Value, Sequence[str]]:
    """The innermost slice, the unit in it, and what is below the unit."""
    slice_name, at = "-.slice", 0
    while at < len(parts) and parts[at].endswith(".slice"):
        slice_name = parts[at]
        at += 1
    if at < len(parts) and _UNIT.fullmatch(parts[at]):
        # systemd puts an underscore in front of what the kernel would take for a file of its own.
        return slice_name, parts[at].removeprefix("_"), parts[at + 1 :]
    return slice_name, Missing.NOT_APPLICABLE, ()


def _unescaped(name: str) -> str:
    """A name as it was before systemd made it part of a unit's: ``web\\x2d1`` is web-1."""
    return text_of(_ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()), name.encode(errors="surrogateescape")))
