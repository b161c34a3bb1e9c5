"""
Alerts in syslog.

Over UDP and TCP in RFC 5424's form; over TCP each message has its length in front (RFC 6587, 3.4.1). Into the local
socket goes the form that the C library's syslog() writes: rsyslog, systemd's journal and others expect it there, and
take RFC 5424's header for text.
"""

import os
import re
import socket
import time

from monitord.config.outputs import FACILITIES, SyslogConfig
from monitord.model.alert import Alert
from monitord.sinks.encode import ENCODERS
from monitord.sinks.format import iso_time
from monitord.sinks.sockets import dead, why
from monitord.stages import SinkError

TIMEOUT_S = 5.0
"""For connecting, and for a receiver that does not read."""

DATAGRAM_BYTES = 65507
"""What IPv4 can carry in one; a longer message is cut."""

MESSAGE_ID = "alert"

_NOT_PRINTABLE = re.compile("[^!-~]")


class Syslog:
    """Sends one message per alert. Datagrams can get lost without an error, and TCP's last ones when it breaks."""

    name = "syslog"

    def __init__(self, config: SyslogConfig) -> None:
        self._address = config.address
        self._facility = FACILITIES.index(config.facility)
        self._encode = ENCODERS[config.format]
        self._socket: socket.socket | None = None

    def write(self, alert: Alert) -> None:
        """
        Send the alert.

        :raises SinkError: nobody takes it.
        """
        text = self._encode(alert).rstrip(b"\n")
        priority = self._facility * 8 + alert.priority
        local = self._address.transport == "unix"
        message = (local_header if local else rfc5424_header)(alert, priority) + text
        try:
            self._send(message)
        except (OSError, UnicodeError) as err:
            self.close()
            raise SinkError(f"{self._address}: {why(err)}") from err

    def reopen(self) -> None:
        """Connect anew at the next alert."""
        self.close()

    def close(self) -> None:
        """Disconnect."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _send(self, message: bytes) -> None:
        if self._socket and self._address.transport == "tcp" and dead(self._socket):
            self.close()
        if self._socket is None:
            self._socket = self._connect()
        if self._address.transport == "tcp":
            self._socket.sendall(b"%d %s" % (len(message), message))
        else:
            self._socket.send(message[:DATAGRAM_BYTES])

    def _connect(self) -> socket.socket:
        address = self._address
        if address.transport == "tcp":
            return socket.create_connection((address.host, address.port), TIMEOUT_S)
        if address.transport == "unix":
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            target: tuple[str, int] | str = address.host
        else:
            family, _, _, _, found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)[0]
            connection, target = socket.socket(family, socket.SOCK_DGRAM), (str(found[0]), int(found[1]))
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(target)
        except OSError:
            connection.close()
            raise
        return connection


def rfc5424_header(alert: Alert, priority: int) -> bytes:
    """``<28>1 2026-02-03T04:05:06.000000Z host monitord 42 alert - ``"""
    host = _NOT_PRINTABLE.sub("?", alert.hostname)[:255] or "-"
    clock = iso_time(alert.time_ns)[:-4] + "Z"  # RFC 5424 allows six digits
    return f"<{priority}>1 {clock} {host} monitord {os.getpid()} {MESSAGE_ID} - ".encode()


def local_header(alert: Alert, priority: int) -> bytes:
    """``<28>Feb  3 04:05:06 monitord[42]: ``, in local time; the receiver adds the host."""
    when = time.localtime(alert.time_ns // 10**9)
    clock = f"{_MONTHS[when.tm_mon - 1]} {when.tm_mday:2} {time.strftime('%H:%M:%S', when)}"
    return f"<{priority}>{clock} monitord[{os.getpid()}]: ".encode()


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
