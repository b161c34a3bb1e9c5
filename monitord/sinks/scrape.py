"""Reading the metrics of a running daemon, as Prometheus would."""

import http.client

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from monitord.dataclass import dataclass

TIMEOUT_S = 5.0


class ScrapeError(Exception):
    """Nobody answers there, or it is not a monitord that does."""


@dataclass(frozen=True, slots=True)
class RuleCost:
    """What a rule has cost and found since the daemon loaded it."""

    seconds: float
    matches: int


def rule_costs(address: str, port: int) -> dict[str, RuleCost]:
    """
    The rules in force, by name.

    :raises ScrapeError: there is no daemon to ask.
    """
    seconds: dict[str, float] = {}
    matches: dict[str, int] = {}
    for family in _families(address, port):
        for sample in family.samples:
            if sample.name == "monitord_rule_evaluation_seconds_total":
                seconds[sample.labels["rule"]] = sample.value
            elif sample.name == "monitord_rule_matches_total":
                matches[sample.labels["rule"]] = int(sample.value)
    return {name: RuleCost(spent, matches.get(name, 0)) for name, spent in seconds.items()}


def _families(address: str, port: int) -> list[Metric]:
    where = f"http://{f'[{address}]' if ':' in address else address}:{port}/metrics"
    try:
        connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise ScrapeError(f"no monitord answers at {where}: {error}") from error
    try:
        families = list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]  # as the library has it
    except ValueError:
        families = []
    if answer.status != http.client.OK or not any(family.name.startswith("monitord_") for family in families):
        raise ScrapeError(f"what answers at {where} is not monitord")
    return families
