"""SIGTERM while events flow, and SIGINT while the programs are compiled."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.end_to_end.watched import python
from tests.support.daemon import COMMAND, PATIENCE_S, Daemon, configured, environment, running, shell, until

pytestmark = pytest.mark.bpf

RULES = """
- rule: Nowhere
  desc: A file that is not there.
  condition: evt.type=openat and fd.name startswith /nowhere/
  output: "%fd.name"
  priority: NOTICE
"""

WITHOUT_END = """
import os, sys, time
while True:
    before = os.stat(sys.argv[1]).st_size
    for _ in range(10):
        try:
            os.open("/nowhere/load", 0)
        except FileNotFoundError:
            pass
    for _ in range(10):
        time.sleep(0.002)
        if os.stat(sys.argv[1]).st_size > before:
            break
"""
"""As much as the daemon takes: more calls come when the alert log, which is the argument, has grown, or after 20 ms."""

BEFORE = 503

OPENS = f"""
import os
for number in range({BEFORE}):
    try:
        os.open(f"/nowhere/before/{{number}}", 0)
    except FileNotFoundError:
        pass
"""


class TestSigtermUnderLoad:
    @pytest.fixture(scope="class")
    def stopped(self, tmp_path_factory):
        """A daemon that was stopped while calls went on, and right behind some that did not; and what it took."""
        directory = tmp_path_factory.mktemp("daemon")
        with shell() as opened, running(directory, opened.scope, configured(directory, RULES)) as daemon:
            opened.run(f"{python(WITHOUT_END)} {daemon.alert_log} & echo $! > {directory}/pid")
            until(lambda: "/nowhere/load" in daemon.alert_log.read_text())
            opened.run(python(OPENS))
            begin_s = time.monotonic()
            code = daemon.stop()
            took_s = time.monotonic() - begin_s
            opened.run(f"kill $(cat {directory}/pid)")
        return daemon, code, took_s

    def test_is_obeyed_within_5_s(self, stopped):
        _, code, took_s = stopped

        assert code == 0
        assert took_s < 5

    def test_leaves_the_alerts_of_all_calls_before_it_in_whole_lines(self, stopped):
        daemon, _, _ = stopped
        named = [alert["output_fields"]["fd.name"] for alert in daemon.alerts()]

        assert [f"/nowhere/before/{number}" for number in range(BEFORE)] == sorted(
            (name for name in named if "before" in name), key=lambda name: int(name.rpartition("/")[2])
        )

    def test_says_what_came_of_every_event(self, stopped):
        daemon, _, _ = stopped
        totals = re.search(
            r"stopped: (\d+) events admitted, (\d+) judged, (\d+) lost; (\d+) alerts, written: alert_log",
            daemon.log,
        )
        admitted, judged, lost, written = map(int, totals.groups())

        assert admitted == judged + lost
        assert len(daemon.alerts()) == written


class TestWhileReloading:
    def test_is_obeyed_within_5_s_though_the_reload_waits_for_an_output_that_hangs(self, tmp_path):
        def config(path: str) -> Path:
            webhook = {"url": f"http://127.0.0.1:{server.getsockname()[1]}/{path}", "timeout_s": 300}
            return configured(tmp_path, RULES, outputs={"webhook": webhook})

        with (
            socket.create_server(("127.0.0.1", 0)) as server,
            shell() as opened,
            running(tmp_path, opened.scope, config("old")) as daemon,
        ):
            opened.run("cat /nowhere/hangs 2>/dev/null")
            server.accept()[0].recv(1)  # and no answer
            config("new")
            daemon.send(signal.SIGHUP)
            daemon.wait_for("RELOADING=1", 1)
            until(lambda: "rules: no change" in daemon.log)
            begin_s = time.monotonic()

            assert 0 == daemon.stop()
            assert time.monotonic() - begin_s < 6.5


class TestBeforeItIsReady:
    """Its libraries are not all loaded when the signal comes: no handler is in place yet."""

    @pytest.fixture
    def starting(self, tmp_path):
        daemon = Daemon(tmp_path, f"pid:{os.getpid()}", configured(tmp_path, RULES), {}, ())
        loaded = Path(f"/proc/{daemon.process.pid}/maps")
        until(lambda: "numpy" in loaded.read_text())
        yield daemon
        daemon.close()

    def test_sighup_is_a_reload_when_it_watches(self, starting):
        starting.send(signal.SIGHUP)
        starting.wait_for("READY=1", 2)

        assert 1 == starting.scrape().value("monitord_config_last_reload_successful")
        assert 1 == starting.log.count("rules: no change, 1 are on")

    def test_sigusr1_is_no_end(self, starting):
        starting.send(signal.SIGUSR1)

        starting.wait_for("READY=1")

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_stop_is_a_clean_one_that_does_not_wait_for_the_start(self, starting, number):
        starting.send(signal.SIGHUP)
        starting.send(number)
        code = starting.process.wait(PATIENCE_S)

        assert (0, 0) == (code, starting.told("READY=1")), starting.log
        assert f"{number.name}: stopping\n" in starting.log


def test_ctrl_c_while_programs_are_compiled_is_a_stop(tmp_path):
    """A terminal sends it to all processes of the command."""
    (tmp_path / "monitord.yaml").write_text("metrics: {enabled: false}\ncontrol: {socket: null}\n")
    with subprocess.Popen(
        [*COMMAND, "run", "-c", tmp_path / "monitord.yaml", "--scope", f"pid:{os.getpid()}"],
        env=environment(CACHE_DIRECTORY=str(tmp_path)),
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    ) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: any(os.getsid(int(child)) == int(child) for child in children.read_text().split()))
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_S)

    assert 0 == process.returncode, said
    assert "SIGINT: stopping" in said
    assert "error" not in said
