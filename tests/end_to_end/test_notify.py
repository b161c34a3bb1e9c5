"""What the daemon tells systemd."""

import pytest

from tests.support.daemon import configured, running, shell

pytestmark = pytest.mark.bpf


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """Of a daemon with nothing to do, that was reloaded and stopped under a watchdog of one second."""
    directory = tmp_path_factory.mktemp("daemon")
    config = configured(directory, "")
    with shell() as opened, running(directory, opened.scope, config, WATCHDOG_USEC="1000000") as daemon:
        daemon.wait_for("WATCHDOG=1", 4)
        daemon.reload()
        daemon.stop()
        daemon.wait_for("STOPPING=1")
    return [line for state in daemon.states for line in state.splitlines() if "STATUS" not in line]


def test_first_it_is_ready(states):
    assert "READY=1" == states[0]


def test_a_reload_begins_and_ends(states):
    """The watchdog is fed meanwhile, if it takes long."""
    begin = states.index("RELOADING=1")

    assert states[begin + 1].startswith("MONOTONIC_USEC=")
    assert "READY=1" == next(state for state in states[begin + 2 :] if state != "WATCHDOG=1")


def test_an_idle_system_is_progress(states):
    assert ["WATCHDOG=1"] * 4 == states[1 : states.index("RELOADING=1")][:4]


def test_last_it_is_stopping(states):
    assert "STOPPING=1" == states[-1]
