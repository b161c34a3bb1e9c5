"""Reading the metrics of a running daemon, as Prometheus would."""

import http.client
from dataclasses import dataclass

from monitord.sinks.exposition import samples_of

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
    for name, labels, number in _samples(address, port):
        if name == "monitord_rule_evaluation_seconds_total":
            seconds[labels["rule"]] = number
        elif name == "monitord_rule_matches_total":
            matches[labels["rule"]] = int(number)
    return {name: RuleCost(spent, matches.get(name, 0)) for name, spent in seconds.items()}


def _samples(address: str, port: int) -> list[tuple[str, dict[str, str], float]]:
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
        samples = list(samples_of(text))
    except ValueError:
        samples = []
    if answer.status != http.client.OK or not any(name.startswith("monitord_") for name, _, _ in samples):
        raise ScrapeError(f"what answers at {where} is not monitord")
    return samples
