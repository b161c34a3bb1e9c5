"""Posting JSON to an HTTP server, over one connection that stays open."""

import contextlib
import http.client
import ssl
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from functools import partial
from urllib.parse import urlsplit

from monitord import __version__
from monitord.config.outputs import AlertmanagerConfig, HttpConfig
from monitord.sinks.http_answer import TimedAnswer
from monitord.sinks.http_files import FileError, read_headers, tls_context
from monitord.sinks.sockets import dead, why
from monitord.stages import BusyError, RefusedError, SinkError, UnsureError

ANSWER_BYTES = 65536
"""A longer answer is not read: the connection is closed instead."""

REFUSALS = frozenset({400, 405, 406, 411, 413, 414, 415, 422, 431})
"""These statuses are about the request itself, which stays the same: sending it again is of no use."""

LONGEST_PAUSE_S = 300.0
"""A server that wants to be left alone for longer is asked again after this."""

_NOT_YET_VALID, _EXPIRED = 9, 10
_OTHER_NAME = (62, 64)  # of a host, of an IP address
"""X509_V_ERR_* of openssl/x509_vfy.h."""


class HttpPost:
    """
    A connection to one server, made when it is needed, and made anew when it broke.

    Certificates, keys and `headers_file` are read for every connection: new ones need no reload.

    :param name: of the output's key, for messages.
    :param url: of the server.
    :param path: behind the path of the URL.
    :raises SinkError: one of the files cannot be used.
    """

    def __init__(self, name: str, url: str, config: HttpConfig, path: str = "") -> None:
        self._name = name
        self._config = config
        self._url_key = f"outputs.{name}.{'urls' if isinstance(config, AlertmanagerConfig) else 'url'}"
        parts = urlsplit(url)
        self._tls = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port
        self._target = (parts.path.rstrip("/") + path if path else parts.path or "/") + (
            f"?{parts.query}" if parts.query else ""
        )
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.where = f"{parts.scheme}://{host}" + (f":{self._port}" if self._port else "")
        self._connection: http.client.HTTPConnection | None = None
        self._headers: Mapping[str, str] = {}
        self._connect()

    def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """
        Send a document and wait for the answer.

        :raises SinkError: the server did not take it now.
        :raises BusyError: the server says when to come again.
        :raises UnsureError: the server did not answer: it may have taken it.
        :raises RefusedError: the server will not take it, now or later.
        """
        connection = self._connection
        if connection is not None and connection.sock is not None and dead(connection.sock):
            self.close()
            connection = None
        if connection is None:
            connection = self._connect()
        answer = None
        try:
            if connection.sock is None:
                connection.connect()
            connection.sock.settimeout(self._config.timeout_s)  # the answer before has left it what was left
            with self._unsure():
                connection.request("POST", self._target, body, {**self._headers, **headers})
                answer = connection.getresponse()
            self._read(answer)
        except ssl.SSLError as err:
            raise SinkError(f"{self.where}: {self._tls_trouble(err)}") from err
        except (OSError, UnicodeError) as err:
            raise SinkError(f"{self.where}: {why(err)}") from err
        finally:
            if answer is None or not answer.isclosed() or answer.will_close:
                self.close()
        self._judge(answer)

    def close(self) -> None:
        """Disconnect."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _connect(self) -> http.client.HTTPConnection:
        """A connection that is opened when it is used, with what the files say now."""
        config = self._config
        headers, wrong = read_headers(config.headers_file) if config.headers_file else ({}, [])
        try:
            if wrong:
                raise wrong[0]
            context = tls_context(config) if self._tls else None
        except FileError as trouble:
            raise SinkError(f"cannot use outputs.{self._name}.{trouble.key}: {trouble}") from trouble
        self._headers = {
            "User-Agent": f"monitord/{__version__}",
            "Content-Type": "application/json",
            **dict(config.headers),
            **headers,
        }
        if context:
            self._connection = http.client.HTTPSConnection(
                self._host, self._port, timeout=config.timeout_s, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(self._host, self._port, timeout=config.timeout_s)
        answer = partial(TimedAnswer, timeout_s=config.timeout_s)
        self._connection.response_class = answer  # type: ignore[assignment]  # typeshed wants a class
        return self._connection

    @contextlib.contextmanager
    def _unsure(self) -> Iterator[None]:
        """What goes wrong between the first byte of the request and the end of the answer."""
        try:
            yield
        except (OSError, http.client.HTTPException) as err:
            # TLS 1.3: a server that refuses our certificate says so behind the request, or just goes away.
            if isinstance(err, ssl.SSLError) and not isinstance(err, ssl.SSLEOFError):
                raise
            hint = f"; does the server want another outputs.{self._name}.client_cert?" if self._tls else ""
            reason = f"the connection broke{hint}"
            if isinstance(err, TimeoutError):
                reason = f"no answer within {self._config.timeout_s} s"
            elif isinstance(err, http.client.HTTPException) and not isinstance(err, http.client.RemoteDisconnected):
                reason = "answers without HTTP"
            raise UnsureError(f"{self.where}: {reason}") from err

    def _read(self, answer: http.client.HTTPResponse) -> None:
        """Read what is behind the status, so that the connection can be used again; it is of no interest."""
        if answer.length is None or answer.length <= ANSWER_BYTES:
            with contextlib.suppress(OSError, http.client.HTTPException):
                answer.read(ANSWER_BYTES)

    def _judge(self, answer: http.client.HTTPResponse) -> None:
        status = answer.status
        if 200 <= status < 300:
            return
        # Not in the server's words, which may be control characters.
        message = f"{self.where}: answers {status} {http.client.responses.get(status, '')}".rstrip()
        if status in REFUSALS:
            raise RefusedError(message)
        if 300 <= status < 400:
            message += f", which is not followed; change {self._url_key}"
        elif status in (401, 403):
            self.close()  # the next connection reads headers_file anew
            message += f"; see outputs.{self._name}.headers_file"
        if pause_s := _pause_s(answer):
            raise BusyError(pause_s, f"{message}, and wants a pause of {pause_s:.0f} s")
        raise SinkError(message)

    def _tls_trouble(self, error: ssl.SSLError) -> str:
        if isinstance(error, ssl.SSLCertVerificationError):
            step = f"see outputs.{self._name}.ca_file"
            if error.verify_code in _OTHER_NAME:
                step = f"see {self._url_key}"
            elif error.verify_code in (_NOT_YET_VALID, _EXPIRED):
                step = "the server needs another, or this machine's clock is wrong"
            return f"its certificate is refused: {error.verify_message.rstrip('.')}; {step}"
        reason = (error.reason or str(error)).lower().replace("_", " ")
        return f"no TLS: {reason}; see outputs.{self._name}.client_cert" if "alert" in reason else f"no TLS: {reason}"


def _pause_s(answer: http.client.HTTPResponse) -> float:
    """``Retry-After``, seconds or a date (RFC 9110, 10.2.3); 0 where there is none, or nothing that can be read."""
    text = answer.getheader("Retry-After", "")
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_PAUSE_S)
    try:
        pause_s = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(0.0, pause_s), LONGEST_PAUSE_S)
