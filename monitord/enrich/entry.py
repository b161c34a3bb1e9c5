"""A process as the table keeps it."""

from typing import NamedTuple

from monitord.enrich.directory import Directory, Moves
from monitord.enrich.joined import Joined
from monitord.enrich.program import Program
from monitord.model.process import Process
from monitord.model.value import Value

Key = tuple[int, int]
"""A process as /proc can tell it, too: its pid, and its start in clock ticks."""

PHASES = 256
"""
Names and programs kept per process at most: the current ones and those before, for events that are judged after a later
exec. What is that of no event that is still to come is forgotten, see `ProcessTable.sweep`.
"""


NEVER_NS = 1 << 64
"""Later than any time."""


class Phase(NamedTuple):
    """
    What a process was called and what it executed, from a time on.

    :ivar comm: of the thread group leader, as the kernel has it.
    :ivar program: None when it is not known.
    """

    since_ns: int
    comm: bytes
    program: Program | None


class Described(NamedTuple):
    """
    What was said of a process at a time, and from when until when it can be said again.

    :ivar latest: the last phase that was known then; with another one, it may have been wrong.
    :ivar moves: that were known then.
    """

    since_ns: int
    until_ns: int
    latest: Phase
    moves: Moves
    process: Process


class Entry:
    """
    One process.

    :ivar start_ns: CLOCK_BOOTTIME; rounded down to a tick until an event has told it exactly.
    :ivar ppid: of the parent that it was born to, or that it had when it was first seen.
    :ivar parent: the key of that parent; None when it was not known.
    :ivar directory: the working directory; the same object where processes share it.
    :ivar joined: its cgroups v1, which it has from the process that it is a copy of; None until they are asked for.
    :ivar described: what was last said of it, if that can be said again.
    :ivar gone: /proc does not have it any more: it is not asked again.
    :ivar ended_ns: 0 while it lives.
    :ivar children: entries whose `parent` it is.
    :ivar lingers: it ended a while ago and is kept for its descendants.
    """

    __slots__ = (
        "children",
        "described",
        "directory",
        "ended_ns",
        "gone",
        "joined",
        "key",
        "lingers",
        "parent",
        "phases",
        "ppid",
        "start_ns",
    )

    def __init__(self, key: Key, start_ns: int, ppid: int, phase: Phase, directory: Directory | None) -> None:
        self.key = key
        self.start_ns = start_ns
        self.ppid = ppid
        self.parent: Key | None = None
        self.phases = [phase]
        self.directory = directory or Directory()
        self.joined: Joined | None = None
        self.described: Described | None = None
        self.gone = False
        self.ended_ns = 0
        self.children = 0
        self.lingers = False

    @property
    def key_and_start(self) -> tuple[int, int]:
        """What `ProcessTable.get` takes."""
        return self.key[0], self.start_ns

    def at(self, ts_ns: int) -> tuple[Phase | None, bool]:
        """
        What it was at a time.

        :return: None when that is not known any more; and whether nothing later is known, so that /proc may show it.
        """
        phases = self.phases
        if phases[-1].since_ns <= ts_ns:
            return phases[-1], True
        for phase in reversed(phases):
            if phase.since_ns <= ts_ns:
                return phase, False
        return None, False

    def said(self, ts_ns: int, comm: Value, ppid: int) -> Process | None:
        """What was said of it at a time, if it was called that then, and nothing was learned since."""
        said = self.described
        if (
            said is not None
            and said.since_ns <= ts_ns < said.until_ns
            and said.latest is self.phases[-1]
            and said.moves is self.directory.moves
            and said.process.comm == comm
            and said.process.ppid == ppid
        ):
            return said.process
        return None

    def forget_before(self, ts_ns: int) -> None:
        """No event from before a time is to come any more."""
        phases = self.phases
        while len(phases) > 1 and phases[1].since_ns <= ts_ns:
            del phases[0]

    def describe(self, ts_ns: int, process: Process) -> None:
        """Remember what is said of it at a time: it holds from its last change before to the next one."""
        moves = self.directory.moves
        since_ns, until_ns = 0, NEVER_NS
        for change_ns in (*[phase.since_ns for phase in self.phases], *[since_ns for since_ns, _ in moves]):
            if change_ns <= ts_ns:
                since_ns = max(since_ns, change_ns)
            else:
                until_ns = min(until_ns, change_ns)
        self.described = Described(since_ns, until_ns, self.phases[-1], moves, process)

    def enter(self, phase: Phase) -> None:
        """Note a change; those of one process may come again, or late."""
        phases = self.phases
        if phases[-1].since_ns < phase.since_ns:
            phases.append(phase)
            if len(phases) > PHASES:
                del phases[0]
            return
        if any(known.since_ns == phase.since_ns and known.comm == phase.comm for known in phases):
            return
        self.described = None
        phases.append(phase)
        phases.sort(key=lambda known: known.since_ns)
        del phases[:-PHASES]
