"""
The clock is set while the daemon runs: alerts have the new time, and nothing else changes.

Back first: what the journal has of a time to come, later tests would take for theirs.
"""

import time
from datetime import datetime

import pytest
from machine import Metrics, main_pid, prop, read_secret, run, seen

pytestmark = pytest.mark.one_kernel(2)

STEP_S = 3600
NEAR_S = 120.0


def set_clock(by_s):
    """Step it."""
    run(f"date -s @{time.time() + by_s:.0f}")


@pytest.fixture(scope="module", autouse=True)
def right_again():
    """The clock as it would be, whatever the tests did."""
    wall_s, since_s = time.time(), time.monotonic()
    yield
    run(f"date -s @{wall_s + time.monotonic() - since_s:.0f}")


@pytest.mark.parametrize("by_s", [-STEP_S, STEP_S], ids=["back", "forward"])
def test_alerts_have_the_time_of_the_clock_that_was_set(by_s):
    pid, lost = main_pid(), Metrics().lost()
    set_clock(by_s)
    read_secret(f"clock{by_s}")
    found = seen(f"clock{by_s}")

    said_s = datetime.fromisoformat(found["time"][:26] + "+00:00").timestamp()
    assert abs(time.time() - said_s) < NEAR_S
    assert abs(time.time() - found["output_fields"]["evt.time"] / 1e9) < NEAR_S
    assert (pid, "0", lost) == (main_pid(), prop("NRestarts"), Metrics().lost())


def test_watchdog_and_uptime_do_not_mind():
    status = run("monitord status --json")

    assert '"uptime_s"' in status
    assert Metrics().value("monitord_thread_heartbeat_age_seconds") < 30
