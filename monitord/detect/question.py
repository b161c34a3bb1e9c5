"""One test, asked about events."""

from collections.abc import Mapping

from monitord.detect.group import Group
from monitord.rules.ast import Check
from monitord.rules.compare import Test
from monitord.rules.evaluate import check_test, evaluate
from monitord.rules.field import Field


class Question:
    """
    `monitord.rules.evaluate` of a test, with its literals read once.

    :ivar operand: what stands left of the operator.
    :ivar test: what is asked of its value; None for a test that compares two fields.
    """

    def __init__(self, check: Check, catalogue: Mapping[str, Field]) -> None:
        self._check = check
        self.operand = check.operand
        self.test: Test | None = check_test(check, catalogue) if check.other is None else None

    def about(self, group: Group, row: int) -> bool:
        """Whether the test holds for a row."""
        if self.test is not None:
            return self.test(group.value(self.operand, row))
        return evaluate(self._check, group.event(row), group.context, group.catalogue)
