"""What a start says of the run before."""

import json
import logging
import os
import subprocess
import sys
import textwrap
import threading

import pytest

from monitord.service.last_run import LastRun, note_path
from tests.support.daemon import until

TOTALS = "23 events admitted"


@pytest.fixture
def note(tmp_path):
    return tmp_path / "last_run.json"


@pytest.fixture
def told(caplog, note):
    """What a start of this run says."""

    def told(now_s: float) -> list[str]:
        caplog.clear()
        with caplog.at_level(logging.INFO):
            run = LastRun(note, lambda: TOTALS, lambda: now_s)
            run.start()
            run.stopped()
        return [f"{record.levelname} {record.message}" for record in caplog.records]

    return told


def left(note, **changes):
    note.write_text(json.dumps({"pid": 4001, "time_s": 1000.0, "stopped": False, "totals": TOTALS, **changes}))


def test_first_run_has_nothing_to_tell(told):
    assert [] == told(1000)


def test_a_run_that_ended_without_a_word_is_told_of(told, note):
    left(note)

    assert [
        "WARNING the last run (pid 4001) ended without stopping after 1970-01-01T00:16:40Z, when it had: "
        "23 events admitted. What came later and was not written is lost; not watched for 7.5 s or less"
    ] == told(1007.5)


def test_a_stop_is_told_of_too(told, note):
    told(1000)

    (line,) = told(1003)

    assert line.startswith("INFO the last run (pid ")
    assert line.endswith("stopped at 1970-01-01T00:16:40Z; not watched for 3.0 s")


@pytest.mark.parametrize("stopped", [True, False])
def test_a_clock_that_was_set_back_is_said_instead_of_a_time(told, note, stopped):
    left(note, stopped=stopped)

    assert told(900)[0].endswith("; how long nothing was watched is not known, as the clock was set back")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid":1,"time_s":"x","stopped":0,"totals":""}', "\0"])
def test_a_note_that_is_none_stops_nothing(told, note, text):
    note.write_text(text)

    (line,) = told(1000)

    assert "cannot tell how the last run ended" in line


def test_a_pipe_in_its_place_stops_nothing(told, note):
    os.mkfifo(note)

    (line,) = told(1000)

    assert line.endswith("it is a pipe, not a regular file")


def test_a_directory_that_takes_no_note_is_said_once_until_it_does(tmp_path, caplog):
    note, written = tmp_path / "state/note", []
    run = LastRun(note, lambda: written.append(1) or TOTALS, period_s=0.001)
    run.start()
    for _ in range(2):
        before = len(written)
        until(lambda before=before: len(written) > before + 5)
        note.parent.mkdir()
        until(note.exists)
        before = len(written)
        until(lambda before=before: len(written) > before + 1)
        note.parent.rename(tmp_path / f"gone {before}")
    before = len(written)
    until(lambda: len(written) > before + 5)
    run.stopped()

    assert 3 * [f"{note}: No such file or directory; the next start cannot tell how this run ended"] == caplog.messages


def test_a_disk_that_hangs_holds_up_no_stop(note):
    """A pipe that nobody reads blocks who opens it, as a dead server does that has the file."""
    run = LastRun(note, lambda: TOTALS, period_s=0.01)
    run.start()
    until(note.exists)
    os.mkfifo(note.with_suffix(".pipe"))
    note.with_suffix(".pipe").rename(note)
    stopping = threading.Thread(target=run.stopped, daemon=True)
    stopping.start()
    until(lambda: not stopping.is_alive())

    assert run._thread.is_alive(), "the disk hangs no more"
    with note.open("rb"):  # its end
        run._thread.join()


def test_note_is_renewed_while_the_run_lasts(note):
    times = iter(range(1000))
    run = LastRun(note, lambda: TOTALS, lambda: float(next(times)), period_s=0.01)
    run.start()
    until(lambda: note.exists() and (text := note.read_text()) and json.loads(text)["time_s"] >= 5)
    assert not json.loads(note.read_text())["stopped"]
    run.stopped()

    assert json.loads(note.read_text())["stopped"]


@pytest.fixture
def on_a_small_disk(tmp_path):
    """What a script says on a tmpfs of four pages, in a mount namespace of its own."""

    def on_a_small_disk(script: str) -> list[str]:
        prelude = f"""
            import logging, sys
            from pathlib import Path
            from monitord.service.last_run import LastRun
            logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
            disk = Path({str(tmp_path)!r})
            note = disk / "last_run.json"
            def fill():
                with contextlib.suppress(OSError), (disk / "filler").open("ab", 0) as filler:
                    while filler.write(bytes(4096)):
                        pass
                return "all"
            def start(totals=lambda: "all", pid=[4000]):
                pid[0] += 1
                os.getpid = lambda: pid[0]
                run = LastRun(note, totals, lambda: 1000.0)
                run.start()
                return run
        """
        text = "import contextlib, os\n" + textwrap.dedent(prelude) + textwrap.dedent(script)
        mount = f'mount -t tmpfs -o size=16k none {tmp_path} && exec {sys.executable} -c "$0"'
        done = subprocess.run(["unshare", "-m", "sh", "-c", mount, text], capture_output=True, text=True)
        assert "" == done.stderr
        return done.stdout.splitlines()

    return on_a_small_disk


def test_a_disk_that_fills_up_takes_the_last_note_all_the_same(on_a_small_disk):
    first, *more = on_a_small_disk("""
        run = start()
        while not note.exists() or not note.stat().st_size:
            pass
        fill()
        run.stopped()
        start().stopped()
    """)

    assert first.startswith("the last run (pid 4001) stopped at ")
    assert [] == more


def test_what_was_told_is_not_told_again_when_nothing_can_be_written(on_a_small_disk, tmp_path):
    told, failed, second, *_ = on_a_small_disk("""
        start().stopped()
        start(fill).stopped()
        start().stopped()
    """)

    assert told.startswith("the last run (pid 4001) stopped at ")
    assert f"{tmp_path}/last_run.json: No space left on device; the next start cannot tell how this run ended" == failed
    assert f"{tmp_path}/last_run.json: cannot tell how the last run ended: it could write no note" == second


@pytest.mark.parametrize(
    ("environ", "expected"),
    [({}, None), ({"STATE_DIRECTORY": "/var/lib/monitord"}, "/var/lib/monitord/last_run.json")],
    ids=["by hand", "as a service"],
)
def test_only_a_service_keeps_a_note(environ, expected):
    found = note_path(environ)

    assert expected == (found and str(found))
