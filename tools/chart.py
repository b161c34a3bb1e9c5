#!/usr/bin/python3
"""
Draw docs/images/metrics.svg: a minute of a real monitord, as a real Prometheus saw it.

It watches one shell, which works, gets busier, and does what a shipped rule reports; Prometheus (Debian's package)
scrapes every second, and its answers to range queries are drawn. Run it as root after `make test` has installed the
packages, and look at the result before you commit it.
"""

import argparse
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.daemon import Shell, running, shell  # noqa: E402 (the path comes first)
from tests.support.prometheus import Prometheus, prometheus  # noqa: E402
from tools.drawing import SERIES, Chart, Points, page  # noqa: E402

OUTPUT = ROOT / "docs" / "images" / "metrics.svg"
RUN_S, RATE_S = 60, 5
RATE = f"[{RATE_S}s]"


@dataclass(frozen=True)
class Panel:
    """
    One chart.

    :ivar label: of the series that are told apart by it.
    :ivar unit: what a number of the axis is.
    """

    title: str
    expr: str
    label: str
    unit: str


PANELS = (
    Panel("System calls per second", f"sum by (syscall) (rate(monitord_syscalls_total{RATE}))", "syscall", ""),
    Panel("Failed calls per second", f"sum by (errno) (rate(monitord_syscall_errors_total{RATE}))", "errno", ""),
    Panel(
        "99th percentile of a call",
        f"histogram_quantile(0.99, sum by (syscall, le) (rate(monitord_syscall_duration_seconds_bucket"
        f'{{syscall=~"openat|read|getdents64|execve|clone|vfork"}}{RATE})))',
        "syscall",
        "s",
    ),
    Panel("Events per second", f"sum by (stage) (rate(monitord_events_total{RATE}))", "stage", ""),
    Panel("Matches per second", f"sum by (rule) (rate(monitord_rule_matches_total{RATE})) > 0", "rule", ""),
    Panel("CPU of the daemon, cores", f"sum by (job) (rate(process_cpu_seconds_total{RATE}))", "job", ""),
)


def work(opened: Shell, end_s: float) -> None:
    """A third of the time each: little, more, and with reads of the password file."""
    begin_s, third_s = time.time(), (end_s - time.time()) / 3
    while (now_s := time.time()) < end_s:
        phase = int((now_s - begin_s) / third_s)
        opened.run("ls -l /etc >/dev/null; test -e /nowhere")
        if phase >= 1:
            opened.run("find /usr/share/doc -maxdepth 2 -newer /etc/hostname")
        if phase == 2:
            opened.run("cat /etc/shadow")
        time.sleep(0.05)


def observed() -> list[list[tuple[str, Points]]]:
    """The series of each panel, the largest ones."""
    with tempfile.TemporaryDirectory(prefix="monitord-chart-") as name, shell() as opened:
        directory = Path(name)
        with running(directory, opened.scope) as daemon:
            target = re.search(r"http://([\d.:]+)/metrics", daemon.log)
            assert target, daemon.log
            with prometheus(directory, target[1]) as server:
                begin_s = time.time() + RATE_S
                end_s = begin_s + RUN_S
                work(opened, end_s)
                return [series(server, panel, begin_s, end_s) for panel in PANELS]


def series(server: Prometheus, panel: Panel, begin_s: float, end_s: float) -> list[tuple[str, Points]]:
    """The largest ones, with seconds from the beginning."""
    found = []
    for line in server.query_range(panel.expr, begin_s, end_s, 1):
        points = [(float(at) - begin_s, float(value)) for at, value in line["values"] if value != "NaN"]
        found.append((str(line["metric"][panel.label]), points))
    found.sort(key=lambda line: -sum(value for _, value in line[1]))
    return [line for line in found if line[1]][:SERIES]


def main() -> int:
    """Watch, ask, draw, write."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    seconds = {float(second): f"{second} s" for second in range(0, RUN_S + 1, 20)}
    found = zip(PANELS, observed(), strict=True)
    charts = [Chart(panel.title, panel.unit, dict(lines), RUN_S, seconds) for panel, lines in found]
    OUTPUT.write_text(page("Metrics of monitord over a minute", charts), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
