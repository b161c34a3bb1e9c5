"""Repeats of a real program's alerts, folded by a real daemon."""

import pytest

from tests.end_to_end.watched import python
from tests.support.daemon import configured, running, shell, until

pytestmark = pytest.mark.bpf

RULE = """
- rule: Nowhere
  desc: A file that is not there.
  condition: evt.type=openat and evt.failed=true and fd.name startswith /nowhere/
  output: "%fd.name"
  priority: NOTICE
  throttle: {{key: [proc.name], interval: {interval}}}
"""


def opens(count):
    """A command: so many opens of files that are not there."""
    return python(
        "import os\n"
        f"for number in range({count}):\n"
        "    try: os.open(f'/nowhere/{number}', 0)\n"
        "    except FileNotFoundError: pass\n"
    )


def told(alerts):
    """Of each alert, the output and how many it stands for."""
    return [(alert["output"], alert["tally"]["count"] if "tally" in alert else None) for alert in alerts]


@pytest.fixture
def opened():
    with shell() as one:
        yield one


def test_a_reminder_comes_though_nothing_happens_any_more(opened, tmp_path):
    with running(tmp_path, opened.scope, configured(tmp_path, RULE.format(interval="2s"))) as daemon:
        opened.run(opens(1009))
        daemon.settle()

        # Two of them where the machine needs more than two seconds for the calls.
        until(lambda: sum(count or 0 for _, count in told(daemon.alerts())) >= 1008)
        first, *reminders = told(daemon.alerts())
        assert ("/nowhere/0", None) == first
        assert ("/nowhere/1008", 1008) == (reminders[-1][0], sum(count for _, count in reminders))
        assert 1008 == daemon.scrape().value("monitord_alerts_folded_total", rule="Nowhere")


def test_what_is_folded_is_told_at_the_end(opened, tmp_path):
    with running(tmp_path, opened.scope, configured(tmp_path, RULE.format(interval="1h"))) as daemon:
        opened.run(opens(7))
        daemon.settle()
        daemon.stop()

        assert [("/nowhere/0", None), ("/nowhere/6", 6)] == told(daemon.alerts())


def test_a_reload_tells_what_is_folded_for_a_rule_that_has_changed(opened, tmp_path):
    with running(tmp_path, opened.scope, configured(tmp_path, RULE.format(interval="1h"))) as daemon:
        opened.run(opens(7))
        daemon.settle()
        configured(tmp_path, RULE.format(interval="2h"))
        daemon.reload()
        until(lambda: len(daemon.alerts()) > 1)

        assert ("/nowhere/6", 6) == told(daemon.alerts())[1]
