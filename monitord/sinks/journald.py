"""Alerts in the systemd journal, with native fields."""

import importlib.util
import os
import re
from collections.abc import Mapping
from pathlib import Path

from monitord.model.alert import Alert
from monitord.model.value import Value
from monitord.sinks.format import iso_time, valid_text
from monitord.stages import SinkError

SOCKET = Path("/run/systemd/journal/socket")

_NOT_IN_NAMES = re.compile("[^A-Z0-9]")


def available() -> bool:
    """Whether there is a journal, and systemd-python (Debian: python3-systemd) to reach it with."""
    return SOCKET.exists() and importlib.util.find_spec("systemd") is not None


def is_journal(fd: int, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether JOURNAL_STREAM names this very stream: a child with its output redirected has inherited the variable."""
    try:
        found = os.fstat(fd)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


class Journald:
    """
    Sends one journal entry per alert.

    :raises ImportError: systemd-python is missing; ask `available` first.
    """

    name = "journald"

    def __init__(self) -> None:
        from systemd import journal

        self._send = journal.sendv

    def write(self, alert: Alert) -> None:
        """
        Send the alert.

        :raises SinkError: the journal did not take it.
        """
        # sd_journal_sendv(3) says success when there is no journal.
        if not SOCKET.exists():
            raise SinkError(f"no journal: {SOCKET} is not there")
        try:
            self._send(*journal_fields(alert))
        except OSError as err:
            raise SinkError(f"the journal did not take the alert: {err.strerror}") from err

    def reopen(self) -> None:
        """The library keeps no connection."""

    def close(self) -> None:
        """The library keeps no connection."""


def journal_fields(alert: Alert) -> list[str]:
    """
    The entry, one ``NAME=value`` each.

    `OBJECT_PID` makes the journal add what it knows of the process (systemd.journal-fields(7)). An output field
    ``proc.name`` is ``MONITORD_FIELD_PROC_NAME``; tags repeat ``MONITORD_TAG``.
    """
    entry = [
        ("MESSAGE", alert.output),
        ("PRIORITY", str(alert.priority.value)),
        ("SYSLOG_IDENTIFIER", "monitord"),
        ("OBJECT_PID", str(alert.event.pid)),
        ("MONITORD_TIME", iso_time(alert.time_ns)),
        ("MONITORD_RULE", alert.rule),
        ("MONITORD_SOURCE", alert.source),
        *(("MONITORD_TAG", tag) for tag in alert.tags),
        *((_field_name(name), _field_text(value)) for name, value in alert.fields.items()),
    ]
    return [f"{name}={valid_text(text)}" for name, text in entry]


def _field_name(field: str) -> str:
    # A name longer than 64 bytes makes the journal drop the field (journald, journal_field_valid()).
    return f"MONITORD_FIELD_{_NOT_IN_NAMES.sub('_', field.upper())}"[:64]


def _field_text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
