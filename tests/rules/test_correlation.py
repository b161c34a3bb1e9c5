"""What the key ``correlation`` of a rule says, and every mistake in it."""

import pytest

from monitord.model.interest import Interest
from monitord.model.problem import errors
from monitord.rules.ast import FieldRef
from monitord.rules.correlation import Kind
from monitord.rules.ruleset import load
from tests.support.rules import TABLE

BASES = """
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
- rule: off
  desc: d
  condition: evt.type=close
  output: o
  priority: INFO
  enabled: false
"""

COUNT = "type: event_count, group-by: [proc.pid], timespan: 60s, condition: {gte: 3}"
SEQUENCE = "type: temporal_ordered, rules: [written, run], group-by: [proc.pid], timespan: 5m"


def correlated(correlation, condition=None, output="o", name="c", **keys):
    lines = [f"- rule: {name}", "  desc: d", f"  output: {output}", "  priority: WARNING"]
    lines += [f"  condition: {condition}"] if condition else []
    lines += [f"  {key}: {value}" for key, value in keys.items()]
    return "\n".join([*lines, f"  correlation: {{{correlation}}}", ""])


@pytest.fixture
def loaded(tmp_path):
    def load_text(text):
        (tmp_path / "rules.yaml").write_text(text)
        return load((tmp_path / "rules.yaml",), TABLE)

    return load_text


@pytest.fixture
def correlation(loaded):
    def only_correlation(text):
        rules, problems = loaded(text)
        assert [] == problems
        [rule] = [rule for rule in rules.rules if rule.correlation]
        return rule.correlation

    return only_correlation


class TestWhatIsRead:
    def test_a_count_of_the_events_of_the_rules_own_condition(self, correlation):
        found = correlation(correlated(COUNT, "evt.type=connect"))

        assert (Kind.EVENT_COUNT, 60 * 10**9, 3, ("proc.pid",)) == (
            found.kind,
            found.timespan_ns,
            found.threshold,
            found.group_by,
        )

    @pytest.mark.parametrize(("condition", "threshold"), [("gte: 7", 7), ("gt: 7", 8), ("eq: 7", 7)])
    def test_how_many_are_enough(self, correlation, condition, threshold):
        text = correlated(f"type: event_count, timespan: 1s, condition: {{{condition}}}", "evt.type=connect")

        assert threshold == correlation(text).threshold

    @pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("5m", 300), ("1h", 3600), ("7d", 604800)])
    def test_timespans_as_in_sigma(self, correlation, text, seconds):
        found = correlation(correlated(COUNT.replace("60s", text), "evt.type=connect"))

        assert seconds * 10**9 == found.timespan_ns

    @pytest.mark.parametrize("text", [BASES + correlated(SEQUENCE), correlated(SEQUENCE) + BASES])
    def test_rules_that_are_named_may_come_before_or_after(self, correlation, text):
        assert ["written", "run"] == [base.rule for base in correlation(text).bases]

    def test_an_alias_is_another_field_for_each_rule(self, correlation):
        aliases = "aliases: {file: {written: fd.name, run: proc.exepath}}"
        found = correlation(BASES + correlated(SEQUENCE.replace("proc.pid", "file") + ", " + aliases))

        assert [(FieldRef("fd.name"),), (FieldRef("proc.exepath"),)] == [base.keys for base in found.bases]

    def test_a_condition_for_falcos_sake_is_never_true(self, correlation):
        assert correlation(BASES + correlated(SEQUENCE, "evt.num=0")).named

    def test_what_it_asks_for_is_what_its_rules_ask_for(self, loaded):
        rules = {rule.name: rule for rule in loaded(BASES + correlated(SEQUENCE))[0].rules}

        assert Interest.union([rules["written"].interest, rules["run"].interest]) == rules["c"].interest

    def test_an_override_replaces_it(self, correlation):
        change = "- rule: c\n  correlation: {" + COUNT.replace("3", "5") + "}\n  override: {correlation: replace}\n"

        assert 5 == correlation(correlated(COUNT, "evt.type=connect") + change).threshold

    def test_its_fields_are_for_its_output(self, correlation):
        assert correlation(correlated(COUNT, "evt.type=connect", "n=%corr.count v=%corr.values in %corr.duration"))


class TestRulesThatAreNamed:
    def silent(self, loaded, *correlations):
        rules, problems = loaded(BASES + "".join(correlations))
        assert [] == errors(problems)
        return rules.silent

    def test_do_not_alert_by_themselves(self, loaded):
        assert {"written", "run"} == self.silent(loaded, correlated(SEQUENCE))

    def test_do_when_one_correlation_says_so(self, loaded):
        both = [correlated(SEQUENCE), correlated(SEQUENCE + ", generate: true", name="c2")]

        assert set() == self.silent(loaded, *both)

    def test_do_when_the_correlation_is_disabled(self, loaded):
        assert set() == self.silent(loaded, correlated(SEQUENCE, enabled="false"))

    def test_a_disabled_correlation_may_name_a_disabled_rule(self, loaded):
        text = correlated(SEQUENCE.replace("run", "off"), enabled="false")

        assert set() == self.silent(loaded, text)


class TestMistakes:
    @pytest.mark.parametrize(
        ("old", "new", "code", "said"),
        [
            ("type: event_count, ", "", "R040", "needs a 'type'"),
            ("event_count", "event_cont", "R040", "did you mean 'event_count'?"),
            ("group-by", "group_by", "R040", "did you mean 'group-by'?"),
            ("group-by: [proc.pid]", "group-by: [proc.pdi]", "R011", "did you mean 'proc.pid'?"),
            ("group-by: [proc.pid]", "group-by: [proc.pid, proc.pid]", "R040", "twice"),
            ("group-by: [proc.pid]", "group-by: [[proc.pid]]", "R040", "list of texts"),
            ("group-by: [proc.pid]", "group-by: ['proc.pid x']", "R040", "nothing behind it"),
            ("group-by: [proc.pid]", "group-by: [proc.aname]", "R040", "give it an index"),
            ("group-by: [proc.pid]", "group-by: [corr.count]", "R011", "only in the output"),
            ("timespan: 60s, ", "", "R040", "needs a 'timespan'"),
            ("60s", "60", "R040", "60s or 5m"),
            ("60s", "0s", "R040", "60s or 5m"),
            ("60s", "1M", "R040", "60s or 5m"),
            (", condition: {gte: 3}", "", "R040", "needs a 'condition'"),
            ("{gte: 3}", "3", "R040", "is a map"),
            ("{gte: 3}", "{}", "R040", "how many are enough"),
            ("{gte: 3}", "{gte: 3, gt: 2}", "R040", "how many are enough"),
            ("{gte: 3}", "{lt: 3}", "R040", "did not happen yet"),
            ("{gte: 3}", "{gte: 0}", "R040", "1 to 100000"),
            ("{gte: 3}", "{gte: 100001}", "R040", "1 to 100000"),
            ("{gte: 3}", "{gte: many}", "R040", "1 to 100000"),
            ("{gte: 3}", "{gte: 3, field: fd.name}", "R040", "counts events, not values"),
            ("event_count", "value_count", "R040", "needs the field"),
            ("{gte: 3}", "{gte: 3}, generate: true", "R040", "there are none"),
            ("{gte: 3}", "{gte: 3}, generate: perhaps", "R040", "true or false"),
            ("{gte: 3}", "{gte: 3}, aliases: {x: {a: fd.name}}", "R040", "name them in 'rules'"),
            ("event_count", "temporal", "R040", "two rules or more"),
            ("event_count", "temporal", "R040", "takes no 'condition'"),
        ],
    )
    def test_of_a_count(self, loaded, old, new, code, said):
        assert old in COUNT
        _, problems = loaded(correlated(COUNT.replace(old, new), "evt.type=connect"))

        assert any(code == problem.code and said in problem.message for problem in errors(problems)), problems

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("written, run", "writen, run", "did you mean 'written'?"),
            ("written, run", "written, off", "is disabled"),
            ("written, run", "written, c", "is a correlation itself"),
            ("written, run", "written", "two rules or more"),
            ("written, run", "written, written", "twice"),
            ("[proc.pid]", "[f], aliases: {f: {written: fd.name}}", "no field for the rule 'run'"),
            ("[proc.pid]", "[f], aliases: {f: {written: fd.name, rum: fd.name}}", "no key 'rum'"),
            ("[proc.pid]", "[f], aliases: {g: {written: fd.name, run: fd.name}}", "no key 'g'"),
            ("[proc.pid]", "[f], aliases: {f: {written: fd.name, run: [fd.name]}}", "the name of a field"),
        ],
    )
    def test_of_a_sequence(self, loaded, old, new, said):
        _, problems = loaded(BASES + correlated(SEQUENCE.replace(old, new)))

        assert any("R040" == problem.code and said in problem.message for problem in errors(problems)), problems

    def test_a_condition_beside_rules_that_can_be_true(self, loaded):
        _, [problem] = loaded(BASES + correlated(SEQUENCE, "evt.type=connect"))

        assert ("R040", True) == (problem.code, "write 'condition: evt.num=0'" in problem.message)

    def test_no_condition_without_rules(self, loaded):
        assert ["R005"] == [problem.code for problem in errors(loaded(correlated(COUNT))[1])]

    def test_a_field_of_correlations_in_another_rule(self, loaded):
        _, [problem] = loaded(BASES.replace("output: o", "output: '%corr.count'", 1))

        assert "R011" == problem.code

    def test_all_at_once_with_their_places(self, loaded):
        text = correlated("type: x, group-by: [proc.pid], timespan: 60, condition: {lt: 1}", "evt.type=connect")

        assert [("R040", 6, 23), ("R040", 6, 58), ("R040", 6, 78)] == [
            (problem.code, problem.line, problem.column) for problem in loaded(text)[1]
        ]

    def test_a_rule_that_is_left_out_takes_the_correlation_with_it(self, loaded):
        text = BASES.replace("condition: evt.type=execve", "source: k8s_audit\n  condition: evt.type=execve")
        rules, problems = loaded(text + correlated(SEQUENCE))

        assert ([], False) == (errors(problems), any(rule.correlation for rule in rules.rules))
        assert any("'c' is left out" in problem.message for problem in problems)
