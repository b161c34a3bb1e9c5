"""Processes that fork, execute, take names, move and end in any order: the table agrees with them at any time."""

import itertools
import os
import socket
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from monitord.config.schema import BpfConfig, Scope, ScopeKind
from monitord.decode.decoder import Decoder
from monitord.enrich.context import ProcContext
from monitord.model.interest import Along
from monitord.model.value import Missing
from monitord.sources.bpf.source import BpfSource
from tests.support.daemon import PATIENCE_S
from tests.support.live import PROGRAMS, TABLE, interest

pytestmark = pytest.mark.bpf

MAGIC = 0xC4A2
ACTORS = 6
DIRECTORIES = ("/", "/usr", "/usr/lib", "/tmp")
NUMBERS = itertools.count(1)
WORDS = st.from_regex(r"[a-z]{1,9}", fullmatch=True)


@dataclass(eq=False)
class Actor:
    """What is true of a process; `lines` is the connection to it."""

    pid: int
    lines: object
    parent: "Actor | None"
    comm: str
    argv: tuple[str, ...]
    cwd: str
    ends: list = field(default_factory=list)

    def tell(self, line):
        self.lines.write(f"{line}\n")
        self.lines.flush()

    def done(self):
        assert self.lines.readline() == "ok\n"


class Processes(RuleBasedStateMachine):
    """A small world of processes, all descendants of one, watched as the daemon watches them."""

    directory: Path
    source: BpfSource

    @initialize()
    def begin(self):
        self.path = str(self.directory / f"{next(NUMBERS)}.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.listener.settimeout(PATIENCE_S)
        argv = (sys.executable, str(PROGRAMS / "actor.py"), self.path)
        self.process = subprocess.Popen(argv, cwd="/")
        self.context, self.decoder = ProcContext(TABLE, root=self.process.pid), Decoder()
        self.source = BpfSource(
            TABLE, Scope(ScopeKind.PID, str(self.process.pid)), BpfConfig(latency=False, ring_pages=256)
        )
        self.source.install(replace(self.context.interest() | interest("getppid", along=Along.TASK), lifecycle=True))
        self.source.start()
        pid, lines = self.accept()
        self.context.seed()
        self.actors = [Actor(pid, lines, None, Path(sys.executable).name, argv, "/")]

    def teardown(self):
        if hasattr(self, "process"):
            for actor in self.actors:
                actor.lines.close()
            self.process.terminate()
            self.process.wait()
            self.listener.close()
            self.source.close()

    def accept(self):
        connection, _ = self.listener.accept()
        lines = connection.makefile("rw", encoding="utf-8")
        connection.close()
        return int(lines.readline()), lines

    def pick(self, number):
        return self.actors[number % len(self.actors)]

    @precondition(lambda self: len(self.actors) < ACTORS)
    @rule(number=st.integers(0, 99))
    def fork(self, number):
        parent = self.pick(number)
        parent.tell("fork")
        pid, lines = self.accept()
        parent.done()
        self.actors.append(Actor(pid, lines, parent, parent.comm, parent.argv, parent.cwd))

    @rule(number=st.integers(0, 99), word=WORDS, wrappers=st.integers(0, 6))
    def execute(self, number, word, wrappers):
        """By programs that execute the next one."""
        actor = self.pick(number)
        actor.tell(f"exec {wrappers} {word}")
        self.executed(actor, word)

    @rule(number=st.integers(0, 99), word=WORDS, directory=st.sampled_from(DIRECTORIES))
    def execute_in_a_thread(self, number, word, directory):
        actor = self.pick(number)
        actor.tell(f"thread {directory} {word}")
        self.executed(actor, word)
        actor.cwd = directory

    def executed(self, actor, word):
        pid, actor.lines = self.accept()
        assert pid == actor.pid
        actor.comm = Path(sys.executable).name
        actor.argv = (sys.executable, str(PROGRAMS / "actor.py"), self.path, word)

    @rule(number=st.integers(0, 99), name=st.from_regex(r"[a-zA-Z() /-]{1,15}", fullmatch=True))
    def take_a_name(self, number, name):
        actor = self.pick(number)
        actor.tell(f"name {name}")
        actor.done()
        actor.comm = name

    @rule(number=st.integers(0, 99), directory=st.sampled_from(DIRECTORIES))
    def move(self, number, directory):
        actor = self.pick(number)
        actor.tell(f"chdir {directory}")
        actor.done()
        actor.cwd = directory

    @rule(number=st.integers(0, 99))
    def lead_a_session(self, number):
        actor = self.pick(number)
        actor.tell("session")
        actor.done()

    @rule(number=st.integers(0, 99), user=st.integers(1, 60000))
    def be_another_user(self, number, user):
        actor, mark = self.pick(number), next(NUMBERS)
        actor.tell(f"user {user} {mark}")
        actor.done()
        event = self.event_of(mark)
        assert (actor.pid, user, user, 0) == (event.pid, event.uid, event.task.ruid, event.task.suid)

    @precondition(lambda self: len(self.actors) > 1)
    @rule(number=st.integers(0, 99))
    def end(self, number):
        """Any but the first, whose end would be that of the scope's root."""
        actor = self.actors.pop(1 + number % (len(self.actors) - 1))
        actor.tell("exit")
        actor.lines.close()

    @rule(number=st.integers(0, 99))
    def check(self, number):
        actor, mark = self.pick(number), next(NUMBERS)
        actor.tell(f"check {mark}")
        actor.done()
        event = self.event_of(mark)
        own = self.context.process(event)
        assert (actor.pid, actor.comm, actor.argv, actor.cwd) == (own.key.pid, own.comm, own.argv, own.cwd)
        assert (os.getsid(actor.pid), os.getpgid(actor.pid)) == (event.task.sid, event.task.pgid)
        generation, true = 1, actor.parent
        while true is not None:
            ancestor = self.context.ancestor(event, generation)
            assert not isinstance(ancestor, Missing)
            assert (true.pid, true.comm, true.argv) == (ancestor.key.pid, ancestor.comm, ancestor.argv)
            generation, true = generation + 1, true.parent

    def event_of(self, mark):
        """The call with a mark, when all that was before it has been observed."""
        for _ in range(500):
            batch = self.decoder.decode(self.source.drain(0.02))
            self.context.observe(batch)
            args = batch.records["args"]
            rows = ((args[:, 0] == MAGIC) & (args[:, 1] == mark)).nonzero()[0].tolist() if len(batch) else []
            if rows:
                return batch.event(rows[0])
        raise AssertionError("the call was not seen")


def test_the_table_agrees_with_the_processes(tmp_path):
    Processes.directory = tmp_path
    run_state_machine_as_test(
        Processes,
        settings=settings(
            max_examples=4, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
