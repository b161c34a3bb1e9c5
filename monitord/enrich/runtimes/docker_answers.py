"""The answers of the Docker Engine API, read with care: whoever answers on the socket may answer anything."""

import re
from calendar import timegm
from collections.abc import Mapping
from time import strptime
from typing import Any

from monitord.enrich.runtimes.answers import digest_among, image_id, items, part, pod_of, reference, text
from monitord.model.inspection import Inspection, Mount
from monitord.model.value import Missing

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


def inspection_of(container: Any, image: Any) -> Inspection:
    """
    What two answers say.

    :param container: of ``GET /containers/ID/json``.
    :param image: of ``GET /images/ID/json``; None when there was no answer.
    """
    config, host = part(container, "Config"), part(container, "HostConfig")
    name = text(container, "Name")
    named = text(config, "Image")
    repository, tag, digest = reference(named)
    if isinstance(digest, Missing):
        digest = digest_among(items(image, "RepoDigests"))
    labels = {str(key): str(value) for key, value in part(config, "Labels").items()}
    test = items(part(config, "Healthcheck"), "Test")
    return Inspection(
        name=name.lstrip("/") if isinstance(name, str) else name,
        image=named,
        image_id=image_id(text(container, "Image")),
        repository=repository,
        tag=tag,
        digest=digest,
        privileged=_flag(host, "Privileged"),
        mounts=_mounts(items(container, "Mounts")),
        start_ns=_time(text(part(container, "State"), "StartedAt")),
        ip=text(part(container, "NetworkSettings"), "IPAddress"),
        labels=labels,
        pod=pod_of(labels),
        healthcheck=" ".join(map(str, test[1:])) if test[1:] else Missing.NOT_APPLICABLE,
        host_pid=_is_host(host, "PidMode"),
        host_network=_is_host(host, "NetworkMode"),
        host_ipc=_is_host(host, "IpcMode"),
    )


def _flag(answer: Mapping[str, Any], key: str) -> bool | Missing:
    flag = answer.get(key)
    return flag if isinstance(flag, bool) else Missing.UNKNOWN


def _is_host(host: Mapping[str, Any], key: str) -> bool | Missing:
    mode = host.get(key)
    return mode == "host" if isinstance(mode, str) else Missing.UNKNOWN


def _mounts(mounts: list[Any]) -> tuple[Mount, ...]:
    return tuple(
        Mount(
            str(mount.get("Source", "")),
            str(mount.get("Destination", "")),
            str(mount.get("Mode", "")),
            mount.get("RW") is True,
            str(mount.get("Propagation", "")),
        )
        for mount in mounts
        if isinstance(mount, dict)
    )


def _time(text: str | Missing) -> int | Missing:
    """RFC 3339; the year 1 stands for never."""
    match = None if isinstance(text, Missing) else _TIME.fullmatch(text)
    if match is None or match[1].startswith("0001"):
        return Missing.UNKNOWN
    try:
        seconds = timegm(strptime(match[1], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return Missing.UNKNOWN
    if match[3] != "Z":
        hours, minutes = match[3][1:].split(":")
        seconds -= (int(hours) * 3600 + int(minutes) * 60) * (-1 if match[3][0] == "-" else 1)
    return seconds * 1_000_000_000 + int((match[2] or "0").ljust(9, "0"))
