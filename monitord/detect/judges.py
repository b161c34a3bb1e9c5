"""
Conditions over columns: which rows of a group they hold for, or may hold for.

`judge` answers for all rows at once, `settle` for one row that `judge` left open; `Group` asks both and remembers.
"""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from monitord.detect.group import Group, Judge, Verdict, holds_anywhere
from monitord.detect.outcome import failed, foreign
from monitord.detect.part import Part
from monitord.detect.question import Question
from monitord.model.event import Event
from monitord.model.interest import Outcome


class Constant(Judge):
    """A condition that says the same of all events of the call."""

    def __init__(self, truth: bool) -> None:
        self._truth = truth

    def judge(self, group: Group) -> Verdict:
        """The same everywhere."""
        mask = group.every if self._truth else group.none
        return Verdict(mask, mask)


ALWAYS = Constant(True)
NEVER = Constant(False)


class AllOf(Judge):
    """All children hold."""

    def __init__(self, children: tuple[Judge, ...]) -> None:
        self._children = children

    def judge(self, group: Group) -> Verdict:
        """Stops at the child that leaves no row."""
        yes = possible = group.every
        for child in self._children:
            verdict = group.verdict(child)
            told = yes is possible and verdict.yes is verdict.possible
            possible = possible & verdict.possible
            yes = possible if told else yes & verdict.yes
            if not holds_anywhere(possible):
                return Verdict(group.none, group.none)
        return Verdict(yes, possible)

    def settle(self, group: Group, row: int) -> bool:
        """Left to right, up to the first that does not hold."""
        return all(group.holds(child, row) for child in self._children)


class AnyOf(Judge):
    """One of the children holds."""

    def __init__(self, children: tuple[Judge, ...]) -> None:
        self._children = children

    def judge(self, group: Group) -> Verdict:
        """By the columns of all children."""
        yes = possible = group.none
        for child in self._children:
            verdict = group.verdict(child)
            told = yes is possible and verdict.yes is verdict.possible
            possible = possible | verdict.possible
            yes = possible if told else yes | verdict.yes
        return Verdict(yes, possible)

    def settle(self, group: Group, row: int) -> bool:
        """Left to right, up to the first that holds."""
        return any(group.holds(child, row) for child in self._children)


class Opposite(Judge):
    """The child does not hold."""

    def __init__(self, child: Judge) -> None:
        self._child = child

    def judge(self, group: Group) -> Verdict:
        """What surely holds becomes impossible, what is impossible becomes sure."""
        yes, possible = group.verdict(self._child)
        if yes is possible:
            opposite = ~yes
            return Verdict(opposite, opposite)
        return Verdict(~possible, ~yes)

    def settle(self, group: Group, row: int) -> bool:
        """When the child does not hold for the row."""
        return not group.holds(self._child, row)


class WithOutcome(Judge):
    """The event is one that the kernel delivers for an outcome, as `Interest.admits` has it."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def judge(self, group: Group) -> Verdict:
        """By the columns alone."""
        yes = group.none
        if self._outcome & Outcome.SUCCESS:
            yes = yes | ~failed(group.batch)
        if self._outcome & Outcome.FAILURE:
            yes = yes | failed(group.batch)
        if self._outcome & Outcome.FOREIGN:
            yes = yes | foreign(group.batch)
        return Verdict(yes, yes)


class Unknown(Judge):
    """A test that columns say nothing about."""

    def __init__(self, question: Question) -> None:
        self._question = question

    def judge(self, group: Group) -> Verdict:
        """Nowhere sure, everywhere possible."""
        return Verdict(group.none, group.every)

    def settle(self, group: Group, row: int) -> bool:
        """Asked about the one event."""
        return self._question(group, row)


# What a test says of one value of a part. Not an enum: this is asked for many times per batch.
_NOT_ASKED, _NO, _YES, _DEPENDS = range(4)  # on more than the part


class OfPart(Judge):
    """
    A test that follows from one part of the record.

    :param decides: whether for this event the part alone decides; None for always.
    """

    def __init__(self, part: Part, question: Question, decides: Callable[[Event], bool] | None = None) -> None:
        self._part = part
        self._question = question
        self._decides = decides
        self._answers: NDArray[np.uint8] = np.zeros(64, np.uint8)
        self._some_depend = False

    def judge(self, group: Group) -> Verdict:
        """Asked once for each value that was never seen before."""
        codes = group.codes(self._part)
        highest = int(codes.max())
        if highest >= len(self._answers):
            self._answers = np.concatenate((self._answers, np.zeros(highest + 1, np.uint8)))
        answers = self._answers[codes]
        unasked = np.flatnonzero(answers == _NOT_ASKED)
        if len(unasked):
            self._ask(group, unasked, codes)
            answers = self._answers[codes]
        yes = answers == _YES
        return Verdict(yes, answers >= _YES if self._some_depend else yes)

    def settle(self, group: Group, row: int) -> bool:
        """Asked about the one event."""
        return self._question(group, row)

    def _ask(self, group: Group, rows: NDArray[np.intp], codes: NDArray[np.intp]) -> None:
        _, firsts = np.unique(codes[rows], return_index=True)
        for row in rows[firsts].tolist():
            if self._decides is not None and not self._decides(group.event(row)):
                answer = _DEPENDS
                self._some_depend = True
            else:
                answer = _YES if self._question(group, row) else _NO
            self._answers[codes[row]] = answer


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
