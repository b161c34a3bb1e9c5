import pytest

from monitord.config.load import load as load_config
from monitord.model.problem import errors
from monitord.rules.changes import changes
from monitord.rules.output import render
from monitord.rules.ruleset import load
from tests.support.rules import TABLE, FakeContext, make_event

RULES = """
- rule: Shell [a]
  desc: d
  condition: evt.type=execve
  output: shell %proc.name
  priority: NOTICE
  tags: [shell, process]
- rule: Net
  desc: d
  condition: evt.type=connect
  output: net
  priority: DEBUG
  tags: [network]
  enabled: false
- rule: File
  desc: d
  condition: evt.type=open
  output: file
  priority: ERROR
  tags: [file, process]
"""


@pytest.fixture
def loaded(tmp_path):
    def loaded(config, *texts):
        """The rules of these files as the section `rules:` of a configuration has them, and the mistakes."""
        path = tmp_path / "monitord.yaml"
        path.write_text(f"rules: {config}")
        config, problems = load_config(path)
        assert [] == problems
        files = []
        for number, text in enumerate(texts or [RULES]):
            files.append(tmp_path / f"{number}.yaml")
            files[-1].write_text(text)
        return load(tuple(files), TABLE, config.rules)

    return loaded


def on(rules):
    return [rule.name for rule in rules.rules if rule.enabled]


class TestSelection:
    @pytest.mark.parametrize(
        ("select", "expected"),
        [
            ("", ["Shell [a]", "File"]),
            ('{disable: {rule: "*"}}', []),
            ('{disable: {rule: "*"}}, {enable: {tag: network}}', ["Net"]),
            ('{enable: {tag: network}}, {disable: {rule: "*"}}', []),
            ("{disable: {rule: 'Shell [a]'}}", ["File"]),
            ('{disable: {rule: "S*]"}}, {enable: {rule: "*e*"}}', ["Shell [a]", "Net", "File"]),
            ("{disable: {tag: process}}", []),
        ],
    )
    def test_entries_apply_one_after_the_other(self, loaded, select, expected):
        rules, problems = loaded(f"{{select: [{select}]}}")

        assert (expected, []) == (on(rules), problems)

    def test_the_priority_is_a_floor(self, loaded):
        rules, _ = loaded("{priority: notice, select: [{enable: {rule: Net}}]}")

        assert ["Shell [a]", "File"] == on(rules)
        assert ["", "rules.priority", ""] == [rule.off_by for rule in rules.rules]

    def test_what_switched_a_rule_off_is_known(self, loaded):
        rules, _ = loaded("{select: [{disable: {tag: shell}}]}")

        assert ["rules.select[0]", "enabled", ""] == [rule.off_by for rule in rules.rules]

    def test_rules_that_are_off_need_no_calls(self, loaded):
        assert {} == dict(loaded('{select: [{disable: {rule: "*"}}]}')[0].interest.calls)

    def test_an_entry_about_no_rule_is_warned_of(self, loaded, tmp_path):
        _, problems = loaded("{select: [{disable: {rule: Fiel}}, {enable: {tag: x}}]}")

        said = "warning R028 rules.select: no rule has the"
        assert [
            f"{tmp_path}/monitord.yaml:1:35: {said} name 'Fiel'; did you mean 'File'?",
            f"{tmp_path}/monitord.yaml:1:58: {said} tag 'x'",
        ] == [str(problem) for problem in problems]


class TestAppendOutput:
    @pytest.fixture
    def said(self, loaded):
        """What the rules say of an event, by rule."""

        def said(config):
            rules, problems = loaded(config)
            assert [] == problems
            event = make_event("execve", comm="sh")
            return {rule.name: render(rule.output, event, FakeContext(), rules.catalogue) for rule in rules.rules}

        return said

    def test_text_goes_behind_the_output(self, said):
        texts = said("{append_output: [{extra_output: on %evt.cpu}, {extra_output: '!'}]}")

        assert ("shell sh on 1 !", {"proc.name": "sh", "evt.cpu": 1}) == texts["Shell [a]"]

    def test_fields_go_with_the_alert_alone(self, said):
        texts = said("{append_output: [{extra_fields: [evt.cpu, {where: 'cpu %evt.cpu'}, {'fixed': 5}]}]}")

        assert ("net", {"evt.cpu": 1, "where": "cpu 1", "fixed": "5"}) == texts["Net"]

    @pytest.mark.parametrize(
        ("match", "expected"),
        [
            ("{}", {"Shell [a]", "Net", "File"}),
            ("{source: syscall}", {"Shell [a]", "Net", "File"}),
            ("{source: k8s}", set()),
            ("{rule: Net}", {"Net"}),
            ("{tags: [process]}", {"Shell [a]", "File"}),
            ("{tags: [process, file]}", {"File"}),
            ("{tags: [process], rule: Net}", set()),
        ],
    )
    def test_it_is_for_rules_that_match(self, said, match, expected):
        texts = said(f"{{append_output: [{{match: {match}, extra_output: '+'}}]}}")

        assert expected == {name for name, (text, _) in texts.items() if text.endswith("+")}

    def test_static_fields_are_in_every_alert(self, said):
        assert {"proc.name": "sh", "static.site": "berlin", "static.rack": "7"} == said(
            "{static_fields: {site: berlin, rack: 7}}"
        )["Shell [a]"][1]

    def test_static_fields_are_fields(self, loaded):
        text = RULES.replace("evt.type=execve", "evt.type=execve and static.site=berlin")
        text = text.replace("output: net", "output: n %static.site")

        assert [] == errors(loaded("{static_fields: {site: berlin}}", text)[1])
        assert ["R011", "R011"] == [problem.code for problem in loaded("{static_fields: {sitz: x}}", text)[1]]

    @pytest.mark.parametrize(
        ("append", "expected"),
        [
            ("extra_output: '%proc.nmae'", "40: R011 rules.append_output: there is no field 'proc.nmae'"),
            ("extra_output: 'a % b'", "40: R017 rules.append_output: a field name has to follow '%'"),
            ("extra_fields: [proc.nmae]", "41: R011 rules.append_output: there is no field"),
            ("extra_fields: [hello.world]", "41: R011 rules.append_output: there is no field 'hello.world'"),
            ("extra_fields: [evt.type now]", "41: R017 'evt.type now' is not a field"),
        ],
    )
    def test_mistakes_are_in_the_configuration(self, loaded, tmp_path, append, expected):
        (problem,) = loaded(f"{{append_output: [{{{append}}}]}}")[1]

        assert str(problem).startswith(f"{tmp_path}/monitord.yaml:1:{expected}")


class TestBadFiles:
    GOOD = "- rule: Good\n  desc: d\n  condition: evt.type=open\n  output: o\n  priority: INFO\n"
    BAD = "- macro: opened\n  condition: (evt.type=open)\n- rule: Bad\n  desc: d\n"
    NEEDY = "- rule: Needy\n  desc: d\n  condition: opened\n  output: o\n  priority: INFO\n"

    def test_they_are_left_out_whole_with_those_that_need_them(self, loaded, tmp_path):
        rules, problems = loaded("{bad_files: skip}", self.BAD, self.GOOD, self.NEEDY)

        assert (["Good"], 1) == (on(rules), rules.files)
        assert (f"{tmp_path}/0.yaml", f"{tmp_path}/2.yaml") == rules.left_out
        assert [] == errors(problems)
        assert ["0 R029", "0 R005", "0 R005", "0 R005", "2 R029", "2 R009"] == [
            f"{problem.file[-6]} {problem.code}" for problem in problems
        ]

    def test_files_that_are_not_there_are_left_out(self, tmp_path):
        (tmp_path / "c.yaml").write_text("rules: {bad_files: skip}")
        (tmp_path / "good.yaml").write_text(self.GOOD)
        config = load_config(tmp_path / "c.yaml")[0].rules

        rules, problems = load((tmp_path / "none.yaml", tmp_path / "good.yaml"), TABLE, config)

        assert (["Good"], ["R001", "R029"]) == (on(rules), [problem.code for problem in problems])

    def test_they_are_refused_unless_told_otherwise(self, loaded):
        rules, problems = loaded("{}", self.BAD, self.GOOD)

        assert (3, ()) == (len(errors(problems)), rules.left_out)

    def test_a_mistake_of_the_configuration_is_no_file_to_leave_out(self, loaded):
        rules, problems = loaded("{bad_files: skip, append_output: [{extra_output: '%x'}]}", self.GOOD)

        assert (["R017"], ()) == ([problem.code for problem in errors(problems)], rules.left_out)


class TestChanges:
    def test_they_are_named(self, loaded):
        old, _ = loaded("{}")
        select = "{select: [{enable: {rule: Net}}, {disable: {rule: File}}]}"
        new, _ = loaded(select, RULES.replace("shell %", "Shell %"))

        assert "1 added (Net), 1 removed (File), 1 changed (Shell [a])" == changes(old, new)

    def test_none_are_none(self, loaded):
        assert "no change, 2 are on" == changes(loaded("{}")[0], loaded("{}", "# moved\n" + RULES)[0])

    def test_many_are_counted(self, loaded):
        text = "".join(TestBadFiles.GOOD.replace("Good", f"r{number:02}") for number in range(13))

        assert changes(loaded("{}", "")[0], loaded("{}", text)[0]).endswith("r08, r09 and 3 more)")
