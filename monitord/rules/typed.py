"""Whether a condition names the types of calls that it is about. Rules that do are asked before those that do not."""

from collections.abc import Iterable

from monitord.model.value import Missing, Value
from monitord.rules.ast import And, Check, FieldRef, Node, Not, Or
from monitord.rules.evaluate import check_test
from monitord.tables.canonical import canonical

_Types = int
"""A set of types of calls, one bit for each."""


class Typing:
    """
    Tells typed conditions from those for any call, as Falco does: by ``evt.type`` alone.

    :param names: of the calls that there are.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._types: tuple[Value, ...] = (*sorted({canonical(name) for name in names}), Missing.UNKNOWN)
        self._all: _Types = (1 << len(self._types)) - 1
        self._known: dict[Check, _Types] = {}

    def is_typed(self, node: Node) -> bool:
        """Whether its tests of ``evt.type`` rule out that a condition, macros put in, is true for some type."""
        return self._truth(node)[0] != self._all

    def _truth(self, node: Node) -> tuple[_Types, _Types]:
        """The types for which a part may be true, and those for which it may be false."""
        if isinstance(node, Not):
            true, false = self._truth(node.child)
            return false, true
        if isinstance(node, And):
            true, false = self._all, 0
            for child_true, child_false in map(self._truth, node.children):
                true, false = true & child_true, false | child_false
            return true, false
        if isinstance(node, Or):
            true, false = 0, self._all
            for child_true, child_false in map(self._truth, node.children):
                true, false = true | child_true, false & child_false
            return true, false
        if not isinstance(node, Check):
            raise TypeError(f"the macro '{node.name}' was not put in")
        if not isinstance(node.operand, FieldRef) or node.operand.name != "evt.type" or node.other is not None:
            return self._all, self._all
        true = self._known.get(node, -1)
        if true < 0:
            test = check_test(node)
            true = self._known[node] = sum(1 << bit for bit, type_ in enumerate(self._types) if test(type_))
        return true, self._all & ~true
