"""Alerts to Prometheus' Alertmanager, API v2."""

import json
import time
from collections.abc import Callable
from typing import Any

from monitord.config.outputs import AlertmanagerConfig
from monitord.model.alert import Alert
from monitord.sinks.format import iso_time, valid_text
from monitord.sinks.http_post import HttpPost

LABEL_CHARS = 256
"""Of a label's value: Alertmanager keeps an alert per set of labels and shows them in every notification."""

TEXT_CHARS = 4096
"""Of an annotation's value."""


class Alertmanager:
    """
    Posts each alert on its own; Alertmanager makes one of those with the same labels, and extends it.

    :param number: of this one among the URLs, from 0.
    :raises SinkError: a file of the configuration cannot be used.
    """

    def __init__(self, config: AlertmanagerConfig, number: int = 0, clock: Callable[[], int] = time.time_ns) -> None:
        self.name = "alertmanager" if number == 0 else f"alertmanager_{number + 1}"
        self._post = HttpPost("alertmanager", config.urls[number], config, "/api/v2/alerts")
        self._resolve_after_ns = config.resolve_after_s * 10**9
        self._clock = clock

    def write(self, alert: Alert) -> None:
        """
        Post the alert.

        :raises SinkError: and its kinds, as `HttpPost.post`.
        """
        document = [api_object(alert, max(self._clock(), alert.time_ns) + self._resolve_after_ns)]
        self._post.post(json.dumps(document).encode(), {})

    def reopen(self) -> None:
        """Connect anew at the next alert."""
        self._post.close()

    def close(self) -> None:
        """Disconnect."""
        self._post.close()


def api_object(alert: Alert, ends_ns: int) -> dict[str, Any]:
    """
    An alert as postableAlert of the API.

    Labels are what the rule and the machine say, never a value from the event: an attacker who chooses those would
    choose how many alerts there are.
    """
    labels = {
        "alertname": alert.rule,
        "priority": alert.priority.label,
        "source": alert.source,
        "hostname": alert.hostname,
        "tags": ",".join(alert.tags),
    }
    return {
        "labels": {name: valid_text(text)[:LABEL_CHARS] for name, text in labels.items() if text},
        "annotations": {"summary": valid_text(alert.output)[:TEXT_CHARS]},
        "startsAt": iso_time(alert.time_ns),
        "endsAt": iso_time(ends_ns),
    }
