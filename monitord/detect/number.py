"""Tests of numbers that are a column of the record: compared with the literals for all rows at once."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from monitord.abi.event import Flag
from monitord.detect.group import Ask, Group, Judge, Verdict
from monitord.detect.mask import mask_of
from monitord.detect.outcome import failed, returned
from monitord.model.array import NDArray
from monitord.model.batch import EventBatch
from monitord.rules.ast import Check, Op
from monitord.rules.fields.descriptor import MAX_DESCRIPTOR
from monitord.rules.literal import number_of
from monitord.tables.descriptors import descriptor_of
from monitord.tables.syscalls import Syscall

_MAX = (1 << 63) - 1


class Numbers(NamedTuple):
    """
    :ivar values: (n,) of any integer type.
    :ivar known: (n,) where the value is not missing; None for everywhere.
    """

    values: NDArray[np.integer[Any]]
    known: NDArray[np.bool_] | None = None


PLAIN: Mapping[str, str] = MappingProxyType(
    {
        "evt.num": "seq",
        "proc.pid": "pid",
        "proc.ppid": "ppid",
        "thread.tid": "tid",
        "user.uid": "uid",
        "group.gid": "gid",
    }
)
"""Fields that are a column as it is, and which."""


def _column(name: str) -> Callable[[EventBatch], Numbers]:
    return lambda batch: Numbers(batch.records[name])


def _age(batch: EventBatch) -> Numbers:
    now_ns, start_ns = batch.records["ts_ns"], batch.records["start_ns"]
    return Numbers(np.where(now_ns > start_ns, now_ns - start_ns, np.uint64(0)))


_COLUMNS: Mapping[str, Callable[[EventBatch], Numbers]] = MappingProxyType(
    {
        **{field: _column(name) for field, name in PLAIN.items()},
        "evt.cpu": lambda batch: Numbers(batch.cpu),
        "evt.rawres": lambda batch: Numbers(batch.records["ret"], returned(batch)),
        "evt.latency": lambda batch: Numbers(
            batch.records["duration_ns"], returned(batch) & (batch.records["flags"] & Flag.NO_START == 0)
        ),
        "proc.duration": _age,
    }
)
"""Fields that columns tell, by name. What they mean is said in `monitord.rules.fields`; a test compares."""


def _returned_descriptor(batch: EventBatch) -> Numbers:
    return Numbers(np.where(failed(batch), -1, batch.records["ret"].clip(0, MAX_DESCRIPTOR)), returned(batch))


def numbers_of(field: str, syscall: Syscall) -> Callable[[EventBatch], Numbers] | None:
    """How a field is read for all rows at once, or None if it is no column."""
    if field == "fd.num":
        about = descriptor_of(syscall)
        return _returned_descriptor if about is not None and about.arg is None else None
    return _COLUMNS.get(field)


_COMPARE: Mapping[Op, Callable[[NDArray[np.int64], int], NDArray[np.bool_]]] = MappingProxyType(
    {
        Op.LT: lambda values, literal: values < literal,
        Op.LE: lambda values, literal: values <= literal,
        Op.GT: lambda values, literal: values > literal,
        Op.GE: lambda values, literal: values >= literal,
        Op.EQ: lambda values, literal: values == literal,
        Op.NE: lambda values, literal: values != literal,
    }
)


class OfNumber(Judge):
    """A comparison of a column with integers, one of which makes it hold."""

    takes_more = True

    def __init__(self, numbers: Callable[[EventBatch], Numbers], op: Op, literals: tuple[int, ...]) -> None:
        self._numbers = numbers
        self._compare = _COMPARE[op]
        self._literals = literals

    def judge(self, group: Group, _ask: Ask) -> Verdict:
        """Where the value is known and compares."""
        values, known = self._numbers(group.batch)
        if values.dtype == np.uint64:
            values = np.minimum(values, np.uint64(_MAX))  # literals are below, so this compares the same
        signed = values.astype(np.int64)
        yes = 0
        for literal in self._literals:
            yes |= mask_of(self._compare(signed, literal))
        if known is not None:
            yes &= mask_of(known)
        return yes, yes


def number_judge(check: Check, syscall: Syscall) -> Judge | None:
    """The judge of a test of a column; None for what only the slow way compares right (fractions, huge numbers)."""
    op = Op.EQ if check.op is Op.IN else check.op
    numbers = numbers_of(str(check.operand), syscall)
    if numbers is None or op not in _COMPARE or check.other is not None or check.quantifier is not None:
        return None
    literals = []
    for text in check.values:
        number = number_of(text)
        if not isinstance(number, int) or abs(number) >= _MAX:
            return None
        literals.append(number)
    return OfNumber(numbers, op, tuple(literals))
