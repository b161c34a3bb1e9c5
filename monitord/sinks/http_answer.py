"""An HTTP answer that must be there in time, however it dribbles."""

import http.client
import io
import socket
import time
from typing import Any


class TimedAnswer(http.client.HTTPResponse):
    """
    For `HTTPConnection.response_class`: reading raises TimeoutError once so much time has passed.

    The timeout of a socket is for each read: a server that sends a byte now and then, or one "100 Continue" after the
    other, would keep its reader for ever.

    :param timeout_s: from the end of the request to the last byte that is read.
    """

    def __init__(self, sock: socket.socket, *args: Any, timeout_s: float, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_Timed(sock, time.monotonic() + timeout_s))


class _Timed(io.RawIOBase):
    def __init__(self, sock: socket.socket, end_s: float) -> None:
        self._socket = sock
        self._end_s = end_s
        self._raw = sock.makefile("rb", buffering=0)  # keeps the socket open until it is closed, too

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._socket.settimeout(left_s)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
