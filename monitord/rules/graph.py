"""Names that use other names: macros in macros, lists in lists."""

from collections.abc import Mapping
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter


def ordered(uses: Mapping[str, list[str]]) -> tuple[list[str], dict[str, list[str]]]:
    """The names, each behind those that it uses; and, with their uses, those that circles keep from having a place."""
    graph = {name: [other for other in used if other in uses] for name, used in uses.items()}
    sorter = TopologicalSorter(graph)
    # The error is about one circle: what is outside of all of them can be ordered nevertheless.
    with suppress(CycleError):
        sorter.prepare()
    order: list[str] = []
    while ready := sorter.get_ready():
        order.extend(ready)
        sorter.done(*ready)
    for name in order:
        del graph[name]
    return order, graph


def way_between(start: str, goal: str, uses: Mapping[str, list[str]]) -> list[str] | None:
    """The names from `start` to `goal` along their uses, both included; None when there is no way."""
    before: dict[str, str | None] = {start: None}
    pending = [start]
    while pending:
        name = pending.pop()
        if name == goal:
            way: list[str] = []
            step: str | None = name
            while step is not None:
                way.append(step)
                step = before[step]
            return way[::-1]
        for used in uses.get(name, ()):
            if used not in before:
                before[used] = name
                pending.append(used)
    return None
