"""Debian's Prometheus on loopback."""

import json
import subprocess
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.alertmanager import free_port, get, wait_for_server
from tests.support.daemon import PATIENCE_S


class Prometheus:
    """A running one."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The samples of an expression now."""
        return self._asked("query", query=expr)

    def query_range(self, expr: str, start_s: float, end_s: float, step_s: float) -> list[dict[str, Any]]:
        """The series of an expression over a time."""
        return self._asked("query_range", query=expr, start=start_s, end=end_s, step=step_s)

    def alerts(self) -> list[dict[str, Any]]:
        """Those of the alerting rules that are pending or firing."""
        found: Any = get(f"{self.url}/api/v1/alerts")
        return list(found["data"]["alerts"])

    def _asked(self, what: str, **parameters: object) -> list[dict[str, Any]]:
        found: Any = get(f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}")
        assert found["status"] == "success", found
        return list(found["data"]["result"])


@contextmanager
def prometheus(
    directory: Path, target: str, alertmanager: str | None = None, rules: Sequence[Path] = ()
) -> Iterator[Prometheus]:
    """
    One that scrapes a monitord every second and judges its rules as often.

    :param target: HOST:PORT.
    :param alertmanager: its URL.
    """
    managers = [{"static_configs": [{"targets": [alertmanager.removeprefix("http://")]}]}] if alertmanager else []
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [{"job_name": "monitord", "static_configs": [{"targets": [target]}]}],
        "alerting": {"alertmanagers": managers},
        "rule_files": [str(path) for path in rules],
    }
    path = directory / "prometheus.yml"
    path.write_text(json.dumps(config))  # which is YAML
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        f"--config.file={path}",
        f"--storage.tsdb.path={directory}/prometheus",
        f"--web.listen-address={url.removeprefix('http://')}",
    ]
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, stdout=log)
    try:
        wait_for_server(process, f"{url}/-/ready")
        yield Prometheus(url)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
