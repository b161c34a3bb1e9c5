"""What a start says of the run before."""

import json
import logging
import os
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


def test_a_clock_that_was_set_back_makes_no_negative_time(told, note):
    left(note)

    assert "not watched for 0.0 s" in told(900)[0]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid":1,"time_s":"x","stopped":0,"totals":""}', "\0"])
def test_a_note_that_is_none_stops_nothing(told, note, text):
    note.write_text(text)

    (line,) = told(1000)

    assert "cannot tell how the last run ended" in line


def test_a_pipe_in_its_place_stops_nothing(told, note):
    os.mkfifo(note)

    (line,) = told(1000)

    assert line.endswith("it is a pipe, not a regular file")


def test_a_directory_that_takes_no_note_stops_nothing(tmp_path, caplog):
    run = LastRun(tmp_path / "absent" / "note", lambda: TOTALS)
    with caplog.at_level(logging.DEBUG):
        run.start()
        run.stopped()

    assert "No such file or directory" in caplog.messages[-1]


def test_a_disk_that_hangs_holds_up_no_stop(note):
    """A pipe that nobody reads blocks who opens it, as a dead server does that has the file."""
    os.mkfifo(note.with_suffix(".new"))
    run = LastRun(note, lambda: TOTALS)
    run.start()
    stopping = threading.Thread(target=run.stopped, daemon=True)
    stopping.start()
    until(lambda: not stopping.is_alive())

    assert run._thread.is_alive(), "the disk hangs no more"
    with note.with_suffix(".new").open("rb"):  # its end
        run._thread.join()


def test_note_is_renewed_while_the_run_lasts(note):
    times = iter(range(1000))
    run = LastRun(note, lambda: TOTALS, lambda: float(next(times)), period_s=0.01)
    run.start()
    while not note.exists() or json.loads(note.read_text())["time_s"] < 5:
        pass
    assert not json.loads(note.read_text())["stopped"]
    run.stopped()

    assert json.loads(note.read_text())["stopped"]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [({}, None), ({"STATE_DIRECTORY": "/var/lib/monitord"}, "/var/lib/monitord/last_run.json")],
    ids=["by hand", "as a service"],
)
def test_only_a_service_keeps_a_note(environ, expected):
    found = note_path(environ)

    assert expected == (found and str(found))
