"""
Alerts as text.

Text from the kernel can hold anything. In what is written here every character is valid UTF-8 and none of them drives
a terminal: a byte that is not UTF-8 is written ``\\xNN``, control characters and those that turn the direction
of text are written as JSON escapes.
"""

import json
import re
import time
from collections.abc import Mapping
from typing import Any

from monitord.model.alert import Alert, Tally
from monitord.model.value import Missing, Value
from monitord.recording.record import to_object

_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_JSON_SHORT: Mapping[str, str] = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def valid_text(text: str) -> str:
    """The text with every byte that was not UTF-8 written ``\\xNN``; U+FFFD for a surrogate that never was a byte."""
    return text if text.isascii() else _SURROGATE.sub(_escape_byte, text)


def one_line(text: str) -> str:
    """The text with control characters escaped as in JSON."""
    return _CONTROL.sub(_escape_control, text)


def alert_object(alert: Alert) -> dict[str, Any]:
    """
    An alert as a JSON object: Falco's keys, then ours.

    `output` is the rule's message alone: time and priority, which Falco puts in front of it, have their own keys. In
    `output_fields` a missing value is null and `evt.time` is always there, in nanoseconds. Ours are `pid` and `tid` (in
    the initial pid namespace), `abi`, `nr`, `lost_before`, the events lost up to then: context may be missing, and
    `event`, from which the rule can be judged again. An alert that stands for more than one event has a `tally`.
    """
    fields = {name: _json_value(value) for name, value in alert.fields.items()}
    return {
        "time": iso_time(alert.time_ns),
        "rule": valid_text(alert.rule),
        "priority": alert.priority.label,
        "source": valid_text(alert.source),
        "hostname": valid_text(alert.hostname),
        "output": valid_text(alert.output),
        "tags": [valid_text(tag) for tag in alert.tags],
        "output_fields": {**fields, "evt.time": alert.time_ns},
        "pid": alert.event.pid,
        "tid": alert.event.tid,
        "abi": alert.event.abi.label,
        "nr": alert.event.nr,
        "lost_before": alert.lost_before,
        **({} if alert.tally is None else {"tally": _tally_object(alert.tally)}),
        "event": to_object(alert.event, alert.context),
    }


def _tally_object(tally: Tally) -> dict[str, Any]:
    values = {"values": [valid_text(value) for value in tally.values]} if tally.values else {}
    return {"count": tally.count, "first": iso_time(tally.first_ns), "last": iso_time(tally.last_ns), **values}


def json_line(alert: Alert) -> bytes:
    """One line of JSON Lines, newline included, always valid UTF-8 and valid JSON."""
    return (one_line(_JSON.encode(alert_object(alert))) + "\n").encode()


def console_line(alert: Alert) -> str:
    """Falco's text line, ``HH:MM:SS.nnnnnnnnn: Priority message``, in local time, without newline."""
    seconds, ns = divmod(alert.time_ns, 10**9)
    clock = time.strftime("%H:%M:%S", time.localtime(seconds))
    return f"{clock}.{ns:09d}: {alert.priority.label} {one_line(valid_text(alert.output))}"


def iso_time(time_ns: int) -> str:
    """ISO 8601 in UTC with nanoseconds, ``2026-02-03T04:05:06.000000007Z``."""
    seconds, ns = divmod(time_ns, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{ns:09d}Z"


def _json_value(value: Value) -> Any:
    if isinstance(value, str):
        return valid_text(value)
    if isinstance(value, tuple):
        return [valid_text(item) if isinstance(item, str) else item for item in value]
    return None if isinstance(value, Missing) else value


def _escape_byte(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else "\ufffd"


def _escape_control(match: re.Match[str]) -> str:
    return _JSON_SHORT.get(match[0]) or f"\\u{ord(match[0]):04x}"
