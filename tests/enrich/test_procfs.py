"""/proc is read of the right process, or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitord.enrich.procfs import Procfs, Snapshot
from monitord.model.value import Missing
from tests.enrich.events import TICK_NS, running, start_ns
from tests.support.daemon import until
from tests.support.descriptors import no_descriptors

ANOTHER_TICK_NS = 2 * TICK_NS


@pytest.fixture
def procfs():
    return Procfs(Path("/proc"))


@pytest.fixture
def cat(tmp_path):
    with running(["cat", "-", "-u"], cwd=tmp_path) as process:
        yield process


@pytest.fixture
def zombie():
    """The pid of a process that is dead and not yet waited for."""
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        yield process.pid


class TestProcess:
    def test_living_process_is_shown(self, procfs, cat, tmp_path):
        found = procfs.process(cat.pid, start_ns(cat.pid))

        assert ("cat", os.getpid()) == (found.stat.comm, found.stat.ppid)
        assert ("cat", "-", "-u") == found.argv
        assert os.path.realpath("/bin/cat") == found.exepath
        assert str(tmp_path) == found.cwd

    def test_start_is_known_to_the_tick(self, procfs, cat):
        assert start_ns(cat.pid) // TICK_NS == procfs.process(cat.pid).stat.start_ns // TICK_NS

    def test_pid_given_again_is_not_mistaken(self, procfs, cat):
        assert Missing.LATE is procfs.process(cat.pid, start_ns(cat.pid) - ANOTHER_TICK_NS)

    def test_process_that_is_gone_is_late(self, procfs, cat):
        started = start_ns(cat.pid)
        cat.communicate()

        assert Missing.LATE is procfs.process(cat.pid, started)

    def test_one_that_cannot_be_read_this_time_is_not_taken_to_be_gone(self, procfs, cat):
        started_ns = start_ns(cat.pid)
        with no_descriptors():
            assert Missing.UNKNOWN is procfs.process(cat.pid, started_ns)
            assert Missing.UNKNOWN is procfs.cgroups_by_controller(cat.pid, started_ns)

    def test_zombie_still_has_a_parent(self, procfs, zombie):
        found = procfs.process(zombie, start_ns(zombie))

        assert os.getpid() == found.stat.ppid
        assert [Missing.LATE] * 3 == [found.argv, found.exepath, found.cwd]

    def test_what_its_first_thread_does_not_tell_any_more_another_one_does(self, procfs, tmp_path):
        """A process goes on when main() has ended by pthread_exit."""
        end = (
            "import ctypes, sys, threading\n"
            "print(sys.stdin.readline(), end='', flush=True)\n"
            "threading.Thread(target=sys.stdin.read).start()\n"
            "ctypes.CDLL(None).pthread_exit(None)\n"
        )
        argv = ["/usr/bin/python3", "-S", "-c", end]
        with running(argv, cwd=tmp_path, env={"COLOUR": "red"}) as process:
            until(lambda: procfs.process(process.pid).stat.zombie)
            found = procfs.process(process.pid)
            started_ns = start_ns(process.pid)

            assert (tuple(argv), os.path.realpath(argv[0]), str(tmp_path)) == (found.argv, found.exepath, found.cwd)
            assert str(tmp_path) == procfs.cwd(process.pid, started_ns)
            assert {"COLOUR": "red"} == procfs.environment(process.pid, started_ns)
            assert procfs.fd(process.pid, started_ns, 0).startswith("pipe:")

    def test_kernel_thread_has_no_executable_and_no_arguments(self, procfs):
        kthreadd = procfs.process(2)

        assert isinstance(kthreadd, Snapshot)
        assert ((), Missing.NOT_APPLICABLE) == (kthreadd.argv, kthreadd.exepath)

    def test_comm_with_parentheses_and_blanks_is_read_whole(self, procfs, tmp_path):
        program = tmp_path / "a) R 1 (b"
        program.symlink_to("/bin/cat")
        with running([program]) as process:
            found = procfs.process(process.pid)

        assert ("a) R 1 (b", os.getpid()) == (found.stat.comm, found.stat.ppid)

    def test_odd_bytes_in_arguments_come_back_as_they_were(self, procfs):
        with running([b"cat", b"-", b"\xff\n"]) as process:
            found = procfs.process(process.pid)

        assert ("cat", "-", "\udcff\n") == found.argv

    def test_empty_arguments_are_kept(self, procfs):
        with running(["cat", "-", ""]) as process:
            found = procfs.process(process.pid)

        assert ("cat", "-", "") == found.argv

    def test_executable_that_was_unlinked_keeps_its_name(self, procfs, tmp_path):
        program = tmp_path / "cat"
        program.write_bytes(Path("/bin/cat").read_bytes())
        program.chmod(0o755)
        with running([program]) as process:
            program.unlink()
            found = procfs.process(process.pid)

        assert str(program) == found.exepath

    def test_executable_in_memory_is_shown_as_such(self, procfs):
        run = (
            "import os\n"
            "fd = os.memfd_create('ghost', 0)\n"
            "os.write(fd, open('/bin/cat', 'rb').read())\n"
            "os.execv(f'/proc/self/fd/{fd}', ['cat'])\n"
        )
        with running([sys.executable, "-c", run]) as process:
            found = procfs.process(process.pid)

        assert "memfd:ghost" == found.exepath

    def test_stranger_that_may_not_be_looked_into_is_unknown(self, procfs):
        """uid 65534 sees the stat of a root process, but not its links."""
        look = (
            "import os; from pathlib import Path; from monitord.enrich.procfs import Procfs\n"
            "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            f"print(Procfs(Path('/proc')).process({os.getpid()}).cwd.name)\n"
        )
        done = subprocess.run(["/usr/bin/python3", "-c", look], capture_output=True, text=True)

        assert ("UNKNOWN\n", "") == (done.stdout, done.stderr)


class TestFd:
    def test_descriptor_shows_its_path(self, procfs, tmp_path):
        fd = os.open(tmp_path, os.O_PATH)
        try:
            assert str(tmp_path) == procfs.fd(os.getpid(), start_ns(os.getpid()), fd)
        finally:
            os.close(fd)

    def test_descriptor_that_is_closed_is_late(self, procfs):
        assert Missing.LATE is procfs.fd(os.getpid(), start_ns(os.getpid()), 54321)

    def test_descriptor_of_another_process_with_the_pid_is_late(self, procfs):
        assert Missing.LATE is procfs.fd(os.getpid(), start_ns(os.getpid()) - ANOTHER_TICK_NS, 0)
