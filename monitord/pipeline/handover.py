"""The bounded queue between reader and worker."""

import threading
from collections import deque
from collections.abc import Sequence

from monitord.model.event import RawBatch

Drain = Sequence[RawBatch]


class Handover:
    """
    Drains on their way from the reader to the worker, bounded by bytes.

    The reader never waits: what does not fit is refused, and the reader counts it.

    :param capacity_bytes: of ring data; one drain always fits when nothing else waits.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self._waiting: deque[tuple[Drain, int]] = deque()
        self._bytes = 0
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
            self._waiting.append((drain, size))
            self._bytes += size
            self._changed.notify()
        return True

    def close(self) -> None:
        """Nothing comes any more; what waits is still given out."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def get(self, timeout_s: float) -> Drain | None:
        """
        The oldest drain; empty when the time is over and nothing came.

        :return: None after `close`, when all is given out.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, timeout_s)
            if self._waiting:
                drain, size = self._waiting.popleft()
                self._bytes -= size
                return drain
            return None if self._closed else ()
