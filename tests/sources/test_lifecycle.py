"""Processes that begin and end: a record for each, numbered with the events, from whoever and however."""

import os
import signal
import time
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitord.abi.event import NO_ARGUMENT, NO_CALL, Kind, TextFlag
from monitord.config.schema import Scope, ScopeKind
from monitord.decode.decoder import Decoder
from monitord.model.batch import EventBatch
from monitord.model.interest import Interest
from tests.support.cgroups import V1, V2
from tests.support.live import Gated, compiled, interest, scope_of, watching

pytestmark = pytest.mark.bpf


def batch_of(argv, wanted: Interest | None = None, **popen) -> tuple[Gated, EventBatch, Decoder]:
    """What comes of a program, from its gate to its end."""
    gated = Gated(argv, **popen)
    decoder = Decoder()
    with watching(scope_of(gated), replace(wanted or Interest(), lifecycle=True)) as source:
        gated.run()
        batch = decoder.decode([*source.drain(0.01), *source.drain(0)])
        assert source.seen() == decoder.events
    return gated, batch, decoder


def python(script: str) -> list[str]:
    return ["/usr/bin/python3", "-c", script]


def of_kind(batch: EventBatch, kind: Kind):
    return batch.records[batch.records["kind"] == kind]


class TestFork:
    def test_a_new_process_says_who_it_is_and_who_made_it(self):
        before_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        gated, batch, _ = batch_of(["/bin/sh", "-c", "/bin/true; :"], user=61234, group=61235)
        (fork,) = of_kind(batch, Kind.FORK)
        (shell_end,) = of_kind(batch, Kind.EXIT)[-1:]

        assert (NO_CALL, 0) == (fork["nr"], fork["ret"])
        assert (gated.pid, b"sh", b"sh") == (fork["ppid"], fork["comm"], fork["parent_comm"])
        assert (61234, 61235) == (fork["uid"], fork["gid"])
        assert fork["pid"] == fork["tid"] == fork["args"][3]
        assert [gated.pid, shell_end["start_ns"], shell_end["start_ns"]] == fork["args"][:3].tolist()
        assert [os.getsid(0), os.getpgid(0)] == fork["args"][4:].tolist()
        assert before_ns < shell_end["start_ns"] < fork["start_ns"] <= fork["ts_ns"]

    def test_threads_are_no_processes(self):
        script = "import threading\nfor _ in range(7):\n t = threading.Thread(target=int)\n t.start()\n t.join()"
        _, batch, _ = batch_of(python(script))

        assert [Kind.EXIT] == batch.records["kind"].tolist()

    def test_a_sibling_by_clone_parent_has_the_callers_parent(self):
        """clone(CLONE_PARENT): the caller is not its parent."""
        gated, batch, _ = batch_of([compiled("siblings")])
        (fork,) = of_kind(batch, Kind.FORK)

        assert os.getpid() == fork["ppid"]
        assert gated.pid == fork["args"][0]
        assert fork["args"][1] > fork["args"][2]

    def test_every_kind_of_fork_makes_one(self):
        _, batch, _ = batch_of([compiled("mixed")])

        begun = of_kind(batch, Kind.FORK)["pid"].tolist()
        ended = of_kind(batch, Kind.EXIT)["pid"].tolist()
        assert len(begun) > 5
        assert set(begun) < set(ended)

    def test_in_a_pid_namespace_both_numbers_are_told(self):
        _, batch, _ = batch_of(["/usr/bin/unshare", "-p", "-f", "/bin/sh", "-c", "/bin/true; :"])
        shell, program = of_kind(batch, Kind.FORK)

        assert [1, 2] == [shell["args"][3], program["args"][3]]
        assert shell["pid"] == program["ppid"] != 1


class TestExit:
    @pytest.mark.parametrize(
        ("script", "status"),
        [("exit 7", 7 << 8), ("kill -TERM $$", signal.SIGTERM), ("kill -KILL $$", signal.SIGKILL), ("exit 0", 0)],
    )
    def test_the_status_is_that_of_wait(self, script, status):
        gated, batch, _ = batch_of(["/bin/sh", "-c", script])
        (end,) = of_kind(batch, Kind.EXIT)

        assert (gated.pid, status) == (end["pid"], end["ret"])

    def test_the_last_thread_ends_the_process(self):
        """The leader ends before its thread does; the process ends with the thread."""
        script = (
            "import ctypes, threading, time\nt = threading.Thread(target=time.sleep, args=(0.2,))\nt.start()\n"
            "ctypes.CDLL(None).syscall(60, 5)"
        )
        gated, batch, _ = batch_of(python(script))
        (end,) = of_kind(batch, Kind.EXIT)

        assert (gated.pid, gated.process.returncode) == (end["pid"], os.waitstatus_to_exitcode(int(end["ret"])))
        assert end["ts_ns"] - end["start_ns"] > 200_000_000


class TestOrder:
    def test_a_process_is_one_from_fork_by_exec_to_exit(self):
        _, batch, _ = batch_of(["/bin/sh", "-c", "/bin/true; :"], interest("execve"))
        (fork,) = of_kind(batch, Kind.FORK)
        own = batch.records[batch.records["pid"] == fork["pid"]]

        assert [Kind.FORK, Kind.EVENT, Kind.EXIT] == own["kind"].tolist()
        assert 1 == len(set(own["start_ns"].tolist()))
        assert [b"sh", b"true", b"true"] == own["comm"].tolist()

    def test_rules_get_the_calls_alone(self):
        _, batch, _ = batch_of(["/bin/sh", "-c", "/bin/true; :"], interest("execve"))

        assert {Kind.EVENT} == set(batch.calls.records["kind"].tolist())
        assert len(batch) > len(batch.calls) == len(of_kind(batch, Kind.EVENT))

    def test_a_burst_is_complete(self):
        loops = 500
        _, batch, decoder = batch_of(["/bin/sh", "-c", f"i=0; while [ $i -lt {loops} ]; do (:); i=$((i+1)); done"])

        assert loops == len(of_kind(batch, Kind.FORK))
        assert loops + 1 == len(of_kind(batch, Kind.EXIT))
        assert 0 == decoder.missed

    def test_nobody_asked_nothing_comes(self):
        gated = Gated(["/bin/sh", "-c", "/bin/true; :"])
        with watching(scope_of(gated)) as source:
            gated.run()

            assert 0 == source.seen()


def test_a_process_ends_once_when_its_last_threads_end_at_the_same_time():
    _, batch, _ = batch_of([compiled("last_two"), "1000"])
    ended = of_kind(batch, Kind.EXIT)

    assert 1001 == len(ended) == len({*zip(ended["pid"].tolist(), ended["start_ns"].tolist(), strict=True)})


MAKE = "import os, sys\nfor path in sys.argv[1:]:\n os.makedirs(path)\n os.removedirs(path)"


@pytest.mark.skipif(not V2 or os.geteuid() != 0, reason="needs cgroup v2, and root to make cgroups")
class TestCgroup:
    @pytest.fixture
    def above(self):
        """A cgroup v2 of our own."""
        directory = Path(V2[0]) / f"monitord-test-{uuid.uuid4().hex}"
        directory.mkdir()
        yield directory
        if directory.exists():
            directory.rmdir()

    def made(self, batch):
        """Ids and paths."""
        rows = np.flatnonzero(batch.records["kind"] == Kind.CGROUP).tolist()
        return [(event.cgroup_id, event.captured(NO_ARGUMENT)) for event in map(batch.event, rows)]

    def test_a_cgroup_says_where_it_is(self, above):
        # Removed at the end, so that the id can be read here.
        gated, batch, _ = batch_of(python(f"import os; os.mkdir('{above}/of its own')"))
        directory = above / "of its own"
        ((cgroup_id, path),) = self.made(batch)
        (row,) = np.flatnonzero(batch.records["kind"] == Kind.CGROUP).tolist()
        inode = directory.stat().st_ino
        directory.rmdir()

        assert (inode, f"/{above.name}/of its own") == (cgroup_id, path.text)
        assert (NO_CALL, gated.pid, 0) == (batch.event(row).nr, batch.event(row).pid, batch.event(row).ret)

    def test_a_long_path_comes_whole(self, above):
        """With none to all of the continuation cells."""
        path = above / "/".join(f"{level}" * 97 for level in range(9))
        _, batch, _ = batch_of([*python(MAKE), str(path)])

        made = [str(level).removeprefix(V2[0]) for level in [*path.parents, path] if above in level.parents]
        assert sorted(made) == [path.text for _, path in self.made(batch)]

    def test_one_longer_than_the_kernels_room_is_cut(self, above):
        path = above / "/".join("x" * 200 for _ in range(6))
        _, batch, _ = batch_of([*python(MAKE), str(path)])
        captured = self.made(batch)[-1][1]

        assert TextFlag.TRUNCATED == captured.flags
        assert str(path).removeprefix(V2[0]).startswith(captured.text)

    @pytest.mark.skipif(not V1, reason="no cgroup v1 here")
    def test_one_of_cgroup_v1_makes_no_record(self):
        path = f"{V1[0]}/monitord-test-{uuid.uuid4().hex}"

        assert [] == self.made(batch_of([*python(MAKE), path])[1])

    @pytest.mark.skipif(not V1, reason="no cgroup v1 here")
    def test_who_is_moved_to_one_of_cgroup_v1(self):
        directory = Path(f"{V1[0]}/monitord-test-{uuid.uuid4().hex}")
        directory.mkdir()
        gated, batch, _ = batch_of(
            ["/bin/sh", "-c", f"echo 0 > {directory}/cgroup.procs; echo 0 > {V2[0]}/cgroup.procs"]
        )
        directory.rmdir()
        (row,) = np.flatnonzero(batch.records["kind"] == Kind.JOIN).tolist()
        event = batch.event(row)
        hierarchies = {
            line.split(":")[1]: int(line.split(":")[0]) for line in Path("/proc/self/cgroup").read_text().splitlines()
        }

        assert (NO_CALL, gated.pid, gated.pid, "sh") == (event.nr, event.pid, event.tid, event.comm)
        assert (hierarchies[Path(V1[0]).name], f"/{directory.name}") == (
            event.args[0],
            event.captured(NO_ARGUMENT).text,
        )

    def test_nobody_asked_for_them(self, above):
        gated = Gated([*python(MAKE), str(above / "x")])
        with watching(scope_of(gated), interest("getppid")) as source:
            gated.run()

            assert 0 == source.seen()

    def test_somebody_outside_makes_one_below_the_cgroup_that_is_watched(self, above):
        """As a container's runtime does; but not one beside it."""
        inside, beside = above / "a/b", above.with_name(above.name + "-2")
        with watching(Scope(ScopeKind.CGROUP, f"/{above.name}"), Interest(lifecycle=True)) as source:
            inside.mkdir(parents=True)
            beside.mkdir()
            batch = Decoder().decode([*source.drain(0.01), *source.drain(0)])
        for directory in (inside, inside.parent, beside):
            directory.rmdir()

        assert [f"/{above.name}/a", f"/{above.name}/a/b"] == [path.text for _, path in self.made(batch)]
