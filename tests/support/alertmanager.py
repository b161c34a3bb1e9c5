"""Debian's Alertmanager on loopback."""

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.daemon import PATIENCE_S

CONFIG = """\
route: {receiver: none}
receivers: [{name: none}]
"""


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def get(url: str) -> object:
    """A JSON document."""
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
        return json.load(answer)


@contextmanager
def alertmanager(directory: Path) -> Iterator[str]:
    """A running one; its URL."""
    config = directory / "alertmanager.yml"
    config.write_text(CONFIG)
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        "prometheus-alertmanager",
        f"--config.file={config}",
        f"--storage.path={directory}/alertmanager",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--cluster.listen-address=",
    ]
    with (directory / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, stdout=log)
    try:
        wait_for_server(process, f"{url}/-/ready")
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def wait_for_server(process: "subprocess.Popen[bytes]", url: str) -> None:
    """Until it answers."""
    end_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=PATIENCE_S).close()
            return
        except OSError:
            assert process.poll() is None, f"{process.args} has ended"
            assert time.monotonic() < end_s
            time.sleep(0.05)


def alerts(url: str) -> list[dict]:
    """Those that Alertmanager holds."""
    found = get(f"{url}/api/v2/alerts")
    assert isinstance(found, list)
    return found
