"""From the kernel's clock of events to the clock on the wall."""

import logging
import time
from collections.abc import Callable

STEP_NS = 1_000_000
"""A smaller difference is the time between two clock reads, not a step: NTP slews both clocks alike."""

TOLD_NS = 1_000_000_000
"""A step that the log tells of: alerts around it seem out of order, or apart."""

_log = logging.getLogger(__name__)


class WallClock:
    """
    CLOCK_BOOTTIME to the Unix epoch. One event has one time however often it is asked, until the wall clock steps.

    :param wall_ns: Unix epoch.
    :param boot_ns: CLOCK_BOOTTIME.
    """

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        boot_ns: Callable[[], int] = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME),
    ) -> None:
        self._wall_ns = wall_ns
        self._boot_ns = boot_ns
        self._offset_ns, _ = self._sample()

    def wall(self, boot_ns: int) -> int:
        """The Unix time, in nanoseconds, of a CLOCK_BOOTTIME; after a step, by the new wall clock."""
        offset_ns, error_ns = self._sample()
        if abs(offset_ns - self._offset_ns) > STEP_NS + error_ns:
            step_ns, self._offset_ns = offset_ns - self._offset_ns, offset_ns
            if abs(step_ns) >= TOLD_NS:
                _log.warning(
                    "the clock of this machine was set %s by %.1f s: times of alerts follow, intervals of rules do not",
                    "forward" if step_ns > 0 else "back",
                    abs(step_ns) / 1e9,
                )
        return boot_ns + self._offset_ns

    def _sample(self) -> tuple[int, int]:
        """The offset now, and by how much it can be wrong: the thread may be stopped between the reads."""
        before, wall, after = self._boot_ns(), self._wall_ns(), self._boot_ns()
        return wall - (before + after) // 2, after - before
