import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from monitord.config.outputs import Format, ProgramConfig
from monitord.sinks.program import Program
from monitord.stages import SinkError, UnreadError
from tests.support.alerts import make_alert
from tests.support.descriptors import no_descriptors

COPY = "import sys; [sys.stdout.buffer.write(line) and sys.stdout.flush() for line in sys.stdin.buffer]"


@pytest.fixture
def program(tmp_path):
    """Starts Python code as the program, its output in a file; ends it."""
    sinks = []

    def program(code: str, **config) -> Program:
        (tmp_path / "code.py").write_text(code)
        shell = f"exec {sys.executable} {tmp_path}/code.py >>{tmp_path}/out"
        sinks.append(Program(ProgramConfig(("/bin/sh", "-c", shell), **config)))
        return sinks[-1]

    yield program
    for sink in sinks:
        with contextlib.suppress(UnreadError):
            sink.close()


@pytest.fixture
def rules(tmp_path):
    def rules() -> list[str]:
        out = tmp_path / "out"
        return [json.loads(line)["rule"] for line in out.read_text().splitlines()] if out.exists() else []

    return rules


def until(condition, timeout_s: float = 10) -> None:
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.01)


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


def troubles_of_a_second(sink: Program) -> list[str]:
    """Write all the time, and say what was wrong."""
    troubles = []
    end_s = time.monotonic() + 1
    while time.monotonic() < end_s:
        if trouble := trouble_of(sink):
            troubles.append(trouble)
        time.sleep(0.01)
    return troubles


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
        sink = program(
            "import os\n"
            "for _ in range(2):\n"
            "    line = b''\n"
            "    while not line.endswith(b'\\n'): line += os.read(0, 1)\n"
            "    os.write(1, line)\n"
        )
        for rule in "abcde":
            sink.write(make_alert(rule=rule))
        until(lambda: ["a", "b"] == rules() and sink._child.poll() is not None)
        (tmp_path / "code.py").write_text(COPY)
        written_at_last(sink, rule="f")
        sink.close()

        assert list("abcdef") == rules()

    def test_one_that_ends_at_once_is_not_started_all_the_time(self, program, tmp_path):
        sink = program("print('started')")
        troubles_of_a_second(sink)

        assert 2 <= len((tmp_path / "out").read_text().splitlines()) <= 5

    def test_how_it_ended_is_said(self, program):
        sink = program("raise SystemExit(7)")

        assert {"/bin/sh has ended with exit code 7; it is started anew"} == set(troubles_of_a_second(sink))

    def test_one_that_does_not_read_is_killed_and_another_gets_all_of_it(self, program, rules, tmp_path):
        sink = program("import time; time.sleep(600)", timeout_s=1)
        first = sink._child.pid
        sent = 0
        while not (trouble := trouble_of(sink, rule=str(sent), output="x" * 1000)):
            sent += 1
        (tmp_path / "code.py").write_text(COPY)
        written_at_last(sink, rule=str(sent))
        sink.close()

        assert "/bin/sh has not read for 1 s; it is started anew" == trouble
        assert not Path(f"/proc/{first}").exists()
        assert sent > 30
        assert [str(number) for number in range(sent + 1)] == rules()

    def test_so_is_what_it_has_started(self, program, tmp_path):
        """Each that stayed would be one task less for the daemon, whose TasksMax they share."""
        sink = program("import os, time; os.fork(); time.sleep(600)", timeout_s=1)
        group = sink._child.pid
        until(lambda: len(Path(f"/proc/{group}/task/{group}/children").read_text().split()) == 1)
        while not trouble_of(sink, output="x" * 1000):
            pass

        until(lambda: not group_exists(group))

    def test_one_that_closes_its_input_is_started_anew(self, program, rules, tmp_path):
        sink = program("import os, time; os.close(0); time.sleep(600)")
        until(lambda: not Path(f"/proc/{sink._child.pid}/fd/0").exists())
        (tmp_path / "code.py").write_text(COPY)
        with pytest.raises(SinkError, match="has ended by signal 9"):
            sink.write(make_alert(rule="a"))
        written_at_last(sink, rule="a")
        sink.close()

        assert ["a"] == rules()


class TestEnd:
    def test_it_gets_the_end_of_its_input_and_is_waited_for(self, program, tmp_path):
        sink = program(COPY + "\nprint('done')")
        sink.close()

        assert "done\n" == (tmp_path / "out").read_text()

    def test_one_that_does_not_end_is_killed(self, program):
        sink = program("import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(600)")
        pid = sink._child.pid
        begin_s = time.monotonic()
        sink.close()

        assert not Path(f"/proc/{pid}").exists()
        assert time.monotonic() - begin_s < 4

    def test_what_it_has_not_read_when_it_ends_is_counted(self, program, tmp_path):
        """Byte by byte it takes two lines of five."""
        sink = program(
            "import os\nfor _ in range(2):\n    while os.read(0, 1) != b'\\n': pass\nprint('done', flush=True)\n"
        )
        for rule in "abcde":
            sink.write(make_alert(rule=rule))
        until(lambda: (tmp_path / "out").exists() and (tmp_path / "out").read_text() == "done\n")

        with pytest.raises(
            UnreadError, match=r"^/bin/sh has ended with exit code 0 and left 3 alerts unread$"
        ) as raised:
            sink.close()
        assert 3 == raised.value.alerts

    def test_what_it_reads_once_its_input_has_ended_is_not_lost(self, program, rules):
        sink = program("import time; time.sleep(0.3)\n" + COPY)
        for rule in "abcde":
            sink.write(make_alert(rule=rule))
        sink.close()

        assert list("abcde") == rules()

    def test_one_that_reads_nothing_has_lost_all(self, program, tmp_path):
        sink = program("import time; print(1, flush=True); time.sleep(600)")
        until(lambda: (tmp_path / "out").exists() and (tmp_path / "out").read_text())
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
        def zombies():
            states = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "stat="], capture_output=True)
            return states.stdout.count(b"Z")

        before = zombies()
        sink = program("pass")
        for _ in range(3):
            written_at_last(sink)
        with contextlib.suppress(UnreadError):
            sink.close()

        assert zombies() <= before
