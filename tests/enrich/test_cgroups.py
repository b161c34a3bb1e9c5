"""Real cgroups, real processes in them."""

import os
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitord.enrich.cgroups import Cgroups
from monitord.enrich.procfs import Procfs
from monitord.model.placement import HOST
from monitord.model.value import Missing
from tests.enrich.events import event_of, running
from tests.support.container import AVAILABLE, container, pid_of

ID = "4f0c" * 16


def mounts(kind):
    return [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if line.split()[2] == kind]


V2 = mounts("cgroup2")
V1 = [mount for mount in mounts("cgroup") if os.access(f"{mount}/cgroup.procs", os.W_OK)]

pytestmark = pytest.mark.skipif(not V2 or os.geteuid() != 0, reason="needs cgroup v2, and root to make cgroups")


@contextmanager
def cgroup(path, mount=None):
    """A cgroup of our own, with what is above it, removed at the end."""
    top = Path(mount or V2[0]) / f"monitord-test-{uuid.uuid4().hex}"
    directory = top / path
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        while True:
            if directory.exists():
                directory.rmdir()
            if directory == top:
                break
            directory = directory.parent


@contextmanager
def cat_in(directory):
    """A process that waits in a cgroup."""
    with running(["cat"]) as process:
        (directory / "cgroup.procs").write_text(str(process.pid))
        yield process
        process.stdin.close()
        process.wait()


@pytest.fixture
def cgroups():
    return Cgroups(Procfs(Path("/proc")))


def test_a_container_by_the_cgroup_of_a_living_process(cgroups):
    with cgroup(f"docker/{ID}") as directory, cat_in(directory) as process:
        event = event_of(pid=process.pid, cgroup_id=directory.stat().st_ino)

        assert ID == cgroups.placement(event, [(event.key, 0)]).full_id


def test_the_process_has_ended_and_its_cgroup_is_there(cgroups):
    with cgroup(f"system.slice/docker-{ID}.scope") as directory:
        event = event_of(pid=2**22 - 1, start_ns=7, comm=b"gone", cgroup_id=directory.stat().st_ino)

        assert ID == cgroups.placement(event, [(event.key, 0)]).full_id


def test_the_process_has_moved_since(cgroups):
    """The cgroup of the event counts, not the one that the process is in when it is asked."""
    with cgroup(f"docker/{ID}") as then, cgroup("elsewhere") as now, cat_in(now) as process:
        event = event_of(pid=process.pid, cgroup_id=then.stat().st_ino)

        assert ID == cgroups.placement(event, [(event.key, 0)]).full_id


def test_a_known_cgroup_is_remembered_when_it_is_gone(cgroups):
    with cgroup(f"docker/{ID}") as directory:
        event = event_of(pid=2**22 - 1, start_ns=7, comm=b"gone", cgroup_id=directory.stat().st_ino)
        cgroups.placement(event, [(event.key, 0)])

    assert ID == cgroups.placement(event, [(event.key, 0)]).full_id


def test_a_cgroup_that_was_gone_before_is_late(cgroups):
    with cgroup("short") as directory:
        inode = directory.stat().st_ino
    event = event_of(pid=2**22 - 1, start_ns=7, comm=b"gone", cgroup_id=inode)

    assert Missing.LATE is cgroups.placement(event, [(event.key, 0)])


def test_the_hierarchy_is_searched_once_a_second_at_most():
    now_s = [100.0]
    cgroups = Cgroups(Procfs(Path("/proc")), clock=lambda: now_s[0])
    assert Missing.LATE is cgroups.of_id(2**40)
    with cgroup(f"docker/{ID}") as directory:
        inode = directory.stat().st_ino

        assert Missing.LATE is cgroups.of_id(inode)
        now_s[0] += 1
        assert ID == cgroups.of_id(inode).full_id


def test_the_root_is_the_host(cgroups):
    event = event_of(cgroup_id=os.stat(V2[0]).st_ino)

    assert HOST == cgroups.of_id(event.cgroup_id).full_id


def test_what_is_remembered_is_bounded():
    cgroups = Cgroups(Procfs(Path("/proc")), capacity=2)
    with cgroup("a/b/c/d"):
        cgroups.of_id(2**40)

        assert 2 == len(cgroups._of_id)


@pytest.mark.skipif(not V1, reason="no cgroup v1 here")
class TestV1:
    def test_a_container_in_a_v1_hierarchy_alone(self, cgroups):
        with cgroup(f"docker/{ID}", V1[0]) as directory, cat_in(directory) as process:
            event = event_of(pid=process.pid, cgroup_id=os.stat(V2[0]).st_ino)

            assert ID == cgroups.placement(event, [(event.key, 0)]).full_id

    def test_a_process_that_has_ended_was_where_its_parent_is(self, cgroups):
        with cgroup(f"docker/{ID}", V1[0]) as directory, cat_in(directory) as process:
            event = event_of(pid=2**22 - 1, start_ns=7, comm=b"gone", cgroup_id=os.stat(V2[0]).st_ino)
            parent = event_of(pid=process.pid).key

            assert ID == cgroups.placement(event, [(event.key, 0), (parent, 0)]).full_id

    def test_a_runtime_moves_itself_and_executes_the_program_of_the_container(self, cgroups):
        with cgroup("runtime", V1[0]) as before, cgroup(f"docker/{ID}", V1[0]) as after, cat_in(before) as process:
            event = event_of(pid=process.pid, cgroup_id=os.stat(V2[0]).st_ino)
            assert HOST == cgroups.placement(event, [(event.key, 0)]).full_id
            (after / "cgroup.procs").write_text(str(process.pid))

            assert ID == cgroups.placement(event, [(event.key, 23)]).full_id


@pytest.mark.skipif(not AVAILABLE, reason="needs runc and busybox-static")
def test_a_container_that_runc_runs(cgroups, tmp_path):
    with container(tmp_path, f"/monitord-test-{uuid.uuid4().hex}/docker/{ID}", ["cat"]) as runc:
        runc.stdin.write(b"ready\n")
        runc.stdin.flush()
        assert b"ready\n" == runc.stdout.readline()
        pid = pid_of(tmp_path)
        v2 = Path(f"/proc/{pid}/cgroup").read_text().splitlines()[-1].removeprefix("0::")
        event = event_of(pid=pid, cgroup_id=os.stat(V2[0] + v2).st_ino)

        assert ID == cgroups.placement(event, [(event.key, 0)]).full_id
