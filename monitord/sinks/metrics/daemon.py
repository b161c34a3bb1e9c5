"""Metrics of the daemon itself: its outputs, its BPF programs, its threads and its configuration."""

import platform
from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from monitord import __version__
from monitord.sinks.metrics.families import counter, gauge
from monitord.sinks.metrics.readings import Readings
from monitord.telemetry import Telemetry

_NS = 1e9


def alerts(telemetry: Telemetry) -> Iterator[Metric]:
    """What became of alerts, by output."""
    sinks = telemetry.sinks.items()
    yield counter(
        "monitord_alerts_total", "Alerts written.", ("sink",), [((name,), counts.written) for name, counts in sinks]
    )
    yield counter(
        "monitord_alert_errors_total",
        "Attempts to write an alert that failed; one alert can fail many times.",
        ("sink",),
        [((name,), counts.failed) for name, counts in sinks],
    )
    yield counter(
        "monitord_alerts_dropped_total",
        "Alerts given up, most often because the queue of a broken sink was full.",
        ("sink",),
        [((name,), counts.dropped) for name, counts in sinks],
    )
    yield counter(
        "monitord_alerts_resent_total",
        "Alerts written again although the time before may have succeeded: the receiver can have them twice.",
        ("sink",),
        [((name,), counts.resent) for name, counts in sinks],
    )


def programs(readings: Readings) -> Iterator[Metric]:
    """What BPF programs cost."""
    timed = readings.programs().items()
    yield counter(
        "monitord_bpf_program_runs_total",
        "Runs of a BPF program, counted by the kernel while bpf.program_stats is on.",
        ("program",),
        [((name,), stats.runs) for name, stats in timed],
    )
    yield counter(
        "monitord_bpf_program_run_seconds_total",
        "Time in a BPF program, measured by the kernel while bpf.program_stats is on.",
        ("program",),
        [((name,), stats.run_ns / _NS) for name, stats in timed],
    )


def state(telemetry: Telemetry) -> Iterator[Metric]:
    """Threads, the last reload, and what runs here."""
    yield gauge(
        "monitord_thread_heartbeat_age_seconds",
        "Time since a thread last came round; the watchdog ends the daemon when one hangs.",
        ("thread",),
        [((heart.name,), heart.age_s()) for heart in telemetry.heartbeats],
    )
    yield gauge(
        "monitord_config_last_reload_successful",
        "Whether the configuration and rules on disk could be loaded; 0: the ones before are still in force.",
        (),
        [((), int(telemetry.reload_ok))],
    )
    yield gauge(
        "monitord_config_last_reload_success_timestamp_seconds",
        "When configuration and rules were last loaded.",
        (),
        [((), telemetry.reload_ok_s)],
    )
    yield gauge(
        "monitord_build_info",
        "What runs here; always 1.",
        ("version", "kernel", "machine", "python"),
        [((__version__, platform.release(), platform.machine(), platform.python_version()), 1)],
    )
