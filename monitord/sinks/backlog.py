"""Where alerts wait for their sink: in memory, or in memory and then on disk."""

import errno
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, TypeVar

from monitord.model.alert import Alert
from monitord.model.amount import amount
from monitord.sinks.encode import Encode
from monitord.sinks.sockets import why
from monitord.sinks.spool import Spool, SpoolBusyError, SpoolFullError
from monitord.stages import SinkError
from monitord.telemetry import Queue

Item = TypeVar("Item")

_RETRY_S = 0.5
"""How often a disk that is full, or a spool that is in use, is tried again."""

_CLOSING_S = 1.0
"""What the disk gets to take the last alerts."""


class Backlog(Generic[Item]):
    """
    A bounded queue in memory: put by one thread, taken by another. They hold `changed` for `put`, `ready` and `len`.

    :param capacity: alerts that may wait.
    :param make: from an alert to what the sink takes.
    """

    keeps = False
    """Whether what waits at the end is there at the next start."""

    def __init__(self, capacity: int, make: Callable[[Alert], Item]) -> None:
        self.capacity = capacity
        self.changed = threading.Condition()
        self._make = make
        self._alerts: deque[Alert] = deque()
        self._sending = False

    def start(self) -> None:
        """The sink is about to work."""

    def put(self, alert: Alert) -> bool:
        """Keep an alert; False when there is no room for it."""
        if self.in_memory() >= self.capacity:
            return False
        self._alerts.append(alert)
        self.changed.notify_all()
        return True

    def __len__(self) -> int:
        return len(self._alerts)

    def queues(self, name: str) -> Mapping[str, Queue]:
        """
        What is to be shown in the metrics.

        :param name: of the output.
        """
        return {name: Queue(self.capacity, self.in_memory)}

    def ready(self) -> bool:
        """Whether `heads` has something."""
        return bool(self._alerts)

    def heads(self, most: int, /) -> list[Item]:
        """
        The oldest, one at least, which stay until `pop`.

        :raises SinkError: they cannot be read.
        """
        # By index: an iterator does not bear what is put meanwhile.
        return [self._make(self._alerts[at]) for at in range(min(most, len(self._alerts)))]

    def sending(self) -> bool:
        """Note that the head is about to be written; True when it may have been written before."""
        before, self._sending = self._sending, True
        return before

    def pop(self, count: int, /) -> None:
        """So many of the oldest are done with."""
        for _ in range(count):
            self._alerts.popleft()
        self._sending = False

    def release(self, *, unsure: bool) -> None:
        """
        The head was not written, and is left alone for a while.

        :param unsure: it may have been.
        """
        self._sending = unsure

    def in_memory(self) -> int:
        """How many of those that wait are in memory; any thread may ask."""
        return len(self._alerts)

    @property
    def unsure(self) -> bool:
        """Whether the oldest in memory may have been written."""
        return self._sending

    def left(self) -> list[Alert]:
        """Those that wait in memory, oldest first; when nothing is taken any more."""
        return list(self._alerts)

    def close(self) -> int:
        """Nothing is put or taken any more. Say how many are lost."""
        return len(self._alerts)


class SpoolBacklog(Backlog[bytes]):
    """
    A queue whose alerts go on to a spool, by a thread of its own: whoever puts never waits for the disk.

    What the disk does not take stays in memory, within `capacity`, and is sent from there once the spool is empty.

    :param directory: of the spool.
    :raises SinkError: the directory cannot be used.
    """

    keeps = True

    def __init__(self, capacity: int, encode: Encode, directory: Path, limit_bytes: int, name: str) -> None:
        super().__init__(capacity, encode)
        self._directory, self._limit, self._name = directory, limit_bytes, name
        self._log = logging.getLogger(__name__)
        self._spool: Spool | None = None
        self._next: Alert | None = None  # older than `_alerts`, younger than the spool
        self._moving = self._direct = False  # on its way to the disk; being sent without having been there
        self._trouble: str | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"spool-{name}", daemon=True)
        try:
            self._spool = Spool(directory, limit_bytes)
        except SpoolBusyError as err:
            self._trouble = str(err)  # of the worker that this one replaces, most likely: the thread tries again
            self._log.warning("%s: %s; alerts wait in memory until it is free", name, err)
        except OSError as err:
            if err.errno in (errno.ENOSPC, errno.EDQUOT):  # as it may get at any moment later
                self._trouble = f"{directory}: {why(err)}"
                self._log.error("%s: %s; alerts wait in memory", name, self._trouble)
                return
            who = f"let uid {os.geteuid()} write there, or change outputs.{name}.spool"
            raise SinkError(f"cannot use {directory} as spool: {why(err)}; {who}") from err

    def spool_bytes(self) -> int:
        """What the spool takes on disk; any thread may ask."""
        return 0 if self._spool is None else self._spool.size_bytes

    def queues(self, name: str) -> Mapping[str, Queue]:
        """That in memory, in alerts, and that on disk, in bytes."""
        return {**super().queues(name), f"{name}_spool": Queue(self._limit, self.spool_bytes)}

    def in_memory(self) -> int:
        """How many of those that wait are in memory alone; any thread may ask."""
        return len(self._alerts) + (self._next is not None)

    def __len__(self) -> int:
        return self.in_memory() + self._spooled()

    def start(self) -> None:
        """Begin to move alerts to the disk."""
        self._thread.start()

    def ready(self) -> bool:
        """Whether `heads` has something."""
        if self._spooled():
            return True
        return bool(self._trouble and not self._moving and self.in_memory())

    def heads(self, _most: int, /) -> list[bytes]:
        """The oldest alone, which stays until `pop`."""
        with self.changed:
            if not self._spooled():
                self._direct = True
                return [self._taken()]
        assert self._spool is not None
        try:
            return [self._spool.head()]
        except OSError as err:
            raise SinkError(f"{self._directory}: {why(err)}") from err

    def sending(self) -> bool:
        """Note, on disk too, that the head is about to be sent; True when it may have been sent before."""
        if self._spool is not None and not self._direct:
            return self._spool.mark(True)
        return super().sending()

    def pop(self, _count: int, /) -> None:
        """The head was sent."""
        with self.changed:
            if self._direct:
                self._next, self._direct, self._sending = None, False, False
                return
        assert self._spool is not None
        self._spool.pop()

    def release(self, *, unsure: bool) -> None:
        """The head was not sent: if it is not on disk, it may go there now."""
        with self.changed:
            direct, self._direct = self._direct, False
            if direct:
                self._sending = unsure
                return
        if self._spool is not None:
            self._spool.mark(unsure)

    def left(self) -> list[Alert]:
        """Those that wait in memory alone, oldest first; when nothing is taken any more."""
        return [*([] if self._next is None else [self._next]), *self._alerts]

    def close(self) -> int:
        """Move what is left to the disk, and let go of it. Say how many are lost."""
        with self.changed:
            self._closing = True
            self._direct = False
            self.changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(_CLOSING_S)
        if self._spool is not None and not self._thread.is_alive():
            if waiting := self._spooled():
                self._log.warning(
                    "%s: %s kept in %s for the next start", self._name, amount(waiting, "alert"), self._directory
                )
            self._spool.close()
        return self.in_memory()

    def _spooled(self) -> int:
        return 0 if self._spool is None else len(self._spool)

    def _taken(self) -> bytes:
        """The oldest alert in memory, which stays in `_next`, as a line."""
        if self._next is None:
            self._next = self._alerts.popleft()
        return self._make(self._next)

    def _run(self) -> None:
        while True:
            with self.changed:
                pause_s = _RETRY_S if self._trouble else None
                self.changed.wait_for(lambda: self._closing or (self.in_memory() and not self._trouble), pause_s)
                closing = self._closing
            self._move_all()
            if closing:
                return

    def _move_all(self) -> None:
        """Everything from memory to the disk, or as much as it takes."""
        trouble = None
        try:
            if self._spool is None:
                self._spool = Spool(self._directory, self._limit)
            moved = False
            while self._move_one(self._spool):
                moved = True
            if moved:
                self._spool.flush()
        except SpoolBusyError as err:
            trouble = str(err)
        except SpoolFullError:
            trouble = f"{self._directory} holds all it may, {self._limit >> 20} MiB"
        except OSError as err:
            trouble = f"{self._directory}: {why(err)}"
        with self.changed:
            before, self._trouble = self._trouble, trouble
            self._moving = False
            self.changed.notify_all()
        if trouble and not before:
            self._log.error("%s: %s; alerts wait in memory", self._name, trouble)
        elif before and not trouble:
            self._log.warning("%s: alerts wait on disk", self._name)

    def _move_one(self, spool: Spool) -> bool:
        with self.changed:
            if self._direct or not self.in_memory():
                return False
            line = self._taken()
            self._moving = True
        spool.append(line)  # without the lock: a slow disk delays nobody who puts
        with self.changed:
            self._next, self._moving, self._sending = None, False, False
            self.changed.notify_all()
        return True
