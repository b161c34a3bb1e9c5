"""Metrics of the event lane: what came, what was lost, and what is remembered on the way."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from monitord.model.loss import Stage
from monitord.sinks.format import valid_text
from monitord.sinks.metrics.families import counter, gauge
from monitord.sinks.metrics.readings import Readings
from monitord.telemetry import Telemetry


def events(telemetry: Telemetry, readings: Readings) -> Iterator[Metric]:
    """From the kernel to the rules."""
    yield counter(
        "monitord_events_total",
        "Events by the stage they came to: admitted in the kernel, received, judged by the rules.",
        ("stage",),
        [
            (("admitted",), readings.admitted()),
            (("received",), telemetry.received),
            (("judged",), telemetry.judged),
        ],
    )
    lost = Counter(dict.fromkeys(Stage, 0))
    lost.update(readings.losses())
    lost.update(telemetry.lost)
    yield counter(
        "monitord_events_lost_total",
        "Events lost, by the stage where.",
        ("stage",),
        [((stage.value,), events) for stage, events in lost.items()],
    )
    yield counter(
        "monitord_events_ignored_total",
        "Events that a rule wanted and the operator has no use for, dropped in the kernel.",
        ("by",),
        [((by,), events) for by, events in readings.ignored().items()],
    )
    yield counter(
        "monitord_degraded_total",
        "What was recorded with a part missing: the tail of a text, the start of a call, the errno of an error.",
        ("part",),
        [((part.value,), times) for part, times in readings.degraded().items()],
    )
    yield counter("monitord_batches_total", "Reads of the rings that found events.", (), [((), telemetry.batches)])
    yield counter("monitord_ring_read_bytes_total", "Bytes read from the rings.", (), [((), telemetry.ring_bytes)])
    yield from _origins(telemetry)
    yield gauge("monitord_processes", "Processes in the process table.", (), [((), telemetry.processes())])
    yield counter(
        "monitord_processes_evicted_total",
        "Processes that the table forgot for want of room.",
        (),
        [((), telemetry.processes_evicted())],
    )
    yield counter(
        "monitord_cgroups_evicted_total",
        "Cgroups that were forgotten for want of room.",
        (),
        [((), telemetry.cgroups_evicted())],
    )
    yield counter(
        "monitord_container_lookups_total",
        "Questions about a container to the runtimes that are configured, by what came of them.",
        ("result",),
        [((result,), times) for result, times in telemetry.container_lookups().items()],
    )
    queues = telemetry.queues.items()
    yield gauge(
        "monitord_queue_depth", "What waits in a queue.", ("queue",), [((name,), q.depth()) for name, q in queues]
    )
    yield gauge(
        "monitord_queue_capacity",
        "What fits in a queue.",
        ("queue",),
        [((name,), q.capacity) for name, q in queues],
    )


def _origins(telemetry: Telemetry) -> Iterator[Metric]:
    for top, what, meaning in (
        (telemetry.origin_events, "events", "Events received"),
        (telemetry.origin_alerts, "alerts", "Alerts made"),
    ):
        labelled = [((valid_text(container), valid_text(unit)), count) for (container, unit), count in top.shown()]
        yield counter(
            f"monitord_origin_{what}_total",
            f"{meaning}, by container and unit, of the busiest; the rest is 'other'.",
            ("container", "unit"),
            [*labelled, (("other", "other"), top.rest)] if top.size else [],
        )
    yield counter(
        "monitord_origins_replaced_total",
        "Containers and units that lost their series to busier ones and were added to 'other'.",
        (),
        [((), telemetry.origin_events.replaced + telemetry.origin_alerts.replaced)],
    )
