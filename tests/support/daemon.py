"""The daemon as its users run it: a process of its own, seen by its notifications, its log, alert log and metrics."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from prometheus_client.parser import text_string_to_metric_families

CHECKOUT = Path(__file__).resolve().parents[2]

SHIPPED = CHECKOUT / "config/monitord.yaml"
"""The configuration that comes with monitord, its rules included."""

COMMAND = (sys.executable, "-m", "monitord.cli.main")

ALERTS = "alerts.jsonl"
"""The alert log, in the directory that the daemon was given."""

PATIENCE_S = 180.0
"""For what is to happen: it costs nothing when it does, and a machine may be slow and busy. Then a test fails."""

T = TypeVar("T")


def configured(directory: Path, rules: str, /, **sections: Mapping[str, object]) -> Path:
    """
    A configuration of these rules, with an alert log and metrics, in a directory; it replaces one that is there.

    :param sections: keys of sections that are to be different.
    """
    (directory / "rules.yaml").write_text(rules)
    config: dict[str, Mapping[str, object]] = {
        "rules": {"paths": ["rules.yaml"]},
        "outputs": {"alert_log": {"path": ALERTS}, "console": False},
        "metrics": {"address": "127.0.0.1:0"},
        "control": {"socket": None},
    }
    for name, values in sections.items():
        config[name] = {**config.get(name, {}), **values}
    path = directory / "monitord.yaml"
    path.write_text(json.dumps(config))  # which is YAML
    return path


def until(found: Callable[[], T], timeout_s: float = PATIENCE_S) -> T:
    """What `found` returns, as soon as it is true."""
    end_s = time.monotonic() + timeout_s
    while not (result := found()):
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.02)
    return result


def environment(**changes: str) -> dict[str, str]:
    """That of a daemon: this one's, without what systemd may have told us."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NOTIFY_SOCKET", "WATCHDOG_USEC")}
    return kept | {"PYTHONPATH": str(CHECKOUT)} | changes


class Metrics:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def value(self, name: str, **labels: str) -> float | None:
        """The one sample with these labels, or None."""
        return next((value for found, value in self.labelled(name) if found == labels), None)

    def labelled(self, name: str) -> list[tuple[Mapping[str, str], float]]:
        """All samples of a name, with their labels."""
        return [(sample.labels, sample.value) for sample in self._samples if sample.name == name]

    def total(self, name: str) -> float:
        """The sum over all labels."""
        return sum(value for _, value in self.labelled(name))

    def events(self, stage: str) -> float:
        """Events that came to a stage."""
        found = self.value("monitord_events_total", stage=stage)
        assert found is not None
        return found


class Daemon:
    """
    A running `monitord run`.

    :ivar states: what it told systemd, in order: one text per message.
    """

    def __init__(
        self, directory: Path, scope: str, config: Path, environ: Mapping[str, str], before: Sequence[str]
    ) -> None:
        self.alert_log = directory / ALERTS
        self._stderr = directory / "stderr"
        self.states: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = str(directory / "notify")
        self._socket.bind(address)
        # The kernel keeps ten datagrams, and a sender of more waits: somebody must always read.
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        argv = [*before, *COMMAND, "run", "-c", str(config), "--scope", scope]
        if config == SHIPPED:
            argv += ["--alert-log", str(self.alert_log), "--metrics", "127.0.0.1:0"]
        with self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                argv,
                env=environment(NOTIFY_SOCKET=address, **environ),
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )

    def _listen(self) -> None:
        while message := self._socket.recv(4096):
            self.states.append(message.decode())

    @property
    def log(self) -> str:
        """Its own log so far."""
        return self._stderr.read_text()

    def told(self, state: str) -> int:
        """How often it told systemd this."""
        return sum(state in message.splitlines() for message in list(self.states))

    def wait_for(self, state: str, times: int = 1) -> None:
        """Until it told systemd this so many times."""
        until(lambda: self.told(state) >= times or self._ended())
        assert self.told(state) >= times, self.log

    def _ended(self) -> bool:
        return self.process.poll() is not None

    def alerts(self) -> list[dict]:
        """The lines of the alert log; every one must be whole."""
        text = self.alert_log.read_text()
        assert text == "" or text.endswith("\n")
        return [json.loads(line) for line in text.splitlines()]

    def metrics_address(self) -> str:
        """Where metrics are served, as ``--metrics`` takes it."""
        url = re.search(r"http://(\S+)/metrics", self.log)
        assert url, self.log
        return url[1]

    def scrape(self) -> Metrics:
        """What Prometheus would see now."""
        with urllib.request.urlopen(f"http://{self.metrics_address()}/metrics", timeout=PATIENCE_S) as answer:
            return Metrics(answer.read().decode())

    def settle(self) -> Metrics:
        """Until everything that was admitted has been judged or lost, and its alerts are written."""

        def settled() -> Metrics | None:
            now = self.scrape()
            done = now.events("judged") + now.total("monitord_events_lost_total") == now.events("admitted")
            return now if done and not now.value("monitord_queue_depth", queue="alert_log") else None

        return until(settled)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def reload(self) -> None:
        """SIGHUP, and wait until it is served."""
        served = self.told("READY=1") + 1
        self.send(signal.SIGHUP)
        self.wait_for("READY=1", served)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.send(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """End it, whatever it does, and forget it."""
        if not self._ended():
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._listener.join()
        self._socket.close()


@contextmanager
def running(
    directory: Path, scope: str, config: Path = SHIPPED, before: Sequence[str] = (), **environ: str
) -> Iterator[Daemon]:
    """
    A daemon that is ready, ended at the end.

    :param directory: where the alert log goes, and what belongs to this daemon.
    :param config: one of `configured` in that directory.
    :param before: a command that executes what is behind it.
    :param environ: added to its environment.
    """
    daemon = Daemon(directory, scope, config, environ, before)
    try:
        daemon.wait_for("READY=1")
        yield daemon
    finally:
        daemon.close()


class Shell:
    """A shell to act in. Its pid is a scope: what happens in it is watched, and nothing else is."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment()
        )
        self.scope = f"pid:{self._process.pid}"

    def run(self, command: str) -> int:
        """Run a command to its end, in a subshell; its exit code."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"( {command}\n) </dev/null >/dev/null\necho $?\n")
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """Leave it."""
        self._process.communicate()


@contextmanager
def shell() -> Iterator[Shell]:
    """A shell, left at the end."""
    opened = Shell()
    try:
        yield opened
    finally:
        opened.close()
