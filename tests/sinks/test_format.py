import json
import os
import time

import pytest

from monitord.model.alert import Tally
from monitord.model.priority import Priority
from monitord.model.value import Missing
from monitord.recording.record import to_object
from monitord.sinks.format import console_line, iso_time, json_line
from tests.support.alerts import make_alert

NOT_UTF8 = b"/tmp/\xff\xc3\xa9".decode("utf-8", "surrogateescape")


class TestJsonLine:
    def test_keys_are_falcos_in_falcos_order_and_then_ours(self):
        falcos = ["time", "rule", "priority", "source", "hostname", "output", "tags", "output_fields"]
        ours = ["pid", "tid", "abi", "nr", "lost_before", "event"]

        assert falcos + ours == list(json.loads(json_line(make_alert())))

    def test_values(self):
        assert {
            "time": "2026-02-03T04:05:06.000000007Z",
            "rule": "Read shadow",
            "priority": "Warning",
            "source": "syscall",
            "hostname": "box",
            "output": "shadow was read (proc.name=cat)",
            "tags": ["T1003.008", "files"],
            "output_fields": {"proc.name": "cat", "evt.time": 1770091506_000000007},
            "pid": 4001,
            "tid": 4003,
            "abi": "i386",
            "nr": 295,
            "lost_before": 13,
            "event": to_object(make_alert().event, make_alert().context),
        } == json.loads(json_line(make_alert()))

    def test_an_alert_of_several_events_says_how_many_and_when(self):
        tally = Tally(7, 1770091506_000000000, 1770091507_000000001, ("a", NOT_UTF8))

        assert {
            "count": 7,
            "first": "2026-02-03T04:05:06.000000000Z",
            "last": "2026-02-03T04:05:07.000000001Z",
            "values": ["a", "/tmp/\\xffé"],
        } == json.loads(json_line(make_alert(tally=tally)))["tally"]

    def test_evt_time_is_a_number_also_where_the_output_shows_it(self):
        line = json_line(make_alert(fields={"evt.time": "04:05:06.000000007"}))

        assert 1770091506_000000007 == json.loads(line)["output_fields"]["evt.time"]

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("text", "text"),
            ((1 << 64) - 1, 18446744073709551615),
            (True, True),
            (("a", NOT_UTF8), ["a", "/tmp/\\xffé"]),
            (Missing.FAULT, None),
            (NOT_UTF8, "/tmp/\\xffé"),
            ("never a byte \ud800", "never a byte \ufffd"),
        ],
    )
    def test_field_values(self, value, expected):
        line = json_line(make_alert(fields={"x": value}))

        assert expected == json.loads(line)["output_fields"]["x"]

    @pytest.mark.parametrize("key", ["rule", "source", "hostname", "output"])
    def test_text_is_valid_utf8(self, key):
        assert "/tmp/\\xffé" == json.loads(json_line(make_alert(**{key: NOT_UTF8})).decode())[key]

    def test_tags_are_valid_utf8(self):
        assert ["/tmp/\\xffé"] == json.loads(json_line(make_alert(tags=(NOT_UTF8,))).decode())["tags"]

    def test_it_is_one_line(self):
        line = json_line(make_alert(output="a\nb\r\u2028c\u0085d"))

        assert [line.decode()] == line.decode().splitlines(keepends=True)

    def test_control_characters_come_back(self):
        text = "".join(map(chr, range(0xA0))) + "\u202e\u2066"

        assert text == json.loads(json_line(make_alert(output=text)))["output"]

    def test_nothing_in_it_drives_a_terminal(self):
        text = "\x1b[2J\x9b2J\x7f\u202e"

        assert b"\\u001b[2J\\u009b2J\\u007f\\u202e" in json_line(make_alert(output=text))


class TestConsoleLine:
    @pytest.fixture(autouse=True)
    def _utc_plus_2(self, monkeypatch):
        monkeypatch.setenv("TZ", "XXX-2")
        time.tzset()
        yield
        monkeypatch.undo()
        time.tzset()

    def test_it_is_falcos_in_local_time(self):
        assert "06:05:06.000000007: Warning shadow was read (proc.name=cat)" == console_line(make_alert())

    def test_control_characters_are_escaped_as_in_json(self):
        assert "Error a\\tb\\nc\\u001b[2J\\u009b" in console_line(
            make_alert(priority=Priority.ERROR, output="a\tb\nc\x1b[2J\x9b")
        )

    def test_bytes_that_are_not_utf8_are_shown(self):
        assert console_line(make_alert(output=NOT_UTF8)).endswith("Warning /tmp/\\xffé")


def test_every_file_name_makes_valid_json():
    for byte in range(1, 256):
        name = os.fsdecode(bytes([byte]))
        assert json.loads(json_line(make_alert(output=name)).decode())["output"]


def test_iso_time_before_the_epoch():
    assert "1969-12-31T23:59:59.999999999Z" == iso_time(-1)
