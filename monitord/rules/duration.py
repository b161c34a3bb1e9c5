"""Lengths of time as rules write them: a number and a unit, ``30s``, ``5m``, ``1h``, ``7d``."""

import re

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MAX_S = 30 * 86400
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")

WANTED = "a number and one of s, m, h, d, such as 60s or 5m; 30d at most"


def duration_ns(text: str) -> int | None:
    """Nanoseconds; None for what is not `WANTED`."""
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    return seconds * 10**9 if 0 < seconds <= _MAX_S else None
