"""Line charts as SVG, in the colours of the documentation's pictures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, GAP, LEFT, TOP, LEGEND = 420, 150, 24, 64, 34, 16
BACKGROUND, PANEL, GRID, TEXT, MUTED = "#16181d", "#1d2026", "#30343c", "#d5d8de", "#8fa1b3"
COLOURS = ("#67c5d6", "#e5b567", "#b4d273", "#ff6b68", "#9e86c8")

SERIES = len(COLOURS)
"""More lines than these say less."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """
    Lines over something that grows from 0 to `end`.

    :ivar unit: what a number of the vertical axis is.
    :ivar lines: name -> points; `SERIES` at most.
    :ivar ticks: places of the horizontal axis -> what is written there.
    """

    title: str
    unit: str
    lines: Mapping[str, Points]
    end: float
    ticks: Mapping[float, str]


def page(title: str, charts: Sequence[Chart]) -> str:
    """The SVG, two charts in a row."""
    width = 2 * (LEFT + WIDTH + GAP) + GAP
    rows = [charts[at : at + 2] for at in range(0, len(charts), 2)]
    heights = [TOP + HEIGHT + GAP + LEGEND * max(len(chart.lines) for chart in row) for row in rows]
    height = sum(heights) + 2 * GAP
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" rx="6" fill="{BACKGROUND}"/>',
        '<g font-family="ui-sans-serif,Helvetica,Arial,DejaVu Sans,sans-serif" font-size="12">',
    ]
    y = GAP + TOP
    for row, row_height in zip(rows, heights, strict=True):
        for column, chart in enumerate(row):
            x = GAP + LEFT + column * (LEFT + WIDTH + GAP)
            out += [f'<g transform="translate({x},{y})">', *_drawn(chart), "</g>"]
        y += row_height
    return "\n".join([*out, "</g>", "</svg>", ""])


def _drawn(chart: Chart) -> Iterator[str]:
    """One chart, its origin at the upper left corner of the plot."""
    top = _ceiling(max((value for points in chart.lines.values() for _, value in points), default=1.0))
    yield f'<text x="0" y="-12" fill="{TEXT}" font-size="13" font-weight="bold">{escape(chart.title)}</text>'
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PANEL}"/>'
    for part in range(5):
        y = HEIGHT - HEIGHT * part / 4
        yield f'<path d="M0 {y:.1f}H{WIDTH}" stroke="{GRID}"/>'
        text = _number(top * part / 4, chart.unit)
        yield f'<text x="-8" y="{y + 4:.1f}" fill="{MUTED}" text-anchor="end">{text}</text>'
    for at, text in chart.ticks.items():
        x = WIDTH * at / chart.end
        yield f'<text x="{x:.1f}" y="{HEIGHT + 16}" fill="{MUTED}" text-anchor="middle">{escape(text)}</text>'
    for index, (name, points) in enumerate(chart.lines.items()):
        path = " ".join(f"{WIDTH * at / chart.end:.1f},{HEIGHT - HEIGHT * value / top:.1f}" for at, value in points)
        y = HEIGHT + 36 + LEGEND * index
        yield f'<polyline points="{path}" fill="none" stroke="{COLOURS[index]}" stroke-width="1.6"/>'
        yield f'<rect x="0" y="{y - 9}" width="10" height="10" fill="{COLOURS[index]}"/>'
        yield f'<text x="16" y="{y}" fill="{TEXT}">{escape(name)}</text>'


def _ceiling(value: float) -> float:
    """The next 1, 2, 4 or 8 with a power of ten behind it."""
    scale = 1e-9
    while True:
        for step in (1, 2, 4, 8):
            if value <= step * scale:
                return step * scale
        scale *= 10


def _number(value: float, unit: str) -> str:
    """With a prefix: ``1.5k``, ``200µs``."""
    for size, prefix in ((1e6, "M"), (1e3, "k"), (1, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")):
        if value >= size and (unit or size >= 1):
            return f"{value / size:g}{prefix}{unit}"
    return f"{value:g}{unit}"
