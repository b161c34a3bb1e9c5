"""Processes that begin and end: a record for each, numbered with the events, from whoever and however."""

import os
import signal
import time
from dataclasses import replace

import pytest

from monitord.abi.event import NO_CALL, Kind
from monitord.decode.decoder import Decoder
from monitord.model.event import EventBatch
from monitord.model.interest import Interest
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
