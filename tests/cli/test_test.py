"""`monitord test` as people use it."""

import json
from xml.etree import ElementTree

import pytest

from monitord.cli.main import main
from monitord.recording.record import to_object
from tests.detect.pools import TABLE
from tests.support.batches import batch_of, open_of
from tests.support.detect import FixedContext

RULES = """
- rule: Secret opened
  desc: d
  condition: evt.type=openat and evt.failed=false and fd.name=/etc/shadow and not proc.name=login
  output: "%proc.name opened %fd.name"
  priority: WARNING
- rule: Anything in etc
  desc: d
  condition: evt.type=openat and evt.failed=false and fd.name startswith /etc/
  output: x
  priority: NOTICE
- rule: Many opens
  desc: d
  condition: evt.type=openat and evt.failed=true
  output: x
  priority: NOTICE
  correlation: {type: event_count, group-by: [proc.pid], timespan: 10s, condition: {gte: 3}}
"""
SHADOW = "{call: openat, args: {filename: /etc/shadow}, process: {name: cat}}"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "rules.yaml").write_text(RULES)

    def write(*tests: str, head: str = "rules: [rules.yaml]"):
        path = tmp_path / "tests.yaml"
        path.write_text(f"{head}\ntests:\n" + "".join(f"  - {test}\n" for test in tests))
        return path

    return write


@pytest.fixture
def test(capsys):
    def run(*words):
        code = main(["test", *map(str, words)])
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def capture(tmp_path):
    rows = [open_of(b"/etc/shadow", ts_ns=0), open_of(b"/etc/passwd", ts_ns=10**9)]
    rows += [open_of(b"/srv/x", ts_ns=n * 10**9) for n in range(2, 4)]
    events = [to_object(batch_of(row).event(0), FixedContext(TABLE)) for row in rows]
    path = tmp_path / "good.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in ({"capture": 1}, *events, {"end": {}})))
    return path


class TestTests:
    @pytest.mark.parametrize(
        "expected",
        [
            "expect: [Secret opened]",
            "expect: Secret opened",
            "expect: [{rule: Secret opened, count: 1, output: cat op, fields: {fd.filename: shadow, proc.pid: 1000}}]",
            "not: [Many opens]",
            "not: [Anything in etc]",  # the first rule takes it
        ],
    )
    def test_that_pass(self, files, test, expected):
        assert (0, "1 passed, 0 failed\n", "") == test(files(f"{{name: x, events: [{SHADOW}], {expected}}}"))

    def test_all_rules_that_match_may_alert(self, files, test):
        path = files(
            f"{{name: x, events: [{SHADOW}], expect: [Secret opened, Anything in etc]}}",
            head="rules: [rules.yaml]\nrule_matching: all",
        )

        assert 0 == test(path)[0]

    @pytest.mark.parametrize(
        ("body", "wrong"),
        [
            (
                f"events: [{SHADOW}], expect: [Anything in etc]",
                [
                    "expected an alert of 'Anything in etc', got none",
                    "  there was 'Secret opened': cat opened /etc/shadow",
                    "  its condition holds: another rule takes the event, or the kernel does not deliver it",
                ],
            ),
            (
                "events: [{call: openat, args: {path: /etc/shadow}, process: {name: login}}], expect: [Secret opened]",
                [
                    "expected an alert of 'Secret opened', got none",
                    "  there was 'Anything in etc': x",
                    "  true: proc.name = login   <- login",
                ],
            ),
            (
                f"events: [{SHADOW}], expect: [{{rule: Secret opened, output: nope, fields: {{proc.name: dog}}}}]",
                [
                    "expected an alert of 'Secret opened', got none",
                    "  output: expected a part 'nope', got 'cat opened /etc/shadow'",
                    "  proc.name: expected 'dog', got 'cat'",
                ],
            ),
            (
                f"events: [{SHADOW}, {SHADOW}], expect: [{{rule: Secret opened, count: 3}}]",
                ["expected 3 alerts of 'Secret opened', got 2"],
            ),
            (f"events: [{SHADOW}], expect: []", ["expected no alert, got 'Secret opened': cat opened /etc/shadow"]),
            (
                f"events: [{SHADOW}], not: [Secret opened]",
                ["expected none of 'Secret opened', got 'Secret opened': cat opened /etc/shadow"],
            ),
        ],
    )
    def test_that_fail_say_what_they_expected_and_got(self, files, test, body, wrong):
        path = files(f"{{name: some test, {body}}}")

        code, out, err = test(path)

        assert (1, "") == (code, err)
        lines = "".join(f"    {line}\n" for line in wrong)
        assert f"{path}:3: FAILED some test\n{lines}0 passed, 1 failed\n" == out

    def test_events_have_times(self, files, test):
        def opens(*times):
            return ", ".join(f"{{call: openat, args: {{filename: /x}}, ret: -ENOENT, at: {at}}}" for at in times)

        path = files(
            f"{{name: in time, events: [{opens('0s', '4s', '9.5s')}], expect: [Many opens]}}",
            f"{{name: too slow, events: [{opens('0s', '4s', '10.5s')}], not: [Many opens]}}",
        )

        assert (0, "2 passed, 0 failed\n", "") == test(path)

    def test_events_of_a_capture(self, files, test, capture):
        path = files("{name: x, capture: good.jsonl, expect: [Secret opened, {rule: Anything in etc, count: 1}]}")

        assert 0 == test(path)[0]

    def test_a_directory(self, files, test):
        path = files(f"{{name: x, events: [{SHADOW}], expect: [Secret opened]}}")
        (path.parent / "rules.yaml").rename(path.parent / "my.rules")
        path.write_text(path.read_text().replace("rules.yaml", "my.rules"))

        assert (0, "1 passed, 0 failed\n", "") == test(path.parent)

    def test_results_for_ci(self, files, test, tmp_path):
        path = files(
            f"{{name: good, events: [{SHADOW}], expect: [Secret opened]}}",
            f"{{name: bad, events: [{SHADOW}], expect: []}}",
        )

        assert 1 == test(path, "--junit", tmp_path / "x.xml")[0]
        suite = ElementTree.parse(tmp_path / "x.xml").getroot()
        assert ("2", "1") == (suite.get("tests"), suite.get("failures"))
        assert [("good", None), ("bad", "expected no alert, got 'Secret opened': cat opened /etc/shadow")] == [
            (case.get("name"), getattr(case.find("failure"), "text", None)) for case in suite
        ]


class TestMistakes:
    @pytest.mark.parametrize(
        ("item", "place", "message"),
        [
            ("{name: x, events: [], expect: []}", "", ""),
            ("{nmae: x, events: [], expect: []}", "3:6", "T002 a test has no 'nmae'; did you mean 'name'?"),
            ("{events: [], expect: []}", "3:5", "T002 a test needs a 'name'"),
            ("{name: x, expect: []}", "3:5", "T002 a test needs 'events', or a 'capture', and not both"),
            ("{name: x, events: []}", "3:5", "T002 say what is expected: 'expect: [RULE]'"),
            ("x", "3:5", "T001 a test is a map with name, events, capture, expect, not"),
            (
                "{name: x, events: [], expect: [Secert opened]}",
                "3:36",
                "T004 there is no rule 'Secert opened'; did",
            ),
            ("{name: x, events: [], not: [Secert opened]}", "3:33", "T004 there is no rule 'Secert opened'; did"),
            ("{name: x, events: [], expect: [{count: 1}]}", "3:36", "T002 an expected alert needs its 'rule'"),
            (
                "{name: x, events: [], expect: [{rule: Secret opened, count: 0}]}",
                "3:65",
                "T005 'count' is a number from 1; 'not: [RULE]' says",
            ),
            (
                "{name: x, events: [], expect: [{rule: Secret opened, fields: {fd.nam: x}}]}",
                "3:43",
                "T005 there is no field 'fd.nam'; did you mean 'fd.name'?",
            ),
            ("{name: x, events: [{call: nope}], expect: []}", "3:31", "T003 x86_64 has no call 'nope'"),
            ("{name: x, capture: absent.jsonl, expect: []}", "absent.jsonl", "E001 cannot read this file"),
        ],
    )
    def test_of_a_test(self, files, test, item, place, message):
        code, _, err = test(files(item))

        assert (2 if message else 0) == code
        assert f"{place}: {message}" in err or not message

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "T006 there is no test in this file"),
            ("rules: [rules.yaml]", "1:1: T006 there is no test here; write a list below 'tests:'"),
            ("tests: [{name: x, events: [], expect: []}]", "1:1: T002 say which rules are tested"),
            ("[]", "1:1: T001 a file of tests is a map with rules, rule_matching, tests"),
            ("rules: [absent.yaml]\ntests: [{name: x, events: [], expect: []}]", "absent.yaml: R001 cannot read"),
            ("rules: [rules.yaml]\nrule_matching: some\ntests: [{name: x, events: [], expect: []}]", "2:16: T005"),
            ("rules: [", "R002 this is not YAML"),
        ],
    )
    def test_of_a_file(self, files, test, text, message):
        path = files()
        path.write_text(text)

        code, _, err = test(path)

        assert 2 == code
        assert message in err

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ((), "give files or directories of tests, or a capture with --baseline"),
            (("x.yaml", "--baseline-limit", "1"), "--baseline-limit is for --baseline CAPTURE"),
            (("--baseline", "x.jsonl"), "say which rules are to judge the capture: --rules PATH"),
            (("absent.yaml",), "absent.yaml: R001 cannot read this file"),
        ],
    )
    def test_of_the_command_line(self, test, words, message):
        code, out, err = test(*words)

        assert (2, "") == (code, out)
        assert message in err

    def test_an_empty_directory(self, test, tmp_path):
        assert f"{tmp_path}: T006 there is no *.yaml or *.yml file here" in test(tmp_path)[2]


class TestBaseline:
    LINES = (
        "baseline: 4 events in 0.001 h, 2 alerts\n"
        "       1 Secret opened: 250.00 per 1000 events, 1200.0 per hour\n"
        "       1 Anything in etc: 250.00 per 1000 events, 1200.0 per hour\n"
    )

    def test_says_how_often_rules_alert(self, test, files, capture):
        files()

        assert (0, self.LINES, "") == test("--rules", capture.parent / "rules.yaml", "--baseline", capture)

    def test_fails_above_a_limit(self, test, files, capture):
        files()
        words = ("--rules", capture.parent / "rules.yaml", "--baseline", capture, "--baseline-limit")

        assert 0 == test(*words, "250")[0]
        code, out, _ = test(*words, "249")
        assert (1, True) == (
            code,
            out.endswith("FAILED 'Anything in etc' alerts more than 249 times per 1000 events\n"),
        )

    def test_takes_the_rules_of_the_tests(self, test, files, capture):
        path = files(f"{{name: x, events: [{SHADOW}], expect: [Secret opened]}}")

        assert "1 passed, 0 failed\n" + self.LINES == test(path, "--baseline", capture)[1]

    def test_a_capture_that_is_none(self, test, files, tmp_path):
        files()
        (tmp_path / "x.jsonl").write_text("{")

        code, _, err = test("--rules", tmp_path / "rules.yaml", "--baseline", tmp_path / "x.jsonl")

        assert (2, True) == (code, f"{tmp_path / 'x.jsonl'}:1: E005 the file ends in the middle of this line" in err)
