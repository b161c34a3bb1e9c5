from monitord.model.loss import Stage
from monitord.model.priority import Priority
from monitord.telemetry import Telemetry


class TestRules:
    def test_a_loaded_rule_starts_at_zero(self):
        telemetry = Telemetry()
        telemetry.register_rules({"a": Priority.ERROR})

        assert 0 == telemetry.rules["a"].matches

    def test_a_rule_that_stays_keeps_its_totals(self):
        telemetry = Telemetry()
        telemetry.register_rules({"a": Priority.ERROR})
        telemetry.matched("a", 7)
        telemetry.evaluated("a", 0.5)
        telemetry.register_rules({"a": Priority.DEBUG, "b": Priority.DEBUG})
        counts = telemetry.rules["a"]

        assert (7, 0.5, Priority.DEBUG) == (counts.matches, counts.evaluation_s, counts.priority)

    def test_a_rule_that_is_gone_is_not_counted(self):
        telemetry = Telemetry()
        telemetry.register_rules({"a": Priority.ERROR})
        telemetry.register_rules({"b": Priority.ERROR})
        telemetry.matched("a")

        assert {"b"} == set(telemetry.rules)


class TestSinks:
    def test_a_sink_that_is_opened_again_keeps_its_totals(self):
        telemetry = Telemetry()
        telemetry.register_sink("console").written = 7

        assert 7 == telemetry.register_sink("console").written


class TestReload:
    def test_the_time_is_that_of_the_last_success(self):
        telemetry = Telemetry()
        telemetry.reloaded(True, 100.0)
        telemetry.reloaded(False, 200.0)

        assert (False, 100.0) == (telemetry.reload_ok, telemetry.reload_ok_s)


def test_losses_of_the_daemon_start_at_zero():
    assert {Stage.QUEUE: 0, Stage.DECODE: 0, Stage.RULES: 0} == Telemetry().lost
