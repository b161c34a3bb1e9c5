"""An HTTP or HTTPS server of the test's own, and the certificates for it."""

import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PATIENCE_S = 180.0
"""As in daemon.py, which virtual machines do not have."""


@dataclass
class Request:
    """One POST."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """
    What came, and what is answered.

    :ivar connections: how many were made.
    :ivar closed: how many of them this side has closed.
    :ivar answer: writes the answer to the n-th request, n from 0; 204 by default.
    """

    port: int
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    closed: int = 0
    answer: Callable[[BaseHTTPRequestHandler, int], None] | None = None

    def wait_for(self, requests: int, timeout_s: float = PATIENCE_S) -> list[Request]:
        """Until so many have come."""
        end_s = time.monotonic() + timeout_s
        while len(self.requests) < requests:
            assert time.monotonic() < end_s, f"{len(self.requests)} of {requests} requests came"
            time.sleep(0.005)
        return self.requests


def status(code: int, **headers: str) -> Callable[[BaseHTTPRequestHandler, int], None]:
    """An answer without a body."""

    def answer(handler: BaseHTTPRequestHandler, number: int) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@contextmanager
def receiving(tls: ssl.SSLContext | None = None, port: int = 0, address: str = "127.0.0.1") -> Iterator[Receiver]:
    """A server on an address of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            receiver.connections += 1
            super().setup()

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = self.rfile.read(length)
            if len(body) < length:
                return  # the client was killed in the middle of it
            number = len(receiver.requests)
            receiver.requests.append(Request(self.path, dict(self.headers), body))
            (receiver.answer or status(204))(self, number)

        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def get_request(self) -> Any:
            connection, address = super().get_request()
            if tls:
                connection.settimeout(PATIENCE_S)
                connection = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            return connection, address

        def shutdown_request(self, request: Any) -> None:
            super().shutdown_request(request)
            receiver.closed += 1

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that does not like our certificate

    server = Server((address, port), Handler)
    receiver = Receiver(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield receiver
    server.shutdown()
    server.server_close()


@dataclass(frozen=True)
class Certificates:
    """A directory with a CA, certificates of it, and one of another CA: NAME.pem, NAME.key."""

    directory: Path

    def cert(self, name: str) -> Path:
        return self.directory / f"{name}.pem"

    def key(self, name: str) -> Path:
        return self.directory / f"{name}.key"

    def server(self, name: str = "server", client_ca: str | None = None) -> ssl.SSLContext:
        """A server that shows a certificate, and asks for one of a CA."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert(name), self.key(name))
        if client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.cert(client_ca))
        return context


def make_certificates(directory: Path) -> Certificates:
    """With openssl(1)."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)

    new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    for ca in ("ca", "other"):
        openssl(*new, "-x509", "-days", "2", "-subj", f"/CN={ca}", "-keyout", f"{ca}.key", "-out", f"{ca}.pem")
    for name, san, days in (
        ("server", "IP:127.0.0.1", "2"),
        ("elsewhere", "DNS:elsewhere.example", "2"),
        ("client", "DNS:client", "2"),
        ("expired", "IP:127.0.0.1", "0"),
    ):
        openssl(*new, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (directory / f"{name}.ext").write_text(f"subjectAltName={san}\n")
        sign = ("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
        openssl(*sign, "-days", days, "-extfile", f"{name}.ext", "-out", f"{name}.pem")
    time.sleep(1.1)  # for which the expired one is valid: openssl 3.5 makes none that ends in the past
    return Certificates(directory)
