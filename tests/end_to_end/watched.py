"""A shell, and a daemon that watches it."""

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from monitord.sinks.format import iso_time
from tests.support.daemon import Daemon, Shell


@dataclass(frozen=True)
class Watched:
    shell: Shell
    daemon: Daemon

    def alerts_of(self, command: str) -> Sequence[dict]:
        """The alerts that a shell command causes; it must succeed."""
        before = len(self.daemon.alerts())
        # What a throttle folded ten minutes ago may be told meanwhile.
        since = iso_time(time.time_ns() - 60 * 10**9)
        assert 0 == self.shell.run(command)
        self.daemon.settle()
        return [alert for alert in self.daemon.alerts()[before:] if alert["time"] > since]

    def folded(self, rule: str) -> float:
        """Alerts of a rule that were folded into others, up to now."""
        return self.daemon.scrape().value("monitord_alerts_folded_total", rule=rule) or 0


def python(code: str) -> str:
    """The shell command that runs Python code."""
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"
