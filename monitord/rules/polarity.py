"""
What follows for a rule from fields that are not supplied.

Every comparison with such a field is false. What that does to the rule depends on where the test stands:

- Under an even number of ``not`` (a *positive* test) the rule is true less often. If nothing is left that could make it
  true, it can **never fire**; else, as one of several alternatives, it **misses cases**.
- Under an odd number the rule is true more often. What is lost is either an exception or a requirement, and these
  differ in what the operator should do. ``and not container.image.repository in (trusted)`` takes known cases away:
  the rule still means what it says, with a **weaker exception**. ``and not container.mount.dest[/proc*] in ("<NA>")``
  demands something by a double negation, that there is such a mount, and now goes without saying: the rule **fires
  too often**.

A negated test is taken for a requirement when its opposite says something definite of the field: it tests for absence
or for the host (``= "<NA>"``, ``exists``, ``container.id = host``), is ``!=`` or an order, or is ``= false``. Inside a
negated conjunction (``not (proc.name = x and FIELD ...)``) it is a part of an exception, whatever it tests.

Tests that could not be true anyway, with an empty list or beside Falco's ``never_true``, are of no consequence.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import replace

from monitord.dataclass import dataclass
from monitord.rules.ast import And, Check, FieldRef, Node, Not, Op, Or
from monitord.rules.field import Field
from monitord.rules.operand import fields_of


class Consequence(enum.Enum):
    """What a rule that leans on a field that is not supplied does."""

    NEVER = "can never fire"
    OFTEN = "fires too often"
    EXCEPTION = "has a weaker exception"
    MISSES = "misses cases"


Consequences = Mapping[Consequence, tuple[str, ...]]
"""Each consequence there is, with the fields, as they are written, that it follows from."""

TRUE, FALSE = And(()), Or(())
"""Conditions that always hold, and never."""

_ABSENT = frozenset(("<NA>", "N/A", "", "host"))
"""What Falco's rules compare a field with to say that there is no such thing."""

_SETS = frozenset((Op.IN, Op.INTERSECTS, Op.PMATCH))
_DEFINITE = frozenset((Op.EXISTS, Op.NE, Op.LT, Op.LE, Op.GT, Op.GE))


@dataclass(frozen=True, slots=True)
class _Leaf:
    """
    A test of a field that is not supplied.

    :ivar negated: it stands under an odd number of ``not``.
    :ivar joined: other tests are joined to it by ``and``, within the innermost ``not`` around it so far.
    :ivar excepts: it is a part of a negated conjunction.
    """

    check: Check
    fields: tuple[str, ...]
    negated: bool = False
    joined: bool = False
    excepts: bool = False

    @property
    def consequence(self) -> Consequence:
        """What follows if the rule can fire at all."""
        if not self.negated:
            return Consequence.MISSES
        return Consequence.OFTEN if _is_definite(self.check) and not self.excepts else Consequence.EXCEPTION


def _is_definite(check: Check) -> bool:
    if check.op in _DEFINITE:
        return True
    return bool(check.values) and (set(check.values) <= _ABSENT or check.values == ("false",))


class Polarity:
    """
    Finds the consequences of fields that are not supplied.

    :param possible: whether a condition can be true for any event at all.
    """

    def __init__(self, catalogue: Mapping[str, Field], possible: Callable[[Node], bool]) -> None:
        self._catalogue = catalogue
        self._possible = possible

    def of(self, condition: Node) -> tuple[Node, Consequences]:
        """
        What becomes of a checked condition, macros put in.

        :return: the condition with the tests that are always false left out, which is true for the same events; and the
            consequences.
        """
        rest, leaves = self._fold(condition)
        if not leaves:
            return rest, {}
        found: dict[Consequence, dict[str, None]] = {}
        dead = not self._possible(rest)
        for leaf in leaves:
            if not dead or not leaf.negated:
                consequence = Consequence.NEVER if dead else leaf.consequence
                found.setdefault(consequence, {}).update(dict.fromkeys(leaf.fields))
        return (FALSE if dead else rest), {one: tuple(found[one]) for one in Consequence if one in found}

    def _fold(self, node: Node) -> tuple[Node, list[_Leaf]]:
        """A node without its tests of fields that are not supplied, and those of them that are of consequence."""
        if isinstance(node, Check):
            return self._fold_check(node)
        if isinstance(node, Not):
            child, leaves = self._fold(node.child)
            turned = [
                replace(leaf, negated=not leaf.negated, joined=False, excepts=leaf.excepts or leaf.joined)
                for leaf in leaves
            ]
            return _opposite(child), turned
        if isinstance(node, (And, Or)):
            return self._fold_several(node)
        raise TypeError(f"the macro '{node.name}' was not put in")

    def _fold_check(self, check: Check) -> tuple[Node, list[_Leaf]]:
        fields = [field for field in fields_of(check.operand, check.other) if not self._is_supplied(field)]
        if not fields:
            return check, []
        if check.op in _SETS and not check.values and check.other is None:
            return FALSE, []
        return FALSE, [_Leaf(check, tuple(map(str, fields)))]

    def _is_supplied(self, field: FieldRef) -> bool:
        return self._catalogue[field.name].supplied

    def _fold_several(self, node: And | Or) -> tuple[Node, list[_Leaf]]:
        folded = [self._fold(child) for child in node.children]
        leaves = [leaf for _, found in folded for leaf in found]
        if not leaves and all(part is child for (part, _), child in zip(folded, node.children, strict=True)):
            return node, []
        if isinstance(node, Or):
            return _any_of([part for part, _ in folded]), leaves
        if leaves and not self._possible(_all_of([part for part, found in folded if not found])):
            return FALSE, []
        return _all_of([part for part, _ in folded]), [replace(leaf, joined=True) for leaf in leaves]


def _opposite(node: Node) -> Node:
    if node in (TRUE, FALSE):
        return FALSE if node == TRUE else TRUE
    return node.child if isinstance(node, Not) else Not(node)


def _all_of(parts: list[Node]) -> Node:
    if FALSE in parts:
        return FALSE
    rest = tuple(part for part in parts if part != TRUE)
    return rest[0] if len(rest) == 1 else And(rest)


def _any_of(parts: list[Node]) -> Node:
    if TRUE in parts:
        return TRUE
    rest = tuple(part for part in parts if part != FALSE)
    return rest[0] if len(rest) == 1 else Or(rest)
