"""Rules learn who made a call, from processes that are really there, and from what is known of those that are not."""

import contextlib
import ctypes
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from monitord.abi.arch import Abi
from monitord.abi.event import Capture, Flag, TextFlag
from monitord.enrich.context import AT_FDCWD, ENVIRONMENTS, ProcContext
from monitord.enrich.entry import PHASES
from monitord.model.batch import EventBatch
from monitord.model.event import ProcessKey
from monitord.model.interest import Interest, Outcome
from monitord.model.value import Missing
from monitord.recording.snapshot import snapshot_of
from monitord.tables.syscalls import SyscallTable
from tests.enrich.events import (
    EXECVE,
    EXECVEAT,
    GETPPID,
    batch_of,
    comm,
    event_of,
    exec_batch,
    one_behind_the_other,
    running,
)
from tests.support.descriptors import no_descriptors

I386_EXECVE = 11
NEWFSTATAT = 262
RENAMEAT2 = 316
U64 = (1 << 64) - 1
GONE = {"start_ns": 7_000_000_000, "comm": b"ghost"}
"""The pid of a process that is there, but the start of another one: what is there is not the one of the event."""


@pytest.fixture(scope="module")
def table():
    return SyscallTable.load([Abi.X86_64, Abi.I386])


@pytest.fixture
def context(table):
    return ProcContext(table)


@pytest.fixture
def cat(tmp_path):
    with running(["cat", "-", "-u"], cwd=tmp_path) as process:
        yield process


@pytest.fixture
def directory(tmp_path):
    """A descriptor of this process."""
    fd = os.open(tmp_path, os.O_PATH)
    yield fd
    os.close(fd)


class TestProcess:
    def test_living_process_is_known(self, context, cat, tmp_path):
        process = context.process(event_of(pid=cat.pid))

        assert (cat.pid, "cat", os.getpid()) == (process.key.pid, process.comm, process.ppid)
        assert ("cat", "-", "-u") == process.argv
        assert os.path.realpath("/bin/cat") == process.exepath
        assert str(tmp_path) == process.cwd

    def test_process_that_is_gone_keeps_what_the_event_says(self, context):
        process = context.process(event_of(ppid=4711, **GONE))

        assert ("ghost", 4711) == (process.comm, process.ppid)
        assert [Missing.LATE] * 3 == [process.argv, process.exepath, process.cwd]

    def test_asked_twice_the_answer_is_the_same_object(self, context):
        event = event_of()

        assert context.process(event) is context.process(event)

    def test_next_event_is_asked_anew(self, context):
        context.process(event_of(**GONE))

        assert os.getcwd() == context.process(event_of()).cwd

    def test_process_that_took_another_name_may_execute_something_else(self, context):
        """An exec that nobody reported, or prctl(PR_SET_NAME): /proc cannot tell."""
        process = context.process(event_of(comm=b"before"))

        assert (Missing.LATE, Missing.LATE) == (process.argv, process.exepath)


class TestExecuted:
    def test_arguments_of_a_process_that_is_gone_are_remembered(self, context):
        context.observe(exec_batch(b"/usr/bin/curl", b"curl\0-s\0example.org\0", ts_ns=10, **GONE))
        process = context.process(event_of(ts_ns=20, **GONE))

        assert ("curl", "-s", "example.org") == process.argv
        assert "/usr/bin/curl" == process.exepath

    def test_exec_event_speaks_for_itself(self, context):
        event = exec_batch(b"/bin/../bin/ls", b"ls\0\0", **GONE).event(0)

        assert (("ls", ""), "/bin/ls") == (context.process(event).argv, context.process(event).exepath)

    def test_event_before_the_exec_is_of_the_program_before(self, context):
        context.observe(exec_batch(b"/bin/sh", b"sh", ts_ns=10, **GONE))
        context.observe(exec_batch(b"/bin/ls", b"ls", ts_ns=20, **GONE))

        assert "/bin/sh" == context.process(event_of(ts_ns=15, **GONE)).exepath

    def test_what_holds_between_two_changes_is_said_once(self, context):
        for at_ns, name in ((10, b"env"), (20, b"nice"), (30, b"sh")):
            context.observe(exec_batch(b"/bin/" + name, name, ts_ns=at_ns, **GONE))

        said = [context.process(event_of(ts_ns=at_ns, **GONE)) for at_ns in (15, 21, 29, 20, 35, 25)]

        assert ["/bin/env", *["/bin/nice"] * 3, "/bin/sh", "/bin/nice"] == [process.exepath for process in said]
        assert said[1] is said[2] is said[3]

    def test_a_process_that_executes_one_program_after_the_other_had_each(self, context):
        """All that a batch says is learned before any of its events is judged."""
        execs = [exec_batch(b"/bin/%d" % at, b"%d" % at, ts_ns=at, **GONE) for at in range(10, 60)]
        context.observe(one_behind_the_other(*execs))

        assert [(f"{at}",) for at in range(10, 60)] == [
            context.process(event_of(ts_ns=at, **GONE)).argv for at in range(10, 60)
        ]

    def test_an_exec_that_is_not_remembered_any_more_speaks_for_itself(self, context):
        execs = [exec_batch(b"/bin/%d" % at, b"%d" % at, ts_ns=at, **GONE) for at in range(10, 11 + PHASES)]
        context.observe(one_behind_the_other(*execs))

        assert ("10",) == context.process(execs[0].event(0)).argv

    def test_what_is_told_late_counts(self, context):
        for at_ns, name in ((10, b"env"), (30, b"sh")):
            context.observe(exec_batch(b"/bin/" + name, name, ts_ns=at_ns, **GONE))
        before = context.process(event_of(ts_ns=25, **GONE)).exepath
        context.observe(exec_batch(b"/bin/nice", b"nice", ts_ns=20, **GONE))

        assert ("/bin/env", "/bin/nice") == (before, context.process(event_of(ts_ns=25, **GONE)).exepath)

    def test_program_that_was_replaced_is_not_read_from_proc(self, context, cat):
        context.observe(exec_batch(b"/bin/cat", b"cat", ts_ns=20, pid=cat.pid))
        process = context.process(event_of(ts_ns=10, pid=cat.pid))

        assert (Missing.LATE, Missing.LATE) == (process.argv, process.exepath)

    def test_path_of_a_living_process_has_its_symlinks_resolved(self, context, tmp_path):
        link = tmp_path / "harmless"
        link.symlink_to("/bin/cat")
        with running([link]) as process:
            event = exec_batch(str(link).encode(), b"harmless", pid=process.pid).event(0)

            assert os.path.realpath("/bin/cat") == context.process(event).exepath

    def test_program_that_already_executed_another_keeps_its_own_path(self, context, cat):
        event = exec_batch(b"/dev/shm/dropper", b"dropper", pid=cat.pid, comm=b"dropper").event(0)

        assert "/dev/shm/dropper" == context.process(event).exepath

    def test_file_that_the_kernel_saw_executed_counts_more_than_what_proc_shows(self, context, cat):
        texts = [(0, Capture.STR, b"cat"), (15, Capture.EXE, b"evil\0shm\0dev\0")]
        event = batch_of(texts, nr=EXECVE, pid=cat.pid).event(0)

        assert "/dev/shm/evil" == context.process(event).exepath

    def test_what_could_not_be_asked_for_want_of_descriptors_is_asked_again(self, context, cat):
        context.seed()  # its working directory is known
        context.observe(exec_batch(b"cat", b"cat", ts_ns=1, pid=cat.pid))
        first, second = (event_of(ts_ns=at_ns, pid=cat.pid) for at_ns in (2, 3))
        with no_descriptors():
            context.process(first)

        assert os.path.realpath("/bin/cat") == context.process(second).exepath

    @pytest.mark.parametrize("path", ["/proc/self/fd/%d", "/dev/fd/%d"])
    def test_execution_from_memory_is_seen_behind_a_descriptor(self, context, path):
        with running([sys.executable, "-c", run_from_memory(f"os.execv({path!r} % fd, ['cat'])")]) as process:
            event = exec_batch(b"/proc/self/fd/3", b"cat", pid=process.pid).event(0)

            assert "memfd:ghost" == context.process(event).exepath

    def test_execution_of_the_descriptor_itself_is_seen(self, context):
        """execveat(fd, "", ..., AT_EMPTY_PATH), as fexecve does it."""
        with running([sys.executable, "-c", run_from_memory("os.execve(fd, ['cat'], {})")]) as process:
            texts = [(1, Capture.STR, b""), (2, Capture.ARGV, b"cat")]
            event = batch_of(texts, nr=EXECVEAT, args=[3, 0, 0, 0, 0x1000, 0], pid=process.pid).event(0)

            assert "memfd:ghost" == context.process(event).exepath

    def test_relative_path_of_a_process_that_is_gone_is_late(self, context):
        event = exec_batch(b"./x", b"x", **GONE).event(0)

        assert Missing.LATE is context.process(event).exepath

    def test_relative_path_is_below_the_working_directory(self, context, cat, tmp_path):
        """When /proc shows a program of another name already."""
        event = exec_batch(b"./x", b"x", pid=cat.pid, comm=b"x").event(0)

        assert str(tmp_path / "x") == context.process(event).exepath

    def test_path_relative_to_a_descriptor_that_exec_may_have_closed_is_late(self, context, cat):
        texts = [(1, Capture.STR, b"x"), (2, Capture.ARGV, b"x")]
        event = batch_of(texts, nr=EXECVEAT, args=[1, 0, 0, 0, 0, 0], pid=cat.pid, comm=b"x").event(0)

        assert Missing.LATE is context.process(event).exepath

    def test_execveat_with_at_fdcwd_is_below_the_working_directory(self, context, cat, tmp_path):
        """The register holds 32 bits of a negative number."""
        texts = [(1, Capture.STR, b"x"), (2, Capture.ARGV, b"x")]
        at_fdcwd = ctypes.c_uint(AT_FDCWD).value
        event = batch_of(texts, nr=EXECVEAT, args=[at_fdcwd, 0, 0, 0, 0, 0], pid=cat.pid, comm=b"x").event(0)

        assert str(tmp_path / "x") == context.process(event).exepath

    def test_arguments_that_were_not_readable_come_from_proc(self, context, cat):
        texts = [(0, Capture.STR, b"/bin/cat"), (1, Capture.ARGV, b"", TextFlag.FAULT)]
        event = batch_of(texts, nr=EXECVE, pid=cat.pid).event(0)

        assert ("cat", "-", "-u") == context.process(event).argv

    def test_filename_that_was_not_readable_says_so(self, context):
        texts = [(0, Capture.STR, b"", TextFlag.FAULT), (1, Capture.ARGV, b"x")]

        assert Missing.FAULT is context.process(batch_of(texts, nr=EXECVE, **GONE).event(0)).exepath

    def test_odd_bytes_come_back_as_they_were(self, context):
        event = exec_batch(b"/tmp/\xff", b"\xff\n\x1b", **GONE).event(0)

        assert (("\udcff\n\x1b",), "/tmp/\udcff") == (context.process(event).argv, context.process(event).exepath)

    def test_forgotten_processes_are_counted(self, table):
        context = ProcContext(table, processes=2)
        for pid in (2, 3, 5):
            context.observe(exec_batch(b"/bin/true", b"true", pid=pid, start_ns=0, comm=b"true"))

        assert 1 == context.evicted


class TestObserve:
    @pytest.mark.parametrize(
        "columns",
        [
            {"ret": -2},  # ENOENT
            {"flags": Flag.UNFINISHED},
            {"nr": GETPPID},
            {"abi": Abi.I386},  # 59 is oldolduname there
            {"nr": 100_000},
            {"nr": -1},
        ],
    )
    def test_only_what_succeeded_to_execute_is_learned(self, context, columns):
        batch = exec_batch(b"/bin/ls", b"ls", **GONE)
        for name, value in columns.items():
            batch.records[name] = value
        context.observe(batch)

        assert Missing.LATE is context.process(event_of(ts_ns=20, **GONE)).argv

    def test_execs_of_32_bit_programs_are_learned(self, context):
        batch = exec_batch(b"/bin/ls", b"ls", **GONE)
        batch.records["abi"], batch.records["nr"] = Abi.I386, I386_EXECVE
        context.observe(batch)

        assert ("ls",) == context.process(event_of(ts_ns=20, **GONE)).argv

    def test_every_exec_of_a_batch_is_learned(self, context):
        batches = [exec_batch(b"/bin/ls", b"ls", pid=pid, **GONE) for pid in (11, 13)]
        records = np.concatenate([batch.records for batch in batches])
        context.observe(EventBatch(records, np.zeros(2, np.uint16)))

        assert [("ls",)] * 2 == [context.process(event_of(ts_ns=20, pid=pid, **GONE)).argv for pid in (11, 13)]

    def test_empty_batch_teaches_nothing(self, context):
        context.observe(EventBatch.empty())

        assert 0 == context.evicted

    def test_interest_is_in_processes_and_in_calls_that_change_them_and_succeed(self, context, table):
        names = ("execve", "execveat", "chdir", "fchdir", "setns", "pivot_root", "unshare", "prctl")
        calls = {(call.abi, call.nr): Outcome.SUCCESS for name in names for call in table.calls_named(name)}

        assert Interest(calls, lifecycle=True) == context.interest()


class TestAncestor:
    def test_generation_0_is_the_process(self, context):
        event = event_of()

        assert context.process(event) is context.ancestor(event, 0)

    def test_parent_is_described(self, context, cat):
        parent = context.ancestor(event_of(pid=cat.pid), 1)

        assert (os.getpid(), comm(os.getpid())) == (parent.key.pid, parent.comm)
        assert os.readlink("/proc/self/exe") == parent.exepath

    def test_grandparent_is_described(self, context, cat):
        grandparent = context.ancestor(event_of(pid=cat.pid), 2)

        assert (os.getppid(), comm(os.getppid())) == (grandparent.key.pid, grandparent.comm)

    def test_arguments_of_an_ancestor_are_remembered(self, context, cat):
        context.observe(exec_batch(b"/bin/bash", b"bash\0-i"))

        assert ("bash", "-i") == context.ancestor(event_of(pid=cat.pid, ts_ns=20), 1).argv

    def test_parent_that_is_gone_keeps_the_name_in_the_event(self, context):
        parent = context.ancestor(event_of(ppid=gone_pid(), parent_comm=b"dead"), 1)

        assert ("dead", Missing.LATE) == (parent.comm, parent.argv)

    def test_parent_of_a_parent_that_is_gone_is_late(self, context):
        event = event_of(ppid=gone_pid())

        assert [Missing.LATE] * 2 == [context.ancestor(event, 2), context.ancestor(event, 3)]

    def test_parent_that_is_younger_than_its_child_is_another_process(self, context, cat):
        """Its pid was given again."""
        parent = context.ancestor(event_of(ppid=cat.pid, parent_comm=b"dead", **GONE), 1)

        assert (ProcessKey(cat.pid, 0), "dead", Missing.LATE) == (parent.key, parent.comm, parent.exepath)

    def test_first_process_has_no_parent(self, context):
        init = event_of(pid=1, ppid=0)

        assert [Missing.NOT_APPLICABLE] * 2 == [context.ancestor(init, 1), context.ancestor(init, 2)]


class TestPath:
    def test_absolute_path_is_normalised(self, context):
        assert "/etc/shadow" == context.path(event_of(**GONE), AT_FDCWD, "/usr//../etc/./shadow")

    def test_relative_path_is_below_the_working_directory(self, context, cat, tmp_path):
        assert str(tmp_path / "x") == context.path(event_of(pid=cat.pid), AT_FDCWD, "a/../x")

    def test_relative_path_is_below_its_descriptor(self, context, directory, tmp_path):
        assert str(tmp_path.parent / "x") == context.path(event_of(), directory, "../x")

    def test_empty_path_is_the_descriptor(self, context, directory, tmp_path):
        assert str(tmp_path) == context.path(event_of(), directory, "")

    def test_of_two_names_each_is_below_its_own_descriptor_also_when_they_are_the_same(self, context):
        """As ``mv x directory/`` passes them."""
        names = [(1, Capture.STR, b"x"), (3, Capture.STR, b"x")]
        directories = [(1, Capture.DIRECTORY, b"from\0"), (3, Capture.DIRECTORY, b"to\0")]
        moved = event_of([*names, *directories], nr=RENAMEAT2, args=(AT_FDCWD & U64, 1, 4, 1, 0, 0))

        assert ("/from/x", "/to/x") == (context.path(moved, AT_FDCWD, "x"), context.path(moved, 4, "x"))
        assert ("/from/x", "/to/x") == tuple(
            snapshot_of(moved, context).path(moved, dirfd, "x") for dirfd in (AT_FDCWD, 4)
        )

    def test_descriptor_without_a_path_has_nothing_below_it(self, context):
        with socket.socket() as connection:
            assert Missing.NOT_APPLICABLE is context.path(event_of(), connection.fileno(), "x")

    def test_empty_path_of_a_socket_is_the_socket(self, context):
        with socket.socket() as connection:
            found = context.path(event_of(), connection.fileno(), "")

        assert found.startswith("socket:[")

    @pytest.mark.parametrize("name", [b"\0", b"TCP\0", b"[eventfd]\0"])
    def test_empty_path_of_what_is_in_no_directory_is_as_proc_shows_it(self, context, name):
        """As fstat of glibc passes it."""
        texts = [(1, Capture.STR, b""), (1, Capture.DIRECTORY, name, TextFlag.FAULT)]
        reader, writer = os.pipe()
        try:
            asked = event_of(texts, nr=NEWFSTATAT, args=(reader, 1, 1, 0x1000, 0, 0))

            assert os.readlink(f"/proc/self/fd/{reader}") == context.path(asked, reader, "")
        finally:
            os.close(reader)
            os.close(writer)

    @pytest.mark.parametrize("dirfd", [AT_FDCWD, 0])
    def test_relative_path_of_a_process_that_is_gone_is_late(self, context, dirfd):
        assert Missing.LATE is context.path(event_of(**GONE), dirfd, "x")


class TestEnvironment:
    def test_all_events_of_a_process_share_it(self, context, cat):
        first, second = (context.environment(event_of(ts_ns=at_ns, pid=cat.pid), 0) for at_ns in (1, 2))

        assert os.environ["PATH"] == first["PATH"]
        assert first is second

    def test_those_of_few_processes_are_kept(self, context):
        """Each can take 256 KiB."""
        with contextlib.ExitStack() as stack:
            cats = [
                stack.enter_context(running(["cat"], env={"NUMBER": str(number)})) for number in range(ENVIRONMENTS + 2)
            ]
            for number, cat in [*enumerate(cats)] * 2:
                assert {"NUMBER": str(number)} == context.environment(event_of(pid=cat.pid), 0)
                assert len(context._environments) <= ENVIRONMENTS
                cat.stdin.flush()
            for cat in cats:
                cat.stdin.close()


class TestRest:
    def test_syscall_comes_from_the_table(self, context):
        assert "getppid" == context.syscall(event_of()).name

    def test_number_outside_the_table_is_none(self, context):
        assert None is context.syscall(event_of(nr=100_000))

    def test_names_are_those_of_the_host(self, context):
        assert ("root", "root") == (context.user_name(0), context.group_name(0))

    def test_time_is_that_of_the_wall(self, context):
        assert 1_000 == context.wall_ns(5_000) - context.wall_ns(4_000)


def run_from_memory(how: str) -> str:
    """A program that executes a copy of cat that is nowhere on a disk."""
    return f"import os\nfd = os.memfd_create('ghost', 0)\nos.write(fd, open('/bin/cat', 'rb').read())\n{how}\n"


def gone_pid() -> int:
    """The pid of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid
