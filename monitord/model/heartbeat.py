"""A sign of life of one thread, for the watchdog."""

import time
from collections.abc import Callable


class Heartbeat:
    """
    When a thread's loop last came round. An idle loop comes round too: what stops the beat is a thread that hangs.

    :param name: of the thread, for people.
    :param clock: seconds, monotonic.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._last_s = clock()

    def beat(self) -> None:
        """The loop came round; called by the thread itself."""
        self._last_s = self._clock()

    def age_s(self) -> float:
        """Seconds since it did; any thread may ask."""
        return self._clock() - self._last_s
