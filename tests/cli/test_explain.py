"""`monitord explain` as people use it."""

import json

import pytest

from monitord.cli.main import main
from monitord.recording.record import to_object
from monitord.sinks.format import json_line
from tests.detect.pools import TABLE
from tests.support.alerts import make_alert
from tests.support.batches import batch_of, open_of
from tests.support.detect import FixedContext

RULES = """
- list: secrets
  items: [/etc/shadow, /etc/gshadow]
- macro: opened
  condition: evt.type in (open, openat) and evt.failed=false
- rule: Secret opened
  desc: Somebody looks.
  condition: opened and fd.name in (secrets) and not proc.aname=apt
  output: x
  priority: WARNING
- rule: Anything in etc
  desc: Broad.
  condition: opened and fd.name startswith /etc/
  output: x
  priority: NOTICE
- rule: Any secret number
  desc: Off.
  condition: evt.type=getppid
  output: x
  priority: NOTICE
  enabled: false
"""


@pytest.fixture
def explain(tmp_path, capsys):
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["explain", *words, "--rules", str(rules)])
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def capture(tmp_path):
    rows = (open_of(b"/etc/shadow"), open_of(b"/etc/passwd"), open_of(b"/etc/shadow", ret=-13))
    events = [to_object(batch_of(row).event(0), FixedContext(TABLE)) for row in rows]
    path = tmp_path / "capture.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in ({"capture": 1}, *events, {"end": {}})))
    return path


class TestARule:
    def test_shows_its_condition_and_where_each_part_is_judged(self, explain):
        assert explain("Secret opened") == (
            0,
            """\
Secret opened (Warning)
  Somebody looks.

Condition, lists and macros put in
  and
    evt.type in (open, openat)
    evt.failed = false
    fd.name in (/etc/shadow, /etc/gshadow)
    not
      proc.aname = apt

In the kernel: the events that are delivered at all
  open, openat: success; path in (/etc/gshadow, /etc/shadow)

In the daemon, on columns
  the call alone decides
    evt.type in (open, openat)
  once per distinct value
    evt.failed = false

The rest, for events that the columns leave possible
  once per distinct value where that decides, else per event
    fd.name in (/etc/shadow, /etc/gshadow)
  per event
    proc.aname = apt
""",
            "",
        )

    def test_a_disabled_one_says_so(self, explain):
        assert "Any secret number (Notice, disabled)\n" in explain("any SECRET")[1]

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            (
                "secret",
                "several rules have 'secret' in their names: 'Secret opened', 'Any secret number'; give more of",
            ),
            ("Secert opend", "there is no rule 'Secert opend'; the nearest are 'Secret opened'"),
        ],
    )
    def test_a_name_that_means_none_or_several(self, explain, name, message):
        code, out, err = explain(name)

        assert (2, "") == (code, out)
        assert f"monitord explain: {message}" in err

    def test_nothing_to_explain(self, explain):
        code, _, err = explain()

        assert (2, True) == (code, err.startswith("monitord explain: name a rule, or give an event with --event"))

    def test_rules_with_mistakes(self, tmp_path, capsys):
        bad = tmp_path / "bad.yaml"
        bad.write_text("- rule: x\n  desc: x\n  condition: nope.x=1\n  output: x\n  priority: NOTICE\n")

        assert 2 == main(["explain", "x", "--rules", str(bad)])
        assert f"{bad}:3:14: R011 there is no field 'nope.x'" in capsys.readouterr().err


class TestAnEvent:
    def test_that_matches(self, explain, capture):
        code, out, _ = explain("Secret opened", "--event", f"{capture}:2")

        assert 0 == code
        assert "Secret opened: matches\n  The kernel delivers this event for it.\n  It makes the alert.\n" in out
        assert "true      fd.name in (/etc/shadow, /etc/gshadow)   <- /etc/shadow\n" in out

    def test_that_does_not(self, explain, capture):
        out = explain("Secret opened", "--event", f"{capture}:3")[1]

        assert "Secret opened: does not match\n" in out
        assert "false     fd.name in (/etc/shadow, /etc/gshadow)   <- /etc/passwd\n" in out
        assert out.endswith("(in parentheses: not needed for the verdict)\n")

    def test_that_another_rule_takes_first(self, explain, capture):
        out = explain("Anything", "--event", f"{capture}:2")[1]

        assert "'Secret opened' is asked before it and takes the event: this rule makes no alert." in out

    def test_that_the_kernel_keeps_back(self, explain, capture):
        out = explain("Secret opened", "--event", str(capture))[1]

        assert "The kernel does not deliver this event for it" in out

    def test_which_rules_match_it(self, explain, capture):
        out = explain("--event", f"{capture}:2")[1]

        assert (
            "Rules that match\n  Secret opened\n  Anything in etc (makes no alert: one above it comes first)\n" in out
        )

    def test_which_rules_nearly_do(self, explain, capture):
        out = explain("--event", f"{capture}:3")[1]

        assert "Nearest of the others\n  Secret opened, but for\n    false   fd.name in (/etc/shadow, " in out

    def test_of_an_alert_log(self, explain, tmp_path):
        event = batch_of(open_of(b"/etc/shadow")).event(0)
        log = tmp_path / "alerts.jsonl"
        log.write_bytes(json_line(make_alert(event=event, context=FixedContext(TABLE))))

        out = explain("--event", str(log))[1]

        assert "openat dfd=AT_FDCWD filename=/etc/shadow flags=O_RDONLY" in out
        assert "alert of 'Read shadow'" in out

    def test_a_file_that_is_none(self, explain, tmp_path):
        code, out, err = explain("--event", str(tmp_path / "absent:3"))

        assert (2, "") == (code, out)
        assert f"monitord explain: {tmp_path / 'absent'}: E001 cannot read this file: No such file" in err


class TestCorrelations:
    @pytest.fixture
    def rules(self, tmp_path):
        path = tmp_path / "rules.yaml"
        path.write_text("""
- rule: Opened
  desc: d
  condition: evt.type=openat and evt.failed=false
  output: x
  priority: NOTICE
- rule: Executed
  desc: d
  condition: evt.type=execve and evt.failed=false and not container.image.id=x
  output: x
  priority: NOTICE
- rule: Opened and executed
  desc: d
  condition: evt.num=0
  output: x
  priority: NOTICE
  correlation: {type: temporal_ordered, rules: [Opened, Executed], group-by: [proc.pid], timespan: 10s}
""")
        return path

    def explained(self, capsys, *words):
        assert 0 == main(["explain", *map(str, words)])
        return capsys.readouterr().out

    def test_say_what_has_to_come_together(self, rules, capsys):
        out = self.explained(capsys, "Opened and", "--rules", rules)

        assert "Condition of 'Opened', lists and macros put in\n  and\n    evt.type = openat\n" in out
        assert "Together\n  each of 'Opened', 'Executed' in this order within 10 s with the same proc.pid\n" in out

    def test_judge_an_event_by_each_of_their_rules(self, rules, capsys, capture):
        out = self.explained(capsys, "Opened and", "--rules", rules, "--event", f"{capture}:2")

        assert "Opened: matches\n" in out
        assert "Executed: does not match\n" in out
        assert "One event makes no alert; it takes each of" in out

    def test_a_rule_that_is_named_makes_no_alert_by_itself(self, rules, capsys, capture):
        out = self.explained(capsys, "Opened", "--rules", rules, "--event", f"{capture}:2")

        assert "It makes no alert by itself: a correlation names it." in out

    def test_fields_without_a_source_are_named(self, rules, capsys):
        out = self.explained(capsys, "Executed", "--rules", rules)

        assert "It has a weaker exception, for these fields have no source:\n  container.image.id\n" in out
