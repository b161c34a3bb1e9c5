"""
The process table: who there is, who made whom, and what each of them executes.

It is told of processes that begin, execute and end, in the order of time, and answers for any time of the last
seconds. A process that has ended stays while a descendant is there, so that ancestors keep their names.
"""

from collections import deque

from monitord.abi.event import Flag
from monitord.enrich.directory import Directory
from monitord.enrich.entry import Entry, Key, Phase
from monitord.enrich.program import Program

PROCESSES = 32768
"""
Processes that are remembered, the ended ancestors of living ones included: 1 KiB each, and 8 KiB more at the longest
arguments, and with environments, if rules ask for those.
"""

ENDED_NS = 1_000_000_000
"""
How long a process that has ended is kept for its own sake, and how long what it executed before it executed something
else: the last events of both may still wait to be judged.
"""

ENDED_GENERATIONS = 32
"""Ended ancestors in a row; a chain of processes that start the next one and end would grow for ever."""

_SHARED_FS, _THREAD_FS = int(Flag.SHARED_FS), int(Flag.THREAD_FS)  # an IntFlag's own `&` takes half a microsecond


class ProcessTable:
    """
    Processes by key, at most `capacity`. Used by one thread.

    :param tick_ns: of the start times in /proc.
    :ivar tick_ns: the same.
    :ivar evicted: processes forgotten for want of room.
    """

    def __init__(self, tick_ns: int, capacity: int = PROCESSES) -> None:
        self.tick_ns = tick_ns
        self._capacity = capacity
        self._entries: dict[Key, Entry] = {}
        self._current: dict[int, Entry] = {}
        self._ended: deque[Entry] = deque()
        self._changed: deque[tuple[int, Entry]] = deque()
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, pid: int, start_ns: int) -> Entry | None:
        """A process."""
        entry = self._current.get(pid)
        if entry is not None and entry.start_ns == start_ns:  # most are, and this takes half the time
            return entry
        return self._entries.get((pid, start_ns // self.tick_ns))

    def key(self, pid: int, start_ns: int) -> Key:
        """What a process is known by."""
        return (pid, start_ns // self.tick_ns)

    def find(self, key: Key) -> Entry | None:
        """A process by its key."""
        return self._entries.get(key)

    def current(self, pid: int) -> Entry | None:
        """The last process that was seen to have a pid."""
        return self._current.get(pid)

    def living(self) -> list[Entry]:
        """All that were not seen to end."""
        return [entry for entry in self._entries.values() if not entry.ended_ns]

    def fork(
        self,
        ts_ns: int,
        pid: int,
        start_ns: int,
        comm: bytes,
        parent: tuple[int, int, bytes],
        copied: tuple[int, int],
        flags: int = 0,
    ) -> None:
        """
        A process begins; what is known of the others may be later than that.

        :param parent: its parent's pid, start and name now.
        :param copied: pid and start of the process that it is a copy of: with CLONE_PARENT that is not its parent.
        :param flags: `Flag`, whether they share a working directory.
        """
        entries = self._entries
        ppid, parent_start_ns, parent_comm = parent
        original = mother = self.get(ppid, parent_start_ns)
        if mother is not None:
            mother.start_ns = parent_start_ns
            self.rename(mother, ts_ns, parent_comm)
        if copied[0] != ppid:
            original = self.get(*copied)
        directory = None
        if original is None:
            phase = Phase(0, comm, None)
        else:
            before, _ = original.at(ts_ns)
            phase = before if before and before.comm == comm else Phase(0, comm, before and before.program)
            if not flags & _THREAD_FS:
                directory = original.directory if flags & _SHARED_FS else original.directory.inherited(ts_ns)
        key = (pid, start_ns // self.tick_ns)
        if mother is None or key in entries:
            if key in entries:
                directory = self._renew(entries[key], ts_ns, phase, directory)
            entry = self.add(pid, start_ns, ppid, phase, mother, directory)
        else:  # the same, for the usual case
            entry = entries[key] = self._current[pid] = Entry(key, start_ns, ppid, phase, directory)
            entry.parent = mother.key
            mother.children += 1
            if len(entries) > self._capacity:
                self._evict()
        if original is not None:
            entry.joined = original.joined

    def add(
        self,
        pid: int,
        start_ns: int,
        ppid: int,
        phase: Phase,
        parent: Entry | None,
        directory: Directory | None = None,
    ) -> Entry:
        """
        A process that is there; what was known of it but for its executions is replaced.

        :param parent: None when it is not known; and so the directory.
        """
        key = (pid, start_ns // self.tick_ns)
        entry = self._entries.get(key)
        if entry is None:
            entry = Entry(key, start_ns, ppid, phase, directory)
            self._entries[key] = entry
            self._current[pid] = entry
            if len(self._entries) > self._capacity:
                self._evict()
        else:
            entry.start_ns = max(entry.start_ns, start_ns)
            entry.ppid = ppid
            entry.directory = directory or entry.directory
        if parent is not None and parent.key != entry.parent and parent is not entry:
            if entry.parent is not None:
                self._forget(self._leave(entry))
            entry.parent = parent.key
            parent.children += 1
        return entry

    def execute(self, entry: Entry, ts_ns: int, comm: bytes, program: Program) -> None:
        """A process executes a program."""
        self._enter(entry, Phase(ts_ns, comm, program))

    def rename(self, entry: Entry, ts_ns: int, comm: bytes) -> None:
        """A process is called otherwise, and executes what it did."""
        before, _ = entry.at(ts_ns)
        if before is None or before.comm != comm:
            self._enter(entry, Phase(ts_ns, comm, before and before.program))

    def _enter(self, entry: Entry, phase: Phase) -> None:
        was_one = len(entry.phases) == 1
        entry.enter(phase)
        if was_one and len(entry.phases) > 1:  # each is there once: a program can take a new name as often as it likes
            self._changed.append((phase.since_ns, entry))

    def _renew(self, entry: Entry, ts_ns: int, phase: Phase, directory: Directory | None) -> Directory | None:
        """
        A process that has ended is another one from now on: its pid was given again within the same tick.

        Orphans of the first one are taken for children of the second.

        :return: its directory, before that of the first one, whose last events may still be to be judged.
        """
        if not entry.ended_ns or entry.ended_ns >= ts_ns:
            return directory
        self._ended.remove(entry)
        entry.ended_ns = 0
        entry.lingers = entry.gone = False
        self._enter(entry, Phase(ts_ns, phase.comm, phase.program))
        directory = directory or Directory()
        return directory if directory.moves == entry.directory.moves else entry.directory.followed(ts_ns, directory)

    def end(self, entry: Entry, ts_ns: int) -> None:
        """A process ends; telling it twice does no harm."""
        if not entry.ended_ns:
            entry.ended_ns = ts_ns or 1
            self._ended.append(entry)

    def exit(self, ts_ns: int, pid: int, start_ns: int, comm: bytes) -> None:
        """
        A process ends, if it is known.

        :param comm: what it was called.
        """
        entry = self.get(pid, start_ns)
        if entry is not None:
            self.rename(entry, ts_ns, comm)
            self.end(entry, ts_ns)

    def sweep(self, now_ns: int) -> None:
        """
        Forget those that ended a while ago and have no descendants, and what others were a while ago.

        :param now_ns: CLOCK_BOOTTIME; the time of the latest event will do.
        """
        past_ns = now_ns - ENDED_NS
        changed, ended = self._changed, self._ended
        while changed and changed[0][0] <= past_ns:
            _, entry = changed.popleft()
            if entry.ended_ns:
                continue  # it is forgotten itself, or changes no more
            entry.forget_before(past_ns)
            if len(entry.phases) > 1:
                changed.append((entry.phases[1].since_ns, entry))
        while ended and ended[0].ended_ns <= past_ns:
            entry = ended.popleft()
            if entry.children:
                entry.lingers = True
                self._shorten(entry)
            else:
                self._forget(entry)

    def _forget(self, entry: Entry | None) -> None:
        """Take out a process, and the ended ancestors that were there for its sake alone."""
        while entry is not None and self._entries.get(entry.key) is entry:
            key = entry.key
            del self._entries[key]
            if self._current.get(key[0]) is entry:
                del self._current[key[0]]
            entry = self._leave(entry)

    def _leave(self, entry: Entry) -> Entry | None:
        """Count a child less; the parent, when nobody needs it any more."""
        parent = self._entries.get(entry.parent) if entry.parent else None
        if parent is None:
            return None
        parent.children -= 1
        return parent if parent.lingers and not parent.children else None

    def _shorten(self, entry: Entry) -> None:
        """Cut a line of ended ancestors that is too long at its old end."""
        line = [entry]
        while len(line) <= ENDED_GENERATIONS:
            last = line[-1]
            above = self._entries.get(last.parent) if last.parent else None
            if above is None or not above.ended_ns:
                return
            line.append(above)
        self._forget(line[-1])
        self.evicted += 1

    def _evict(self) -> None:
        """Make room: those that have ended go first, then the oldest, of which /proc can tell again."""
        oldest = self._ended.popleft() if self._ended else next(iter(self._entries.values()))
        self._forget(oldest)
        self.evicted += 1
