"""Alerts to an HTTP server of the operator's choice."""

import hashlib

from monitord.config.outputs import WebhookConfig
from monitord.sinks.http_post import HttpPost


class Webhook:
    """
    Posts one alert per request, as JSON.

    Every request has an Idempotency-Key that is the same when the same alert is sent again.

    :raises SinkError: a file of the configuration cannot be used.
    """

    name = "webhook"

    def __init__(self, config: WebhookConfig) -> None:
        self._post = HttpPost(self.name, config.url, config)

    def write(self, record: bytes) -> None:
        """
        Post the alert.

        :param record: one line of JSON.
        :raises SinkError: and its kinds, as `HttpPost.post`.
        """
        self._post.post(record.rstrip(b"\n"), {"Idempotency-Key": hashlib.sha256(record).hexdigest()[:32]})

    def reopen(self) -> None:
        """Connect anew at the next alert."""
        self._post.close()

    def close(self) -> None:
        """Disconnect."""
        self._post.close()
