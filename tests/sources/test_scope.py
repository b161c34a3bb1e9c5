"""Each scope holds what it names and nothing else; the daemon itself is never in it."""

import os
import subprocess
import uuid
from pathlib import Path

import pytest

from monitord.abi.arch import Abi
from monitord.config.schema import Scope, ScopeKind
from monitord.sources.bpf.scope import ScopeError, cgroup2_mount
from tests.support.live import TABLE, Gated, compiled, scope_of, sleeps_in, watching

pytestmark = pytest.mark.bpf

GETPPID = (Abi.X86_64, TABLE.named(Abi.X86_64, "getppid").nr)
NOBODYS_UID = 61234


def getppids(source) -> int:
    count = source.counts().get(GETPPID)
    return count.calls if count else 0


def flood(turns: int, **popen) -> None:
    """getppid, in a process that nobody asked to watch."""
    subprocess.run([compiled("flood"), "getppid", str(turns)], check=True, stdout=subprocess.DEVNULL, **popen)


@pytest.fixture
def cgroup():
    directory = cgroup2_mount() / f"monitord-test-{uuid.uuid4().hex}"
    directory.mkdir()
    (directory / "below").mkdir()
    yield directory
    for left in (*directory.iterdir(), directory):
        if left.is_dir():
            left.rmdir()


def into(directory: Path):
    """A preexec_fn that moves the child into a cgroup."""
    return lambda: (directory / "cgroup.procs").write_text(str(os.getpid()))


def removing(directory: Path):
    """An os.open behind which this directory, once open, is gone."""
    really = os.open

    def opened(path, *args, **kwargs):
        fd = really(path, *args, **kwargs)
        if path == directory:
            directory.rmdir()
        return fd

    return opened


class TestPid:
    def test_a_process_and_its_descendants_are_watched(self):
        gated = Gated(
            ["/bin/sh", "-c", f"{compiled('flood')} getppid 101; sh -c '{compiled('flood')} getppid 1009; :'; :"]
        )
        with watching(scope_of(gated)) as source:
            gated.run()

            assert 101 + 1009 + 2 == getppids(source)  # each dash makes one of its own

    def test_others_are_not(self):
        gated = Gated([compiled("flood"), "getppid", "11"])
        with watching(scope_of(gated)) as source:
            flood(100)
            gated.run()

            assert 11 == getppids(source)

    def test_children_that_were_there_before_are_watched(self):
        gated = Gated(["/bin/sh", "-c", f"read x; {compiled('flood')} getppid 13"], stdin=subprocess.PIPE)
        gated.open()
        parent = Gated(["/bin/true"])
        script = f"(read x; {compiled('flood')} getppid 17) & wait"
        shell = subprocess.Popen(
            ["/bin/bash", "-c", script.replace("(read x", "exec 4<&0; (read x <&4")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        while not Path(f"/proc/{shell.pid}/task/{shell.pid}/children").read_text().split():
            assert shell.poll() is None
        with watching(Scope(ScopeKind.PID, str(shell.pid))) as source:
            shell.communicate(b"\n")
            gated.process.communicate(b"\n")

            assert 17 == getppids(source)
        parent.run()

    def test_a_process_that_is_not_there_is_a_mistake(self):
        with pytest.raises(ScopeError, match="no process 4194305"), watching(Scope(ScopeKind.PID, "4194305")):
            pass


class TestCgroup:
    @pytest.mark.parametrize("part", ["", "below"], ids=["itself", "one below it"])
    def test_a_cgroup_is_watched(self, cgroup, part):
        with watching(Scope(ScopeKind.CGROUP, str(cgroup))) as source:
            flood(100)
            flood(103, preexec_fn=into(cgroup / part))

            assert 103 == getppids(source)

    def test_it_can_be_named_by_its_path_in_the_hierarchy(self, cgroup):
        with watching(Scope(ScopeKind.CGROUP, f"/{cgroup.name}")) as source:
            flood(7, preexec_fn=into(cgroup))

            assert 7 == getppids(source)

    def test_one_above_is_not(self, cgroup):
        with watching(Scope(ScopeKind.CGROUP, str(cgroup / "below"))) as source:
            flood(7, preexec_fn=into(cgroup))

            assert 0 == getppids(source)

    def test_a_cgroup_that_is_not_there_is_a_mistake(self):
        with pytest.raises(ScopeError, match="no cgroup v2 /no/such"), watching(Scope(ScopeKind.CGROUP, "/no/such")):
            pass


def look_again(source):
    """Which cgroup a unit has, and which CPUs are there: at once, not within a second."""
    source._housekeeping_due_s = 0.0
    source.drain(0)


class TestUnit:
    def test_a_unit_is_watched_and_found_again_after_a_restart(self, cgroup):
        """A unit's cgroup is removed when it stops, and a new one, with another id, is made when it starts."""
        unit = cgroup / f"{cgroup.name}.service"
        unit.mkdir()
        with watching(Scope(ScopeKind.UNIT, cgroup.name)) as source:
            flood(5, preexec_fn=into(unit))
            unit.rmdir()
            unit.mkdir()
            look_again(source)
            flood(6, preexec_fn=into(unit))
            unit.rmdir()

            assert 11 == getppids(source)

    def test_a_unit_that_does_not_run_yet_is_watched_from_its_start_on(self, cgroup, caplog):
        """A service that starts early is there before most units are."""
        unit = cgroup / f"{cgroup.name}-late.service"
        with watching(Scope(ScopeKind.UNIT, unit.name)) as source:
            flood(5)
            unit.mkdir()
            look_again(source)
            flood(6, preexec_fn=into(unit))
            unit.rmdir()

            assert 6 == getppids(source)
        assert caplog.messages[0].startswith(f"unit {unit.name} has no cgroup below ")

    def test_a_unit_that_stops_the_moment_it_was_found_is_waited_for(self, cgroup, monkeypatch):
        unit = cgroup / f"{cgroup.name}-short.service"
        with watching(Scope(ScopeKind.UNIT, unit.name)) as source:
            unit.mkdir()
            with monkeypatch.context() as patch:
                patch.setattr(os, "open", removing(unit))
                look_again(source)
            unit.mkdir()
            look_again(source)
            flood(6, preexec_fn=into(unit))
            unit.rmdir()

            assert 6 == getppids(source)


class TestUid:
    def test_a_users_processes_are_watched(self):
        with watching(Scope(ScopeKind.UID, str(NOBODYS_UID))) as source:
            flood(100)
            flood(107, user=NOBODYS_UID)

            assert 107 == getppids(source)


class TestPidNamespace:
    def test_a_namespace_is_watched_with_those_in_it(self):
        """A process of a nested namespace is in the outer one, too."""
        script = f"{compiled('flood')} getppid 11; unshare --pid --fork {compiled('flood')} getppid 13"
        gate = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--kill-child", "/bin/sh", "-c", f"read x; {script}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        children = Path(f"/proc/{gate.pid}/task/{gate.pid}/children")
        while not children.read_text().split():
            assert gate.poll() is None
        (first,) = map(int, children.read_text().split())
        sleeps_in(gate, first, "read", "0x0")  # the shell has started, and made the calls of its start
        inside = Path(f"/proc/{first}/ns/pid").readlink()
        number = str(inside).split("[")[1].rstrip("]")
        with watching(Scope(ScopeKind.PIDNS, number)) as source:
            flood(100)
            gate.communicate(b"\n")

            assert 24 == getppids(source)


def test_the_daemon_does_not_watch_itself():
    with watching(Scope(ScopeKind.PID, str(os.getpid()))) as source:
        for _ in range(101):
            os.getppid()
        flood(13)

        assert 13 == getppids(source)
