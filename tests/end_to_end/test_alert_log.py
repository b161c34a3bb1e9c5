"""The alert log of a running daemon."""

import os
import signal
import time

import pytest

from tests.support.daemon import configured, running, shell, until

pytestmark = pytest.mark.bpf

RULES = """
- rule: Nowhere
  desc: A file that is not there.
  condition: evt.type=openat and fd.name startswith /nowhere/
  output: "%fd.name by %proc.name"
  priority: NOTICE
  tags: [T1000]
"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    directory = tmp_path_factory.mktemp("daemon")
    with shell() as opened, running(directory, opened.scope, configured(directory, RULES)) as daemon:
        yield opened, daemon


def look_for(opened, name):
    opened.run(f"! cat /nowhere/{name} 2>&1")


def test_an_alert_has_the_keys_of_falco_and_ours(watched):
    opened, daemon = watched
    look_for(opened, "7")
    daemon.settle()

    alert = daemon.alerts()[-1]

    falco = ("time", "rule", "priority", "source", "hostname", "output", "tags", "output_fields")
    assert [*falco, "pid", "tid", "abi", "nr", "lost_before", "event"] == list(alert)
    assert ("Nowhere", "Notice", "syscall", os.uname().nodename, "/nowhere/7 by cat", ["T1000"]) == tuple(
        alert[key] for key in ("rule", "priority", "source", "hostname", "output", "tags")
    )


def test_an_alert_is_there_soon(watched):
    opened, daemon = watched
    look_for(opened, "soon")
    begin_s = time.monotonic()

    until(lambda: "/nowhere/soon" in daemon.alert_log.read_text())

    assert time.monotonic() - begin_s < 5


def test_the_time_of_an_alert_is_that_of_the_call(watched):
    opened, daemon = watched
    before_ns = time.time_ns()
    look_for(opened, "now")
    after_ns = time.time_ns()
    daemon.settle()

    assert before_ns <= daemon.alerts()[-1]["output_fields"]["evt.time"] <= after_ns


def test_a_log_that_was_renamed_is_left_alone(watched):
    opened, daemon = watched
    rotated = daemon.alert_log.rename(daemon.alert_log.with_suffix(".1"))
    before = rotated.read_text()
    look_for(opened, "rotated")
    daemon.settle()

    assert ["/nowhere/rotated by cat"] == [alert["output"] for alert in daemon.alerts()]
    assert before == rotated.read_text()


def test_sigusr1_opens_it_again(watched):
    _, daemon = watched
    daemon.alert_log.unlink()
    daemon.send(signal.SIGUSR1)

    assert until(daemon.alert_log.exists)
