"""More events than a ring can hold."""

import pytest

from tests.support.daemon import configured, running, shell
from tests.support.live import compiled, machine_abis

pytestmark = pytest.mark.bpf

RULES = """
- rule: Nowhere
  desc: A file that is not there.
  condition: evt.type in (open, openat) and fd.name startswith /nowhere/
  output: "%fd.name"
  priority: NOTICE
"""

CALLS = 60_007


@pytest.fixture(scope="module")
def flooded(tmp_path_factory):
    """The metrics after a flood into rings of one page."""
    directory = tmp_path_factory.mktemp("daemon")
    with (
        shell() as opened,
        running(directory, opened.scope, configured(directory, RULES, bpf={"ring_pages": 1})) as daemon,
    ):
        opened.run(f"{compiled('flood')} open {CALLS} /nowhere/x")
        yield daemon.settle()


def test_the_ring_lost_some(flooded):
    assert flooded.value("monitord_events_lost_total", stage="ring") > 0


def test_every_event_was_judged_or_counted_as_lost(flooded):
    assert flooded.events("admitted") == flooded.events("judged") + flooded.total("monitord_events_lost_total")


def test_no_call_of_the_flood_is_missing_from_both(flooded):
    matches = flooded.value("monitord_rule_matches_total", rule="Nowhere", priority="Notice")

    # Beside calls of the flood, what tells of the program itself can be lost: its start, its exec, its end.
    assert CALLS <= matches + flooded.total("monitord_events_lost_total") <= CALLS + 3


def test_every_call_was_counted(flooded):
    failed = flooded.value(
        "monitord_syscall_errors_total", abi=machine_abis()[0].label, syscall="openat", errno="ENOENT"
    )

    assert CALLS == failed
