"""The process table, told of what processes do."""

import numpy as np

from monitord.abi.event import CELL, EVENT
from monitord.enrich import processes as module
from monitord.enrich.entry import PHASES, Phase
from monitord.enrich.processes import ENDED_NS, ProcessTable
from monitord.enrich.program import Facts, Program
from tests.enrich.events import exec_batch

TICK_NS = 10_000_000
SECOND = 1_000_000_000


def program(name: str) -> Program:
    return Program(Facts(f"/bin/{name}", (name,), f"/bin/{name}"))


def begin(table: ProcessTable, pid: int, parent: int = 0, copied: int | None = None, comm: bytes = b"x"):
    """A fork; process N starts at second N, so that a pid is also a time."""
    copied = parent if copied is None else copied
    whole = (parent, parent * SECOND, b"x")
    table.fork(pid * SECOND, pid, pid * SECOND, comm, whole, (copied, copied * SECOND))
    return table.get(pid, pid * SECOND)


def line(table: ProcessTable, pid: int) -> list[int]:
    """The pids of a process and its ancestors, as far as the table has them."""
    entry = table.get(pid, pid * SECOND)
    pids = []
    while entry is not None:
        pids.append(entry.key[0])
        entry = table.find(entry.parent) if entry.parent else None
    return pids


class TestFork:
    def test_a_child_executes_what_its_parent_does(self):
        table = ProcessTable(TICK_NS)
        parent = begin(table, 2)
        table.execute(parent, 5 * SECOND, b"sh", program("sh"))
        parent.directory.move(6 * SECOND, "/srv")
        child = begin(table, 7, 2)

        assert ("sh",) == child.phases[-1].program.facts().argv
        assert ("/srv", True) == child.directory.at(7 * SECOND)

    def test_a_sibling_is_a_copy_of_the_caller_and_a_child_of_its_parent(self):
        """CLONE_PARENT."""
        table = ProcessTable(TICK_NS)
        begin(table, 2)
        caller = begin(table, 3, 2)
        table.execute(caller, 4 * SECOND, b"sh", program("sh"))
        sibling = begin(table, 7, 2, copied=3)

        assert [7, 2] == line(table, 7)
        assert ("sh",) == sibling.phases[-1].program.facts().argv

    def test_a_fork_tells_the_name_of_the_parent(self):
        table = ProcessTable(TICK_NS)
        parent = begin(table, 2, comm=b"before")
        table.fork(7 * SECOND, 7, 7 * SECOND, b"after", (2, 2 * SECOND, b"after"), (2, 2 * SECOND))

        assert [b"before", b"after"] == [parent.at(ts_ns * SECOND)[0].comm for ts_ns in (6, 7)]

    def test_a_pid_given_again_is_another_process(self):
        table = ProcessTable(TICK_NS)
        first = begin(table, 2)
        table.end(first, 3 * SECOND)
        table.fork(4 * SECOND, 2, 4 * SECOND, b"y", (1, 0, b"i"), (1, 0))

        assert [b"x", b"y"] == [table.get(2, start * SECOND).phases[-1].comm for start in (2, 4)]
        assert b"y" == table.current(2).phases[-1].comm

    def test_within_a_tick_of_the_clock_each_has_its_directory(self):
        """Those who judge the events of both are told of both before."""
        table = ProcessTable(TICK_NS)
        begin(table, 1).directory.move(SECOND, "/")
        first = begin(table, 2, 1)
        first.directory.move(2 * SECOND + 1, "/srv")
        table.end(first, 2 * SECOND + 2)
        table.fork(2 * SECOND + 3, 2, 2 * SECOND + 3, b"y", (1, SECOND, b"x"), (1, SECOND))
        second = table.get(2, 2 * SECOND + 3)
        second.directory.move(2 * SECOND + 4, "/usr")

        assert ["/", "/srv", "/srv", "/", "/usr"] == [second.directory.at(2 * SECOND + at)[0] for at in range(5)]

    def test_also_within_a_tick_of_the_clock(self):
        """Both have the same key; what was said of the first stays true of its time."""
        table = ProcessTable(TICK_NS)
        for parent in (3, 4):
            begin(table, parent)
        start_ns = 7 * SECOND
        for at_ns, parent in ((start_ns, 3), (start_ns + 5000, 4)):
            ends_ns = at_ns + 2000
            table.fork(at_ns, 9, at_ns, b"x", (parent, parent * SECOND, b"x"), (parent, parent * SECOND))
            entry = table.get(9, at_ns)
            assert (entry.parent, entry.ended_ns) == (table.key(parent, parent * SECOND), 0)
            table.execute(entry, at_ns + 1000, f"of-{parent}".encode(), program(f"of-{parent}"))
            table.end(entry, ends_ns)

        said = [entry.at(start_ns + ns)[0].comm for ns in (1500, 5500, 6500)]
        assert [b"of-3", b"x", b"of-4"] == said
        table.sweep(ends_ns + ENDED_NS)
        assert 2 == len(table)
        for parent in (3, 4):
            table.end(table.get(parent, parent * SECOND), ends_ns)
        table.sweep(ends_ns + 2 * ENDED_NS)
        assert not len(table)


class TestExec:
    def test_an_event_gets_the_program_of_its_time(self):
        table = ProcessTable(TICK_NS)
        entry = begin(table, 2)
        for at in (3, 5):
            table.execute(entry, at * SECOND, b"p%d" % at, program(f"p{at}"))

        assert [(b"x", False), (b"p3", False), (b"p5", True)] == [
            (phase.comm, latest) for phase, latest in (entry.at(at * SECOND) for at in (2, 4, 6))
        ]

    def test_the_order_of_telling_does_not_matter(self):
        table = ProcessTable(TICK_NS)
        entry = begin(table, 2)
        for at in (5, 3, 5):
            table.execute(entry, at * SECOND, b"p%d" % at, program(f"p{at}"))

        assert [b"x", b"p3", b"p5"] == [phase.comm for phase in entry.phases]

    def test_history_is_bounded(self):
        table = ProcessTable(TICK_NS)
        entry = begin(table, 2)
        for at in range(3, 20 + PHASES):
            table.execute(entry, at * SECOND, b"p%d" % at, program("p"))

        assert PHASES == len(entry.phases)
        assert (None, False) == entry.at(3 * SECOND)

    def test_what_no_event_to_come_is_of_is_forgotten(self):
        table = ProcessTable(TICK_NS)
        entry = begin(table, 2)
        for at in (3, 4, 5):
            table.execute(entry, at * SECOND, b"p%d" % at, program("p"))
        table.sweep(4 * SECOND + ENDED_NS)
        assert [b"p4", b"p5"] == [phase.comm for phase in entry.phases]
        assert 1 == len(table._changed)
        table.sweep(5 * SECOND + ENDED_NS)

        assert [b"p5"] == [phase.comm for phase in entry.phases]
        assert not table._changed

    def test_another_name_is_the_same_program(self):
        table = ProcessTable(TICK_NS)
        entry = begin(table, 2)
        table.execute(entry, 3 * SECOND, b"sh", program("sh"))
        table.rename(entry, 4 * SECOND, b"kworker")

        assert (b"kworker", ("sh",)) == (entry.phases[-1].comm, entry.phases[-1].program.facts().argv)

    def test_a_program_is_read_from_its_record_when_it_is_asked_for(self):
        batch = exec_batch(b"/bin/" + b"x" * 100, b"x\0" + b"y" * 3000 + b"\0", start_ns=0, comm=b"x")
        kept = Program(None, batch.records.view(CELL)[0].tobytes(), batch.overflow[0])
        batch.records["data"] = np.void(b"\0" * EVENT["data"].itemsize)

        assert ("/bin/" + "x" * 100, ("x", "y" * 3000)) == kept.facts()[:2]
        assert kept.facts() is kept.facts()


class TestEnd:
    def test_a_process_stays_for_its_last_events_and_goes(self):
        table = ProcessTable(TICK_NS)
        table.end(begin(table, 2), 3 * SECOND)
        table.sweep(3 * SECOND + ENDED_NS - 1)
        assert 1 == len(table)
        table.sweep(3 * SECOND + ENDED_NS)

        assert 0 == len(table)
        assert None is table.current(2)

    def test_ancestors_stay_while_a_descendant_lives(self):
        table = ProcessTable(TICK_NS)
        for pid, parent in ((2, 0), (3, 2), (5, 3)):
            begin(table, pid, parent)
        for pid in (2, 3):
            table.end(table.get(pid, pid * SECOND), 6 * SECOND)
        table.sweep(100 * SECOND)
        assert [5, 3, 2] == line(table, 5)

        table.end(table.get(5, 5 * SECOND), 100 * SECOND)
        table.sweep(200 * SECOND)
        assert 0 == len(table)

    def test_ending_twice_is_ending_once(self):
        table = ProcessTable(TICK_NS)
        entry = begin(table, 2)
        table.end(entry, 3 * SECOND)
        table.end(entry, 4 * SECOND)
        table.sweep(100 * SECOND)

        assert 0 == len(table)

    def test_a_chain_of_processes_that_start_the_next_and_end_does_not_grow(self):
        table = ProcessTable(TICK_NS)
        begin(table, 2)
        for pid in range(3, 500):
            begin(table, pid, pid - 1)
            table.end(table.get(pid - 1, (pid - 1) * SECOND), pid * SECOND)
            table.sweep(pid * SECOND)

        assert len(table) <= module.ENDED_GENERATIONS + 3
        assert list(range(499, 499 - module.ENDED_GENERATIONS, -1)) == line(table, 499)[: module.ENDED_GENERATIONS]


class TestRoom:
    def test_the_ended_make_room_first_then_the_oldest(self):
        table = ProcessTable(TICK_NS, capacity=3)
        for pid in (2, 3, 5):
            begin(table, pid)
        table.end(table.get(3, 3 * SECOND), 6 * SECOND)
        begin(table, 7)
        assert [True, False, True, True] == [table.get(pid, pid * SECOND) is not None for pid in (2, 3, 5, 7)]
        begin(table, 11)

        assert [False, True, True, True] == [table.get(pid, pid * SECOND) is not None for pid in (2, 5, 7, 11)]
        assert 2 == table.evicted

    def test_a_descendant_of_one_that_was_forgotten_is_still_known(self):
        table = ProcessTable(TICK_NS, capacity=1)
        begin(table, 2)
        begin(table, 3, 2)
        table.end(table.get(3, 3 * SECOND), 4 * SECOND)
        table.sweep(100 * SECOND)

        assert 0 == len(table)

    def test_a_process_that_is_met_again_keeps_what_was_known(self):
        table = ProcessTable(TICK_NS)
        parent = begin(table, 2)
        entry = begin(table, 3)
        table.add(3, 3 * SECOND, 2, Phase(0, b"other", None), parent)

        assert [3, 2] == line(table, 3)
        assert (b"x", 1) == (entry.phases[-1].comm, parent.children)
