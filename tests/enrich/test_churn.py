"""Many processes that start and end, under a real kernel: what the table says of each is what the process knew."""

import os
import subprocess
import time
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
from tests.support.live import TABLE, Gated, compiled, interest, scope_of

pytestmark = pytest.mark.bpf

SECONDS = float(os.environ.get("MONITORD_CHURN_S", "5"))
RATE = 2000
MAGIC = 0xC4A1
NONE = (1 << 64) - 1


class Watch:
    """
    Reads as the daemon does, and compares what it hears with what the table says.

    :ivar started_ns: when events were delivered.
    :ivar seeded_ns: when /proc had been read.
    :ivar since_ns: processes that began before are not compared.
    """

    def __init__(self, gated: Gated, look_s: float = 0) -> None:
        """:param look_s: what a look at one process in /proc takes, at least."""
        self.since_ns = 0
        self.context = ProcContext(TABLE)
        self.decoder = Decoder()
        self.wrong: list[str] = []
        self.told = self.begun = 0
        self.late = 0
        self.observing_s = 0.0
        wanted = self.context.interest() | interest("getppid")
        self.source = BpfSource(TABLE, scope_of(gated), BpfConfig(latency=False, ring_pages=1024))
        self.source.install(replace(wanted, lifecycle=True))
        self.source.start()
        self.started_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        procfs = self.context._procfs
        look = procfs.process
        if look_s:
            procfs.process = lambda *of: (time.sleep(look_s), look(*of))[1]
        self.context.seed()
        procfs.process = look
        self.seeded_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def turn(self) -> None:
        drain = self.source.drain(0.02)
        if not drain and not self.decoder.holds:
            return
        batch = self.decoder.decode(drain)
        before = time.process_time()
        self.context.observe(batch)
        self.observing_s += time.process_time() - before
        self.begun += int((batch.records["kind"] == Kind.FORK).sum())
        said = (batch.records["kind"] == Kind.EVENT) & (batch.records["args"][:, 0] == MAGIC)
        said &= batch.records["start_ns"] > self.since_ns
        for row in said.nonzero()[0].tolist():
            self.told += 1
            self._compare(batch.event(row))

    def settle(self) -> int:
        """Take what is on its way, and then what the decoder held back; how much was lost."""
        self.turn()
        self.turn()
        return sum(self.source.losses().values())

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
                self.late += 1
                self.wrong.append(f"{event.pid} has no ancestor {pid}: {ancestor.name}")
            elif ancestor.key.pid != pid:
                self.wrong.append(f"{event.pid} has the ancestor {ancestor.key.pid}, not {pid}")


def test_no_wrong_parent_no_wrong_name_and_nothing_is_left():
    gated = Gated([compiled("churn"), str(SECONDS), str(RATE), "23"], stdout=subprocess.PIPE)
    watch = Watch(gated)
    try:
        before = watch.context.size
        gated.open()
        while gated.process.poll() is None:
            watch.turn()
        started = int(gated.process.stdout.read())
        end_s = time.monotonic() + 1.3
        while time.monotonic() < end_s:
            watch.turn()
        lost = watch.settle()
    finally:
        watch.source.close()
        reap("churn")
    per_start_us = watch.observing_s / started * 1e6

    assert [] == watch.wrong[:5]
    assert 0 == lost == watch.decoder.missed
    assert started == watch.begun
    assert watch.told >= started * 0.7
    assert started > SECONDS * RATE * 0.5
    assert per_start_us < 100  # 14 on a quiet machine
    watch.context._processes.sweep(1 << 62)
    assert before - 1 == watch.context.size  # the program itself was there before


def test_what_begins_while_proc_is_read_is_known():
    """Hundreds of processes of all kinds, and a look at /proc that takes its time."""
    gated = Gated([compiled("churn"), "6", "1000", "29"])
    try:
        gated.open()
        watch = Watch(gated, look_s=0.005)
        try:
            watch.since_ns = watch.started_ns + 50_000_000  # the parents of others may have ended before anybody looked
            while gated.process.poll() is None:
                watch.turn()
            lost = watch.settle()
        finally:
            watch.source.close()
    finally:
        gated.process.wait()
        reap("churn")

    assert watch.seeded_ns - watch.since_ns > 200_000_000
    assert [] == watch.wrong[:5]
    assert 0 == lost == watch.decoder.missed
    assert watch.told > 500


def reap(name):
    """What CLONE_PARENT made the test's own children; left as they end, they would be in the way of other tests."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    for pid in listed:
        if f"({name}) Z" in Path(f"/proc/{pid}/stat").read_text():
            os.waitpid(int(pid), 0)


BOMB = """
import os, time
end = time.monotonic() + 1
while time.monotonic() < end:
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


def test_a_fork_bomb_within_a_limit_is_followed_to_its_end(limited):
    gated = Gated(["/usr/bin/python3", "-c", BOMB])
    (limited / "cgroup.procs").write_text(str(gated.pid))
    watch = Watch(gated)
    try:
        before = watch.context.size
        gated.open()
        gated.process.wait(60)
        end_s = time.monotonic() + 20
        while (limited / "cgroup.procs").read_text() and time.monotonic() < end_s:
            watch.turn()
        lost = watch.settle()
    finally:
        watch.source.close()

    assert 0 == lost
    assert watch.begun >= LIMIT - 1
    watch.context._processes.sweep(1 << 62)
    assert before - 1 == watch.context.size
