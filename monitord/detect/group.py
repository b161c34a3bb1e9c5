"""The events of one call in a batch, and what was worked out about them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import ClassVar

import numpy as np

from monitord.abi.reader import reader
from monitord.detect.codebook import FEW, Codebook, Codes
from monitord.detect.mask import Mask
from monitord.model.batch import EventBatch
from monitord.model.event import Event
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
    """
    A condition, or a part of one, made columnar for one call. Ask it through a `Group`, which remembers.

    :cvar takes_more: than the parts of the records.
    """

    takes_more: ClassVar[bool] = False

    @abstractmethod
    def judge(self, group: "Group", ask: "Ask") -> Verdict:
        """
        What the columns say of each row.

        :param ask: for the verdicts of the parts that it has.
        """

    def settle(self, group: "Group", row: int) -> bool:
        """Whether the condition holds for a row that `judge` leaves open; most leave none open."""
        yes, _ = group.verdict(self)
        return bool(yes >> row & 1)


Ask = Callable[[Judge], Verdict]


class Group:
    """
    The events of one call.

    :param batch: events of this call and others.
    :param rows: (n,) where those of this call are, ascending, at least one.
    :ivar rows: the same.
    :ivar every: all rows of the group.
    """

    def __init__(
        self,
        batch: EventBatch,
        rows: Sequence[int],
        context: Context,
        catalogue: Mapping[str, Field],
    ) -> None:
        self.rows = rows
        self.context = context
        self.catalogue = catalogue
        self.every: Mask = (1 << len(rows)) - 1
        self._whole = batch
        self._batch = batch if len(rows) == len(batch) else None
        self._few = batch.cells(rows) if len(rows) <= FEW else None
        self._keys: dict[Codebook, list[Hashable]] = {}
        self._codes: dict[Codebook, Codes] = {}
        self._verdicts: dict[Judge, Verdict] = {}
        self._by_parts: dict[Judge, Verdict] = {}
        self._settled: dict[tuple[Judge, int], bool] = {}
        self._events: dict[int, Event] = {}
        self._values: dict[tuple[Operand, int], Value] = {}
        self._told: dict[Operand, dict[int, Value | None]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def batch(self) -> EventBatch:
        """(n,) the events of the group alone."""
        if self._batch is None:
            self._batch = self._whole.take(self.rows)
        return self._batch

    def columns(self, names: tuple[str, ...], rows: Sequence[int]) -> list[tuple[int, ...]]:
        """
        For some rows, what columns of the record say.

        :param names: in the order of the record.
        """
        if self._few is not None:
            unpack, few = reader(*names).unpack, self._few
            return [unpack(few[row].head) for row in rows]
        index, records = np.asarray(rows, np.intp), self.batch.records
        return list(zip(*(records[name][index].tolist() for name in names), strict=True))

    def ts_ns(self, rows: Sequence[int]) -> list[int]:
        """The times of some rows, CLOCK_BOOTTIME."""
        return [ts_ns for (ts_ns,) in self.columns(("ts_ns",), rows)]

    def verdict(self, judge: Judge) -> Verdict:
        """What a condition says of each row."""
        verdict = self._verdicts.get(judge)
        if verdict is None:
            verdict = self._verdicts[judge] = judge.judge(self, self.verdict)
        return verdict

    def by_parts(self, judge: Judge) -> Verdict:
        """The same, as far as the parts of the records tell."""
        if judge.takes_more:
            return 0, self.every
        verdict = self._by_parts.get(judge)
        if verdict is None:
            verdict = self._by_parts[judge] = judge.judge(self, self.by_parts)
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

    def keys(self, book: Codebook) -> list[Hashable]:
        """For each row the key of the codebook's part."""
        keys = self._keys.get(book)
        if keys is None:
            few, part = self._few, book.part
            keys = self._keys[book] = part.keys(self.batch) if few is None else list(map(part.key, few))
        return keys

    def codes(self, book: Codebook) -> Codes:
        """For each row the code of the codebook's part."""
        codes = self._codes.get(book)
        if codes is None:
            codes = self._codes[book] = book.encode(self.keys(book))
        return codes

    def event(self, row: int) -> Event:
        """One row, made readable."""
        event = self._events.get(row)
        if event is None:
            event = self._events[row] = self._whole.event(self.rows[row])
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
