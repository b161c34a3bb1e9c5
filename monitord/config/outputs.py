"""The section ``outputs:`` as values: one class per output, defaults included."""

import enum
from dataclasses import field
from pathlib import Path

from monitord.dataclass import dataclass


class Format(enum.StrEnum):
    """How an alert is written as JSON."""

    FALCO = "falco"
    OCSF = "ocsf"


FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "security", "console", "clock"),
    *(f"local{number}" for number in range(8)),
)
"""Those of RFC 5424, by their number."""


@dataclass(frozen=True, slots=True)
class AlertLogConfig:
    """
    A JSON Lines file.

    :ivar path: of the file; opened anew when it was rotated.
    """

    path: Path
    format: Format = Format.FALCO


@dataclass(frozen=True, slots=True)
class SyslogAddress:
    """
    Where syslog is.

    :ivar transport: ``unix``, ``udp`` or ``tcp``.
    :ivar host: the path of the socket for ``unix``.
    """

    transport: str = "unix"
    host: str = "/dev/log"
    port: int = 0

    def __str__(self) -> str:
        if self.transport == "unix":
            return self.host
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SyslogConfig:
    """
    :ivar facility: one of `FACILITIES`.
    """

    address: SyslogAddress = SyslogAddress()
    facility: str = "daemon"
    format: Format = Format.FALCO


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """
    What is said to an HTTP server, and how.

    :ivar headers: can hold secrets.
    :ivar headers_file: lines of ``Name: value``, read for every connection.
    :ivar ca_file: certificates to trust instead of the machine's.
    :ivar client_cert: for a server that asks who we are; `client_key` may be in the same file.
    :ivar timeout_s: for connecting, and for every step of the answer.
    """

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    headers_file: Path | None = None
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    timeout_s: int = 10


@dataclass(frozen=True, slots=True)
class WebhookConfig(HttpConfig):
    """
    An HTTP server that takes one alert per POST.

    :ivar url: can hold a secret in its path, as those of chat services do: never shown whole.
    :ivar spool: a directory that keeps what was not delivered, over restarts too; None: memory alone.
    :ivar spool_mib: what it may grow to.
    """

    url: str = field(kw_only=True, repr=False)
    format: Format = Format.FALCO
    spool: Path | None = None
    spool_mib: int = 64


@dataclass(frozen=True, slots=True)
class AlertmanagerConfig(HttpConfig):
    """
    :ivar urls: of Alertmanager, without ``/api/v2``; several are a cluster, each of which is to get every alert.
    :ivar resolve_after_s: an alert ends so long after it was sent, if it does not come again.
    """

    urls: tuple[str, ...] = field(kw_only=True, repr=False)
    resolve_after_s: int = 300


@dataclass(frozen=True, slots=True)
class ProgramConfig:
    """
    A program that reads alerts on its standard input, JSON Lines.

    :ivar command: words; no shell reads them.
    :ivar timeout_s: a program that does not read for so long is killed and started anew.
    """

    command: tuple[str, ...]
    format: Format = Format.FALCO
    timeout_s: int = 10


@dataclass(frozen=True, slots=True)
class OutputsConfig:
    """
    Where alerts go; None: not there.

    :ivar queue_alerts: alerts that may wait for an output; more are dropped and counted.
    :ivar console: print alert lines on standard output.
    :ivar journald: send to the journal where there is one; what goes there by itself is not printed as well.
    """

    queue_alerts: int = 4096
    console: bool = True
    journald: bool = True
    alert_log: AlertLogConfig | None = None
    syslog: SyslogConfig | None = None
    webhook: WebhookConfig | None = None
    alertmanager: AlertmanagerConfig | None = None
    program: ProgramConfig | None = None
