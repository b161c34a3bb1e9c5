"""
Conditions over columns: which rows of a group they hold for, or may hold for.

`judge` answers for all rows at once, `settle` for one row that `judge` left open; `Group` asks both and remembers.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import count, repeat

import numpy as np

from monitord.detect.codebook import Codebook
from monitord.detect.group import Ask, Group, Judge, Verdict
from monitord.detect.mask import mask_of
from monitord.detect.origin import Decides, Tells
from monitord.detect.question import Question
from monitord.model.value import Value


class Constant(Judge):
    """A condition that says the same of all events of the call."""

    def __init__(self, truth: bool) -> None:
        self._truth = truth

    def judge(self, group: Group, _ask: Ask) -> Verdict:
        """The same everywhere."""
        return (group.every, group.every) if self._truth else (0, 0)


ALWAYS = Constant(True)
NEVER = Constant(False)


class AllOf(Judge):
    """All children hold."""

    def __init__(self, children: tuple[Judge, ...]) -> None:
        self._children = children

    def judge(self, group: Group, ask: Ask) -> Verdict:
        """Stops at the child that leaves no row."""
        yes = possible = group.every
        for child in self._children:
            child_yes, child_possible = ask(child)
            yes &= child_yes
            possible &= child_possible
            if not possible:
                break
        return yes, possible

    def settle(self, group: Group, row: int) -> bool:
        """Left to right, up to the first that does not hold."""
        return all(group.holds(child, row) for child in self._children)


class AnyOf(Judge):
    """One of the children holds."""

    def __init__(self, children: tuple[Judge, ...]) -> None:
        self._children = children

    def judge(self, _group: Group, ask: Ask) -> Verdict:
        """By the columns of all children."""
        yes = possible = 0
        for child in self._children:
            child_yes, child_possible = ask(child)
            yes |= child_yes
            possible |= child_possible
        return yes, possible

    def settle(self, group: Group, row: int) -> bool:
        """Left to right, up to the first that holds."""
        return any(group.holds(child, row) for child in self._children)


class Opposite(Judge):
    """The child does not hold."""

    def __init__(self, child: Judge) -> None:
        self._child = child

    def judge(self, group: Group, ask: Ask) -> Verdict:
        """What surely holds becomes impossible, what is impossible becomes sure."""
        yes, possible = ask(self._child)
        return group.every ^ possible, group.every ^ yes

    def settle(self, group: Group, row: int) -> bool:
        """When the child does not hold for the row."""
        return not group.holds(self._child, row)


class Unknown(Judge):
    """A test that columns say nothing about."""

    takes_more = True

    def __init__(self, question: Question) -> None:
        self._question = question

    def judge(self, group: Group, _ask: Ask) -> Verdict:
        """Nowhere sure, everywhere possible."""
        return 0, group.every

    def settle(self, group: Group, row: int) -> bool:
        """Asked about the one event."""
        return self._question.about(group, row)


# What a test says of one value of a part. Not an enum: this is asked for many times per batch.
_NOT_ASKED, _NO, _YES, _DEPENDS = range(4)  # on more than the part
_YES_DIGITS = bytes.maketrans(bytes(range(4)), b"0010")
_POSSIBLE_DIGITS = bytes.maketrans(bytes(range(4)), b"0011")


class OfPart(Judge):
    """
    A test that follows from one part of the record.

    :param decides: whether for an event the part alone decides; None for always.
    :param tells: the value for a key of the part.
    """

    def __init__(
        self, book: Codebook, question: Question, decides: Decides | None = None, tells: Tells | None = None
    ) -> None:
        self._book = book
        self._question = question
        self._decides = decides
        self._tells = tells
        self._answers = bytearray()
        self._some_depend = False

    @property
    def always_decides(self) -> bool:
        """Whether the part tells all, whatever the event."""
        return self._decides is None

    def judge(self, group: Group, _ask: Ask) -> Verdict:
        """Asked once for each value that was never seen before."""
        codes = group.codes(self._book)
        said = codes.said(self._answers)
        if _NOT_ASKED in said:
            self._ask(group, codes.which(said, _NOT_ASKED))
            said = codes.said(self._answers)
        backwards = said[::-1]
        yes = int(backwards.translate(_YES_DIGITS), 2)
        return yes, int(backwards.translate(_POSSIBLE_DIGITS), 2) if self._some_depend else yes

    def settle(self, group: Group, row: int) -> bool:
        """Asked about the one event."""
        return self._question.about(group, row)

    def _ask(self, group: Group, row_of: Mapping[int, int]) -> None:
        told = self._told(group, row_of.values())
        test = self._question.test
        for (code, row), value in zip(row_of.items(), told, strict=True):
            if value is None or test is None:
                answer = self._answer(group, row)
                self._some_depend = self._some_depend or answer == _DEPENDS
            else:
                answer = _YES if test(value) else _NO
            self._answers[code] = answer

    def _told(self, group: Group, rows: Collection[int]) -> Iterable[Value | None]:
        if self._tells is None:
            return repeat(None, len(rows))
        told, keys = group.told(self._question.operand), group.keys(self._book)
        for row in rows:
            if row not in told:
                told[row] = self._tells(keys[row])
        return map(told.__getitem__, rows)

    def _answer(self, group: Group, row: int) -> int:
        if self._decides is not None and not self._decides(group.event(row)):
            return _DEPENDS
        return _YES if self._question.about(group, row) else _NO


class OfPartNow(Judge):
    """A test that follows from one part of the record and the present: it is asked anew in each batch."""

    takes_more = True

    def __init__(self, book: Codebook, question: Question) -> None:
        self._book = book
        self._question = question

    def judge(self, group: Group, _ask: Ask) -> Verdict:
        """Asked once for each value in the batch."""
        keys = group.keys(self._book)
        answers = {key: self._question.about(group, row) for key, row in dict(zip(keys, count())).items()}
        yes = mask_of(np.fromiter(map(answers.__getitem__, keys), np.bool_, len(keys)))
        return yes, yes


def all_of(judges: Iterable[Judge]) -> Judge:
    """All of the judges, without those that go without saying."""
    children = tuple(judge for judge in judges if judge is not ALWAYS)
    if NEVER in children:
        return NEVER
    return AllOf(children) if len(children) > 1 else children[0] if children else ALWAYS


def any_of(judges: Iterable[Judge]) -> Judge:
    """Any of the judges, without those that never hold."""
    children = tuple(judge for judge in judges if judge is not NEVER)
    if ALWAYS in children:
        return ALWAYS
    return AnyOf(children) if len(children) > 1 else children[0] if children else NEVER


def opposite_of(judge: Judge) -> Judge:
    """The opposite of a judge."""
    if judge is ALWAYS or judge is NEVER:
        return NEVER if judge is ALWAYS else ALWAYS
    return Opposite(judge)
