"""Which conditions may hold for events like those seen before, remembered by what the parts of their records are."""

import sys
from collections.abc import Callable, Sequence
from time import perf_counter

from monitord.detect.codebook import Codebook, Ledger
from monitord.detect.group import Group, Judge
from monitord.detect.mask import Mask

_ENTRY_BYTES = 150
"""Of what is remembered, besides the codes: its place in the dictionary, and the mask."""

Spent = Callable[[int, float], None]
"""Told the number of a condition, and the seconds that it took."""


class Shortlist:
    """
    The conditions of one call that its events leave possible, as far as the parts of the records tell.

    Most events of a machine are like earlier ones, and match nothing: then no condition is asked. Worth its while where
    few events are looked at together; for many, each condition is asked once for all.

    :param judges: of the conditions.
    :param books: of all parts that they ask for.
    """

    def __init__(self, judges: Sequence[Judge], books: Sequence[Codebook], ledger: Ledger) -> None:
        self._judges = judges
        self._books = books
        self._ledger = ledger
        self._possible: dict[tuple[int, ...], Mask] = {}

    def of(self, group: Group, spent: Spent) -> Mask:
        """The conditions that may hold for an event of a group: a bit for each, the lowest for the first."""
        possible, new = 0, {}
        each = zip(*(group.codes(book).each() for book in self._books), strict=True)
        for row, codes in enumerate(each if self._books else [()] * len(group)):
            known = self._possible.get(codes)
            if known is None:
                new[codes] = row
            else:
                possible |= known
        return possible | self._learn(group, new, spent) if new else possible

    def _learn(self, group: Group, new: dict[tuple[int, ...], int], spent: Spent) -> Mask:
        """What holds for ones like these, each with its row."""
        masks = dict.fromkeys(new, 0)
        before_s = perf_counter()
        for number, judge in enumerate(self._judges):
            try:
                _, possible = group.by_parts(judge)
            except Exception:  # noqa: BLE001 - a bug of ours: who asks the condition itself says so
                possible = group.every
            if possible:
                for codes, row in new.items():
                    masks[codes] |= (possible >> row & 1) << number
            now_s = perf_counter()
            spent(number, now_s - before_s)
            before_s = now_s
        self._possible.update(masks)
        self._ledger.used_bytes += sum(sys.getsizeof(codes) + _ENTRY_BYTES for codes in new)
        found = 0
        for mask in masks.values():
            found |= mask
        return found
