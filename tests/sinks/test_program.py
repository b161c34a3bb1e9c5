import contextlib
import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from monitord.config.outputs import Format, ProgramConfig
from monitord.sinks.program import Program
from monitord.stages import SinkError, UnreadError
from tests.support.alerts import make_alert
from tests.support.daemon import PATIENCE_S, until
from tests.support.descriptors import no_descriptors

COPY = "exec cat"

BEHIND_THE_GATE = 'while [ ! -e "${0%script}gate" ]; do sleep 0.01; done'
"""What is behind it is done when the gate is there, beside the script."""


@pytest.fixture
def program(tmp_path):
    """Starts a script as the program, its output in a file; ends it. A shell is there at once, where Python is not."""
    sinks = []

    def program(script: str, **config) -> Program:
        (tmp_path / "script").write_text(script)
        shell = f"exec sh {tmp_path}/script >>{tmp_path}/out"
        sinks.append(Program(ProgramConfig(("/bin/sh", "-c", shell), **config)))
        return sinks[-1]

    yield program
    for sink in sinks:
        with contextlib.suppress(UnreadError):
            sink.close()


@pytest.fixture
def out(tmp_path):
    """The lines that the programs have written so far."""

    def out() -> list[str]:
        written = tmp_path / "out"
        return written.read_text().splitlines() if written.exists() else []

    return out


@pytest.fixture
def rules(out):
    return lambda: [json.loads(line)["rule"] for line in out()]


def trouble_of(sink: Program, **alert) -> str | None:
    """Write an alert, and say what was wrong."""
    try:
        sink.write(make_alert(**alert))
    except SinkError as err:
        return str(err)
    return None


def written_at_last(sink: Program, **alert) -> None:
    """Write an alert, however often it takes."""
    until(lambda: trouble_of(sink, **alert) is None)


def group_exists(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


class TestWriting:
    def test_a_line_per_alert_in_order(self, program, rules):
        sink = program(COPY)
        for number in range(500):
            sink.write(make_alert(rule=str(number)))
        sink.close()

        assert [str(number) for number in range(500)] == rules()

    def test_ocsf(self, program, tmp_path):
        sink = program(COPY, format=Format.OCSF)
        sink.write(make_alert())
        sink.close()

        assert 2004 == json.loads((tmp_path / "out").read_text())["class_uid"]

    def test_no_shell_reads_the_command(self, tmp_path):
        sink = Program(ProgramConfig(("/usr/bin/tee", f"{tmp_path}/$HOME;")))
        sink.write(make_alert())
        sink.close()

        assert ["$HOME;"] == [path.name for path in tmp_path.iterdir()]


class TestTrouble:
    def test_a_program_that_is_not_there_is_named(self):
        with pytest.raises(
            SinkError, match=r"^cannot start /no/such: No such file or directory; change outputs\.program"
        ):
            Program(ProgramConfig(("/no/such",)))

    def test_one_that_ends_is_started_anew_and_gets_what_it_left(self, program, rules, tmp_path):
        """It takes two lines, byte by byte, and ends with the others in the pipe."""
        sink = program(f"{BEHIND_THE_GATE}\n" + 2 * "read -r line; printf '%s\\n' \"$line\"\n")
        for rule in "abcde":
            sink.write(make_alert(rule=rule))
        (tmp_path / "gate").touch()
        until(lambda: ["a", "b"] == rules() and sink._child.poll() is not None)
        (tmp_path / "script").write_text(COPY)
        written_at_last(sink, rule="f")
        sink.close()

        assert list("abcdef") == rules()

    def test_one_that_ends_at_once_is_started_ever_more_seldom(self, program, out):
        begin_s = time.monotonic()
        sink = program("echo started")

        def started(times: int) -> bool:
            trouble_of(sink)
            return len(out()) >= times

        until(lambda: started(5))
        assert 0.1 + 0.2 + 0.4 <= time.monotonic() - begin_s

    def test_how_it_ended_is_said(self, program):
        sink = program("exit 7")
        troubles = []

        def again() -> bool:
            troubles.append(trouble_of(sink))
            return troubles[-1] is not None

        until(again)
        said = r"/bin/sh has ended with exit code 7( and left \d alerts? unread)?; it is started anew"
        assert re.fullmatch(said, troubles[-1])

    def test_one_that_does_not_read_is_killed_and_another_gets_all_of_it(self, program, rules, tmp_path):
        sink = program("exec sleep 600", timeout_s=1)
        first = sink._child.pid
        sent = 0
        while not (trouble := trouble_of(sink, rule=str(sent), output="x" * 1000)):
            sent += 1
        (tmp_path / "script").write_text(COPY)
        written_at_last(sink, rule=str(sent))
        sink.close()

        assert "/bin/sh has not read for 1 s; it is started anew" == trouble
        assert not Path(f"/proc/{first}").exists()
        assert sent > 30
        assert [str(number) for number in range(sent + 1)] == rules()

    def test_so_is_one_that_does_not_read_the_one_alert_there_is(self, program, rules, tmp_path):
        sink = program("exec sleep 600", timeout_s=1)
        sink.write(make_alert(rule="a"))
        troubles = []

        def told() -> bool:
            try:
                sink.resume()
            except SinkError as err:
                troubles.append(str(err))
            return bool(troubles)

        until(told)
        (tmp_path / "script").write_text(COPY)
        written_at_last(sink, rule="b")
        sink.close()

        assert ["/bin/sh has not read for 1 s; it is started anew"] == troubles
        assert ["a", "b"] == rules()

    def test_one_that_was_idle_for_longer_is_not(self, program, rules):
        sink = program('while read -r line; do printf "%s\\n" "$line"; done', timeout_s=1)
        sink.write(make_alert(rule="a"))
        until(lambda: not sink.unread())
        time.sleep(1.2)
        sink.write(make_alert(rule="b"))
        sink.resume()
        until(lambda: not sink.unread())
        sink.close()

        assert ["a", "b"] == rules()

    def test_what_it_had_read_before_is_not_written_again(self, program, out, rules, tmp_path):
        """A line that is in the pipe in part is behind all others: it was taken for one of them."""
        sink = program(
            "for line in 1 2 3; do read -r line; printf '%s\\n' \"$line\"; done; exec sleep 600", timeout_s=1
        )
        for rule in "abc":
            sink.write(make_alert(rule=rule))
        until(lambda: len(out()) == 3)
        assert "/bin/sh has not read for 1 s; it is started anew" == trouble_of(sink, rule="d", output="x" * 100_000)
        (tmp_path / "script").write_text(COPY)
        written_at_last(sink, rule="d")
        sink.close()

        assert list("abcd") == rules()

    def test_so_is_what_it_has_started(self, program, tmp_path):
        """Each that stayed would be one task less for the daemon, whose TasksMax they share."""
        sink = program("sleep 600 & exec sleep 600", timeout_s=1)
        group = sink._child.pid
        until(lambda: len(Path(f"/proc/{group}/task/{group}/children").read_text().split()) == 1)
        while not trouble_of(sink, output="x" * 1000):
            pass

        until(lambda: not group_exists(group))

    def test_one_that_closes_its_input_is_started_anew(self, program, rules, tmp_path):
        sink = program("exec sleep 600 <&-")
        until(lambda: not Path(f"/proc/{sink._child.pid}/fd/0").exists())
        (tmp_path / "script").write_text(COPY)
        with pytest.raises(SinkError, match="has ended by signal 9"):
            sink.write(make_alert(rule="a"))
        written_at_last(sink, rule="a")
        until(rules)  # a close waits for a second, which a shell can take to begin
        sink.close()

        assert ["a"] == rules()


class TestEnd:
    def test_it_gets_the_end_of_its_input_and_is_waited_for(self, program, out):
        sink = program("cat; echo done")
        sink.close()

        assert ["done"] == out()

    def test_one_that_does_not_end_is_killed(self, program, out):
        sink = program(f"trap '' TERM; echo begun; exec sleep {PATIENCE_S:g}")
        child = sink._child
        until(out)
        sink.close()

        assert -signal.SIGKILL == child.returncode

    def test_what_it_has_not_read_when_it_ends_is_counted(self, program, out, tmp_path):
        """Byte by byte it takes two lines of five."""
        sink = program(f"{BEHIND_THE_GATE}; read -r line; read -r line; echo done")
        for rule in "abcde":
            sink.write(make_alert(rule=rule))
        (tmp_path / "gate").touch()
        until(out)

        with pytest.raises(
            UnreadError, match=r"^/bin/sh has ended with exit code 0 and left 3 alerts unread$"
        ) as raised:
            sink.close()
        assert 3 == raised.value.alerts

    def test_what_it_reads_once_its_input_has_ended_is_not_lost(self, program, rules, tmp_path):
        waits = (
            "import os, select\n"
            f"open({str(tmp_path / 'begun')!r}, 'w').close()\n"
            "poll = select.poll(); poll.register(0, 0)  # for POLLHUP, which comes unasked\n"
            "poll.poll(); os.execvp('cat', ['cat'])\n"
        )
        (tmp_path / "waits.py").write_text(waits)
        sink = program(f"exec {sys.executable} {tmp_path}/waits.py")
        until((tmp_path / "begun").exists)
        for rule in "abcde":
            sink.write(make_alert(rule=rule))
        sink.close()

        assert list("abcde") == rules()

    def test_one_that_reads_nothing_has_lost_all(self, program, out):
        sink = program("echo begun; exec sleep 600")
        until(out)
        for rule in "abc":
            sink.write(make_alert(rule=rule))

        with pytest.raises(UnreadError, match=r"has ended by signal 15 and left 3 alerts unread$"):
            sink.close()

    def test_without_descriptors_it_is_ended_all_the_same(self, program):
        sink = program(COPY)
        pid = sink._child.pid
        with no_descriptors():
            sink.close()

        assert not Path(f"/proc/{pid}").exists()

    def test_none_is_left_as_a_zombie(self, program):
        sink = program("read -r line")
        pids = set()
        for _ in range(3):
            written_at_last(sink)
            pids.add(sink._child.pid)
            until(lambda: sink._child.poll() is not None)
        with contextlib.suppress(UnreadError):
            sink.close()

        assert 3 == len(pids)
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
