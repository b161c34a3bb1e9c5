"""Alerts to write."""

from typing import Any

from monitord.abi.arch import Abi
from monitord.abi.event import Flag
from monitord.model.alert import Alert
from monitord.model.event import Event
from monitord.model.priority import Priority
from monitord.model.process import Process
from monitord.recording.snapshot import Snapshot


def make_alert(**changes: Any) -> Alert:
    """An alert of a read of /etc/shadow on 2026-02-03 04:05:06.000000007 UTC."""
    event = Event(
        cpu=3,
        seq=23,
        ts_ns=1_000,
        duration_ns=100,
        abi=Abi.I386,
        nr=295,
        flags=Flag(0),
        args=(0,) * 6,
        ret=5,
        pid=4001,
        tid=4003,
        ppid=1,
        start_ns=7,
        uid=1000,
        gid=1000,
        cgroup_id=1,
        comm="cat",
        parent_comm="sh",
        texts=(),
    )
    values = {
        "time_ns": 1770091506_000000007,
        "rule": "Read shadow",
        "priority": Priority.WARNING,
        "source": "syscall",
        "hostname": "box",
        "output": "shadow was read (proc.name=cat)",
        "tags": ("T1003.008", "files"),
        "fields": {"proc.name": "cat"},
        "event": event,
        "context": Snapshot(None, (Process(event.key, event.comm, event.ppid),)),
        "lost_before": 13,
    }
    return Alert(**{**values, **changes})
