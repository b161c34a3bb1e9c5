"""The daemon's own log: lines on standard error."""

import logging
import os
from collections.abc import Mapping
from typing import TextIO

from monitord.sinks.journald import is_journal

_SYSLOG = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.DEBUG, 7))


def start_logging(stream: TextIO, level: int = logging.INFO, environ: Mapping[str, str] = os.environ) -> None:
    """
    Send what `monitord` logs to a stream.

    :param stream: standard error; where the journal reads it, each line gets its priority, as sd-daemon(3) says.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_JournalFormatter() if is_journal(stream.fileno(), environ) else _PlainFormatter())
    logger = logging.getLogger("monitord")
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False


class _PlainFormatter(logging.Formatter):
    """``monitord: warning: text``; what is normal goes without its level."""

    def format(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return f"monitord: {level}{super().format(record)}"


class _JournalFormatter(logging.Formatter):
    """``<4>text``, on every line of a text of several."""

    def format(self, record: logging.LogRecord) -> str:
        priority = next((number for level, number in _SYSLOG if record.levelno >= level), 7)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())
