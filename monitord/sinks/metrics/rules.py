"""Metrics of rules: those that judge one event, and those that count several."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from monitord.sinks.format import valid_text
from monitord.sinks.metrics.families import counter, gauge
from monitord.telemetry import FileState, Telemetry


def rules(telemetry: Telemetry) -> Iterator[Metric]:
    """Matches and time of each rule."""
    named = [(valid_text(name), counts) for name, counts in telemetry.rules.items()]
    yield counter(
        "monitord_rule_matches_total",
        "Events that matched a rule.",
        ("rule", "priority"),
        [((name, counts.priority.label), counts.matches) for name, counts in named],
    )
    yield counter(
        "monitord_rule_evaluation_seconds_total",
        "Time spent on the condition of a rule.",
        ("rule",),
        [((name,), counts.evaluation_s) for name, counts in named],
    )
    yield gauge("monitord_rules_loaded", "Rules in force.", (), [((), len(named))])
    yield gauge(
        "monitord_rule_files",
        "Files of rules; those with mistakes are left out where rules.bad_files says so.",
        ("state",),
        [((state.value,), telemetry.rule_files.get(state, 0)) for state in FileState],
    )


def correlations(telemetry: Telemetry) -> Iterator[Metric]:
    """What correlations remember, and alerts that throttles folded."""
    named = [(valid_text(name), counts) for name, counts in telemetry.correlations.items()]
    yield counter(
        "monitord_correlation_events_total",
        "Events that a correlation counted.",
        ("rule",),
        [((name,), counts.events) for name, counts in named],
    )
    yield counter(
        "monitord_correlation_ungrouped_total",
        "Events that a correlation did not count, because the value of a group key or of its field was missing.",
        ("rule",),
        [((name,), counts.ungrouped) for name, counts in named],
    )
    yield gauge(
        "monitord_correlation_groups",
        "Groups that a correlation remembers.",
        ("rule",),
        [((name,), counts.groups) for name, counts in named],
    )
    yield counter(
        "monitord_correlation_groups_evicted_total",
        "Groups that a correlation forgot for want of room before their time was over.",
        ("rule",),
        [((name,), counts.evicted) for name, counts in named],
    )
    yield counter(
        "monitord_alerts_folded_total",
        "Alerts that a throttle folded into others.",
        ("rule",),
        [((valid_text(name),), alerts) for name, alerts in telemetry.folded.items()],
    )
