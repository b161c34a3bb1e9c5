"""Captures and alert logs as they are read: every event, or one clear message."""

import json

import pytest

from monitord.model.problem import Problem
from monitord.recording.capture import CaptureError, event_at, read_events, split_place
from monitord.recording.record import to_object
from monitord.sinks.format import json_line
from tests.detect.pools import TABLE
from tests.support.alerts import make_alert
from tests.support.batches import batch_of, open_of
from tests.support.detect import FixedContext

EVENT = batch_of(open_of(b"/etc/shadow")).event(0)
LINE = json.dumps(to_object(EVENT, FixedContext(TABLE))).encode() + b"\n"
HEAD = b'{"capture": 1, "hostname": "box"}\n'
END = b'{"end": {"events": 1}}\n'


@pytest.fixture
def file(tmp_path):
    def write(*lines: bytes):
        path = tmp_path / "file.jsonl"
        path.write_bytes(b"".join(lines))
        return path

    return write


class TestReadEvents:
    def test_the_events_of_a_capture_with_their_lines(self, file):
        assert [(2, EVENT, None), (4, EVENT, None)] == [
            (one.line, one.event, one.rule) for one in read_events(file(HEAD, LINE, b"\n", LINE, END))
        ]

    def test_the_events_of_an_alert_log_with_their_rules(self, file):
        alert = make_alert()

        [one] = read_events(file(json_line(alert)))

        assert (alert.event, alert.context, "Read shadow") == (one.event, one.context, one.rule)

    def test_a_whole_capture_has_no_problem(self, file):
        problems: list[Problem] = []

        assert 1 == len(list(read_events(file(HEAD, LINE, END), problems)))
        assert [] == problems

    def test_a_capture_without_its_end_is_worth_a_warning(self, file):
        problems: list[Problem] = []

        assert 1 == len(list(read_events(file(HEAD, LINE), problems)))
        assert [("E007", True)] == [(problem.code, problem.warning) for problem in problems]

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            (
                (HEAD, LINE[:50]),
                ":2: E005 the file ends in the middle of this line; remove the line to use those before",
            ),
            (
                (HEAD, b"{x\n"),
                ":2: E003 this line is no JSON: Expecting property name enclosed in double quotes at col",
            ),
            ((b"\xff\xfe\n",), ":1: E003 this line is no JSON: it is not UTF-8, or too deep; captures and alert logs"),
            ((b"[" * 100_000 + b"\n",), ":1: E003 this line is no JSON: it is not UTF-8, or too deep"),
            ((b"[1]\n",), ":1: E003 expected an event or an alert, found a list; give a capture or an alert log"),
            ((b'{"capture": 2}\n',), ":1: E004 this capture is of form 2; this monitord reads form 1"),
            ((b'{"rule": "x"}\n',), ":1: E004 this alert carries no event: it is none of monitord's, or of an older"),
            ((b'{"pdi": 3}\n',), ":1: E004 this is no event: pdi: there is no key 'pdi'; did you mean 'pid'?"),
            ((b"{}\n",), ":1: E004 this is no event: the key 'cpu' is missing"),
        ],
    )
    def test_a_line_that_is_wrong(self, file, lines, message):
        path = file(*lines)

        with pytest.raises(CaptureError) as caught:
            list(read_events(path))

        assert f"{path}{message}" in str(caught.value)

    def test_a_file_that_is_not_there(self, tmp_path):
        with pytest.raises(CaptureError, match="E001 cannot read this file: No such file or directory; check its path"):
            list(read_events(tmp_path / "absent"))

    def test_a_directory(self, tmp_path):
        with pytest.raises(CaptureError, match="E001 cannot read this file: Is a directory"):
            list(read_events(tmp_path))


class TestEventAt:
    def test_a_line(self, file):
        assert EVENT == event_at(file(HEAD, LINE, END), 2).event

    def test_the_last_one_that_has_an_event(self, file):
        assert 3 == event_at(file(HEAD, LINE, LINE, END), None).line

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (1, ":1: E006 this line holds no event; give the number of one that does"),
            (3, ":3: E006 this line holds no event"),
            (9, "E006 there is no line 9; the file has 3. Give an alert log, or what 'monitord record' writes"),
            (0, "E006 there is no line 0"),
        ],
    )
    def test_a_line_without(self, file, line, message):
        with pytest.raises(CaptureError) as caught:
            event_at(file(HEAD, LINE, END), line)

        assert message in str(caught.value)

    def test_a_file_without(self, file):
        with pytest.raises(CaptureError, match="E006 there is no event in this file"):
            event_at(file(HEAD, END), None)


class TestSplitPlace:
    @pytest.mark.parametrize(
        ("text", "name", "line"), [("a.jsonl:12", "a.jsonl", 12), ("a.jsonl", "a.jsonl", None), ("a:x", "a:x", None)]
    )
    def test_file_and_line(self, text, name, line):
        path, number = split_place(text)

        assert (name, line) == (str(path), number)

    def test_a_file_whose_name_looks_like_one(self, tmp_path):
        odd = tmp_path / "log:3"
        odd.touch()

        assert (odd, None) == split_place(str(odd))
