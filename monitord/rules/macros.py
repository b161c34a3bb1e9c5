"""Macros are put into a condition as trees, after it is parsed."""

from collections.abc import Iterator, Mapping

from monitord.dataclass import dataclass
from monitord.rules.ast import MAX_DEPTH, Check, Macro, Node, Not, leaves_of

MAX_CHECKS = 20_000
"""Tests in a condition once written out. Macros can double at each step; people's longest have some hundred."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """
    A condition without macros.

    :ivar depth: of nesting; a single test has 1.
    :ivar checks: tests in it.
    """

    node: Node
    depth: int
    checks: int


class NestingError(ValueError):
    """Deeper than `MAX_DEPTH` or longer than `MAX_CHECKS`."""


def macros_in(node: Node) -> Iterator[Macro]:
    """The macros that a parsed condition names, left to right."""
    return (leaf for leaf in leaves_of(node) if isinstance(leaf, Macro))


def put_in_macros(node: Node, macros: Mapping[str, Expanded]) -> Expanded:
    """
    The condition with each macro replaced by its own.

    An `And` in an `And` and an `Or` in an `Or` become one, a double `Not` none: the meaning and the order stay.

    :param macros: what every macro named in it stands for.
    :raises NestingError: the result is too deep or too long.
    """
    expanded = _put_in(node, macros)
    if expanded.depth > MAX_DEPTH:
        raise NestingError(f"the condition is nested more than {MAX_DEPTH} deep once its macros are put in")
    if expanded.checks > MAX_CHECKS:
        raise NestingError(f"the condition has more than {MAX_CHECKS} tests once its macros are put in")
    return expanded


def _put_in(node: Node, macros: Mapping[str, Expanded]) -> Expanded:
    if isinstance(node, Check):
        return Expanded(node, 1, 1)
    if isinstance(node, Macro):
        return macros[node.name]
    if isinstance(node, Not):
        inner = _put_in(node.child, macros)
        if isinstance(inner.node, Not):
            return Expanded(inner.node.child, inner.depth - 1, inner.checks)
        return Expanded(Not(inner.node), inner.depth + 1, inner.checks)
    kind = type(node)
    parts = [_put_in(child, macros) for child in node.children]
    checks = sum(part.checks for part in parts)
    if checks > MAX_CHECKS:
        raise NestingError(f"the condition has more than {MAX_CHECKS} tests once its macros are put in")
    children: list[Node] = []
    depth = 1
    for part in parts:
        if isinstance(part.node, kind):
            children.extend(part.node.children)
            depth = max(depth, part.depth)
        else:
            children.append(part.node)
            depth = max(depth, part.depth + 1)
    return Expanded(kind(tuple(children)), depth, checks)
