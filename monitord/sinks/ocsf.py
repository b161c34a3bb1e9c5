"""
Alerts as OCSF events: Detection Finding, class 2004 of the Open Cybersecurity Schema Framework.

What each key means is at https://schema.ocsf.io, and what is required there is what tests/sinks/test_ocsf.py asks for.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from monitord import __version__
from monitord.model.alert import Alert
from monitord.model.priority import Priority
from monitord.sinks.format import alert_object, one_line, valid_text

VERSION = "1.9.0"
"""Of the schema. Nothing is used here that is not in 1.1.0, the first one with this class."""

_CREATE, _NEW, _RULE, _OTHER_DEVICE = 1, 1, 1, 99

_SEVERITIES: Mapping[Priority, tuple[int, str]] = {
    Priority.EMERGENCY: (6, "Fatal"),
    Priority.ALERT: (5, "Critical"),
    Priority.CRITICAL: (5, "Critical"),
    Priority.ERROR: (4, "High"),
    Priority.WARNING: (3, "Medium"),
    Priority.NOTICE: (2, "Low"),
    Priority.INFORMATIONAL: (1, "Informational"),
    Priority.DEBUG: (1, "Informational"),
}

_TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")

_NS_PER_MS = 1_000_000


def ocsf_object(alert: Alert, now_ns: int | None = None) -> dict[str, Any]:
    """
    An alert as an OCSF event. Everything that Falco's format has is there too, under `unmapped`.

    :param now_ns: when the finding was made; None for now.
    """
    falco = alert_object(alert)
    severity_id, severity = _SEVERITIES[alert.priority]
    event_ms = alert.time_ns // _NS_PER_MS
    made_ms = (time.time_ns() if now_ns is None else now_ns) // _NS_PER_MS
    product = {"name": "monitord", "vendor_name": "monitord", "version": __version__}
    return {
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "activity_id": _CREATE,
        "activity_name": "Create",
        "type_uid": 2004 * 100 + _CREATE,
        "type_name": "Detection Finding: Create",
        "time": made_ms,
        "start_time": event_ms,
        "severity_id": severity_id,
        "severity": severity,
        "status_id": _NEW,
        "status": "New",
        "is_alert": True,
        "message": falco["output"],
        "metadata": {"version": VERSION, "product": product, "original_time": falco["time"], "labels": falco["tags"]},
        "device": {"hostname": falco["hostname"], "type_id": _OTHER_DEVICE, "type": "Host"},
        "finding_info": {
            "uid": _uid(alert),
            "title": falco["rule"],
            "desc": falco["output"],
            "created_time": made_ms,
            "first_seen_time": event_ms,
            "analytic": {"type_id": _RULE, "type": "Rule", "name": falco["rule"], "uid": falco["rule"]},
            "attacks": [_attack(tag) for tag in falco["tags"] if _TECHNIQUE.fullmatch(tag)],
        },
        "evidences": [{"process": _process(alert), "data": falco["output_fields"]}],
        "unmapped": {key: falco[key] for key in falco if key not in ("output", "hostname", "output_fields", "time")},
    }


def ocsf_line(alert: Alert) -> bytes:
    """One line of JSON Lines, newline included."""
    text = json.dumps(ocsf_object(alert), ensure_ascii=False, separators=(",", ":"))
    return (one_line(text) + "\n").encode()


def _uid(alert: Alert) -> str:
    """The same for the same match, also when it is sent twice."""
    event = alert.event
    parts = (alert.hostname, alert.rule, alert.time_ns, event.cpu, event.seq, event.pid, event.tid)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _attack(tag: str) -> dict[str, Any]:
    technique, dot, _ = tag.partition(".")
    return {"technique": {"uid": technique}, **({"sub_technique": {"uid": tag}} if dot else {})}


def _process(alert: Alert) -> dict[str, Any]:
    event = alert.event
    process: dict[str, Any] = {
        "pid": event.pid,
        "tid": event.tid,
        "name": valid_text(event.comm),
        "user": {"uid": str(event.uid)},
        "parent_process": {"pid": event.ppid, "name": valid_text(event.parent_comm)},
    }
    command = alert.fields.get("proc.cmdline")
    if isinstance(command, str):
        process["cmd_line"] = valid_text(command)
    return process
