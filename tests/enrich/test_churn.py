"""Many processes that start and end, under a real kernel: what the table says of each is what the process knew."""

import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from monitord.abi.event import Kind
from monitord.config.schema import BpfConfig
from monitord.decode.decoder import Decoder
from monitord.enrich.context import ProcContext
from monitord.model.value import Missing
from monitord.sources.bpf.source import BpfSource
from tests.support.cgroups import few_tasks
from tests.support.daemon import PATIENCE_S, until
from tests.support.live import TABLE, Gated, compiled, interest, scope_of

pytestmark = pytest.mark.bpf

RATE = 2000
STARTED = 30 * RATE
MAGIC = 0xC4A1
NONE = (1 << 64) - 1


class Watch:
    """
    Reads as the daemon does, on a thread of its own, and compares what it hears with what the table says.

    :ivar seeding_s: how long the look at /proc took.
    :ivar told: processes that said whose children they are, and were compared.
    :ivar begun: how many began.
    :ivar observing: after each drain how many had begun, and the CPU time that the table had taken of them.
    :ivar ended: how many ended.
    """

    def __init__(self, gated: Gated) -> None:
        self.context = ProcContext(TABLE)
        self.decoder = Decoder()
        self.wrong: list[str] = []
        self.told = self.begun = self.ended = 0
        self.observing: list[tuple[int, float]] = [(0, 0.0)]
        self._gated = gated
        self._known = {gated.pid, os.getpid()}  # and those that were seen to begin
        wanted = self.context.interest() | interest("getppid")
        self.source = BpfSource(TABLE, scope_of(gated), BpfConfig(latency=False, ring_pages=4096))
        self.source.install(replace(wanted, lifecycle=True))
        self._drains: queue.SimpleQueue = queue.SimpleQueue()
        self._stop = threading.Event()
        self._reader = threading.Thread(target=self._read)

    def start(self, look_s: float = 0) -> None:
        """:param look_s: what a look at one process in /proc takes, at least."""
        self.source.start()
        self._reader.start()
        procfs = self.context._procfs
        look = procfs.process
        if look_s:
            procfs.process = lambda *of: (time.sleep(look_s), look(*of))[1]
        begin_s = time.monotonic()
        self.context.seed()
        self.seeding_s = time.monotonic() - begin_s
        procfs.process = look

    def _read(self) -> None:
        gave = False
        while not self._stop.is_set():
            drain = self.source.drain(0.02)
            if drain or gave:  # an empty one lets the decoder give out what it holds back
                self._drains.put(drain)
            gave = bool(drain)
        self._drains.put(self.source.drain(0))
        self._drains.put(())
        self._drains.put(None)

    def follow(self, over: Callable[[], bool]) -> int:
        """Compare until it is over and everything has been read; how much was lost."""
        end_s = time.monotonic() + 3 * PATIENCE_S
        while True:
            if over():
                self._stop.set()
            assert time.monotonic() < end_s, f"{self.begun} began, {self.ended} ended, {self.lost()} events were lost"
            try:
                drain = self._drains.get(timeout=0.02)
            except queue.Empty:
                continue
            if drain is None:
                return self.lost()
            self._turn(drain)

    def lost(self) -> int:
        return sum(self.source.losses().values())

    def all_ended(self) -> bool:
        """Whether the program has, and all that began since it did."""
        return self._gated.process.poll() is not None and self.ended == self.begun + 1

    def close(self) -> None:
        self._stop.set()
        self._reader.join()
        self.source.close()

    def _turn(self, drain) -> None:
        batch = self.decoder.decode(drain)
        before_s = time.thread_time()
        self.context.observe(batch)
        took_s = time.thread_time() - before_s
        kinds, pids = batch.records["kind"], batch.records["pid"]
        self._known.update(pids[kinds == Kind.FORK].tolist())
        self.begun += int((kinds == Kind.FORK).sum())
        self.ended += int((kinds == Kind.EXIT).sum())
        self.observing.append((self.begun, self.observing[-1][1] + took_s))
        said = (kinds == Kind.EVENT) & (batch.records["args"][:, 0] == MAGIC)
        for row in said.nonzero()[0].tolist():
            event = batch.event(row)
            if {event.pid, event.args[1]} <= self._known:  # the parents of others may have ended before anybody looked
                self.told += 1
                self._compare(event)

    def _compare(self, event) -> None:
        _, parent, grandparent, name, *_ = event.args
        own = self.context.process(event)
        line = [self.context.ancestor(event, generation) for generation in (1, 2)]
        if self.context._processes.get(event.pid, event.start_ns).parent is None:
            self.wrong.append(f"{event.pid} began after it acted")
        expected = f"n{name}" if name else "churn"
        if own.comm != expected:
            self.wrong.append(f"{event.pid} is called {own.comm}, not {expected}")
        for ancestor, pid in zip(line, (parent, grandparent), strict=True):
            if pid == NONE:
                continue
            if isinstance(ancestor, Missing):
                self.wrong.append(f"{event.pid} has no ancestor {pid}: {ancestor.name}")
            elif ancestor.key.pid != pid:
                self.wrong.append(f"{event.pid} has the ancestor {ancestor.key.pid}, not {pid}")


def test_no_wrong_parent_no_wrong_name_and_nothing_is_left():
    gated = Gated([compiled("churn"), str(STARTED), str(RATE), "23"], stdout=subprocess.PIPE)
    watch = Watch(gated)
    try:
        watch.start()
        before = watch.context.size
        gated.open()
        lost = watch.follow(watch.all_ended)
    finally:
        watch.close()
        reap("churn")
    started = int(gated.process.stdout.read())

    assert [] == watch.wrong[:5]
    assert 0 == lost == watch.decoder.missed
    assert STARTED <= started == watch.begun
    assert watch.told >= started * 0.7
    first_s, last_s = took_of_quarters(watch.observing)
    assert last_s < 2.5 * first_s, "the more have been there, the longer it takes"
    watch.context._processes.sweep(1 << 62)
    assert before - 1 == watch.context.size  # the program itself was there before


def took_of_quarters(observing):
    """What the first quarter of those that began has taken, and the last."""
    begun, all_s = observing[-1]
    first_s, before_last_s = (
        next(took_s for so_far, took_s in observing if so_far >= begun * part) for part in (0.25, 0.75)
    )
    return first_s, all_s - before_last_s


def test_what_begins_while_proc_is_read_is_known():
    """Hundreds of processes of all kinds, and a look at /proc that takes its time."""
    gated = Gated([compiled("churn"), "6000", "1000", "29"])
    watch = Watch(gated)
    try:
        gated.open()
        until(Path(f"/proc/{gated.pid}/task/{gated.pid}/children").read_text)
        watch.start(look_s=0.005)
        lost = watch.follow(lambda: gated.process.poll() is not None)
    finally:
        watch.close()
        gated.process.wait()
        reap("churn")

    assert watch.seeding_s > 0.2
    assert [] == watch.wrong[:5]
    assert 0 == lost == watch.decoder.missed
    assert watch.told > 500


def reap(name):
    """What CLONE_PARENT made the test's own children; left as they end, they would be in the way of other tests."""
    for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        if f"({name})" in Path(f"/proc/{pid}/stat").read_text():
            os.waitpid(int(pid), 0)


BOMB = """
import os, sys, time
while not os.path.exists(sys.argv[1]):
    try:
        os.fork()
    except OSError:
        time.sleep(0.01)
"""
LIMIT = 97


@pytest.fixture
def limited():
    """A cgroup that holds so many processes and no more."""
    with few_tasks() as directory:
        (directory / "pids.max").write_text(str(LIMIT))
        yield directory


def test_a_fork_bomb_within_a_limit_is_followed_to_its_end(limited, tmp_path):
    end = tmp_path / "end"
    gated = Gated(["/usr/bin/python3", "-c", BOMB, str(end)])
    (limited / "cgroup.procs").write_text(str(gated.pid))
    watch = Watch(gated)

    def over() -> bool:
        if watch.begun >= LIMIT - 1:
            end.touch()
        return watch.all_ended()

    try:
        watch.start()
        before = watch.context.size
        gated.open()
        lost = watch.follow(over)
    finally:
        end.touch()
        watch.close()

    assert 0 == lost
    assert watch.begun >= LIMIT - 1
    watch.context._processes.sweep(1 << 62)
    assert before - 1 == watch.context.size
