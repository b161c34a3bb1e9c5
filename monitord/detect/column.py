"""The value of a field, or of a transformed field, for rows of a group: read from columns where these tell."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from monitord.detect.codebook import Codebook
from monitord.detect.group import Group
from monitord.detect.number import PLAIN, numbers_of
from monitord.detect.origin import Origin, origin_of
from monitord.detect.part import Part
from monitord.detect.trees import Trees
from monitord.model.value import Missing, Value
from monitord.rules.ast import FieldRef, Operand
from monitord.rules.operand import fields_of
from monitord.tables.syscalls import Syscall

_TREE = FieldRef("proc.tree")


class Column(Protocol):
    """The values of one operand for events of one call."""

    def values(self, group: Group, rows: Sequence[int]) -> list[Value]:
        """One value per row, as `monitord.rules.operand.value_of` has it."""


class _OfColumn:
    """A number that the record has as it is."""

    def __init__(self, name: str) -> None:
        self._names = (name,)

    def values(self, group: Group, rows: Sequence[int]) -> list[Value]:
        return [value for (value,) in group.columns(self._names, rows)]


class _OfNumber:
    """A number that follows from columns of the record."""

    def __init__(self, name: str, syscall: Syscall) -> None:
        numbers = numbers_of(name, syscall)
        assert numbers is not None
        self._numbers = numbers

    def values(self, group: Group, rows: Sequence[int]) -> list[Value]:
        numbers, known = self._numbers(group.batch)
        index = np.asarray(rows, np.intp)
        values: list[Value] = numbers[index].tolist()
        if known is not None:
            for place in np.flatnonzero(~known[index]).tolist():
                values[place] = Missing.UNFINISHED
        return values


class _OfPart:
    """What follows from one part of the record is worked out once per distinct part."""

    def __init__(self, operand: Operand, book: Codebook, origin: Origin) -> None:
        self._operand = operand
        self._book = book
        self._origin = origin
        self._known: dict[int, Value | None] = {}

    def values(self, group: Group, rows: Sequence[int]) -> list[Value]:
        codes = group.codes(self._book).of(rows)
        known = self._known
        values = []
        for code, row in zip(codes, rows, strict=True):
            if code not in known:
                known[code] = self._ask(group, row)
            value = known[code]
            values.append(group.value(self._operand, row) if value is None else value)
        return values

    def _ask(self, group: Group, row: int) -> Value | None:
        """The value of all rows with this part; None when the part alone does not decide."""
        if self._origin.tells is not None and isinstance(self._operand, FieldRef):
            told = self._origin.tells(group.keys(self._book)[row])
            if told is not None:
                return told
        if self._origin.decides is not None and not self._origin.decides(group.event(row)):
            return None
        return group.value(self._operand, row)


class _OfTree:
    """
    The root of the process tree, remembered by process: it stays the same when a parent ends, and a child that is
    seen first after that is told by its parent's.
    """

    def __init__(self, trees: Trees) -> None:
        self._trees = trees

    def values(self, group: Group, rows: Sequence[int]) -> list[Value]:
        return [
            self._trees.root(pid, start_ns) or self._trees.learn(group.event(row), group.context)
            for row, (start_ns, pid) in zip(rows, group.columns(("start_ns", "pid"), rows), strict=True)
        ]


class _OfEvent:
    """What only the event made readable tells."""

    def __init__(self, operand: Operand) -> None:
        self._operand = operand

    def values(self, group: Group, rows: Sequence[int]) -> list[Value]:
        return [group.value(self._operand, row) for row in rows]


def column_of(operand: Operand, syscall: Syscall | None, book_of: Callable[[Part], Codebook], trees: Trees) -> Column:
    """
    The column of an operand for one call.

    :param syscall: None for a call outside the table, of which columns tell nothing.
    :param book_of: where the values of a part are numbered.
    """
    if operand == _TREE:
        return _OfTree(trees)
    if syscall is None:
        return _OfEvent(operand)
    if isinstance(operand, FieldRef) and (name := PLAIN.get(str(operand))):
        return _OfColumn(name)
    if isinstance(operand, FieldRef) and numbers_of(str(operand), syscall) is not None:
        return _OfNumber(str(operand), syscall)
    origins = {origin_of(field, syscall) for field in fields_of(operand)}
    origin = origins.pop() if len(origins) == 1 else None
    if origin is None or origin.part is None or origin.momentary:
        return _OfEvent(operand)
    return _OfPart(operand, book_of(origin.part), origin)
