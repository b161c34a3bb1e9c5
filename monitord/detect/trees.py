"""Roots of process trees, remembered by process."""

from collections import OrderedDict

from monitord.model.event import Event, ProcessKey
from monitord.model.process import Context
from monitord.rules.fields.tree import tree_of

PROCESSES = 32768
"""Processes whose tree is remembered, some 200 bytes each; those not asked about for the longest time go first."""


class Trees:
    """What `proc.tree` said of each process, and says of it from then on. Used by one thread."""

    def __init__(self, capacity: int = PROCESSES) -> None:
        self._capacity = capacity
        self._roots: OrderedDict[ProcessKey, int] = OrderedDict()

    def root(self, pid: int, start_ns: int) -> int | None:
        """The root of a process that was asked about before."""
        key = ProcessKey(pid, start_ns)
        root = self._roots.get(key)
        if root is not None:
            self._roots.move_to_end(key)
        return root

    def learn(self, event: Event, context: Context) -> int:
        """The root of the process of an event."""
        root = self._roots[event.key] = tree_of(event, context, self._roots)
        if len(self._roots) > self._capacity:
            self._roots.popitem(last=False)
        return root
