"""Distinct values of a part, numbered."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence

import numpy as np

from monitord.detect.part import Part
from monitord.model.array import NDArray

_ENTRY_BYTES = 200
"""Of a value besides itself: its place in the dictionary, its code, and one byte in each test's answers."""

FEW = 24
"""Events of a call up to which a look at each takes less time than numpy."""


class Codes(ABC):
    """
    (n,) codes, one per row.

    :param end: all codes so far are below.
    """

    def __init__(self, end: int) -> None:
        self._end = end

    def said(self, answers: bytearray) -> bytes:
        """
        (n,) what was answered of each.

        :param answers: by code; made longer where it ends too early.
        """
        if self._end > len(answers):
            answers.extend(bytes(self._end))
        return self._said(answers)

    @abstractmethod
    def _said(self, answers: bytearray) -> bytes: ...

    @abstractmethod
    def which(self, said: bytes, answer: int) -> dict[int, int]:
        """The different codes of which this was said, each with a row."""

    @abstractmethod
    def each(self) -> list[int]:
        """(n,) the codes."""

    @abstractmethod
    def of(self, rows: Sequence[int]) -> list[int]:
        """The codes of some rows."""


class FewCodes(Codes):
    """Of rows that are looked at one by one."""

    def __init__(self, codes: list[int], end: int) -> None:
        super().__init__(end)
        self._codes = codes

    def _said(self, answers: bytearray) -> bytes:
        return bytes([answers[code] for code in self._codes])

    def which(self, said: bytes, answer: int) -> dict[int, int]:
        return {self._codes[row]: row for row, one in enumerate(said) if one == answer}

    def each(self) -> list[int]:
        return self._codes

    def of(self, rows: Sequence[int]) -> list[int]:
        return [self._codes[row] for row in rows]


class ManyCodes(Codes):
    """Of rows that numpy looks at."""

    def __init__(self, codes: NDArray[np.intp], end: int) -> None:
        super().__init__(end)
        self._codes = codes

    def _said(self, answers: bytearray) -> bytes:
        said: bytes = np.frombuffer(answers, np.uint8)[self._codes].tobytes()
        return said

    def which(self, said: bytes, answer: int) -> dict[int, int]:
        rows = np.flatnonzero(np.frombuffer(said, np.uint8) == answer)
        return dict(zip(self._codes[rows].tolist(), rows.tolist(), strict=True))

    def each(self) -> list[int]:
        codes: list[int] = self._codes.tolist()
        return codes

    def of(self, rows: Sequence[int]) -> list[int]:
        codes: list[int] = self._codes[np.asarray(rows, np.intp)].tolist()
        return codes


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


class Codebook:
    """The values of a part of the record, numbered in the order of first sight. Each is itself, whatever its part."""

    def __init__(self, part: Part, ledger: Ledger) -> None:
        self.part = part
        self._code_of = _CodeOf(ledger)

    def encode(self, keys: Sequence[Hashable]) -> Codes:
        """The codes of values seen before and of new ones."""
        codes = map(self._code_of.__getitem__, keys)
        if len(keys) <= FEW:
            return FewCodes(list(codes), len(self._code_of))
        return ManyCodes(np.fromiter(codes, np.intp, len(keys)), len(self._code_of))


class _CodeOf(dict[Hashable, int]):
    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def __missing__(self, key: Hashable) -> int:
        code = self[key] = len(self)
        self._ledger.used_bytes += sys.getsizeof(key) + _ENTRY_BYTES
        return code
