"""The HTTP server that Prometheus scrapes: ``/metrics``, and an index that links to it."""

import contextlib
import errno
import io
import logging
import socket
import socketserver
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from http.client import LineTooLong
from http.server import BaseHTTPRequestHandler
from typing import Any

from monitord import __version__

_FREEBIND = {
    socket.AF_INET: (socket.IPPROTO_IP, 15),  # IP_FREEBIND of uapi/linux/in.h
    socket.AF_INET6: (socket.IPPROTO_IPV6, 78),  # IPV6_FREEBIND of uapi/linux/in6.h
}

_log = logging.getLogger(__name__)

Render = Callable[[str], tuple[str, bytes]]
"""The metrics of this moment: from the request's Accept header to the content type and the body."""

CONNECTIONS = 16
"""At a time, each with a thread. Every user of the machine may connect, and must not take the threads of the daemon."""

REQUEST_BYTES = (1 << 16) + 1
"""Of a request, the most that is read: what http.server reads of its first line to call it too long."""

_PAUSE_S = 0.1
"""Between two tries to accept a connection without a descriptor for it."""

_INDEX = b'<!DOCTYPE html><title>monitord</title><h1>monitord</h1><a href="/metrics">metrics</a>\n'


class ListenError(Exception):
    """The address cannot be listened on; the message names it and the next step."""


class MetricsServer:
    """
    Listens from the moment it is made, answers from `start` on, each request on a thread of its own.

    :param address: numeric or a host name, without brackets.
    :param port: 0 for any free one.
    :raises ListenError: the port is in use, or the address is none.
    """

    def __init__(self, address: str, port: int, render: Render) -> None:
        try:
            family, _, _, _, target = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
            self._server = _Server(family, target, partial(_Handler, render))
        except (OSError, UnicodeError) as err:  # UnicodeError: not a host name
            place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
            why = getattr(err, "strerror", None) or "not a host name"
            raise ListenError(
                f"cannot serve metrics on {place}: {why}; change metrics.address, or give --metrics ADDR:PORT"
            ) from err
        self._address = address
        self._thread = threading.Thread(target=self._server.serve, name="metrics", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """What to scrape."""
        host = f"[{self._address}]" if ":" in self._address else self._address
        return f"http://{host}:{self.port}/metrics"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.stop()
        if self._thread.ident is not None:
            self._thread.join()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    # Not http.server.HTTPServer: that one asks the name service for its own name, which can take seconds.
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128  # beside somebody who opens many at once, a scrape finds no room in 5, and waits a second

    def __init__(self, family: socket.AddressFamily, target: Any, handler: Any) -> None:
        self._freebind = _FREEBIND[family]
        self.address_family = family
        self._ended = threading.Event()
        self._clients: deque[socket.socket] = deque()
        self._lock = threading.Lock()  # holds `_clients`, and none of them is closed meanwhile
        super().__init__(target, handler)

    def serve(self) -> None:
        """Answer until `stop`."""
        # Not serve_forever(): it wakes up twice a second to look whether it is to end.
        while not self._ended.is_set():
            self.handle_request()

    def stop(self) -> None:
        """Let `serve` return; the socket stays open."""
        self._ended.set()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes accept()

    def get_request(self) -> tuple[Any, Any]:
        """The next connection."""
        try:
            return super().get_request()
        except OSError:
            self._ended.wait(_PAUSE_S)  # it would be asked for again at once, and again
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """The newest connection gets its thread; what is one too many goes, and that is the oldest."""
        with self._lock:
            if len(self._clients) == CONNECTIONS:
                with contextlib.suppress(OSError):
                    self._clients.popleft().shutdown(socket.SHUT_RDWR)
            self._clients.append(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """The connection has been served."""
        with self._lock, contextlib.suppress(ValueError):
            self._clients.remove(request)
        super().shutdown_request(request)

    def server_bind(self) -> None:
        """Also an address that the machine does not have yet: at boot the network comes after the daemon."""
        try:
            super().server_bind()
        except OSError as err:
            if err.errno != errno.EADDRNOTAVAIL:
                raise
            self.socket.setsockopt(*self._freebind, 1)
            super().server_bind()
            _log.warning("metrics.address: this machine has no address %s yet", self.server_address[0])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nobody's trouble."""


class _Handler(BaseHTTPRequestHandler):
    server_version = f"monitord/{__version__}"
    sys_version = ""
    timeout = 10  # seconds for a client to send its request or to take the answer

    def __init__(self, render: Render, *args: Any) -> None:
        self._render = render
        super().__init__(*args)

    def setup(self) -> None:
        """Before the request is read."""
        super().setup()
        self.rfile = _Request(self.rfile.detach())

    def do_GET(self) -> None:
        """Answer a request."""
        path = self.path.partition("?")[0]
        if path == "/":
            self._answer("text/html; charset=utf-8", _INDEX)
        elif path == "/metrics":
            try:
                content_type, body = self._render(self.headers.get("Accept", ""))
            except Exception:  # noqa: BLE001 - the outer edge of the thread; to Prometheus the scrape failed
                _log.exception("a scrape failed")
                self.send_error(500)
            else:
                self._answer(content_type, body)
        else:
            self.send_error(404)

    def do_HEAD(self) -> None:
        """The same without a body."""
        self.do_GET()

    def _answer(self, content_type: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not worth a line."""


class _Request(io.BufferedReader):
    """
    What a client sends, up to `REQUEST_BYTES`.

    http.server would read 100 headers of 64 KiB: 16 clients that send them have left the daemon with 300 MB.
    """

    _left = REQUEST_BYTES

    def readline(self, size: int | None = -1, /) -> bytes:
        """:raises LineTooLong: there is no end to the headers; http.server then answers 431."""
        if not self._left:
            raise LineTooLong("request")
        line = super().readline(self._left if size is None or size < 0 else min(size, self._left))
        self._left -= len(line)
        return line
