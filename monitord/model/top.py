"""Counts by a label that anything can be in, kept to the ones that count most."""

from collections.abc import Hashable
from typing import Generic, TypeVar

Origin = tuple[str, str]
"""A container's short id or ``host``, and a unit of the host's systemd; empty for none, ``unknown`` for both."""

L = TypeVar("L", bound=Hashable)

CANDIDATES = 8
"""Labels that are counted for a place, for each place: what makes noise is found among more than are shown."""


class Top(Generic[L]):
    """
    Counters of at most `size` labels, and one of all others. One thread counts, any may read.

    A label gets a place when there is one, or when it counted more than twice what a shown one did since the last
    `elect`. What the other had is added to the rest, and it starts from zero: no series ever goes back.

    :ivar rest: counts of labels without a place.
    :ivar replaced: labels that lost their place.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._shown: dict[L, int] = {}
        self._recent: dict[L, int] = {}
        self.rest = 0
        self.replaced = 0

    def add(self, label: L, count: int = 1) -> None:
        """Count."""
        if not self.size:
            return
        if label in self._shown or len(self._shown) < self.size:
            self._shown[label] = self._shown.get(label, 0) + count
        else:
            self.rest += count
        if label in self._recent or len(self._recent) < CANDIDATES * self.size:
            self._recent[label] = self._recent.get(label, 0) + count

    def elect(self) -> None:
        """Give places to those that counted most since the last time; to be called now and then."""
        waiting = sorted((label for label in self._recent if label not in self._shown), key=self._latest)
        shown = sorted(self._shown, key=self._latest, reverse=True)
        while waiting and shown and self._latest(waiting[-1]) > 2 * self._latest(shown[-1]):
            self.rest += self._shown.pop(shown.pop())
            self._shown[waiting.pop()] = 0
            self.replaced += 1
        self._recent = {}

    def shown(self) -> list[tuple[L, int]]:
        """The labels that have a place, and their counts."""
        return list(self._shown.items())

    def _latest(self, label: L) -> int:
        return self._recent.get(label, 0)
