"""What the process table is told by /proc: at the start, for leaders, and after losses."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from monitord.abi.arch import Abi
from monitord.enrich.context import ProcContext
from monitord.model.value import Missing
from monitord.tables.syscalls import SyscallTable
from tests.enrich.events import batch_of, comm, event_of, running
from tests.support.descriptors import no_descriptors

TABLE = SyscallTable.load([Abi.X86_64])


@pytest.fixture
def context():
    return ProcContext(TABLE, root=os.getpid())


class TestSeed:
    def test_descendants_are_known_with_what_they_execute(self, context):
        with running(["cat", "-u"], cwd="/usr") as cat:
            context.seed()
            cat.stdin.close()
            cat.wait()
            process = context.process(event_of(pid=cat.pid, start_ns=seeded(context, cat.pid).start_ns, comm=b"cat"))

        assert (("cat", "-u"), os.path.realpath("/bin/cat"), "/usr") == (process.argv, process.exepath, process.cwd)

    def test_each_is_the_child_of_its_parent(self, context):
        with running(["cat"]) as cat:
            context.seed()

            assert os.getpid() == seeded(context, cat.pid).parent[0]
            cat.stdin.close()

    def test_others_are_left_alone(self, context):
        context.seed()

        assert None is context._processes.current(os.getppid())

    def test_without_a_root_all_are_known(self):
        context = ProcContext(TABLE)
        context.seed()

        assert context.size >= 2
        assert None is not context._processes.current(1)


class TestLeader:
    def test_a_leader_is_described(self, context):
        with running(["cat"], start_new_session=True) as cat:
            leader = context.leader(event_of(ts_ns=now_ns()), cat.pid)

            assert ("cat", ("cat",)) == (leader.comm, leader.argv)
            cat.stdin.close()

    def test_the_process_itself_may_lead(self, context):
        event = event_of(ts_ns=now_ns())

        assert context.process(event) == context.leader(event, os.getpid())

    def test_one_that_began_after_the_call_is_another(self, context):
        with running(["cat"]) as cat:
            assert Missing.LATE is context.leader(event_of(ts_ns=1), cat.pid)
            cat.stdin.close()

    @pytest.mark.parametrize("pid", [0, 2**22 - 1])
    def test_nobody(self, context, pid):
        assert Missing.LATE is context.leader(event_of(ts_ns=now_ns()), pid)


class TestEnvironment:
    def test_of_a_process_and_its_parent(self, context, monkeypatch):
        monkeypatch.setenv("MONITORD_TEST", "not seen: set after the exec")
        with running(["cat"], env={"A": "b=c", "E": "", "ODD": "\udcff\n"}) as cat:
            event = event_of(pid=cat.pid)

            assert {"A": "b=c", "E": "", "ODD": "\udcff\n"} == context.environment(event, 0)
            assert "PATH" in context.environment(event, 1)
            assert "MONITORD_TEST" not in context.environment(event, 1)
            cat.stdin.close()

    def test_of_a_process_that_has_gone(self, context):
        event = event_of(start_ns=7, comm=b"gone")

        assert Missing.LATE is context.environment(event, 0)

    def test_of_an_ancestor_that_is_not_there(self, context):
        assert Missing.NOT_APPLICABLE is context.environment(event_of(pid=1, ppid=0), 1)


def test_cgroups_by_controller(context):
    paths = context.cgroups(event_of())

    assert set(paths.values()) == {line.split(":", 2)[2] for line in Path("/proc/self/cgroup").read_text().splitlines()}


class TestLoss:
    def test_after_a_loss_those_that_have_gone_are_let_go(self, context):
        """Their ends were among what was lost."""
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as cat:
            context.seed()
            before = context.size
        context.lost()
        context.observe(batch_of(ts_ns=now_ns()))
        assert before == context.size  # its last events may still come
        context.observe(batch_of(ts_ns=now_ns() + 2_000_000_000))

        assert before - 1 == context.size
        assert None is context._processes.current(cat.pid)

    def test_a_working_directory_is_asked_for_again(self, context, tmp_path, monkeypatch):
        assert os.getcwd() == context.process(event_of()).cwd
        monkeypatch.chdir(tmp_path)
        assert str(tmp_path) != context.process(event_of()).cwd  # nobody told
        context.lost()
        context.observe(batch_of(ts_ns=now_ns()))

        assert str(tmp_path) == context.process(event_of()).cwd

    def test_without_descriptors_it_is_put_off(self, context, tmp_path, monkeypatch):
        assert os.getcwd() == context.process(event_of()).cwd
        monkeypatch.chdir(tmp_path)
        context.lost()
        batch = batch_of(ts_ns=now_ns())
        with no_descriptors():
            context.observe(batch)
        context._doubt_due_s = 0.0
        context.observe(batch_of(ts_ns=now_ns()))

        assert str(tmp_path) == context.process(event_of()).cwd

    def test_it_happens_once_a_second_at_most(self, context, monkeypatch):
        asked = []
        monkeypatch.setattr(context._lineage, "doubt", lambda: asked.append(1))
        now_s = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now_s)
        for _ in range(7):
            context.lost()
            context.observe(batch_of(ts_ns=now_ns()))

        assert [1] == asked


def seeded(context, pid):
    return context._processes.current(pid)


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def test_names_in_the_table_are_those_of_proc(context):
    context.seed()

    assert comm(os.getpid()).encode() == seeded(context, os.getpid()).phases[-1].comm


class TestAskedOften:
    def test_what_is_known_is_said_again_and_what_changes_is_said_anew(self, context):
        with running(["cat"], cwd="/usr") as cat:
            context.seed()
            before = [context.process(event_of(pid=cat.pid, ts_ns=100 + turn)) for turn in range(2)]
            seeded(context, cat.pid).directory.move(200, "/srv")
            moved = context.process(event_of(pid=cat.pid, ts_ns=200))
            renamed = context.process(event_of(pid=cat.pid, ts_ns=200, comm=b"other"))
            cat.stdin.close()

        assert before[0] is before[1]
        assert ["/usr", "/srv", "/srv"] == [before[0].cwd, moved.cwd, renamed.cwd]
        assert ["cat", "cat", "other"] == [before[0].comm, moved.comm, renamed.comm]

    def test_proc_is_asked_once_for_one_that_has_gone(self, context, monkeypatch):
        with running(["cat"]) as cat:
            event = event_of(pid=cat.pid)
            cat.stdin.close()
            cat.wait()
        asked = []
        ask = context._procfs.process
        monkeypatch.setattr(context._procfs, "process", lambda *of: asked.append(of) or ask(*of))
        said = [
            context.process(event_of(pid=cat.pid, start_ns=event.start_ns, ts_ns=turn, comm=b"cat"))
            for turn in range(3)
        ]

        assert [Missing.LATE] * 3 == [process.argv for process in said]
        assert 1 == len(asked)
