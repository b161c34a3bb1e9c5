"""
The condition tree: what the parser makes of a rule's condition, after lists and macros are put in.

Nodes are values: equal conditions compare equal and hash alike, so that a test shared by rules runs once.
"""

import enum
from collections.abc import Iterator
from dataclasses import field

from monitord.dataclass import dataclass

MAX_DEPTH = 100
"""Nesting of a tree, a single test having 1: every walk over it recurses, and Python's stack ends at 1000."""


FREE_TAILS = ("evt.arg.", "evt.rawarg.", "thread.cgroup.", "container.label.", "k8s.pod.label.")
"""Beginnings of fields whose names end in an argument."""


class Op(enum.StrEnum):
    """Falco's operators, as they are written."""

    EXISTS = "exists"
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    EQ = "="
    NE = "!="
    GLOB = "glob"
    IGLOB = "iglob"
    CONTAINS = "contains"
    ICONTAINS = "icontains"
    BCONTAINS = "bcontains"
    STARTSWITH = "startswith"
    BSTARTSWITH = "bstartswith"
    ENDSWITH = "endswith"
    REGEX = "regex"
    IN = "in"
    INTERSECTS = "intersects"
    PMATCH = "pmatch"


class Quantifier(enum.StrEnum):
    """The modifier between a text operator and a list."""

    ONEOF = "oneof"
    ANYOF = "anyof"
    ALLOF = "allof"


@dataclass(frozen=True, slots=True)
class FieldRef:
    """
    ``proc.aname[2]``: a field and its argument.

    :ivar name: without the argument; a name with a free tail (``evt.arg.flags``) has the tail in `arg`
        and the stem (``evt.arg``) here, as ``evt.arg[flags]`` would.
    """

    name: str
    arg: str | None = None

    def __str__(self) -> str:
        if self.arg is None:
            return self.name
        # As people write it: an index and what is no name stands in brackets.
        named = f"{self.name}." in FREE_TAILS and self.arg.isidentifier()
        return f"{self.name}.{self.arg}" if named else f"{self.name}[{self.arg}]"


@dataclass(frozen=True, slots=True)
class Transformed:
    """``tolower(proc.name)``: a function of fields and literals; `arg` is the index behind ``getopt(..)[x]``."""

    function: str
    args: tuple["Operand | str | tuple[str, ...]", ...]
    arg: str | None = None


Operand = FieldRef | Transformed
"""What stands left of an operator, or right of it by ``val()``."""


@dataclass(frozen=True, slots=True)
class Check:
    """
    One test.

    :ivar values: the literals right of the operator, one for a scalar operator; empty when `other` is set
        and for `Op.EXISTS`. They are text as written: the field's type says how to read them.
    :ivar other: the field right of the operator.
    :ivar at: offset of the test in the text it was parsed from; not part of its value.
    :ivar places: the same of each of `values`.
    """

    operand: Operand
    op: Op
    values: tuple[str, ...] = ()
    other: Operand | None = None
    quantifier: Quantifier | None = None
    at: int = field(default=0, compare=False)
    places: tuple[int, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro by name: only between the parser and the expansion, never in a loaded rule."""

    name: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """True when `child` is not."""

    child: "Node"


@dataclass(frozen=True, slots=True)
class And:
    """True when all children are; they are tried left to right."""

    children: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """True when any child is; they are tried left to right."""

    children: tuple["Node", ...]


Node = Check | Macro | Not | And | Or


def leaves_of(node: Node) -> Iterator[Check | Macro]:
    """What a condition is made of, left to right."""
    if isinstance(node, Not):
        yield from leaves_of(node.child)
    elif isinstance(node, (And, Or)):
        for child in node.children:
            yield from leaves_of(child)
    else:
        yield node


def checks_in(node: Node) -> Iterator[Check]:
    """The tests of a condition, left to right."""
    return (leaf for leaf in leaves_of(node) if isinstance(leaf, Check))
