"""The bounded queue between reader and worker."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from itertools import chain

from monitord.model.batch import COMPLETE, RawBatch

Drain = Sequence[RawBatch]

TOGETHER_BYTES = 1 << 20
"""Drains that wait are given out together, up to 4,096 events: to judge many at a time takes less time for each."""

MUCH_BYTES = 16 << 10
"""64 events. Where so much waits, more will come soon."""

MORE_S = 0.15
"""
How long a drain waits for more where much comes. A shell script's events take a third less of the processor when they
are judged 200 ms at a time, not 50: each time the worker wakes up it finds the caches cold.
"""


class Handover:
    """
    Drains on their way from the reader to the worker, bounded by bytes.

    The reader never waits: what does not fit is refused, and the reader counts it.

    :param capacity_bytes: of ring data; one drain always fits when nothing else waits.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self._waiting: deque[tuple[Drain, int, float]] = deque()
        self._bytes = 0
        self._enough = 0  # bytes that the worker waits for
        self._changed = threading.Condition()
        self._closed = False

    def depth_bytes(self) -> int:
        """What waits now; any thread may ask."""
        return self._bytes

    def put(self, drain: Drain) -> bool:
        """Hand a drain over; False when there is no room for it."""
        size = sum(len(batch.data) for batch in drain)
        with self._changed:
            if self._bytes and self._bytes + size > self.capacity_bytes:
                return False
            self._waiting.append((drain, size, time.monotonic()))
            self._bytes += size
            if self._bytes >= self._enough:
                self._changed.notify()
        return True

    def close(self) -> None:
        """Nothing comes any more; what waits is still given out."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def get(self, timeout_s: float) -> Drain | None:
        """
        The oldest drains, as one; empty when the time is over and nothing came. Where much comes, the oldest waits for
        more, `MORE_S` at most.

        :return: None after `close`, when all is given out.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, timeout_s)
            if not self._waiting:
                return None if self._closed else ()
            if self._bytes >= MUCH_BYTES:
                self._wait_for_more()
            drains: list[Drain] = []
            bytes_out = 0
            while self._waiting and (not drains or bytes_out + self._waiting[0][1] <= TOGETHER_BYTES):
                drain, size, _ = self._waiting.popleft()
                drains.append(drain)
                bytes_out += size
            self._bytes -= bytes_out
        return drains[0] if len(drains) == 1 else _together(drains)

    def _wait_for_more(self) -> None:
        left_s = self._waiting[0][2] + MORE_S - time.monotonic()
        self._enough = TOGETHER_BYTES  # not to be woken by each drain
        self._changed.wait_for(lambda: self._bytes >= TOGETHER_BYTES or self._closed, max(0.0, left_s))
        self._enough = 0


def _together(drains: Sequence[Drain]) -> Drain:
    """What each CPU wrote behind each other, and complete up to where the last drain is."""
    complete_ns = min((batch.complete_ns for batch in drains[-1]), default=COMPLETE)
    of_cpu: dict[int, list[bytes]] = {}
    for batch in chain.from_iterable(drains):
        of_cpu.setdefault(batch.cpu, []).append(batch.data)
    return [RawBatch(cpu, b"".join(data), complete_ns) for cpu, data in of_cpu.items()]
