"""
Sets of what one fact about a call can be: numbers, names, paths. The kernel can test membership in each.

Each kind is closed under ``&`` and ``|``, so that what is worked out with them stays exact until it is installed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from monitord.dataclass import dataclass

Span = tuple[int, int]
"""Numbers from the first to the last, both included."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """
    Some of the numbers from 0 to `top`.

    :ivar spans: ascending, with a gap between each and the next.
    """

    spans: tuple[Span, ...]
    top: int

    @staticmethod
    def of(spans: Iterable[Span], top: int) -> "Numbers":
        """Spans in any order, which may overlap and reach beyond 0 and `top`."""
        joined: list[Span] = []
        for low, high in sorted((max(low, 0), min(high, top)) for low, high in spans):
            if high < low:
                continue
            if joined and low <= joined[-1][1] + 1:
                joined[-1] = joined[-1][0], max(joined[-1][1], high)
            else:
                joined.append((low, high))
        return Numbers(tuple(joined), top)

    @staticmethod
    def among(numbers: Iterable[int], top: int) -> "Numbers":
        """These numbers."""
        return Numbers.of(((number, number) for number in numbers), top)

    def __and__(self, other: "Numbers") -> "Numbers":
        return Numbers.of(((max(a, c), min(b, d)) for a, b in self.spans for c, d in other.spans), self.top)

    def __or__(self, other: "Numbers") -> "Numbers":
        return Numbers.of(self.spans + other.spans, self.top)

    def __invert__(self) -> "Numbers":
        begins = [0, *(high + 1 for _, high in self.spans)]
        ends = [*(low - 1 for low, _ in self.spans), self.top]
        return Numbers.of(zip(begins, ends, strict=True), self.top)

    def __contains__(self, number: int) -> bool:
        return any(low <= number <= high for low, high in self.spans)

    @property
    def is_empty(self) -> bool:
        """Whether there are none."""
        return not self.spans

    @property
    def is_all(self) -> bool:
        """Whether there are all."""
        return self.spans == ((0, self.top),)


@dataclass(frozen=True, slots=True)
class Names:
    """
    Some names of processes, or of files.

    :ivar members: at most 15 bytes each, of files `monitord.model.facts.LEAF_BYTES`.
    :ivar listed: whether it is the members, or all but them.
    """

    members: frozenset[bytes]
    listed: bool

    def __and__(self, other: "Names") -> "Names":
        if self.listed and other.listed:
            return Names(self.members & other.members, True)
        if not self.listed and not other.listed:
            return Names(self.members | other.members, False)
        listed, rest = (self, other) if self.listed else (other, self)
        return Names(listed.members - rest.members, True)

    def __or__(self, other: "Names") -> "Names":
        return ~(~self & ~other)

    def __invert__(self) -> "Names":
        return Names(self.members, not self.listed)

    def __contains__(self, name: bytes) -> bool:
        return (name in self.members) is self.listed

    @property
    def is_empty(self) -> bool:
        """Whether there are none."""
        return self.listed and not self.members

    @property
    def is_all(self) -> bool:
        """Whether there are all."""
        return not self.listed and not self.members


@dataclass(frozen=True, slots=True)
class Paths:
    """
    Some paths, told apart by how they begin.

    The longest mark that a path begins with decides about it. A path ends with a NUL here, so that a mark that has
    one is about one path. Only plain paths (`monitord.model.facts.plain_path`) are told apart; any other is in.

    :ivar marks: (beginning, whether such paths are in), sorted; none says what a shorter one says.
    :ivar others: whether paths that begin with none of the marks are in.
    """

    marks: tuple[tuple[bytes, bool], ...]
    others: bool

    @staticmethod
    def of(marks: Mapping[bytes, bool], others: bool) -> "Paths":
        """Marks in any order, needed or not."""
        kept: list[tuple[bytes, bool]] = []
        above: list[tuple[bytes, bool]] = []  # the marks that the current one begins with, longest last
        for mark, inside in sorted(marks.items()):
            while above and not mark.startswith(above[-1][0]):
                above.pop()
            if inside is not (above[-1][1] if above else others):
                kept.append((mark, inside))
            above.append((mark, inside))
        return Paths(tuple(kept), others)

    @staticmethod
    def beginning(marks: Iterable[bytes]) -> "Paths":
        """Paths that begin with one of the marks."""
        return Paths.of(dict.fromkeys(marks, True), False)

    def __and__(self, other: "Paths") -> "Paths":
        return self._combined(other, lambda a, b: a and b)

    def __or__(self, other: "Paths") -> "Paths":
        return self._combined(other, lambda a, b: a or b)

    def __invert__(self) -> "Paths":
        return Paths(tuple((mark, not inside) for mark, inside in self.marks), not self.others)

    def _combined(self, other: "Paths", combine: Callable[[bool, bool], bool]) -> "Paths":
        mine, theirs = self.decider(), other.decider()
        marks = {mark: combine(mine(mark), theirs(mark)) for mark, _ in self.marks + other.marks}
        return Paths.of(marks, combine(self.others, other.others))

    def decider(self) -> Callable[[bytes], bool]:
        """What says of a beginning whether paths that have it, and no longer mark, are in."""
        marks = dict(self.marks)
        sizes = sorted({len(mark) for mark in marks}, reverse=True)

        def decide(beginning: bytes) -> bool:
            for size in sizes:
                inside = marks.get(beginning[:size]) if size <= len(beginning) else None
                if inside is not None:
                    return inside
            return self.others

        return decide

    def __contains__(self, path: bytes) -> bool:
        return self.decider()(path + b"\0")

    @property
    def is_empty(self) -> bool:
        """Never: paths that are not plain are in."""
        return False

    @property
    def is_all(self) -> bool:
        """Whether there are all."""
        return self.others and not self.marks

    def __iter__(self) -> Iterator[bytes]:
        return (mark for mark, _ in self.marks)


Limit = Numbers | Names | Paths


def meet(one: Limit, other: Limit) -> Limit:
    """What is in both; they are of one kind."""
    if isinstance(one, Numbers) and isinstance(other, Numbers):
        return one & other
    if isinstance(one, Names) and isinstance(other, Names):
        return one & other
    assert isinstance(one, Paths)
    assert isinstance(other, Paths)
    return one & other


def join(one: Limit, other: Limit) -> Limit:
    """What is in either; they are of one kind."""
    if isinstance(one, Numbers) and isinstance(other, Numbers):
        return one | other
    if isinstance(one, Names) and isinstance(other, Names):
        return one | other
    assert isinstance(one, Paths)
    assert isinstance(other, Paths)
    return one | other
