"""The programs that processes were seen to execute, remembered from the exec events."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from monitord.model.value import Missing, Value

PROGRAMS_PER_PROCESS = 4
"""
Programs kept per process: the current one and those before it, for events that are judged after a later exec.
Wrappers seldom chain more (env, nice, sudo) within the milliseconds that an event waits.
"""


@dataclass(frozen=True, slots=True)
class Program:
    """
    What one successful exec said.

    :ivar since_ns: CLOCK_BOOTTIME, when the exec returned.
    :ivar dirfd: what `filename` is relative to.
    :ivar filename: as the caller passed it.
    :ivar executable: the file itself, if the kernel side could tell.
    """

    since_ns: int
    dirfd: int
    filename: str | Missing
    argv: tuple[str, ...] | Missing
    executable: Value = Missing.UNKNOWN


class Programs:
    """
    The latest programs of at most `capacity` processes; the one that was not touched for longest goes first.

    :ivar evicted: processes forgotten for want of room.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._of: OrderedDict[Hashable, list[Program]] = OrderedDict()
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._of)

    def learn(self, process: Hashable, program: Program) -> None:
        """Remember an exec; those of one process may come in any order, and again."""
        history = self._of.setdefault(process, [])
        self._of.move_to_end(process)
        if program not in history:
            history.append(program)
            history.sort(key=lambda known: known.since_ns)
            del history[:-PROGRAMS_PER_PROCESS]
        if len(self._of) > self._capacity:
            self._of.popitem(last=False)
            self.evicted += 1

    def at(self, process: Hashable, ts_ns: int) -> tuple[Program | None, bool]:
        """
        What a process was executing at a time.

        :param ts_ns: CLOCK_BOOTTIME.
        :return: the program, None when not known; and whether no later one is known, so that /proc may still show it.
        """
        history = self._of.get(process)
        if history is None:
            return None, True
        self._of.move_to_end(process)
        known = [program for program in history if program.since_ns <= ts_ns]
        return (known[-1] if known else None), len(known) == len(history)
