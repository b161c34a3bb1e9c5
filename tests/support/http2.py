"""A server of gRPC on a unix socket that answers as it is told, CRI-O's 404 to HTTP/1 included."""

import socketserver
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded

Answer = tuple[int, bytes]
"""The gRPC status, and the message."""

UNIMPLEMENTED: Answer = (12, b"")


class Grpc(socketserver.ThreadingUnixStreamServer):
    """
    What answers.

    :ivar asked: every method, in order.
    :param answers: by method; others are not implemented.
    """

    daemon_threads = True

    def __init__(self, path: Path, answers: Mapping[str, Answer]) -> None:
        super().__init__(str(path), _Handler)
        self.answers = answers
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()


class _Handler(socketserver.BaseRequestHandler):
    server: Grpc

    def handle(self) -> None:
        data = self.request.recv(1 << 16)
        if not data.startswith(b"PRI "):
            self.request.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        http.initiate_connection()
        method = ""
        while data:
            for event in http.receive_data(data):
                if isinstance(event, RequestReceived):
                    method = dict(event.headers)[":path"].removeprefix("/")
                elif isinstance(event, StreamEnded):
                    self.server.asked.append(method)
                    status, message = self.server.answers.get(method, UNIMPLEMENTED)
                    http.send_headers(event.stream_id, [(":status", "200"), ("content-type", "application/grpc")])
                    http.send_data(event.stream_id, b"\0" + len(message).to_bytes(4, "big") + message)
                    http.send_headers(event.stream_id, [("grpc-status", str(status))], end_stream=True)
            try:
                self.request.sendall(http.data_to_send())
                data = self.request.recv(1 << 16)
            except OSError:
                return  # who has the answer hangs up


class Raw(socketserver.ThreadingUnixStreamServer):
    """A server that does something with each connection."""

    daemon_threads = True

    def __init__(self, path: Path, handle: Callable[[object], None]) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                handle(self.request)

        super().__init__(str(path), Handler)
        self.connections = 0
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def process_request(self, request, client_address) -> None:
        self.connections += 1
        super().process_request(request, client_address)
