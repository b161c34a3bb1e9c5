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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.daemon import Shell, running, shell  # noqa: E402 (the path comes first)
from tests.support.prometheus import Prometheus, prometheus  # noqa: E402

OUTPUT = ROOT / "docs" / "images" / "metrics.svg"
RUN_S, RATE_S = 60, 5
SERIES = 5
"""More lines than these say less."""

WIDTH, HEIGHT, GAP, LEFT, TOP, LEGEND = 420, 150, 24, 64, 34, 16
BACKGROUND, PANEL, GRID, TEXT, MUTED = "#16181d", "#1d2026", "#30343c", "#d5d8de", "#8fa1b3"
COLOURS = ("#67c5d6", "#e5b567", "#b4d273", "#ff6b68", "#9e86c8")

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

Points = Sequence[tuple[float, float]]


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


def drawn(panels: Sequence[tuple[Panel, Sequence[tuple[str, Points]]]]) -> str:
    """The SVG, two panels in a row."""
    width = 2 * (LEFT + WIDTH + GAP) + GAP
    rows = [panels[at : at + 2] for at in range(0, len(panels), 2)]
    heights = [TOP + HEIGHT + GAP + LEGEND * max(len(lines) for _, lines in row) for row in rows]
    height = sum(heights) + 2 * GAP
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        "<title>Metrics of monitord over a minute</title>",
        f'<rect width="{width}" height="{height}" rx="6" fill="{BACKGROUND}"/>',
        '<g font-family="ui-sans-serif,Helvetica,Arial,DejaVu Sans,sans-serif" font-size="12">',
    ]
    y = GAP + TOP
    for row, row_height in zip(rows, heights, strict=True):
        for column, (panel, lines) in enumerate(row):
            x = GAP + LEFT + column * (LEFT + WIDTH + GAP)
            out += [f'<g transform="translate({x},{y})">', *chart(panel, lines), "</g>"]
        y += row_height
    return "\n".join([*out, "</g>", "</svg>", ""])


def chart(panel: Panel, lines: Sequence[tuple[str, Points]]) -> Iterator[str]:
    """One panel, its origin at the upper left corner of the plot."""
    top = ceiling(max((value for _, points in lines for _, value in points), default=1.0))
    yield f'<text x="0" y="-12" fill="{TEXT}" font-size="13" font-weight="bold">{escape(panel.title)}</text>'
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PANEL}"/>'
    for part in range(5):
        y = HEIGHT - HEIGHT * part / 4
        yield f'<path d="M0 {y:.1f}H{WIDTH}" stroke="{GRID}"/>'
        text = number(top * part / 4, panel.unit)
        yield f'<text x="-8" y="{y + 4:.1f}" fill="{MUTED}" text-anchor="end">{text}</text>'
    for second in range(0, RUN_S + 1, 20):
        x = WIDTH * second / RUN_S
        yield f'<text x="{x:.1f}" y="{HEIGHT + 16}" fill="{MUTED}" text-anchor="middle">{second} s</text>'
    for index, (name, points) in enumerate(lines):
        path = " ".join(f"{WIDTH * at / RUN_S:.1f},{HEIGHT - HEIGHT * value / top:.1f}" for at, value in points)
        y = HEIGHT + 36 + LEGEND * index
        yield f'<polyline points="{path}" fill="none" stroke="{COLOURS[index]}" stroke-width="1.6"/>'
        yield f'<rect x="0" y="{y - 9}" width="10" height="10" fill="{COLOURS[index]}"/>'
        yield f'<text x="16" y="{y}" fill="{TEXT}">{escape(name)}</text>'


def ceiling(value: float) -> float:
    """The next 1, 2, 4 or 8 with a power of ten behind it."""
    scale = 1e-9
    while True:
        for step in (1, 2, 4, 8):
            if value <= step * scale:
                return step * scale
        scale *= 10


def number(value: float, unit: str) -> str:
    """With a prefix: ``1.5k``, ``200µs``."""
    for size, prefix in ((1e3, "k"), (1, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")):
        if value >= size and (unit or size >= 1):
            return f"{value / size:g}{prefix}{unit}"
    return f"{value:g}{unit}"


def main() -> int:
    """Watch, ask, draw, write."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    OUTPUT.write_text(drawn(list(zip(PANELS, observed(), strict=True))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
