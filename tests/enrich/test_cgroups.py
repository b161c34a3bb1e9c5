"""Real cgroups, real processes in them."""

import os
import subprocess
import uuid
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from monitord.abi.event import NO_ARGUMENT, NO_CALL, Capture, Kind
from monitord.decode.decoder import Decoder
from monitord.enrich.cgroups import Cgroups, together
from monitord.enrich.cgroups_v1 import CgroupsV1
from monitord.enrich.context import ProcContext
from monitord.enrich.observer import FEW
from monitord.enrich.origins import Origins
from monitord.enrich.processes import ProcessTable
from monitord.enrich.procfs import Procfs
from monitord.model.placement import HOST, Placement
from monitord.model.value import Missing
from tests.enrich.events import batch_of as one_event
from tests.enrich.events import event_of, one_behind_the_other, running
from tests.support.cgroups import V1, V2, cgroup
from tests.support.container import AVAILABLE, RUNTIMES, bundle, container, pid_of, remove_cgroups
from tests.support.live import TABLE, Gated, interest, scope_of, watching

ID = "4f0c" * 16


pytestmark = pytest.mark.skipif(not V2 or os.geteuid() != 0, reason="needs cgroup v2, and root to make cgroups")


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

        assert ID == cgroups.of_id(event.cgroup_id, event).full_id


def test_the_process_has_ended_and_its_cgroup_is_there(cgroups):
    with cgroup(f"system.slice/docker-{ID}.scope") as directory:
        event = event_of(pid=2**22 - 1, start_ns=7, comm=b"gone", cgroup_id=directory.stat().st_ino)

        assert ID == cgroups.of_id(event.cgroup_id, event).full_id


def test_the_process_has_moved_since(cgroups):
    """The cgroup of the event counts, not the one that the process is in when it is asked."""
    with cgroup(f"docker/{ID}") as then, cgroup("elsewhere") as now, cat_in(now) as process:
        event = event_of(pid=process.pid, cgroup_id=then.stat().st_ino)

        assert ID == cgroups.of_id(event.cgroup_id, event).full_id


def test_a_known_cgroup_is_remembered_when_it_is_gone(cgroups):
    with cgroup(f"docker/{ID}") as directory:
        event = event_of(pid=2**22 - 1, start_ns=7, comm=b"gone", cgroup_id=directory.stat().st_ino)
        cgroups.of_id(event.cgroup_id, event)

    assert ID == cgroups.of_id(event.cgroup_id, event).full_id


def test_a_cgroup_that_was_gone_before_is_late(cgroups):
    with cgroup("short") as directory:
        inode = directory.stat().st_ino
    event = event_of(pid=2**22 - 1, start_ns=7, comm=b"gone", cgroup_id=inode)

    assert Missing.LATE is cgroups.of_id(event.cgroup_id, event)


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
        assert 3 < cgroups.evicted


def test_a_cgroup_that_acts_again_is_forgotten_later_than_one_that_does_not(cgroups):
    with cgroup("a") as first, cgroup("b") as second, cgroup("c") as third:
        inodes = [directory.stat().st_ino for directory in (first, second, third)]
        small = Cgroups(Procfs(Path("/proc")), capacity=2)
        for inode, directory in zip(inodes[:2], (first, second), strict=True):
            with cat_in(directory) as process:
                small.of_id(inode, event_of(pid=process.pid, cgroup_id=inode))
        small.known(inodes[0])
        with cat_in(third) as process:
            small.of_id(inodes[2], event_of(pid=process.pid, cgroup_id=inodes[2]))

    assert [True, False, True] == [small.known(inode) is not None for inode in inodes]


def batch_of(argv, wanted):
    """What a program did, and the context that has learned from it, seeded before and asked when all is over."""
    gated = Gated(argv)
    context = ProcContext(TABLE, root=gated.pid)
    with watching(scope_of(gated), context.interest() | wanted) as source:
        context.seed()
        assert 0 == gated.run()
        batch = Decoder().decode([*source.drain(0.01), *source.drain(0)])
    context.observe(batch)
    return context, batch


SHORT = """
import os, sys
for number in range(100):
    directory = f"{sys.argv[1]}/docker-{number:064x}.scope"
    os.mkdir(directory)
    child = os.fork()
    if not child:
        with open(f"{directory}/cgroup.procs", "w") as procs:
            procs.write("0")
        os.getppid()
        os._exit(0)
    os.waitpid(child, 0)
    os.rmdir(directory)
"""


@pytest.mark.bpf
def test_a_hundred_cgroups_of_a_few_milliseconds():
    """All are gone before anybody looks."""
    with cgroup("system.slice") as above:
        context, batch = batch_of(["/usr/bin/python3", "-c", SHORT, str(above)], interest("getppid"))
        getppid = {TABLE.calls_named("getppid")[0].nr}
        events = [batch.event(row) for row in range(len(batch)) if batch.records["nr"][row] in getppid]

        assert [f"{number:064x}" for number in range(100)] == [context.placement(event).full_id for event in events]


@pytest.mark.bpf
@pytest.mark.skipif(not AVAILABLE, reason="needs runc and busybox-static")
def test_containers_that_end_at_once(tmp_path):
    """Each event of the container's program has its id, and runc removed the cgroup before anybody looked."""
    top = f"/monitord-test-{uuid.uuid4().hex}/docker"
    try:
        for number in range(5):
            (tmp_path / str(number)).mkdir()
            argv = ["/usr/bin/env", *bundle(tmp_path / str(number), f"{top}/{number:064x}", ["true"])]
            context, batch = batch_of(argv, interest("exit_group"))
            (true,) = [
                event
                for row in range(len(batch))
                if (event := batch.event(row)).comm == "true"
                and event.nr > 0
                and TABLE.find(event.abi, event.nr).name == "exit_group"
            ]

            assert not Path(V2[0] + f"{top}/{number:064x}").exists()
            assert f"{number:064x}" == context.placement(true).full_id
    finally:
        remove_cgroups(top)


SHORT_V1 = """
import os, sys
for number in range(100):
    directory = f"{sys.argv[1]}/{number:064x}"
    os.mkdir(directory)
    child = os.fork()
    if not child:
        os.getsid(0)
        with open(f"{directory}/cgroup.procs", "w") as procs:
            procs.write("0")
        grandchild = os.fork()
        if not grandchild:
            os.getppid()
            os._exit(0)
        os.waitpid(grandchild, 0)
        os._exit(0)
    os.waitpid(child, 0)
    os.rmdir(directory)
"""

IN_AND_OUT = """
import os, sys
os.getppid()
for directory in (sys.argv[1], sys.argv[2], sys.argv[1]):
    with open(f"{directory}/cgroup.procs", "w") as procs:
        procs.write("0")
    os.getppid()
"""


def placements(argv, *names):
    """Where the calls of a program were made, by name; each asked for when it has been observed, and all is over."""
    gated = Gated(argv)
    context, found = ProcContext(TABLE, root=gated.pid), {name: [] for name in names}
    with watching(scope_of(gated), context.interest() | interest(*names)) as source:
        context.seed()
        assert 0 == gated.run()
        batch = Decoder().decode([*source.drain(0.01), *source.drain(0)])
    for row in range(len(batch)):
        context.observe(batch.take(np.array([row])))
        event = batch.event(row)
        call = TABLE.find(event.abi, event.nr)
        if call is not None and call.name in names:
            found[call.name].append(context.placement(event))
    return found


def v1_event(ts_ns, **columns):
    """Of a process that is in the root of cgroup v2."""
    return one_event(cgroup_id=os.stat(V2[0]).st_ino, ts_ns=ts_ns, **columns)


def joins(process, ts_ns, path):
    """The record of a move in the first hierarchy; its number is that which /proc shows."""
    lines = (line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines())
    (number,) = [int(number) for number, names, _ in lines if names.split(",")[0] == V1[0].rpartition("/")[2]]
    columns = {"pid": process.pid, "tid": process.pid, "args": (number, 0, 0, 0, 0, 0), "nr": NO_CALL}
    columns["cgroup_id"] = os.stat(V2[0]).st_ino
    return one_event([(NO_ARGUMENT, Capture.STR, path.encode())], ts_ns=ts_ns, kind=Kind.JOIN, **columns)


@pytest.mark.parametrize("events", [7, 7 + FEW])
def test_without_cgroup_v1_no_process_is_asked_about(cgroups, tmp_path, events):
    (tmp_path / "mountinfo").write_text("31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    table = ProcessTable(10_000_000)
    without = CgroupsV1(table, Procfs(Path("/proc")), tmp_path / "mountinfo")
    nobody = None  # whoever is asked for a process fails
    batch = one_behind_the_other(*(one_event(cgroup_id=os.stat(V2[0]).st_ino) for _ in range(events)))

    assert not without.mounted
    assert {("host", ""): events} == Origins(table, cgroups, without, nobody).count(batch)


HOST_UNIT = Placement(unit="cron.service", slice="system.slice")
CONTAINER = Placement(ID, "docker")
IN_SCOPE = Placement(ID, "docker", unit=f"docker-{ID}.scope", slice="system.slice")


@pytest.mark.parametrize(
    ("v2", "v1", "expected"),
    [
        (Missing.UNKNOWN, HOST_UNIT, HOST_UNIT),  # no cgroup v2 is mounted
        (Missing.UNKNOWN, Missing.LATE, Missing.UNKNOWN),
        (Missing.LATE, HOST_UNIT, Missing.LATE),  # a container of cgroup v2 alone, it may be
        (Missing.LATE, CONTAINER, CONTAINER),
        (Placement(), Missing.LATE, Placement()),
        (CONTAINER, Placement("other", "lxc"), CONTAINER),
        (Placement(), HOST_UNIT, HOST_UNIT),
        (HOST_UNIT, Placement(), HOST_UNIT),
        (HOST_UNIT, IN_SCOPE, IN_SCOPE),
        (HOST_UNIT, CONTAINER, Placement(ID, "docker", unit="cron.service", slice="system.slice")),
    ],
)
def test_both_together(v2, v1, expected):
    assert expected == together(v2, v1)


@pytest.mark.skipif(not V1, reason="no cgroup v1 here")
class TestV1:
    @pytest.fixture
    def context(self):
        return ProcContext(TABLE, root=os.getpid())

    def test_a_container_in_a_v1_hierarchy_alone(self, context):
        with cgroup(f"docker/{ID}", V1[0]) as directory, cat_in(directory) as process:
            assert ID == context.placement(v1_event(1, pid=process.pid).event(0)).full_id

    def test_one_that_was_there_before_is_known_when_it_is_gone(self, context):
        with cgroup(f"docker/{ID}", V1[0]) as directory:
            with cat_in(directory) as process:
                context.seed()
                event = v1_event(1, pid=process.pid).event(0)

            assert ID == context.placement(event).full_id

    def test_a_process_that_has_ended_was_where_its_parent_is(self, context):
        with cgroup(f"docker/{ID}", V1[0]) as directory, cat_in(directory) as process:
            context.seed()
            gone = v1_event(1, pid=2**22 - 1, start_ns=2**62, comm=b"gone", ppid=process.pid).event(0)

            assert ID == context.placement(gone).full_id

    def test_of_one_that_ends_the_kernel_says_the_root_and_it_is_not_believed(self, context):
        with cgroup(f"docker/{ID}", V1[0]) as directory:
            process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
            (directory / "cgroup.procs").write_text(str(process.pid))
            event = v1_event(1, pid=process.pid).event(0)
            process.stdin.close()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            said = Path(f"/proc/{process.pid}/cgroup").read_text()
            paths = Procfs(Path("/proc")).cgroups_v1(process.pid, event.start_ns)
            process.wait()

        assert ID not in said
        assert Missing.LATE is paths

    def test_a_runtime_moves_itself_and_executes_the_program_of_the_container(self, context):
        """What /proc said before is right for the events before."""
        with cgroup("runtime", V1[0]) as before, cat_in(before) as process:
            context.seed()
            context.observe(joins(process, 100, f"/docker/{ID}"))
            placements = [context.placement(v1_event(ts_ns, pid=process.pid).event(0)) for ts_ns in (99, 100)]

            assert [HOST, ID] == [placement.full_id for placement in placements]

    def test_of_a_move_by_one_that_nobody_knew_the_other_hierarchies_are_asked_for(self, context):
        with cgroup(f"docker/{ID}", V1[-1]) as directory, cat_in(directory) as process:
            context.observe(joins(process, 100, "/"))

            assert ID == context.placement(v1_event(100, pid=process.pid).event(0)).full_id

    def test_after_a_loss_it_is_asked_again(self, context):
        with cgroup("runtime", V1[0]) as before, cgroup(f"docker/{ID}", V1[0]) as after, cat_in(before) as process:
            context.seed()
            (after / "cgroup.procs").write_text(str(process.pid))
            event = v1_event(1, pid=process.pid)
            assert HOST == context.placement(event.event(0)).full_id

            context.lost()
            context.observe(event)
            assert ID == context.placement(event.event(0)).full_id

    @pytest.mark.parametrize("others", [2, FEW])
    def test_events_are_counted_where_their_process_was_then(self, context, others):
        with cgroup("runtime", V1[0]) as before, cat_in(before) as process:
            context.seed()
            batch = one_behind_the_other(
                v1_event(98, pid=process.pid),
                *(v1_event(99, pid=os.getpid()) for _ in range(others)),
                joins(process, 101, f"/docker/{ID}"),
                *(v1_event(ts_ns, pid=process.pid) for ts_ns in (102, 103, 104, 105)),
            )
            context.observe(batch)

            assert {("host", ""): 1 + others, (ID[:12], ""): 5} == dict(context.origins(batch))

    def test_a_child_of_before_a_move_stays_where_it_was(self, context):
        """Whether it is asked about, or only counted."""
        with cgroup("runtime", V1[0]) as before, cat_in(before) as process:
            context.seed()
            mother = v1_event(1, pid=process.pid).records[0]
            child = {"pid": 2**22 - 1, "tid": 2**22 - 1, "start_ns": 2**62, "ppid": process.pid, "comm": b"cat"}
            maker = {"args": (process.pid, mother["start_ns"], mother["start_ns"], 0, 0, 0), "nr": NO_CALL}
            fork = v1_event(100, kind=Kind.FORK, **maker, **child)
            batch = one_behind_the_other(fork, joins(process, 101, f"/docker/{ID}"), v1_event(102, **child))
            context.observe(batch)

            assert {("host", ""): 2, (ID[:12], ""): 1} == dict(context.origins(batch))
            assert HOST == context.placement(batch.event(2)).full_id

    @pytest.mark.bpf
    def test_a_hundred_of_a_few_milliseconds(self):
        """
        All are gone before anybody looks, and the one who made them is in none.

        The program of the container is a child of the process that was moved.
        """
        with cgroup("docker", V1[0]) as above:
            found = placements(["/usr/bin/python3", "-c", SHORT_V1, str(above)], "getsid", "getppid")
        before, after = ([placement.full_id for placement in found[name]] for name in ("getsid", "getppid"))

        assert [HOST] * 100 == before
        assert [f"{number:064x}" for number in range(100)] == after

    @pytest.mark.bpf
    def test_one_that_is_left_again(self):
        """Each event is where its process was then; the unit stays that of cgroup v2."""
        with cgroup(f"docker/{ID}", V1[0]) as directory, cgroup("x", V1[0]) as beside:
            argv = ["/usr/bin/python3", "-c", IN_AND_OUT, str(directory), str(beside)]
            found = placements(argv, "getppid")["getppid"]

        assert [HOST, ID, HOST, ID] == [placement.full_id for placement in found]
        assert 1 == len({placement.unit for placement in found})


@pytest.mark.skipif(not AVAILABLE, reason="needs runc and busybox-static")
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_container_that_a_runtime_runs(cgroups, tmp_path, runtime):
    cgroup = f"/monitord-test-{uuid.uuid4().hex}/docker/{ID}"
    with container(tmp_path, cgroup, ["cat"], runtime=runtime) as runc:
        runc.stdin.write(b"ready\n")
        runc.stdin.flush()
        assert b"ready\n" == runc.stdout.readline()
        pid = pid_of(tmp_path)
        v2 = Path(f"/proc/{pid}/cgroup").read_text().splitlines()[-1].removeprefix("0::")
        event = event_of(pid=pid, cgroup_id=os.stat(V2[0] + v2).st_ino)

        assert ID == cgroups.of_id(event.cgroup_id, event).full_id
