from pathlib import Path

import pytest

from monitord.config.schema import RulesConfig
from monitord.model.priority import Priority
from monitord.model.problem import errors
from monitord.rules.ast import And, Check, FieldRef, Not, Op, Or
from monitord.rules.ruleset import load, no_rules
from tests.support.falco import FALCO_RULES
from tests.support.rules import TABLE


def rule(name="r", condition="evt.type=open", **keys):
    """The text of one rule; a key that is None is left out."""
    values = {"desc": "d", "condition": condition, "output": "o %proc.name", "priority": "NOTICE"} | keys
    lines = [f"  {key.replace('_until', '')}: {value}\n" for key, value in values.items() if value is not None]
    return f"- rule: {name}\n{''.join(lines)}"


@pytest.fixture
def load_texts(tmp_path):
    def load_them(*texts, **options):
        paths = []
        for number, text in enumerate(texts):
            paths.append(tmp_path / f"{number}.yaml")
            paths[-1].write_text(text)
        return load(tuple(paths), TABLE, RulesConfig(**options))

    return load_them


@pytest.fixture
def conditions(load_texts):
    def conditions_of(*texts):
        rules, problems = load_texts(*texts)
        assert [] == errors(problems)
        return [rule.condition for rule in rules.rules]

    return conditions_of


@pytest.fixture
def mistakes(load_texts):
    def mistakes_of(*texts):
        return [(problem.code, problem.line, problem.column) for problem in errors(load_texts(*texts)[1])]

    return mistakes_of


OPEN = Check(FieldRef("evt.type"), Op.EQ, ("open",))
CAT = Check(FieldRef("proc.name"), Op.EQ, ("cat",))


class TestLanguage:
    def test_macros_and_lists_are_put_in(self, conditions):
        text = (
            "- list: readers\n  items: [cat]\n"
            "- macro: opens\n  condition: (evt.type in (calls) and evt.failed=false)\n"
            "- list: calls\n  items: [open, openat]\n"
        ) + rule(condition="opens and not proc.name in (readers, tac)")

        assert [
            And(
                (
                    Check(FieldRef("evt.type"), Op.IN, ("open", "openat")),
                    Check(FieldRef("evt.failed"), Op.EQ, ("false",)),
                    Not(Check(FieldRef("proc.name"), Op.IN, ("cat", "tac"))),
                )
            )
        ] == conditions(text)

    def test_a_later_file_replaces_a_rule_which_keeps_its_place(self, load_texts):
        rules, problems = load_texts(rule("a") + rule("b"), rule("a", "proc.name=cat and evt.type=open"))

        assert ([], ["a", "b"]) == (problems, [rule.name for rule in rules.rules])
        assert And((CAT, OPEN)) == rules.rules[0].condition

    def test_override_appends_and_replaces(self, load_texts):
        change = (
            "- rule: r\n  condition: and proc.name=cat\n  priority: ERROR\n  tags: [b]\n"
            "  override: {condition: append, priority: replace, tags: append}\n"
        )

        rules, problems = load_texts(rule(tags="[a]"), change)

        assert [] == problems
        assert And((OPEN, CAT)) == rules.rules[0].condition
        assert (Priority.ERROR, ("a", "b")) == (rules.rules[0].priority, rules.rules[0].tags)

    def test_lists_and_macros_can_be_appended_to(self, conditions):
        base = "- list: l\n  items: [a]\n- macro: m\n  condition: proc.name in (l)\n" + rule(
            condition="evt.type=open and m"
        )
        change = (
            "- list: l\n  items: [b]\n  override: {items: append}\n"
            "- macro: m\n  condition: or proc.name=c\n  append: true\n"
        )

        (condition,) = conditions(base, change)

        name = FieldRef("proc.name")
        assert ("a", "b") == condition.children[1].children[0].values
        assert Check(name, Op.EQ, ("c",)) == condition.children[1].children[1]

    def test_a_later_file_changes_a_macro_that_others_use(self, conditions):
        base = "- macro: user_known\n  condition: (evt.num=0)\n"
        base += "- macro: m\n  condition: (evt.type=open and not user_known)\n"
        appended = "- macro: user_known\n  condition: or proc.name=cat\n  override: {condition: append}\n"
        replaced = "- macro: user_known\n  condition: proc.name=cat\n"

        never = Check(FieldRef("evt.num"), Op.EQ, ("0",))
        assert [And((OPEN, Not(Or((never, CAT)))))] == conditions(base + rule(condition="m"), appended)
        assert [And((OPEN, Not(CAT)))] == conditions(base + rule(condition="m"), replaced)

    def test_what_is_appended_sees_what_was_defined_before_it(self, conditions):
        text = "- macro: m\n  condition: evt.type=open\n- macro: cat\n  condition: proc.name=cat\n"
        text += "- macro: m\n  condition: and cat\n  override: {condition: append}\n"

        assert [And((OPEN, CAT))] == conditions(text + rule(condition="m"))

    def test_the_same_name_again_replaces_and_warns(self, load_texts):
        text = rule() + rule("s") + rule(desc="other") + "- list: l\n  items: []\n" * 2
        rules, problems = load_texts(text + "- macro: m\n  condition: evt.type=open\n" * 2)

        assert [("r", "other"), ("s", "d")] == [(rule.name, rule.desc) for rule in rules.rules]
        assert [("R026", 11), ("R026", 18), ("R026", 22)] == [
            (problem.code, problem.line) for problem in problems if problem.code not in ("R021", "R034")
        ]

    @pytest.mark.parametrize("word", ["no", "Off", "FALSE", "n"])
    def test_flags_are_yamls(self, load_texts, word):
        assert not load_texts(rule(enabled=word))[0].rules[0].enabled

    def test_a_tag_is_there_once(self, load_texts):
        change = "- rule: r\n  tags: [b, c]\n  override: {tags: append}\n"

        assert ("a", "b", "c") == load_texts(rule(tags="[a, b, a]"), change)[0].rules[0].tags

    def test_items_and_exceptions_of_nothing_are_nothing(self, load_texts):
        assert [] == load_texts("-\n" + rule(exceptions="") + "- ~\n---\n---\n- null\n")[1]

    def test_enabled_alone_switches_a_rule(self, load_texts):
        rules, problems = load_texts(rule(), "- rule: r\n  enabled: false\n")

        assert [False] == [rule.enabled for rule in rules.rules]
        assert [("R023", True)] == [(problem.code, problem.warning) for problem in problems]

    def test_disabled_rules_need_no_calls(self, load_texts):
        rules, _ = load_texts(rule(enabled="false"))

        assert {} == dict(rules.interest.calls)

    def test_exceptions_become_part_of_the_condition(self, conditions):
        exceptions = (
            "\n    - {name: pairs, fields: [proc.name, fd.name], comps: [=, startswith],"
            " values: [[cat, /a b], [tac, /c]]}"
            "\n    - {name: names, fields: proc.pname, values: [x, y]}"
            "\n    - {name: none, fields: [proc.exe]}"
        )

        (condition,) = conditions(rule(exceptions=exceptions))
        expected = conditions(
            rule(
                condition="evt.type=open and not ((proc.name=cat and fd.name startswith '/a b')"
                " or (proc.name=tac and fd.name startswith /c) or (proc.pname in (x, y)))"
            )
        )

        assert expected == [condition]

    def test_values_can_be_appended_to_an_exception(self, conditions):
        exceptions = "\n    - {name: names, fields: proc.name, values: [x]}"
        change = "- rule: r\n  exceptions: [{name: names, values: [y]}]\n  override: {exceptions: append}\n"

        (condition,) = conditions(rule(exceptions=exceptions), change)

        assert And((OPEN, Not(Check(FieldRef("proc.name"), Op.IN, ("x", "y"))))) == condition

    def test_a_rule_may_ask_to_be_skipped_when_a_field_is_unknown(self, load_texts):
        text = "- macro: m\n  condition: (ka.verb exists)\n" + rule(condition="m") + rule("kept")
        text = text.replace("  desc: d\n", "  desc: d\n  skip-if-unknown-filter: true\n", 1)

        rules, problems = load_texts(text)

        assert ["kept"] == [rule.name for rule in rules.rules]
        assert [("R011", True)] == [(problem.code, problem.warning) for problem in problems]

    def test_rules_of_other_sources_are_passed_over(self, load_texts):
        rules, problems = load_texts(rule(source="k8s_audit", condition="ka.verb=get"))

        assert ((), ["R022"]) == (rules.rules, [problem.code for problem in problems])

    @pytest.mark.parametrize("version", ["16", "0.57.0", "0.63.0"])
    def test_rules_for_a_known_engine_are_taken(self, mistakes, version):
        text = (
            f"- required_engine_version: {version}\n- required_plugin_versions: [{{name: container, version: 0.4.0}}]\n"
        )

        assert [] == mistakes(text + rule())


class TestNoRules:
    """A daemon without rules only counts: nobody is to find that out when it matters."""

    @pytest.fixture
    def only(self, tmp_path):
        """The only problem of a directory."""

        def only(**options):
            (problem,) = no_rules((tmp_path,), load((tmp_path,), TABLE, RulesConfig(**options))[0])
            assert (True, str(tmp_path)) == (problem.warning, problem.file)
            return f"{problem.code} {problem.message}"

        return only

    def test_a_directory_without_files_of_rules(self, only, tmp_path):
        (tmp_path / "rules.txt").write_text(rule())

        assert (
            "R036 no rule is in force, nothing will alert: no file here is one of rules; they are named *.yaml or *.yml"
            == only()
        )

    def test_files_without_rules(self, only, tmp_path):
        (tmp_path / "a.yaml").write_text("# nothing yet\n")

        assert "R036 no rule is in force, nothing will alert: no file here defines one" == only()

    def test_all_are_switched_off(self, only, tmp_path):
        (tmp_path / "a.yaml").write_text(rule() + rule("s"))

        assert "all that are here are switched off: 2 rules" in only(priority=Priority.CRITICAL)

    def test_no_path(self):
        (problem,) = no_rules((), load((), TABLE)[0])

        assert "rules.paths: warning R036 no rule is in force, nothing will alert: no path is given" == str(problem)

    def test_one_that_is_on_is_enough(self, load_texts):
        assert [] == no_rules((), load_texts(rule(), rule("s", enabled="false"))[0])


class TestMistakes:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("rule: x\n", [("R003", 1, 1)]),
            ("- x\n", [("R003", 1, 3)]),
            ("- rule: [x]\n", [("R003", 1, 9)]),
            (rule(condition=None), [("R005", 1, 9)]),
            (rule(desc=None, priority=None), [("R005", 1, 9), ("R005", 1, 9)]),
            (rule(condition=""), [("R007", 3, 13)]),
            ("- list: l\n", [("R005", 1, 9)]),
            ("- macro: m\n", [("R005", 1, 10)]),
            ("- list: l\n  items: x\n", [("R007", 2, 10)]),
            (rule().replace("  desc: d\n", "  desc: d\n  desc: d\n"), [("R006", 3, 3)]),
            (rule(exceptions="[{name: e, fields: a.b}, {name: e, fields: a.b}]"), [("R006", 6, 47)]),
            ("- macro: my-macro\n  condition: evt.type=open\n", [("R027", 1, 10)]),
            ("- list: my list\n  items: []\n", [("R027", 1, 9)]),
            (rule(source="k8s_audit") + rule(), [("R007", 7, 9)]),
            (rule(priority="BAD"), [("R007", 5, 13)]),
            (rule(enabled="maybe"), [("R007", 6, 12)]),
            (rule(condition="evt.type=open and"), [("R008", 3, 28)]),
            (rule(condition="evt.type=open and sehll"), [("R009", 3, 32)]),
            (rule(condition="proc.nmae=x"), [("R011", 3, 14)]),
            (rule(condition="evt.type=open and evt.rawres startswith 1"), [("R012", 3, 32)]),
            (rule(condition="proc.name > 1"), [("R012", 3, 14)]),
            (rule(condition="evt.failed=yes"), [("R013", 3, 25)]),
            (rule(condition="evt.rawres=x"), [("R013", 3, 25)]),
            (rule(condition="proc.name regex '(a'"), [("R013", 3, 30)]),
            (rule(condition="proc.name bcontains xyz"), [("R013", 3, 34)]),
            (rule(condition="proc.name[1]=x"), [("R014", 3, 14)]),
            (rule(condition="evt.arg contains x"), [("R014", 3, 14)]),
            (rule(condition="evt.arg.falgs contains x"), [("R014", 3, 14)]),
            (rule(condition="proc.aname[x]=x"), [("R014", 3, 14)]),
            (rule(condition="join(proc.name)=x"), [("R014", 3, 14)]),
            (rule(condition="len(proc.name)=x"), [("R013", 3, 29)]),
            (rule(condition="proc.name=val(proc.pid)"), [("R012", 3, 14)]),
            (rule(condition="proc.name=val(proc.aname)"), [("R012", 3, 14)]),
            (rule(condition="proc.name pmatch val(proc.exe)"), [("R012", 3, 14)]),
            (rule(output="x %proc.nmae"), [("R011", 4, 13)]),
            (rule(output="100 % sure"), [("R017", 4, 15)]),
            ("- required_engine_version: 0.64.0\n", [("R018", 1, 28)]),
            ("- required_plugin_versions: [{name: k8smeta, version: 1.0.0}]\n", [("R019", 1, 30)]),
            (rule(append="true"), [("R015", 1, 9)]),
            (rule() + "- rule: r\n  tags: [x]\n  override: {tags: prepend}\n", [("R015", 8, 14)]),
            (rule() + "- rule: r\n  tags: [x]\n  override: {desc: append}\n", [("R015", 7, 3), ("R015", 8, 14)]),
            (rule() + "- rule: r\n  desc: x\n  append: true\n  override: {desc: append}\n", [("R015", 8, 3)]),
            (rule(exceptions="[{name: e, fields: [proc.name], values: [[a, b]]}]"), [("R016", 6, 56)]),
            (rule(exceptions="[{name: e, fields: [a.b, c.d], comps: [=]}]"), [("R016", 6, 23)]),
        ],
    )
    def test_each_has_a_code_and_a_place(self, mistakes, text, expected):
        assert expected == mistakes(text)

    def test_all_of_all_files_are_found_at_once(self, load_texts):
        _, problems = load_texts(rule(condition="proc.nmae=x") + rule("s", priority="BAD"), "- [", rule("t", "m"))

        assert ["R011", "R007", "R002", "R009"] == [problem.code for problem in problems]

    def test_all_items_of_a_file_are_read_although_one_is_not_yaml(self, mistakes):
        text = (
            rule("a", output="x: y") + rule("b", "proc.nmae=x") + "- rule: c\n\tdesc: d\n" + rule("d", priority="BAD")
        )

        assert [("R002", 4, 12), ("R011", 8, 14), ("R002", 12, 1), ("R007", 17, 13)] == mistakes(text)

    def test_the_end_of_a_condition_is_behind_it(self, mistakes):
        assert [("R008", 3, 23)] == mistakes(rule(condition="proc.name"))
        assert [("R008", 4, 14)] == mistakes(rule(condition=">\n    proc.name\n"))

    def test_a_rule_that_is_there_may_have_been_meant_to_be_changed(self, load_texts):
        _, problems = load_texts(rule() + "- rule: r\n  condition: and proc.name=x\n")

        assert "'override: {condition: append}'" in errors(problems)[0].message

    def test_the_keys_of_exceptions_are_checked(self, load_texts):
        _, problems = load_texts(rule(exceptions="[{name: e, field: proc.name}]"))

        assert ["did you mean 'fields'?"] == [problem.message.partition("; ")[2] for problem in problems]

    def test_the_nearest_name_is_named(self, load_texts):
        text = "- macro: spawned\n  condition: (evt.type=execve)\n" + rule(condition="spawnd and proc.nmae=x")

        _, problems = load_texts(text)

        said = " ".join(problem.message for problem in errors(problems))
        assert "did you mean 'spawned'?" in said
        assert "did you mean 'proc.name'?" in said

    def test_a_macro_loop_is_said_once_with_the_way_around(self, load_texts):
        text = "- macro: a\n  condition: (b)\n- macro: b\n  condition: (a)\n" + rule(condition="a")

        _, problems = load_texts(text)

        assert ["R010"] == [problem.code for problem in errors(problems)]
        assert "a -> b -> a" in errors(problems)[0].message

    def test_a_macro_may_not_name_a_later_one(self, mistakes):
        text = "- macro: a\n  condition: (b)\n- macro: b\n  condition: (evt.type=open)\n" + rule(condition="a")

        assert [("R009", 2, 15)] == mistakes(text)

    def test_the_others_of_a_long_loop_are_not_said_to_be_late(self, load_texts):
        text = "- macro: a\n  condition: (b)\n- macro: b\n  condition: (c)\n- macro: c\n  condition: (a)\n"

        _, problems = load_texts(text + rule(condition="a"))

        assert ["R010"] == [problem.code for problem in errors(problems)]
        assert "a -> b -> c -> a" in errors(problems)[0].message

    def test_what_leads_to_a_loop_is_not_in_it(self, mistakes):
        text = "- macro: a\n  condition: (a)\n- macro: b\n  condition: (a)\n"

        assert [("R010", 2, 15)] == mistakes(text + rule(condition="b"))

    def test_a_list_loop_is_said(self, mistakes):
        text = "- list: a\n  items: [b]\n- list: b\n  items: [a]\n"

        assert [("R010", 1, 9)] == mistakes(text)

    def test_a_mistake_in_a_macro_is_said_once(self, mistakes):
        text = "- macro: m\n  condition: (proc.nmae=x)\n" + rule(condition="m") + rule("s", condition="m")

        assert [("R011", 2, 15)] == mistakes(text)

    def test_macros_that_double_at_each_step_end_in_an_error(self, mistakes):
        macros = "- macro: m0\n  condition: (evt.type=open)\n" + "".join(
            f"- macro: m{n}\n  condition: (m{n - 1} or proc.name=x and m{n - 1})\n" for n in range(1, 60)
        )

        assert {"R024"} == {code for code, _, _ in mistakes(macros + rule(condition="m59"))}

    def test_macros_that_nest_too_deep_end_in_an_error(self, mistakes):
        macros = "- macro: m0\n  condition: (evt.type=open)\n" + "".join(
            f"- macro: m{n}\n  condition: not (m{n - 1} and proc.name=x)\n" for n in range(1, 400)
        )

        assert {"R024"} == {code for code, _, _ in mistakes(macros + rule(condition="m399"))}

    def test_unknown_keys_only_warn(self, load_texts):
        rules, problems = load_texts(rule(prority="high") + "- rul: x\n")

        assert 1 == len(rules.rules)
        assert [("R004", True), ("R004", True)] == [(problem.code, problem.warning) for problem in problems]

    def test_what_nothing_uses_only_warns(self, load_texts):
        _, problems = load_texts("- list: l\n  items: [a]\n- macro: m\n  condition: evt.type=open\n")

        assert [("R021", True), ("R021", True)] == [(problem.code, problem.warning) for problem in problems]

    def test_a_rule_for_nearly_every_call_warns_unless_told_not_to(self, load_texts):
        _, problems = load_texts(rule("a", "proc.name=cat") + rule("b", "proc.name=dog", warn_evttypes="false"))

        assert [("R020", 1)] == [(problem.code, problem.line) for problem in problems]

    def test_a_test_for_the_begin_of_a_call_warns(self, load_texts):
        _, problems = load_texts(rule(condition="evt.type=setuid and evt.dir=>"))

        assert [("R023", 3, 34, True)] == [
            (problem.code, problem.line, problem.column, problem.warning) for problem in problems
        ]

    def test_a_syscall_that_is_not_one_only_warns(self, load_texts):
        _, problems = load_texts(rule(condition="evt.type in (open, opnat)"))

        assert [("R025", True)] == [(problem.code, problem.warning) for problem in problems]
        assert "did you mean 'openat'?" in problems[0].message


class TestShippedRules:
    DIRECTORY = Path(__file__).parents[2] / "config/rules"

    def test_they_load_without_a_word(self):
        _, problems = load((self.DIRECTORY,), TABLE)

        assert [] == problems

    def test_each_has_attack_tags_and_a_maturity(self):
        rules, _ = load((self.DIRECTORY,), TABLE)

        for one in rules.rules:
            kinds = {tag.partition("_")[0] for tag in one.tags} | {tag[0] for tag in one.tags if tag[1:5].isdigit()}
            assert {"maturity", "mitre", "T"} <= kinds, one.name


@pytest.mark.skipif(not FALCO_RULES.exists(), reason="Falco's own rules are not part of this project")
def test_falcos_rules_load_as_they_are():
    rules, problems = load((FALCO_RULES,), TABLE)

    assert [] == errors(problems)
    assert 25 == len(rules.rules)


class TestPlacesAndHints:
    def test_a_wrong_literal_is_pointed_at(self, mistakes):
        text = rule(condition="evt.type=open and user.uid in (0, 7, root) and fd.sport = nosuch")

        at = text.splitlines()[2].index
        assert [("R013", 3, at("root") + 1), ("R013", 3, at("nosuch") + 1)] == mistakes(text)

    def test_a_mistake_of_a_rule_does_not_hide_its_others(self, mistakes):
        text = rule(condition="evt.type=open and proc.nmae=x", output="o %fd.nmae", priority="WARNNG")

        assert ["R007", "R011", "R011"] == sorted(code for code, _, _ in mistakes(text))

    @pytest.mark.parametrize(
        "condition",
        ["proc.name in (reader)", "proc.name in reader", "fd.name pmatch (/etc, reader)", "proc.name = reader"],
    )
    def test_a_misspelt_list_is_told(self, load_texts, condition):
        text = "- list: readers\n  items: [cat]\n" + rule(condition=f"evt.type=open and {condition}")

        problems = load_texts(text)[1]

        assert ["R021", "R035"] == [problem.code for problem in problems]
        assert "'readers'" in problems[1].message
        assert text.splitlines()[4].rindex("reader") + 1 == problems[1].column

    def test_in_a_list_too(self, load_texts):
        text = "- list: web_servers\n  items: [nginx]\n- list: all\n  items: [web_server, sshd]\n"

        assert ["R035"] == [
            problem.code
            for problem in load_texts(text + rule(condition="evt.type=open and proc.name in (all)"))[1]
            if problem.code != "R021"
        ]

    @pytest.mark.parametrize("word", ["crond", '"cron_jobz"', "cron"])
    def test_what_only_looks_alike_is_not(self, load_texts, word):
        text = "- list: cron\n  items: [anacron]\n- list: cron_jobs\n  items: [at]\n"
        text += rule(condition=f"evt.type=open and proc.name in (cron, cron_jobs, {word})")

        assert [] == load_texts(text)[1]

    def test_what_rules_for_other_sources_use_is_used_and_may_name_their_fields(self, load_texts):
        text = "- list: verbs\n  items: [create]\n- macro: creation\n  condition: (ka.verb in (verbs))\n"
        text += "- macro: kevt\n  condition: (jevt.value[/stage]=x and creation)\n"
        text += rule(condition="kevt", source="k8s_audit")

        assert ["R022"] == [problem.code for problem in load_texts(text)[1]]

    def test_what_a_runtime_would_supply_says_so(self, load_texts):
        texts = [
            rule("image", condition="evt.type=open and container.image.repository=nginx"),
            rule("names", condition="evt.type=connect and fd.sip.name=example.org"),
        ]

        of_image, of_names = load_texts(*texts)[1]

        assert ["R030", "R030"] == [of_image.code, of_names.code]
        assert "containers.sockets" in of_image.message
        assert "containers.sockets" not in of_names.message
