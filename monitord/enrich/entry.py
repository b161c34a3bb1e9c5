"""A process as the table keeps it."""

from typing import NamedTuple

from monitord.enrich.directory import Directory, Moves
from monitord.enrich.joined import Joined
from monitord.enrich.program import Program
from monitord.model.process import Process

Key = tuple[int, int]
"""A process as /proc can tell it, too: its pid, and its start in clock ticks."""

PHASES = 4
"""
Names and programs kept per process: the current ones and those before, for events that are judged after a later exec.
Wrappers seldom chain more (env, nice, sudo) within the milliseconds that an event waits.
"""


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
    What was said of a process, and while what holds: the phase it is in, and where it went.

    :ivar since_ns: of both.
    """

    since_ns: int
    phase: Phase
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

    def describe(self, process: Process) -> None:
        """Remember what is said of it as it is now."""
        phase, moves = self.phases[-1], self.directory.moves
        since_ns = max(phase.since_ns, moves[-1][0]) if moves else phase.since_ns
        self.described = Described(since_ns, phase, moves, process)

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
        phases.append(phase)
        phases.sort(key=lambda known: known.since_ns)
        del phases[:-PHASES]
