"""The answers of the Docker Engine API, read with care: whoever answers on the socket may answer anything."""

import re
from calendar import timegm
from collections.abc import Mapping
from time import strptime
from typing import Any

from monitord.model.inspection import Inspection, Mount
from monitord.model.value import Missing, Value

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


def inspection_of(container: Any, image: Any) -> Inspection:
    """
    What two answers say.

    :param container: of ``GET /containers/ID/json``.
    :param image: of ``GET /images/ID/json``; None when there was no answer.
    """
    config, host = _part(container, "Config"), _part(container, "HostConfig")
    name = _text(container, "Name")
    named = _text(config, "Image")
    repository, tag, digest = _reference(named)
    if isinstance(digest, Missing):
        digests = image.get("RepoDigests") if isinstance(image, dict) else None
        for one in digests if isinstance(digests, list) else ():
            if isinstance(one, str) and "@" in one:
                digest = one.partition("@")[2]
                break
    labels = _part(config, "Labels")
    test = _part(config, "Healthcheck").get("Test")
    return Inspection(
        name=name.lstrip("/") if isinstance(name, str) else name,
        image=named,
        image_id=_text(container, "Image"),
        repository=repository,
        tag=tag,
        digest=digest,
        privileged=_flag(host, "Privileged"),
        mounts=tuple(_mounts(container.get("Mounts"))) if isinstance(container, dict) else (),
        start_ns=_time(_text(_part(container, "State"), "StartedAt")),
        ip=_text(_part(container, "NetworkSettings"), "IPAddress"),
        labels={str(key): str(value) for key, value in labels.items()},
        healthcheck=" ".join(map(str, test[1:])) if isinstance(test, list) and test[1:] else Missing.NOT_APPLICABLE,
        host_pid=_is_host(host, "PidMode"),
        host_network=_is_host(host, "NetworkMode"),
        host_ipc=_is_host(host, "IpcMode"),
    )


def _part(answer: Any, key: str) -> Mapping[str, Any]:
    part = answer.get(key) if isinstance(answer, dict) else None
    return part if isinstance(part, dict) else {}


def _text(answer: Any, key: str) -> str | Missing:
    text = answer.get(key) if isinstance(answer, Mapping) else None
    return text if isinstance(text, str) and text else Missing.UNKNOWN


def _flag(answer: Mapping[str, Any], key: str) -> bool | Missing:
    flag = answer.get(key)
    return flag if isinstance(flag, bool) else Missing.UNKNOWN


def _is_host(host: Mapping[str, Any], key: str) -> bool | Missing:
    mode = host.get(key)
    return mode == "host" if isinstance(mode, str) else Missing.UNKNOWN


def _mounts(mounts: Any) -> list[Mount]:
    return [
        Mount(
            str(mount.get("Source", "")),
            str(mount.get("Destination", "")),
            str(mount.get("Mode", "")),
            mount.get("RW") is True,
            str(mount.get("Propagation", "")),
        )
        for mount in (mounts if isinstance(mounts, list) else ())
        if isinstance(mount, dict)
    ]


def _reference(image: str | Missing) -> tuple[Value, Value, Value]:
    """Repository, tag and digest of ``registry:5000/name:tag@sha256:...``."""
    if isinstance(image, Missing) or image.startswith("sha256:"):
        return Missing.UNKNOWN, Missing.UNKNOWN, Missing.UNKNOWN
    name, _, digest = image.partition("@")
    directory, slash, last = name.rpartition("/")
    base, _, tag = last.partition(":")
    return directory + slash + base, tag or Missing.UNKNOWN, digest or Missing.UNKNOWN


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
