"""The events of one call in a batch, and what was worked out about them."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping

import numpy as np
from numpy.typing import NDArray

from monitord.detect.codebook import Codebook
from monitord.detect.mask import Mask
from monitord.detect.part import Part
from monitord.model.event import Event, EventBatch
from monitord.model.process import Context
from monitord.model.value import Value
from monitord.rules.ast import Operand
from monitord.rules.field import Field
from monitord.rules.operand import value_of

Verdict = tuple[Mask, Mask]
"""
What a condition, or a part of one, says: the rows where it surely holds, and those where it may hold, the sure ones
included. The two are equal when the columns tell all.
"""


class Judge(ABC):
    """A condition, or a part of one, made columnar for one call. Ask it through a `Group`, which remembers."""

    @abstractmethod
    def judge(self, group: "Group") -> Verdict:
        """What the columns say of each row."""

    def settle(self, group: "Group", row: int) -> bool:
        """Whether the condition holds for a row that `judge` leaves open; most leave none open."""
        yes, _ = group.verdict(self)
        return bool(yes >> row & 1)


class Group:
    """
    The events of one call.

    :param batch: (n,) events of one call, at least one.
    :param codebooks: of the call; a part that has none gets one.
    :ivar every: all rows.
    """

    def __init__(
        self,
        batch: EventBatch,
        context: Context,
        catalogue: Mapping[str, Field],
        codebooks: Mapping[Part, Codebook],
    ) -> None:
        self.batch = batch
        self.context = context
        self.catalogue = catalogue
        self.every: Mask = (1 << len(batch)) - 1
        self._codebooks = codebooks
        self._keys: dict[Part, list[Hashable]] = {}
        self._codes: dict[Part, tuple[NDArray[np.intp], int]] = {}
        self._verdicts: dict[Judge, Verdict] = {}
        self._settled: dict[tuple[Judge, int], bool] = {}
        self._events: dict[int, Event] = {}
        self._values: dict[tuple[Operand, int], Value] = {}
        self._told: dict[Operand, dict[int, Value | None]] = {}

    def verdict(self, judge: Judge) -> Verdict:
        """What a condition says of each row."""
        verdict = self._verdicts.get(judge)
        if verdict is None:
            verdict = self._verdicts[judge] = judge.judge(self)
        return verdict

    def holds(self, judge: Judge, row: int) -> bool:
        """Whether a condition holds for one row, which may need more than columns."""
        yes, possible = self.verdict(judge)
        if not (yes ^ possible) >> row & 1:
            return bool(yes >> row & 1)
        held = self._settled.get((judge, row))
        if held is None:
            held = self._settled[judge, row] = judge.settle(self, row)
        return held

    def keys(self, part: Part) -> list[Hashable]:
        """For each row the key of its part."""
        keys = self._keys.get(part)
        if keys is None:
            keys = self._keys[part] = part.keys(self.batch)
        return keys

    def codes(self, part: Part) -> tuple[NDArray[np.intp], int]:
        """(n,) for each row the code of its part, and a number that all codes so far are below."""
        codes = self._codes.get(part)
        if codes is None:
            book = self._codebooks[part]
            codes = self._codes[part] = book.encode(self.keys(part)), len(book)
        return codes

    def event(self, row: int) -> Event:
        """One row, made readable."""
        event = self._events.get(row)
        if event is None:
            event = self._events[row] = self.batch.event(row)
        return event

    def value(self, operand: Operand, row: int) -> Value:
        """The value of an operand for one row."""
        value = self._values.get((operand, row))
        if value is None:
            value = value_of(operand, self.event(row), self.context, self.catalogue)
            self._values[operand, row] = value
        return value

    def told(self, operand: Operand) -> dict[int, Value | None]:
        """By row, what the key of a part told of an operand's value; None for nothing. The asker puts it here."""
        return self._told.setdefault(operand, {})
