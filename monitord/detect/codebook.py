"""Distinct values of a part, numbered."""

import sys
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

_ENTRY_BYTES = 200
"""Of a value besides itself: its place in the dictionary, its code, and one byte in each test's answers."""


class Ledger:
    """
    How much all codebooks of a detector hold: whoever floods them with ever new values must not fill the memory.

    :ivar used_bytes: about what is held.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.used_bytes = 0

    @property
    def full(self) -> bool:
        """Whether it is time to forget everything."""
        return self.used_bytes > self._limit_bytes


class Codebook(dict[Hashable, int]):
    """A value's code is its place in the order of first sight."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def __missing__(self, key: Hashable) -> int:
        code = self[key] = len(self)
        self._ledger.used_bytes += sys.getsizeof(key) + _ENTRY_BYTES
        return code

    def encode(self, keys: Sequence[Hashable]) -> NDArray[np.intp]:
        """(n,) codes, of values seen before and of new ones."""
        return np.fromiter(map(self.__getitem__, keys), np.intp, len(keys))
