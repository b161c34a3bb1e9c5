"""Repeats of an alert are folded into one, and none is lost."""

import pytest

from monitord.detect.detector import RuleDetector
from monitord.detect.maker import AlertMaker
from monitord.model.loss import Stage
from monitord.model.problem import errors
from monitord.rules.ruleset import load
from monitord.telemetry import Telemetry
from tests.detect.pools import TABLE
from tests.support.batches import batch_of, open_of
from tests.support.detect import FixedContext

SECOND = 10**9
WALL = 1_700_000_000 * SECOND

OPENED = """
- rule: opened
  desc: d
  condition: evt.type=openat and evt.failed=false
  output: "%fd.name"
  priority: WARNING
  throttle: {key: [proc.pid], interval: 60s}
"""
MANY = """
- rule: many
  desc: d
  condition: evt.type=openat and evt.failed=false
  output: "%fd.name n=%corr.count"
  priority: WARNING
  throttle: {key: [proc.pid], interval: 60s}
  correlation: {type: event_count, group-by: [thread.tid], timespan: 1s, condition: {gte: 2}}
"""


class Stand:
    def __init__(self, rules):
        self.telemetry = Telemetry()
        self.telemetry.register_rules({rule.name: rule.priority for rule in rules.rules})
        self.detector = RuleDetector(rules, TABLE, FixedContext(TABLE), self.telemetry, "host")

    def judge(self, *opens, together=True):
        """What goes out for opens, each (second, path, pid)."""
        rows = [open_of(path, ts_ns=int(second * SECOND), pid=pid) for second, path, pid in opens]
        batches = [rows] if together else [[row] for row in rows]
        return [shown(alert) for batch in batches for alert in self.detector.judge(batch_of(*batch), 0)]

    def due(self, second):
        return [shown(alert) for alert in self.detector.due(int(second * SECOND))]

    def flush(self):
        return [shown(alert) for alert in self.detector.flush()]


def shown(alert):
    """The output, and the tally: count, first and last second."""
    if alert.tally is None:
        return alert.output
    first, last = ((ns - WALL) / SECOND for ns in (alert.tally.first_ns, alert.tally.last_ns))
    return alert.output, alert.tally.count, first, last


@pytest.fixture
def rules(tmp_path):
    def rules_of(text):
        (tmp_path / "rules.yaml").write_text(text)
        rules, problems = load((tmp_path / "rules.yaml",), TABLE)
        assert [] == errors(problems)
        return rules

    return rules_of


@pytest.fixture
def stand(rules):
    return Stand(rules(OPENED))


class TestRepeats:
    def test_the_first_goes_out_at_once_and_its_repeats_do_not(self, stand):
        assert ["/a"] == stand.judge((100, b"/a", 2), (101, b"/b", 2), (102, b"/c", 2))

    def test_other_keys_have_their_own_first(self, stand):
        assert ["/a", "/b"] == stand.judge((100, b"/a", 2), (100, b"/b", 4), (101, b"/c", 2))

    def test_at_the_end_of_the_interval_one_stands_for_all(self, stand):
        stand.judge((100, b"/a", 2), (101, b"/b", 2), (102, b"/c", 2))

        assert ([], [("/c", 2, 101, 102)]) == (stand.due(159.9), stand.due(160))

    def test_the_event_that_ends_the_interval_is_the_last_of_them(self, stand):
        assert ["/a", ("/c", 2, 101, 163)] == stand.judge((100, b"/a", 2), (101, b"/b", 2), (163, b"/c", 2))

    def test_while_they_go_on_there_is_one_per_interval(self, stand):
        opens = [(100 + 10 * number, b"/%d" % number, 2) for number in range(20)]

        assert [
            "/0",
            ("/6", 6, 110, 160),
            ("/12", 6, 170, 220),
            ("/18", 6, 230, 280),
        ] == stand.judge(*opens, together=False)

    def test_what_comes_after_a_quiet_interval_is_a_first_again(self, stand):
        stand.judge((100, b"/a", 2))

        assert ([], ["/b"]) == (stand.due(170), stand.judge((180, b"/b", 2)))

    def test_after_a_quiet_interval_nobody_needs_to_ask(self, stand):
        stand.judge((100, b"/a", 2))

        assert ["/b"] == stand.judge((180, b"/b", 2))

    def test_each_is_counted_once(self, stand):
        out = stand.judge(*((100 + number, b"/x", 2 + number % 3) for number in range(200)), together=False)
        out += stand.flush()

        assert 200 == sum(1 if isinstance(one, str) else one[1] for one in out)
        assert 200 == stand.telemetry.rules["opened"].matches
        assert 200 - len([one for one in out if isinstance(one, str)]) == stand.telemetry.folded["opened"]

    def test_without_a_key_all_alerts_of_the_rule_are_repeats(self, rules):
        stand = Stand(rules(OPENED.replace("key: [proc.pid], ", "")))

        assert ["/a"] == stand.judge((100, b"/a", 2), (101, b"/b", 4))

    def test_a_missing_value_is_a_key_like_others(self, rules):
        stand = Stand(rules(OPENED.replace("proc.pid", "proc.exepath")))

        assert ["/a", "/c"] == stand.judge((100, b"/a", 7), (101, b"/b", 9), (101, b"/c", 2))

    def test_a_match_that_is_folded_still_stops_other_rules(self, rules):
        other = OPENED.replace("rule: opened", "rule: other").partition("  throttle")[0]
        stand = Stand(rules(OPENED + other))

        assert ["/a"] == stand.judge((100, b"/a", 2), (101, b"/b", 2))


class TestCorrelations:
    def test_are_throttled_too(self, rules):
        stand = Stand(rules(MANY))
        out = stand.judge(*((100 + number, b"/%d" % number, 2) for number in (0, 0.1, 5, 5.1, 9, 9.1)), together=False)

        assert ([("/0 n=2", 2, 100.0, 100.1)], [("/9 n=2", 2, 105.1, 109.1)]) == (out, stand.flush())


class TestNothingIsHeldBackForEver:
    def test_flush_tells_what_is_folded(self, stand):
        stand.judge((100, b"/a", 2), (101, b"/b", 2), (100, b"/c", 4))

        assert ([("/b", 1, 101, 101)], []) == (stand.flush(), stand.flush())

    def test_a_key_that_is_pushed_out_tells_what_is_folded(self, stand):
        opens = [(100, b"/a", 2), (101, b"/b", 2), *((102, b"/x", 1000 + pid) for pid in range(1024))]

        assert ("/b", 1, 101, 101) == stand.judge(*opens)[-1]

    def test_a_reload_goes_on_for_a_rule_that_is_the_same(self, stand, rules):
        stand.judge((100, b"/a", 2), (101, b"/b", 2))
        new = Stand(rules(OPENED))

        assert [] == new.detector.succeed(stand.detector)
        assert [("/c", 2, 101, 102)] == (new.judge((102, b"/c", 2)) or new.flush())

    @pytest.mark.parametrize("change", [("60s", "70s"), ("WARNING", "ERROR"), ("rule: opened", "rule: another")])
    def test_a_reload_tells_what_is_folded_for_a_rule_that_has_changed(self, stand, rules, change):
        stand.judge((100, b"/a", 2), (101, b"/b", 2))
        new = Stand(rules(OPENED.replace(*change)))

        assert [("/b", 1, 101, 101)] == [shown(alert) for alert in new.detector.succeed(stand.detector)]
        assert ["/c"] == new.judge((102, b"/c", 2))

    def test_the_old_detector_may_still_judge_while_the_new_one_is_made(self, stand, rules):
        stand.judge((100, b"/a", 2))
        stand.telemetry.register_throttles([])

        assert [] == stand.judge((101, b"/b", 2))


class TestAnAlertThatCannotBeMade:
    @pytest.fixture
    def stand(self, rules, monkeypatch):
        """One that cannot make the alerts of /odd."""
        stand = Stand(rules(OPENED))
        make = AlertMaker.alert

        def alert(maker, rule, event, *others):
            assert event.texts[0].data != b"/odd"
            return make(maker, rule, event, *others)

        monkeypatch.setattr(AlertMaker, "alert", alert)
        return stand

    def test_is_a_failure_of_its_rule_and_the_repeats_before_it_are_told(self, stand, caplog):
        assert ["/a"] == stand.judge((100, b"/a", 2), (101, b"/b", 2))
        assert [] == stand.judge((102, b"/b", 2), (103, b"/odd", 2))
        assert [] == stand.judge((104, b"/odd", 2))

        assert [("/b", 1, 101, 101)] == stand.due(160)
        assert 3 == stand.telemetry.lost[Stage.RULES]
        assert ["opened"] == [record.args[0] for record in caplog.records]

    def test_at_the_end_of_an_interval_leaves_the_repeats_before_it(self, stand):
        stand.judge((100, b"/a", 2), (101, b"/b", 2))

        assert [("/b", 1, 101, 101)] == stand.judge((160, b"/odd", 2))
        assert 1 == stand.telemetry.lost[Stage.RULES]

    def test_at_the_end_of_an_interval_takes_those_of_its_batch_with_it_and_all_are_counted(self, stand):
        stand.judge((100, b"/a", 2))

        assert [] == stand.judge((102, b"/b", 2), (103, b"/b", 2), (160, b"/odd", 2))
        assert [] == stand.flush()
        assert 3 == stand.telemetry.lost[Stage.RULES]

    def test_goes_on_with_those_that_can(self, stand):
        stand.judge((100, b"/a", 2), (101, b"/odd", 2), together=False)
        stand.judge((102, b"/b", 2))

        assert [("/b", 1, 102, 102)] == stand.flush()
