"""What `monitord status` tells of a running daemon."""

import os
import platform
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from monitord import __version__
from monitord.model.loss import Degraded, Stage
from monitord.rules.rule import RuleSet
from monitord.telemetry import Telemetry

WINDOW, SAMPLE_S = 10, 0.9
"""Rates are made of so many samples, at least so far apart."""

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Kernel(Protocol):
    """What is asked of the source."""

    def seen(self) -> int:
        """Events admitted."""

    def losses(self) -> Mapping[Stage, int]:
        """Events lost on its side."""

    def degraded(self) -> Mapping[Degraded, int]:
        """What was recorded with a part missing."""

    def ring_bytes(self) -> Mapping[int, int]:
        """What waits in the ring of each CPU."""


class Status:
    """
    The state of the daemon as one JSON object.

    :param ring_capacity_bytes: of the ring of one CPU.
    :param rules: those in force, and those that are switched off.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        kernel: Kernel,
        scope: str,
        config: Path,
        ring_capacity_bytes: int,
        rules: RuleSet,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._telemetry = telemetry
        self._kernel = kernel
        self._scope = scope
        self._config = config
        self._ring_capacity_bytes = ring_capacity_bytes
        self._clock = clock
        self._begin_s = clock()
        self._started_s = time.time()
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=WINDOW + 1)
        self.rules = rules
        self.sample()

    def sample(self) -> None:
        """Note what the rates are made of; called once a second or more often."""
        now_s = self._clock()
        if not self._samples or now_s >= self._samples[-1][0] + SAMPLE_S:
            self._samples.append((now_s, self._kernel.seen(), self._telemetry.alerts))

    def document(self) -> dict[str, Any]:
        """All of it; docs/status.md says what each key is."""
        telemetry, kernel = self._telemetry, self._kernel
        begin_s, events, alerts = self._samples[0]
        span_s = max(self._clock() - begin_s, 1e-3)
        lost = {**dict.fromkeys(Stage, 0), **kernel.losses(), **telemetry.lost}
        rings = kernel.ring_bytes()
        admitted = kernel.seen()
        enabled = sum(rule.enabled for rule in self.rules.rules)
        return {
            "version": __version__,
            "pid": os.getpid(),
            "uptime_s": round(self._clock() - self._begin_s, 1),
            "started": _iso(self._started_s),
            "kernel": platform.release(),
            "machine": platform.machine(),
            "scope": self._scope,
            "config": str(self._config),
            "rules": {"loaded": len(self.rules.rules), "enabled": enabled},
            "reload": {"successful": telemetry.reload_ok, "last_success": _iso(telemetry.reload_ok_s)},
            "events": {
                "admitted": admitted,
                "received": telemetry.received,
                "judged": telemetry.judged,
                "per_second": round((admitted - events) / span_s, 1),
            },
            "alerts": {"made": telemetry.alerts, "per_second": round((telemetry.alerts - alerts) / span_s, 1)},
            "lost": {stage.value: count for stage, count in lost.items()},
            "degraded": {part.value: count for part, count in kernel.degraded().items()},
            "rings": {
                "count": len(rings),
                "capacity_bytes": self._ring_capacity_bytes,
                "used_bytes": sum(rings.values()),
                "fullest_bytes": max(rings.values(), default=0),
            },
            "queues": {
                name: {"depth": queue.depth(), "capacity": queue.capacity} for name, queue in telemetry.queues.items()
            },
            "outputs": {
                name: {
                    "written": counts.written,
                    "failed": counts.failed,
                    "dropped": counts.dropped,
                    "resent": counts.resent,
                }
                for name, counts in telemetry.sinks.items()
            },
            "threads": {heart.name: round(heart.age_s(), 3) for heart in telemetry.heartbeats},
            "memory": {"resident_bytes": _resident_bytes()},
        }


def _iso(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE_BYTES
