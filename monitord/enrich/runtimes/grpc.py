"""
Questions by gRPC: HTTP/2 by python3-h2, one connection to a question.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md describes it. python3-grpcio would do the same with 10 MB
more in memory and six threads. Only `monitord.enrich.runtimes.kinds` imports this, when somebody speaks gRPC.
"""

from collections.abc import Mapping
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import H2Error

from monitord.enrich.runtimes.connection import ANSWER_BYTES, TIMEOUT_S, TimedSocket
from monitord.enrich.runtimes.protobuf import Message, Written, write

# https://grpc.github.io/grpc/core/md_doc_statuscodes.html
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
UNIMPLEMENTED = 12

_STREAM = 1
_READ_BYTES = 1 << 16
_PREFIX_BYTES = 5
"""Before a message: whether it is compressed, and four bytes of length."""


class GrpcError(ValueError):
    """
    The other side refused.

    :ivar status: as gRPC numbers them.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"gRPC status {status}: {message}")
        self.status = status


def call(
    path: Path,
    method: str,
    question: Written,
    metadata: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Message:
    """
    The answer to one question.

    :param path: of the socket.
    :param method: ``package.Service/Method``.
    :raises OSError: it does not answer.
    :raises GrpcError: it refuses.
    :raises ValueError: it does not speak gRPC, or does not come to an end.
    """
    http = H2Connection(H2Configuration(client_side=True, header_encoding=None))
    body = write(question)
    answer = _Answer()
    with TimedSocket(path, timeout_s) as connection:
        try:
            http.initiate_connection()
            http.send_headers(_STREAM, [*_headers(method, timeout_s), *(metadata or {}).items()])
            http.send_data(_STREAM, b"\0" + len(body).to_bytes(4, "big") + body, end_stream=True)
            connection.sendall(http.data_to_send())
            while not answer.ended:
                data = connection.recv(_READ_BYTES)
                if not data:
                    raise ValueError("it hangs up")
                for event in http.receive_data(data):
                    answer.take(event)
                    if isinstance(event, DataReceived) and not answer.ended:
                        http.acknowledge_received_data(event.flow_controlled_length, _STREAM)
                connection.sendall(http.data_to_send())
        except H2Error as err:
            raise ValueError(f"it does not speak HTTP/2: {str(err) or type(err).__name__}") from err
    return answer.message()


def _headers(method: str, timeout_s: float) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", f"/{method}"),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("grpc-timeout", f"{round(timeout_s * 1000)}m"),
    ]


class _Answer:
    """What arrives, until it has arrived."""

    def __init__(self) -> None:
        self.ended = False
        self._headers: dict[bytes, bytes] = {}
        self._data = bytearray()

    def take(self, event: Event) -> None:
        """
        One event of the connection.

        :raises ValueError: it says that no answer will come.
        """
        if isinstance(event, ResponseReceived | TrailersReceived):
            self._headers |= {bytes(name): bytes(value) for name, value in event.headers}
        elif isinstance(event, DataReceived):
            self._data += event.data
            if len(self._data) > ANSWER_BYTES:
                raise ValueError("the answer is too long")
        elif isinstance(event, StreamEnded):
            self.ended = True
        elif isinstance(event, StreamReset | ConnectionTerminated):
            raise ValueError(f"it breaks off with HTTP/2 error {int(event.error_code)}")

    def message(self) -> Message:
        """
        The one message of a whole answer.

        :raises TimeoutError: it says that it had no time.
        :raises GrpcError: there is another error instead.
        :raises ValueError: it is none.
        """
        status = self._headers.get(b"grpc-status", b"")
        if not status.isdigit():
            http = self._headers.get(b":status", b"?").decode(errors="replace")
            raise ValueError(f"it does not speak gRPC: HTTP status {http}")
        if int(status) == DEADLINE_EXCEEDED:
            raise TimeoutError("timed out")  # by its clock, a moment before ours
        if int(status):
            raise GrpcError(int(status), self._headers.get(b"grpc-message", b"").decode(errors="replace"))
        length = int.from_bytes(self._data[1:_PREFIX_BYTES], "big")
        if len(self._data) != _PREFIX_BYTES + length or self._data[0]:
            raise ValueError("it does not speak gRPC: no message of the length that it says")
        return Message(bytes(self._data[_PREFIX_BYTES:]))
