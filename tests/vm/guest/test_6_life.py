"""Reload, kill, hang, stop: what systemd does to the service, and what the log then says was lost."""

import re

import pytest
from machine import (
    RULES,
    SERVICE,
    Metrics,
    alert,
    alerts,
    daemon_said,
    drop_in,
    journal,
    main_pid,
    now,
    prop,
    read_secret,
    run,
    seen,
    until,
    wait_active,
)

RULE = """\
- rule: Host name reached by a link
  desc: For a test.
  condition: evt.type in (open, openat) and fd.realpath=/etc/hostname and fd.name != /etc/hostname
  output: Host name reached by a link (file=%fd.name command=%proc.cmdline)
  priority: WARNING
"""


class TestReload:
    PATH = RULES / "site.yaml"

    @pytest.fixture(scope="class", autouse=True)
    def clean(self):
        yield
        self.PATH.unlink(missing_ok=True)

    def reloaded(self):
        """What the log says of a reload."""
        before = now()
        pid = main_pid()
        run(f"systemctl reload {SERVICE}")
        until(lambda: re.search("reloaded|reload refused", prop("StatusText")) and "reload" in daemon_said(before))
        assert pid == main_pid()
        return journal(before)

    def test_new_rules_judge_at_once(self):
        self.PATH.write_text(RULE)
        lost = Metrics().lost()
        assert "Host name reached by a link" in self.reloaded()
        run("ln -s /etc/hostname /tmp/innocent; cat /tmp/innocent > /dev/null")

        assert "/tmp/innocent" == alert("Host name reached by a link", "innocent")["output_fields"]["fd.name"]
        assert lost == Metrics().lost()

    @pytest.mark.one_kernel(1)
    def test_wrong_rules_are_refused_with_the_place_and_the_old_ones_go_on(self):
        self.PATH.write_text(RULE.replace("fd.realpath", "fd.realpaht"))
        said = self.reloaded()
        assert f"{self.PATH}:3:" in said
        assert "1 to correct; the old configuration and rules stay" in said
        assert 0 == Metrics().value("monitord_config_last_reload_successful")
        run("ln -s /etc/hostname /tmp/refused; cat /tmp/refused > /dev/null")

        alert("Host name reached by a link", "refused")

    @pytest.mark.one_kernel(1)
    def test_right_ones_are_taken_again(self):
        self.PATH.unlink()
        self.reloaded()

        assert 1 == Metrics().value("monitord_config_last_reload_successful")


class TestEndsWithoutStopping:
    """Killed, or hanging: systemd starts it anew, and it says that the run before ended without a word."""

    @pytest.fixture(scope="class", autouse=True)
    def soon(self):
        """The watchdog of what is started from now on, in seconds: all machines of a run would wait the whole 30."""
        assert "30000000" == prop("WatchdogUSec")
        drop_in(WatchdogSec="12")
        yield
        drop_in()

    HANGING = pytest.param("STOP", id="hanging, killed by the watchdog", marks=pytest.mark.one_kernel(0))

    STARVED = pytest.param("OOM", id="killed for want of memory", marks=pytest.mark.one_kernel(2))

    @pytest.fixture(scope="class", params=[pytest.param("KILL", id="killed"), HANGING, STARVED])
    def ended(self, request):
        run(f"systemctl reset-failed {SERVICE}")  # starts are counted for StartLimitBurst
        read_secret(f"before-{request.param}")
        seen(f"before-{request.param}")
        before, pid, restarts = now(), main_pid(), int(prop("NRestarts"))
        if request.param == "OOM":
            limit = f"/sys/fs/cgroup/system.slice/{SERVICE}/memory.max"
            run(f"echo 10M > {limit}; echo max > {limit}", None)
        else:
            run(f"kill -{request.param} {pid}")
        until(lambda: int(prop("NRestarts")) > restarts)
        wait_active()
        return request.param, before, pid, restarts

    def test_is_started_anew_once(self, ended):
        _, _, pid, restarts = ended

        assert pid != main_pid()
        assert restarts + 1 == int(prop("NRestarts"))

    def test_says_why(self, ended):
        how, before, _, _ = ended
        said = journal(before)

        assert ("Watchdog timeout" in said) == (how == "STOP")
        assert ("killed by the OOM killer" in said) == (how == "OOM")
        assert ("status=6/ABRT" if how == "STOP" else "status=9/KILL") in said

    def test_says_what_was_lost(self, ended):
        _, before, pid, _ = ended

        assert re.search(rf"the last run \(pid {pid}\) ended without stopping after \d{{4}}-", journal(before))
        assert re.search(r"not watched for [\d.]+ s", journal(before))

    def test_watches_again_in_the_same_log(self, ended):
        how, _, _, _ = ended
        read_secret(f"after-{how}")

        seen(f"after-{how}")
        seen(f"before-{how}")
        assert all(alerts())


def test_stop_says_what_came_of_every_event():
    before = now()
    read_secret("just-before-stop")

    run(f"systemctl stop {SERVICE}")

    totals = re.search(
        r"stopped: (\d+) events admitted, (\d+) judged, (\d+) lost; \d+ alerts, .*; dropped: none", journal(before)
    )
    admitted, judged, lost = map(int, totals.groups())
    assert (admitted, 0) == (judged, lost)
    assert ("success", "inactive") == (prop("Result"), prop("ActiveState"))
    seen("just-before-stop")


def test_only_the_first_start_compiles():
    assert 1 == journal().count("BPF programs: compiled in ")
