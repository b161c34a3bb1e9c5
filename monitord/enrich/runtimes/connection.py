"""A connection to a unix socket that comes to an end, whoever is on the other side."""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

TIMEOUT_S = 2.0
"""For a whole answer. A runtime under load takes some tenths of a second."""

ANSWER_BYTES = 4 << 20
"""A longer answer is no description of a container."""

T = TypeVar("T")


class TimedSocket(socket.socket):
    """
    A connection that fails its user when its time is over, also when bytes keep coming.

    :raises OSError: nobody listens there, or we may not connect.
    """

    def __init__(self, path: Path, timeout_s: float = TIMEOUT_S) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_STREAM)
        self._end_s = time.monotonic() + timeout_s
        try:
            self._timed(self.connect)(str(path))
        except BaseException:
            self.close()
            raise

    def recv(self, *args: Any) -> bytes:
        """As of a socket."""
        return self._timed(super().recv)(*args)

    def recv_into(self, *args: Any) -> int:
        """As of a socket; what files made of it read with."""
        return self._timed(super().recv_into)(*args)

    def sendall(self, *args: Any) -> None:
        """As of a socket."""
        self._timed(super().sendall)(*args)

    def _timed(self, do: Callable[..., T]) -> Callable[..., T]:
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self.settimeout(left_s)
        return do
