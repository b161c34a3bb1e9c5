"""The life of the service, as systemd and an operator see it from outside."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.daemon import PATIENCE_S

SERVICE = Path(__file__).with_name("service.py")


class Service:
    """The process, and what it told systemd."""

    def __init__(self, process, systemd):
        self._process = process
        self._systemd = systemd

    def signal(self, number):
        self._process.send_signal(number)

    def line(self):
        return self._process.stdout.readline().removesuffix("\n")

    def told(self):
        """The next message to systemd that is not for the watchdog, as its lines."""
        while (message := self._systemd.recv(4096)) == b"WATCHDOG=1":
            pass
        return message.decode().splitlines()

    def message(self):
        return self._systemd.recv(4096)

    def finish(self):
        """The exit code, and what else it printed and logged."""
        out, err = self._process.communicate(timeout=PATIENCE_S)
        return self._process.returncode, out.splitlines(), err.splitlines()


@pytest.fixture
def run(tmp_path):
    """Starts the service; what is still there at the end is killed."""

    @contextmanager
    def start(*faults):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(str(tmp_path / "notify"))
            systemd.settimeout(PATIENCE_S)
            environ = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"}
            environ["PYTHONPATH"] = str(SERVICE.parents[2])
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            with subprocess.Popen([sys.executable, SERVICE, *faults], env=environ, **pipes) as process:
                try:
                    yield Service(process, systemd)
                finally:
                    process.kill()

    return start


@contextmanager
def ready(run, *faults):
    with run(*faults) as service:
        assert "start" == service.line()
        assert ["READY=1", "STATUS=watching"] == service.told()
        yield service


class TestStart:
    def test_ready_is_told_after_the_pipeline_runs(self, run):
        with ready(run) as service:
            service.signal(signal.SIGTERM)

    def test_watchdog_is_fed(self, run):
        with ready(run) as service:
            assert [b"WATCHDOG=1"] * 2 == [service.message(), service.message()]


class TestStop:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_signal_drains_and_ends_well(self, run, number):
        with ready(run) as service:
            service.signal(number)

            assert ["STOPPING=1", "STATUS=writing the last alerts"] == service.told()
            assert (
                0,
                ["stop within 4.5 s", "reload ok: False"],
                [f"monitord: {number.name}: stopping"],
            ) == service.finish()

    def test_second_signal_ends_at_once(self, run):
        with ready(run, "slow") as service:
            service.signal(signal.SIGTERM)
            assert "stop within 4.5 s" == service.line()
            service.signal(signal.SIGTERM)

            assert -signal.SIGTERM == service.finish()[0]

    def test_failed_pipeline_ends_the_service_with_the_reason(self, run):
        with run("broken") as service:
            code, out, err = service.finish()

        assert 1 == code
        assert "stop within 4.5 s" in out
        assert ["monitord: error: stopping: the ring of CPU 1 is gone"] == err


class TestReload:
    def test_good_reload_is_told_and_counted(self, run):
        with ready(run) as service:
            service.signal(signal.SIGHUP)
            assert "reload" == service.line()
            assert "RELOADING=1" == service.told()[0]
            assert ["READY=1", "STATUS=reloaded; watching"] == service.told()
            service.signal(signal.SIGTERM)

            assert "reload ok: True" in service.finish()[1]

    def test_watchdog_of_two_seconds_is_fed_while_a_reload_takes_three(self, run):
        with ready(run, "long") as service:
            service.signal(signal.SIGHUP)
            messages = []
            while not messages or not messages[-1].startswith(b"READY=1"):
                messages.append(service.message())
            begin = next(index for index, message in enumerate(messages) if message.startswith(b"RELOADING=1"))

            assert messages[begin:].count(b"WATCHDOG=1") >= 2
            service.signal(signal.SIGTERM)

    def test_refused_reload_names_every_mistake_and_goes_on(self, run):
        with ready(run, "wrong") as service:
            service.signal(signal.SIGHUP)
            service.told()
            refused = "reload refused, 1 to correct; the old configuration and rules stay"
            assert ["READY=1", f"STATUS={refused}"] == service.told()
            service.signal(signal.SIGTERM)

            code, out, err = service.finish()

        assert (0, "reload ok: False") == (code, out[-1])
        assert [
            "monitord: error: rules.yaml:3:5: R004 unknown field",
            "monitord: warning: rules.yaml:7:1: warning R030 macro is not used",
            f"monitord: error: {refused}",
        ] == err[:3]

    def test_files_that_changed_are_a_reload(self, run):
        with ready(run, "changed") as service:
            assert "reload" == service.line()
            assert "RELOADING=1" == service.told()[0]
            service.told()
            service.signal(signal.SIGTERM)

            assert "monitord: changed: a.yaml, b.yaml" == service.finish()[2][0]


class TestReopen:
    def test_signal_reopens_the_outputs(self, run):
        with ready(run) as service:
            service.signal(signal.SIGUSR1)

            assert "reopen" == service.line()
