"""Asks container runtimes about containers, on a thread of its own: an event never waits for one."""

import json
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from monitord.enrich.bounded import Bounded
from monitord.enrich.inspect import inspection_of
from monitord.model.inspection import Inspection
from monitord.model.placement import is_hex_id
from monitord.model.value import Missing

CONTAINERS = 2048
"""Containers that are remembered; a few KiB each."""

WAITING = 256
"""Containers that may wait to be asked for; what does not fit is asked for by a later event."""

TIMEOUT_S = 2.0
"""For an answer. A runtime under load takes some tenths of a second."""

AGAIN_S = 10.0
"""An answer that could not be had is asked for again after this; one that was had counts for the container's life."""

ANSWER_BYTES = 4 << 20
"""A longer answer is no description of a container."""

_log = logging.getLogger(__name__)


class Runtimes:
    """
    What docker or podman say of containers. `inspection` is for one thread; the asking is done by another.

    :param sockets: of the Docker Engine API, which podman speaks, too; asked in their order.
    :param clock: seconds, monotonic.
    """

    def __init__(self, sockets: Sequence[Path], clock: Callable[[], float] = time.monotonic) -> None:
        self._sockets = sockets
        self._clock = clock
        self._known: Bounded[str, tuple[Inspection | Missing, float]] = Bounded(CONTAINERS)
        self._asked: queue.Queue[str | None] = queue.Queue(WAITING)
        self._logged: set[Path] = set()
        self._thread = threading.Thread(target=self._ask_all, name="containers", daemon=True)
        if sockets:
            self._thread.start()

    def inspection(self, full_id: str) -> Inspection | Missing:
        """
        What is known of a container; LATE when the answer is not there yet.

        :return: UNKNOWN when no runtime is configured, or none knows it.
        """
        if not self._sockets or not is_hex_id(full_id):
            return Missing.UNKNOWN
        known, until_s = self._known.get(full_id, (Missing.LATE, 0.0))
        if self._clock() >= until_s:
            self._known[full_id] = (known, self._clock() + AGAIN_S)  # before the answer can come
            try:
                self._asked.put_nowait(full_id)
            except queue.Full:
                self._known[full_id] = (known, 0.0)
        return known

    def close(self) -> None:
        """Ask no more."""
        if self._sockets:
            self._sockets = ()
            with suppress(queue.Full):  # then it ends with the daemon
                self._asked.put_nowait(None)

    def _ask_all(self) -> None:
        while (full_id := self._asked.get()) is not None:
            found = self._ask(full_id)
            until_s = float("inf") if isinstance(found, Inspection) else self._clock() + AGAIN_S
            self._known[full_id] = (found, until_s)

    def _ask(self, full_id: str) -> Inspection | Missing:
        for path in self._sockets:
            try:
                container = _get(path, f"/containers/{full_id}/json")
                if container is None:
                    continue
                image = container.get("Image") if isinstance(container, dict) else None
                known_image = isinstance(image, str) and image.removeprefix("sha256:")
                answer = _get(path, f"/images/{image}/json") if known_image and is_hex_id(known_image) else None
                return inspection_of(container, answer)
            except (OSError, HTTPException, ValueError) as err:
                if path not in self._logged:
                    self._logged.add(path)
                    _log.warning("containers.sockets: %s does not answer: %s", path, err)
        return Missing.UNKNOWN


class _Connection(HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


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
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("the answer is nested too deeply") from None
