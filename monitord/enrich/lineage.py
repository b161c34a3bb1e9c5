"""A process and its ancestors at the time of an event, from the process table and, where that does not know, /proc."""

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from monitord.enrich.entry import Entry, Phase
from monitord.enrich.observer import Observer
from monitord.enrich.processes import ProcessTable
from monitord.enrich.procfs import Procfs, Snapshot
from monitord.enrich.program import Facts, Program, facts_of
from monitord.model.event import Event, ProcessKey
from monitord.model.path import below
from monitord.model.process import Process
from monitord.model.text import text_of
from monitord.model.value import Missing, Value

_LINKS = ("/proc/", "/dev/fd/")
"""Nothing executable lies here; what is named here stands for a file elsewhere."""

_UNTOLD = Facts(Missing.LATE, Missing.LATE, Missing.LATE)


class Lineage:
    """
    Describes processes; what /proc says is put into the table. Used by one thread.

    A parent is the one that a process was born to, whoever adopted it later.
    """

    def __init__(self, processes: ProcessTable, observer: Observer, procfs: Procfs) -> None:
        self._processes = processes
        self._observer = observer
        self._procfs = procfs

    def seed(self, pids: Iterable[int]) -> None:
        """Learn of processes that are there. What begins or ends meanwhile, events will tell."""
        found: list[tuple[Entry, int]] = []
        for pid in pids:
            now = self._procfs.process(pid)
            if not isinstance(now, Missing):
                found.append((self._met(pid, now, None), now.stat.ppid))
        for entry, ppid in found:
            parent = self._observer.current(ppid)
            if parent is not None and parent.start_ns <= entry.start_ns:
                self._processes.add(*entry.key_and_start, ppid, entry.phases[-1], parent)

    def doubt(self) -> None:
        """Ends may have been missed, and moves: /proc is asked who is there."""
        self._observer.settle()
        there = set(self._procfs.pids())
        now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        for entry in self._processes.living():
            entry.directory.forget()
            entry.joined = None
            if entry.key[0] not in there or self._observer.current(entry.key[0]) is not entry:
                self._processes.end(entry, now_ns)

    def entry(self, event: Event) -> Entry:
        """The process of an event in the table; put there if need be."""
        entry = self._observer.get(event.pid, event.start_ns)
        if entry is None:
            entry = self._observer.adopt(event.pid, event.start_ns, event.ppid, _bytes_of(event.comm))
        entry.start_ns = event.start_ns
        if self._observer.is_exec(event) and all(known.since_ns != event.ts_ns for known in entry.phases):
            self._processes.execute(entry, event.ts_ns, _bytes_of(event.comm), Program(facts_of(event)))
        return entry

    def own(self, event: Event) -> Process:
        """The process that made a call; after a successful exec, the new program."""
        own = self._describe(self.entry(event), event.comm, event.ppid, event.ts_ns)
        if event.ret:
            return own  # no exec, or it failed
        if isinstance(own.argv, Missing) and self._observer.is_exec(event):
            own = replace(own, argv=facts_of(event).argv)  # it has executed too much since to be remembered
        executable = event.executable
        return replace(own, exepath=executable) if isinstance(executable, str) and executable != own.exepath else own

    def parent(self, event: Event, child: ProcessKey, ppid: int | Missing) -> Process | Missing:
        """
        The parent of a process; NOT_APPLICABLE for the first one.

        :param child: the caller, or an ancestor.
        :param ppid: that the child is known to have; what the table says counts more.
        """
        of_caller = child == event.key
        mother = self._observer.mother(*child)
        if mother is not None:
            ppid = mother.key[0]
        else:
            entry = self.entry(event) if of_caller else self._observer.get(*child)
            if entry is not None:
                ppid = entry.ppid
            if isinstance(ppid, Missing):
                return ppid
            if not ppid:
                return Missing.NOT_APPLICABLE
            mother = self._mother(entry, ppid, child.start_ns)
        # The kernel's answer of that time counts more than a name that was seen at another.
        told = event.parent_comm if of_caller and event.ppid == ppid else None
        if mother is None:
            return Process(ProcessKey(ppid, 0), told) if told is not None else Missing.LATE
        phase, _ = mother.at(event.ts_ns)
        comm: Value = Missing.LATE if phase is None else text_of(phase.comm)
        return self._describe(mother, comm if told is None else told, mother.ppid, event.ts_ns)

    def program(self, event: Event, key: ProcessKey) -> tuple[Program | None, bool]:
        """
        What a process executed at the time of an event.

        :param key: the caller, or an ancestor.
        :return: None when it is not known; and whether no later program is known, so that /proc may show it.
        """
        entry = self._observer.get(*key)
        if entry is None:
            return None, True
        phase, _ = entry.at(event.ts_ns)
        return (None, False) if phase is None else (phase.program, phase.program is entry.phases[-1].program)

    def holder(self, event: Event, pid: int) -> Process | Missing:
        """The process that had a pid when a call returned."""
        if not pid:
            return Missing.LATE
        if pid == event.pid:
            return self.own(event)
        entry = self._observer.current(pid)
        if entry is None:
            now = self._procfs.process(pid)
            if isinstance(now, Missing):
                return now
            entry = self._met(pid, now, self._observer.current(now.stat.ppid))
        if entry.start_ns > event.ts_ns or 0 < entry.ended_ns < event.ts_ns:
            return Missing.LATE  # it has the pid since, or had it before
        phase, _ = entry.at(event.ts_ns)
        comm: Value = Missing.LATE if phase is None else text_of(phase.comm)
        return self._describe(entry, comm, entry.ppid, event.ts_ns)

    def _mother(self, entry: Entry | None, ppid: int, born_ns: int) -> Entry | None:
        if entry is not None and entry.parent is not None and (known := self._processes.find(entry.parent)) is not None:
            return known
        now = self._procfs.process(ppid)
        # No parent is younger than its child: it died, and its pid was given again.
        if isinstance(now, Missing) or now.stat.start_ns > born_ns:
            return None
        mother = self._met(ppid, now, self._observer.current(now.stat.ppid))
        if entry is not None:
            self._processes.add(*entry.key_and_start, ppid, entry.phases[-1], mother)
        return mother

    def _met(self, pid: int, now: Snapshot, parent: Entry | None) -> Entry:
        """A process as /proc shows it, put into the table if it was not there."""
        comm = _bytes_of(now.stat.comm)
        known = self._observer.get(pid, now.stat.start_ns)
        if known is not None:
            return known
        if parent is not None and parent.start_ns > now.stat.start_ns:
            parent = None
        told = not isinstance(now.argv, Missing)
        program = Program(Facts(Missing.UNKNOWN, now.argv, now.exepath, from_proc=True)) if told else None
        entry = self._processes.add(pid, now.stat.start_ns, now.stat.ppid, Phase(0, comm, program), parent)
        if now.cwd is not Missing.LATE:
            entry.directory.learn(now.cwd)
        return entry

    def _describe(self, entry: Entry, comm: Value, ppid: int, ts_ns: int) -> Process:
        """
        A process at the time of an event.

        :param comm: what it was called then. Called otherwise now, it executes something else, or may.
        """
        said = entry.said(ts_ns, comm, ppid)
        if said is not None:
            return said
        phase, latest = entry.at(ts_ns)
        where, unmoved = entry.directory.at(ts_ns)
        facts = phase.program.facts() if phase is not None and phase.program is not None else _UNTOLD
        argv, exepath = facts.argv, facts.executable
        cwd: Value = Missing.LATE if where is None else where
        told = facts.from_proc or (not isinstance(argv, Missing) and isinstance(exepath, str))
        if not told:
            now = self._now(entry)
            same = not isinstance(now, Missing) and latest and now.stat.comm == comm
            if isinstance(now, Missing):
                argv, exepath, cwd = _known(argv, now), _known(exepath, now), _known(cwd, now)
                told = entry.gone
            else:
                if where is None and unmoved:
                    cwd = now.cwd
                    if isinstance(cwd, str):
                        entry.directory.learn(cwd)
                argv = _known(argv, now.argv if same else Missing.LATE)
                exepath = _known(exepath, now.exepath if same else Missing.LATE)
                if same and phase is not None and phase.program is None and not isinstance(argv, Missing):
                    asked = Program(Facts(Missing.UNKNOWN, argv, exepath, from_proc=True))
                    phase = entry.phases[-1] = phase._replace(program=asked)
                told = not same or not isinstance(argv, Missing)
            if not isinstance(exepath, str) and facts is not _UNTOLD:
                exepath = _executed(facts, cwd)
        elif where is None and unmoved and not entry.gone:
            cwd = self._procfs.cwd(entry.key[0], entry.start_ns)
            entry.gone = cwd is Missing.LATE
            if isinstance(cwd, str):
                entry.directory.learn(cwd)
        process = Process(ProcessKey(entry.key[0], entry.start_ns), comm, ppid, argv, exepath, cwd)
        if told and (entry.gone or not unmoved or isinstance(cwd, str)):
            entry.describe(ts_ns, process)
        return process

    def _now(self, entry: Entry) -> Snapshot | Missing:
        """What /proc says of a process; once it has gone, that is not asked again."""
        if entry.gone:
            return Missing.LATE
        now = self._procfs.process(entry.key[0], entry.start_ns)
        entry.gone = now is Missing.LATE
        return now


T = TypeVar("T")


def _bytes_of(comm: str) -> bytes:
    return comm.encode("utf-8", "surrogateescape")


def _known(told: T | Missing, other: T | Missing) -> T | Missing:
    """What was told, or else the other."""
    return other if isinstance(told, Missing) else told


def _executed(facts: Facts, cwd: Value) -> Value:
    """
    The path of an executable, from what exec was given.

    A descriptor of then, or a link to it, says nothing now.
    """
    if isinstance(facts.filename, Missing):
        return facts.filename
    filename = str(facts.filename)
    if filename.startswith(_LINKS):
        return Missing.LATE
    return below(Missing.LATE if facts.relative_to_fd else cwd, filename)
