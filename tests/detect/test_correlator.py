"""Events in, alerts of several events together out."""

from dataclasses import replace

import pytest

from monitord.abi.arch import Abi
from monitord.detect.codebook import Codebook, Ledger
from monitord.detect.column import column_of
from monitord.detect.detector import RuleDetector
from monitord.detect.group import Group
from monitord.detect.trees import Trees
from monitord.model.alert import Tally
from monitord.model.loss import Stage
from monitord.rules.ast import FieldRef, Transformed
from monitord.rules.fields import CATALOGUE
from monitord.rules.operand import value_of
from monitord.rules.rule import RuleSet
from monitord.rules.ruleset import load
from monitord.telemetry import Telemetry
from tests.detect.pools import CHECKS, TABLE, rows_of_all_calls
from tests.support.batches import Row, batch_of, connect_to, exec_of, open_of
from tests.support.detect import FixedContext

SECOND = 10**9

OPENS = """
- rule: opens
  desc: d
  condition: evt.type=openat and evt.failed=false
  output: n=%corr.count v=%corr.values d=%corr.duration f=%fd.name
  priority: WARNING
  correlation: {type: value_count, group-by: [proc.pid], timespan: 60s, condition: {gte: 3, field: fd.name}}
"""

DROPPER = """
- rule: written
  desc: d
  condition: evt.type=openat and evt.is_open_write=true
  output: o
  priority: INFO
- rule: run
  desc: d
  condition: evt.type=execve and evt.failed=false
  output: o
  priority: INFO
- rule: dropper
  desc: d
  output: "%corr.values"
  priority: ERROR
  correlation:
    type: temporal_ordered
    rules: [written, run]
    group-by: [file]
    timespan: 5m
    aliases: {file: {written: fd.name, run: proc.exepath}}
"""


class Stand:
    def __init__(self, rules: RuleSet, **options):
        self.telemetry = Telemetry()
        self.telemetry.register_rules({rule.name: rule.priority for rule in rules.rules})
        self.detector = RuleDetector(rules, TABLE, FixedContext(TABLE), self.telemetry, "host", **options)

    def judge(self, *rows: Row):
        return self.detector.judge(batch_of(*rows), 0)

    def rules_of(self, *rows: Row):
        return [alert.rule for alert in self.judge(*rows)]


@pytest.fixture
def rules(tmp_path):
    def rules_of(text):
        (tmp_path / "rules.yaml").write_text(text)
        rules, problems = load((tmp_path / "rules.yaml",), TABLE)
        assert [] == problems
        return rules

    return rules_of


def opened(path, second=0, **changes):
    return open_of(path, ts_ns=(100 + second) * SECOND, **changes)


class TestAnAlert:
    def test_is_about_the_last_event_and_says_what_was_counted(self, rules):
        stand = Stand(rules(OPENS))

        [alert] = stand.judge(opened(b"/a", 0), opened(b"/a", 1), opened(b"/b", 2), opened(b"/c", 4))

        assert "n=3 v=(/a,/b,/c) d=3000000000 f=/c" == alert.output
        assert 104 * SECOND == alert.event.ts_ns
        wall = 1_700_000_000 * SECOND
        assert Tally(3, wall + 101 * SECOND, wall + 104 * SECOND, ("/a", "/b", "/c")) == alert.tally

    def test_comes_of_several_batches_as_of_one(self, rules):
        stand = Stand(rules(OPENS))

        assert [[], [], ["opens"]] == [stand.rules_of(opened(path)) for path in (b"/a", b"/b", b"/c")]

    def test_is_counted_for_its_rule(self, rules):
        stand = Stand(rules(OPENS))
        stand.judge(*(opened(path) for path in (b"/a", b"/b", b"/c")))

        assert (1, 3) == (stand.telemetry.rules["opens"].matches, stand.telemetry.correlations["opens"].events)

    def test_counts_what_another_rule_alerts_of(self, rules):
        """Counting is not alerting: the first rule that matches stops others from alerting, not from counting."""
        first = "- rule: first\n  desc: d\n  condition: evt.type=openat\n  output: o\n  priority: INFO\n"
        stand = Stand(rules(first + OPENS))

        assert ["first"] * 3 + ["opens"] == stand.rules_of(*(opened(path) for path in (b"/a", b"/b", b"/c")))

    def test_events_that_do_not_match_are_not_counted(self, rules):
        stand = Stand(rules(OPENS))

        assert [] == stand.rules_of(*(opened(path, ret=-2) for path in (b"/a", b"/b", b"/c")))

    def test_of_no_group_key_all_events_are_one_group(self, rules):
        stand = Stand(rules(OPENS.replace("group-by: [proc.pid], ", "")))

        assert ["opens"] == stand.rules_of(*(opened(b"/%d" % pid, pid=pid) for pid in range(3)))

    def test_without_a_key_an_event_is_counted_as_such(self, rules):
        """The executable of an odd pid is not known here."""
        stand = Stand(rules(OPENS.replace("proc.pid", "proc.exepath")))

        assert [] == stand.rules_of(*(opened(b"/%d" % number, pid=7) for number in range(4)))
        assert 4 == stand.telemetry.correlations["opens"].ungrouped


class TestRulesTogether:
    def test_a_file_that_is_written_and_then_run(self, rules):
        stand = Stand(rules(DROPPER))
        alerts = stand.judge(
            opened(b"/tmp/x", flags=1),
            opened(b"/tmp/y", flags=1),
            exec_of(b"x", b"x", exe=b"/tmp/x", ts_ns=101 * SECOND),
        )

        assert [("dropper", "(written,run)")] == [(alert.rule, alert.output) for alert in alerts]

    def test_not_the_other_way_round(self, rules):
        stand = Stand(rules(DROPPER))

        assert [] == stand.rules_of(exec_of(b"x", b"x", exe=b"/tmp/x", ts_ns=99 * SECOND), opened(b"/tmp/x", flags=1))

    def test_across_batches(self, rules):
        stand = Stand(rules(DROPPER))
        written = [opened(b"/tmp/x", flags=1)]
        run = [exec_of(b"x", b"x", exe=b"/tmp/x", ts_ns=101 * SECOND)]

        assert [[], [], ["dropper"]] == [stand.rules_of(*rows) for rows in (run, written, run)]
        assert 2 == stand.telemetry.rules["run"].matches

    def test_a_later_step_that_cannot_be_grouped_is_lost_when_something_waits(self, rules):
        def extract(event, context, arg):
            raise ZeroDivisionError

        catalogue = {**CATALOGUE, "proc.cwd": replace(CATALOGUE["proc.cwd"], extract=extract)}
        stand = Stand(rules(DROPPER.replace("proc.exepath", "proc.cwd")), catalogue=catalogue)
        run = [exec_of(b"x", b"x", exe=b"/tmp/x", ts_ns=101 * SECOND)]

        losses = [
            (stand.rules_of(*rows), stand.telemetry.lost[Stage.RULES])
            for rows in (run, [opened(b"/tmp/x", flags=1)], run)
        ]
        assert [([], 0), ([], 0), ([], 1)] == losses

    def test_those_that_are_named_do_not_alert_by_themselves_and_are_counted(self, rules):
        stand = Stand(rules(DROPPER))

        assert [] == stand.rules_of(opened(b"/tmp/x", flags=1), opened(b"/tmp/y", flags=1))
        assert 2 == stand.telemetry.rules["written"].matches

    def test_unless_it_says_so(self, rules):
        stand = Stand(rules(DROPPER.replace("timespan: 5m", "timespan: 5m\n    generate: true")))

        assert ["written"] == stand.rules_of(opened(b"/tmp/x", flags=1))
        assert 1 == stand.telemetry.rules["written"].matches

    def test_its_interest_is_theirs(self, rules):
        assert {(Abi.X86_64, 257), (Abi.X86_64, 59)} <= set(Stand(rules(DROPPER)).detector.interest().calls)


class TestReload:
    def test_a_rule_that_is_the_same_goes_on_to_count(self, rules):
        old, new = Stand(rules(OPENS)), Stand(rules(DROPPER + OPENS))
        old.judge(opened(b"/a"), opened(b"/b"))
        new.detector.succeed(old.detector)

        assert ["opens"] == new.rules_of(opened(b"/c"))

    def test_one_that_has_changed_begins_anew(self, rules):
        old, new = Stand(rules(OPENS)), Stand(rules(OPENS.replace("60s", "70s")))
        old.judge(opened(b"/a"), opened(b"/b"))
        new.detector.succeed(old.detector)

        assert [] == new.rules_of(opened(b"/c"))


class TestMemory:
    def test_forgetting_values_of_columns_forgets_no_counts(self, rules):
        stand = Stand(rules(OPENS.replace("gte: 3", "gte: 30")), memory_bytes=1000)

        assert 1 == sum(len(stand.judge(opened(b"/%d" % number))) for number in range(30))


@pytest.mark.parametrize("field", [*CHECKS, Transformed("basename", (FieldRef("fd.name"),))], ids=str)
def test_a_column_says_what_the_field_says_of_each_event(field):
    context, ledger = FixedContext(TABLE), Ledger(1 << 30)
    by_call = {}
    for row in rows_of_all_calls(each=4):
        by_call.setdefault((row.abi, row.nr), []).append(row)
    for (abi, nr), rows in by_call.items():
        batch = batch_of(*rows)
        group = Group(batch, range(len(batch)), context, CATALOGUE)
        column = column_of(field, TABLE.find(abi, nr), lambda part: Codebook(part, ledger), Trees())
        expected = [value_of(field, batch.event(row), context, CATALOGUE) for row in range(len(batch))]

        assert expected == column.values(group, range(len(batch)))


def test_a_connect_groups_by_its_address(rules):
    text = OPENS.replace("openat", "connect").replace("evt.failed=false", "fd.rip exists")
    stand = Stand(rules(text.replace("fd.name", "fd.rport").replace("[proc.pid]", "[fd.rip]")))
    ports = [b"\2\0" + port.to_bytes(2, "big") + b"\x0a\0\0\1" + bytes(8) for port in (1, 2, 3)]

    assert ["opens"] == stand.rules_of(*(connect_to(address, pid=number) for number, address in enumerate(ports)))


class TestProcessTrees:
    def test_the_events_of_all_below_one_root_are_one_group(self, rules):
        """In `FixedContext` each process is its own only ancestor, so that its pid is the root."""
        stand = Stand(rules(OPENS.replace("proc.pid", "proc.tree")))

        assert ["opens"] == stand.rules_of(*(opened(b"/%d" % number, pid=8) for number in range(3)))

    def test_a_root_is_asked_for_once_per_process(self, rules):
        stand = Stand(rules(OPENS.replace("proc.pid", "proc.tree").replace("gte: 3", "gte: 30")))
        stand.judge(*(opened(b"/%d" % number, pid=8 + 2 * (number % 2)) for number in range(20)))

        assert {8, 10} == {event.pid for event in stand.detector._context.asked}
        assert len(stand.detector._context.asked) <= 2 * 3


def test_an_alert_that_cannot_be_made_is_lost_and_stops_nothing(rules):
    def extract(event, context, arg):
        raise ZeroDivisionError

    name = CATALOGUE["proc.name"]
    catalogue = {**CATALOGUE, "proc.name": replace(name, extract=extract)}
    stand = Stand(rules(OPENS.replace("f=%fd.name", "%proc.name")), catalogue=catalogue)

    assert [] == stand.rules_of(*(opened(path) for path in (b"/a", b"/b", b"/c")))
    assert 1 == stand.telemetry.lost[Stage.RULES]
