"""Docker and podman: the Docker Engine API, which is HTTP/1 and JSON."""

from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from monitord.enrich.runtimes.answers import json_of
from monitord.enrich.runtimes.connection import ANSWER_BYTES, TimedSocket
from monitord.enrich.runtimes.docker_answers import inspection_of
from monitord.model.inspection import Inspection
from monitord.model.placement import is_hex_id

_PING = b"GET /_ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_PONG_BYTES = len("HTTP/1.1 200")


def is_docker(path: Path) -> bool:
    """
    Whether what listens on a socket answers as docker does.

    :raises OSError: nothing listens there, or says anything in time.
    """
    start = b""
    with TimedSocket(path) as connection:
        connection.sendall(_PING)
        with suppress(ConnectionError):  # how servers of HTTP/2 end this, after a word or without one
            while len(start) < _PONG_BYTES and (data := connection.recv(_PONG_BYTES - len(start))):
                start += data
    return start.startswith(b"HTTP/1.") and start.endswith(b" 200")


class Docker:
    """
    Docker or podman.

    :param path: of the socket.
    """

    protocol = "Docker Engine API"

    def __init__(self, path: Path) -> None:
        self._path = path

    def inspection(self, full_id: str) -> Inspection | None:
        """As of `Runtime`; a name is not asked for, it could hold a path."""
        if not is_hex_id(full_id):
            return None
        try:
            container = _get(self._path, f"/containers/{full_id}/json")
            if container is None:
                return None
            image = container.get("Image") if isinstance(container, dict) else None
            known_image = isinstance(image, str) and image.removeprefix("sha256:")
            answer = _get(self._path, f"/images/{image}/json") if known_image and is_hex_id(known_image) else None
        except HTTPException as err:
            raise ValueError(f"it does not speak HTTP: {err!r}") from err
        return inspection_of(container, answer)


class _Connection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        self.sock = TimedSocket(self._path)


def _get(path: Path, what: str) -> Any:
    """
    An answer as JSON; None when the runtime does not know what was asked for.

    :raises OSError: it does not answer.
    :raises HTTPException: it does not speak HTTP.
    :raises ValueError: it does not speak JSON, or refuses, or does not come to an end.
    """
    connection = _Connection(path)
    try:
        connection.request("GET", what)
        response = connection.getresponse()
        body = response.read(ANSWER_BYTES + 1)
    finally:
        connection.close()
    if response.status == 404:
        return None
    if response.status != 200:
        raise ValueError(f"{response.status} {response.reason}")
    if len(body) > ANSWER_BYTES:
        raise ValueError("the answer is too long")
    return json_of(body)
