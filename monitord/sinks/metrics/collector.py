"""The metrics, collected from those who count when somebody scrapes."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from monitord.sinks.http import Render
from monitord.sinks.metrics.daemon import alerts, programs, state
from monitord.sinks.metrics.events import events
from monitord.sinks.metrics.readings import Readings
from monitord.sinks.metrics.rules import correlations, rules
from monitord.sinks.metrics.syscalls import syscalls
from monitord.telemetry import Telemetry


def renderer(telemetry: Telemetry, readings: Readings) -> Render:
    """The function that makes the answer to a scrape, in the text format that the client asks for."""
    registry = CollectorRegistry()
    registry.register(_Metrics(telemetry, readings))
    ProcessCollector(registry=registry)

    def render(accept: str) -> tuple[str, bytes]:
        encode, content_type = choose_encoder(accept)
        return content_type, encode(registry)

    return render


class _Metrics(Collector):
    def __init__(self, telemetry: Telemetry, readings: Readings) -> None:
        self._telemetry = telemetry
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        """Every metric of monitord."""
        yield from syscalls(self._readings)
        yield from events(self._telemetry, self._readings)
        yield from rules(self._telemetry)
        yield from correlations(self._telemetry)
        yield from alerts(self._telemetry)
        yield from programs(self._readings)
        yield from state(self._telemetry)
