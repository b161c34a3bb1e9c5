"""What answers of all runtimes have in common; read with care: whoever answers on a socket may answer anything."""

import json
from collections.abc import Mapping
from typing import Any

from monitord.model.inspection import Pod
from monitord.model.value import Missing, Value

ID_PREFIX = "sha256:"
"""In front of the id of an image, where a runtime names the hash."""

_LABEL = "io.kubernetes."
"""Of the labels that the kubelet gives to its containers, whoever makes them."""


def json_of(body: bytes) -> Any:
    """
    JSON.

    :raises ValueError: it is none.
    """
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("the answer is nested too deeply") from None


def part(answer: Any, *keys: str) -> Mapping[str, Any]:
    """An object within an object within ...; an empty one where there is none."""
    for key in keys:
        answer = answer.get(key) if isinstance(answer, Mapping) else None
    return answer if isinstance(answer, Mapping) else {}


def text(answer: Any, key: str) -> str | Missing:
    """A text of an object."""
    found = answer.get(key) if isinstance(answer, Mapping) else None
    return found if isinstance(found, str) and found else Missing.UNKNOWN


def items(answer: Any, key: str) -> list[Any]:
    """A list of an object; an empty one where there is none."""
    found = answer.get(key) if isinstance(answer, Mapping) else None
    return found if isinstance(found, list) else []


def reference(image: str | Missing) -> tuple[Value, Value, Value]:
    """Repository, tag and digest of ``registry:5000/name:tag@sha256:...``."""
    if isinstance(image, Missing) or image.startswith(ID_PREFIX):
        return Missing.UNKNOWN, Missing.UNKNOWN, Missing.UNKNOWN
    name, _, digest = image.partition("@")
    directory, slash, last = name.rpartition("/")
    base, _, tag = last.partition(":")
    return directory + slash + base, tag or Missing.UNKNOWN, digest or Missing.UNKNOWN


def digest_among(references: list[Any]) -> str | Missing:
    """The digest of the first reference that has one."""
    return next((one.partition("@")[2] for one in references if isinstance(one, str) and "@" in one), Missing.UNKNOWN)


def image_id(named: str | Missing) -> str | Missing:
    """The id of an image, without the name of the hash."""
    return named if isinstance(named, Missing) else named.removeprefix(ID_PREFIX)


def pod_of(labels: Mapping[str, str]) -> Pod | Missing:
    """The pod of a container, as the labels tell it; NOT_APPLICABLE when it is in none."""
    if f"{_LABEL}pod.name" not in labels:
        return Missing.NOT_APPLICABLE
    return Pod(
        name=labels[f"{_LABEL}pod.name"],
        namespace=labels.get(f"{_LABEL}pod.namespace", Missing.UNKNOWN),
        sandbox_id=labels.get(f"{_LABEL}sandbox.id", Missing.UNKNOWN),
    )
