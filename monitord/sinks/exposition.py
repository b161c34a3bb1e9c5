"""
The text format of Prometheus, version 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/.

prometheus_client writes it, too; with the servers and the TLS that its import brings it takes 8 MB of the daemon.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[str, ...]
"""Names, or values in the order of the names."""

Sample = tuple[Labels, float]
"""Label values and the number."""

Buckets = Sequence[tuple[str, float]]
"""(upper bound, observations at or below it), the last bound being +Inf."""

_SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n"}
_ESCAPED = {text: char for char, text in _ESCAPES.items()}
_ESCAPING = str.maketrans(_ESCAPES)


def counter(name: str, meaning: str, labels: Labels, samples: Iterable[Sample]) -> str:
    """A metric that only grows, and its series."""
    return _head(name, "counter", meaning) + _lines(name, labels, samples)


def gauge(name: str, meaning: str, labels: Labels, samples: Iterable[Sample]) -> str:
    """A metric that comes and goes, and its series."""
    return _head(name, "gauge", meaning) + _lines(name, labels, samples)


def histogram(name: str, meaning: str, labels: Labels, series: Iterable[tuple[Labels, Buckets, float]]) -> str:
    """
    A metric of observations.

    :param series: label values, buckets, and the sum of what was observed.
    """
    parts = [_head(name, "histogram", meaning)]
    for values, buckets, total in series:
        inside = _labels(labels, values)
        before = f'{name}_bucket{{{inside}{"," * bool(inside)}le="'
        parts += [f'{before}{bound}"}} {number}\n' for bound, number in buckets]
        parts.append(_line(f"{name}_sum", inside, total) + _line(f"{name}_count", inside, buckets[-1][1]))
    return "".join(parts)


def samples_of(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """
    Name, labels and number of each sample of an exposition.

    :raises ValueError: it is none.
    """
    for line in text.split("\n"):
        if not line or line.startswith("#"):
            continue
        found = _SAMPLE.fullmatch(line)
        if not found:
            raise ValueError(f"not a sample: {line[:80]}")
        name, labels, number = found.groups(default="")
        yield name, {label: _unescaped(value) for label, value in _LABEL.findall(labels)}, float(number)


def _head(name: str, kind: str, meaning: str) -> str:
    return f"# HELP {name} {meaning}\n# TYPE {name} {kind}\n"


def _lines(name: str, labels: Labels, samples: Iterable[Sample]) -> str:
    return "".join([_line(name, _labels(labels, values), number) for values, number in samples])


def _labels(names: Labels, values: Labels) -> str:
    return ",".join([f'{name}="{value.translate(_ESCAPING)}"' for name, value in zip(names, values, strict=True)])


def _line(name: str, labels: str, number: float) -> str:
    return f"{name}{{{labels}}} {number}\n" if labels else f"{name} {number}\n"


def _unescaped(value: str) -> str:
    return re.sub(r"\\.", lambda found: _ESCAPED.get(found[0], found[0]), value)
