from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from monitord.config.codes import Code
from monitord.config.load import load
from monitord.config.schema import (
    AppendOutput,
    Config,
    ExtraField,
    MetricsConfig,
    PrivacyConfig,
    RulesConfig,
    Scope,
    ScopeKind,
    Selection,
    Written,
)
from monitord.model.priority import Priority

SHIPPED = Path(__file__).parents[2] / "config/monitord.yaml"


@pytest.fixture
def write(tmp_path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "monitord.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.fixture
def mistakes(write):
    """The mistakes of a text, as a person sees them, the file's name alone in front."""

    def mistakes(text: str | bytes) -> list[str]:
        path = write(text)
        return [str(problem).removeprefix(f"{path.parent}/") for problem in load(path)[1]]

    return mistakes


class TestShippedFile:
    def test_it_is_right(self):
        assert [] == load(SHIPPED)[1]

    def test_every_key_is_at_its_default(self):
        rules = RulesConfig(paths=(SHIPPED.parent / "rules",))

        assert Config(rules=rules) == load(SHIPPED)[0]

    def test_every_key_is_there(self):
        sections = yaml.safe_load(SHIPPED.read_text())
        del sections["scope"]
        defaults = Config()
        schema = {name: {key.name for key in fields(getattr(defaults, name))} for name in sections}
        schema["metrics"].remove("port")  # address holds both

        assert schema == {name: set(keys) for name, keys in sections.items()}

    def test_every_section_is_there(self):
        assert {section.name for section in fields(Config)} == set(yaml.safe_load(SHIPPED.read_text()))


class TestValues:
    def test_an_empty_file_is_the_defaults(self, write):
        assert (Config(), []) == load(write(""))

    def test_a_section_without_a_value_is_its_defaults(self, write):
        assert (Config(), []) == load(write("bpf:\nrules:\n"))

    def test_scope(self, write):
        assert Scope(ScopeKind.PID, "1234") == load(write("scope: pid:1234"))[0].scope

    def test_address_holds_host_and_port(self, write):
        expected = MetricsConfig(address="::1", port=9751)

        assert expected == load(write('metrics: {address: "[::1]:9751"}'))[0].metrics

    def test_priority_in_any_case(self, write):
        assert Priority.WARNING == load(write("rules: {priority: Warning}"))[0].rules.priority

    def test_rules_are_selected_in_order(self, write):
        text = "rules: {select: [{disable: {rule: '*'}}, {enable: {tag: network}}]}"

        expected = (Selection(False, rule=Written("*")), Selection(True, tag=Written("network")))
        assert expected == load(write(text))[0].rules.select

    def test_what_to_append_to_outputs(self, write):
        text = (
            "rules: {append_output: [{match: {rule: r, tags: [a, b]}, extra_output: o, extra_fields: [a.b, {c: 5}]}]}"
        )

        fields = (ExtraField("a.b", Written("%a.b"), raw=True), ExtraField("c", Written("5"), raw=False))
        expected = AppendOutput(rule="r", tags=("a", "b"), extra_output=Written("o"), extra_fields=fields)
        assert (expected,) == load(write(text))[0].rules.append_output

    def test_a_relative_path_is_relative_to_the_file(self, write, tmp_path):
        assert (
            tmp_path / "alerts.jsonl"
            == load(write("outputs: {alert_log: {path: alerts.jsonl}}"))[0].outputs.alert_log.path
        )

    def test_an_absolute_path_stays(self, write):
        assert (Path("/etc/a"), Path("/etc/b")) == load(write("rules: {paths: [/etc/a, /etc/b]}"))[0].rules.paths

    def test_no_alert_log_is_null(self, write):
        config, problems = load(write("outputs: {alert_log: null}"))

        assert (None, []) == (config.outputs.alert_log, problems)

    def test_a_right_key_beside_a_wrong_one_is_kept(self, write):
        assert load(write("bpf: {latency: true, ring_pages: 100}"))[0].bpf.latency


class TestMistakes:
    def test_ring_pages_not_a_power_of_two(self, mistakes):
        assert [
            "monitord.yaml:2:15: C012 bpf.ring_pages: 100 is not a power of two; nearest are 64 and 128"
        ] == mistakes("bpf:\n  ring_pages: 100\n")

    def test_an_unknown_key_names_the_nearest(self, mistakes):
        assert ["monitord.yaml:2:3: C004 bpf.latncy: unknown key; did you mean latency?"] == mistakes(
            "bpf:\n  latncy: true\n"
        )

    def test_an_unknown_key_unlike_any_names_all(self, mistakes):
        assert [
            "monitord.yaml:1:1: C004 x: unknown key; "
            "known are scope, bpf, ignore, rules, outputs, privacy, metrics, containers, control"
        ] == mistakes("x: 1")

    def test_all_are_found_at_once_in_the_order_of_the_file(self, mistakes):
        text = """\
metrics: {address: here}
scope: everything
bpf: {latency: 1, ring_pages: 3}
rules: {priority: high, paths: [1, ""]}
"""

        assert ["1 C011", "2 C010", "3 C006", "3 C012", "4 C014", "4 C006", "4 C015"] == [
            f"{line.split(':')[1]} {line.split()[1]}" for line in mistakes(text)
        ]

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            (b"scope: [", Code.NOT_YAML),
            (b"scope: all\n\tbpf: 1", Code.NOT_YAML),
            (b"\xff\xfe\xfd", Code.NOT_YAML),
            (b"scope: \x00", Code.NOT_YAML),
            (b"scope: all\n---\nscope: all", Code.NOT_YAML),
            (b"scope: *nowhere", Code.NOT_YAML),
            (b"[" * 5000, Code.NOT_YAML),
            (b"5", Code.NOT_A_SECTION),
            (b"[scope]", Code.NOT_A_SECTION),
            (b"bpf: true", Code.NOT_A_SECTION),
            (b"[1, 2]: x", Code.UNKNOWN_KEY),
            (b"<<: {scope: all}", Code.UNKNOWN_KEY),
            (b"metrics: {port: 9750}", Code.UNKNOWN_KEY),
            (b"scope: all\nscope: all", Code.REPEATED_KEY),
            (b"scope: 5", Code.WRONG_TYPE),
            (b"scope: {pid: 5}", Code.WRONG_TYPE),
            (b"scope:", Code.WRONG_TYPE),
            (b"bpf: {latency: 1}", Code.WRONG_TYPE),
            (b"bpf: {latency: !!bool maybe}", Code.WRONG_TYPE),
            (b"bpf: {latency: !odd true}", Code.WRONG_TYPE),
            (b'bpf: {ring_pages: "64"}', Code.WRONG_TYPE),
            (b"bpf: {ring_pages: true}", Code.WRONG_TYPE),
            (b"bpf: {ring_pages: 64.0}", Code.WRONG_TYPE),
            (b"bpf: {ring_pages: !!int x}", Code.WRONG_TYPE),
            (b'bpf: {ring_pages: !!int ""}', Code.WRONG_TYPE),
            (b"bpf: {ring_pages: !!timestamp x}", Code.WRONG_TYPE),
            (b"bpf: {ring_pages: 0b_}", Code.WRONG_TYPE),
            (b"rules: {paths: rules}", Code.WRONG_TYPE),
            (b"outputs: {alert_log: true}", Code.NOT_A_SECTION),
            (b"outputs: &a {alert_log: {path: *a}}", Code.WRONG_TYPE),
            (b"bpf: {ring_pages: 0}", Code.OUT_OF_RANGE),
            (b"bpf: {ring_pages: 131072}", Code.OUT_OF_RANGE),
            (b"bpf: {ring_pages: 0x" + b"f" * 5000 + b"}", Code.OUT_OF_RANGE),
            (b"outputs: {queue_alerts: -1}", Code.OUT_OF_RANGE),
            (b"rules: {rule_matching: some}", Code.CHOICE),
            (b"rules: {bad_files: true}", Code.WRONG_TYPE),
            (b"rules: {select: [{enable: {rule: x}, disable: {rule: y}}]}", Code.ONE_KEY),
            (b"rules: {select: [{}]}", Code.ONE_KEY),
            (b"rules: {select: [{disable: {}}]}", Code.ONE_KEY),
            (b"rules: {select: [{disable: {rule: x, tag: y}}]}", Code.ONE_KEY),
            (b"rules: {select: [{disable: {name: x}}]}", Code.UNKNOWN_KEY),
            (b"rules: {select: [{disable: x}]}", Code.WRONG_TYPE),
            (b"rules: {select: [disable]}", Code.WRONG_TYPE),
            (b"rules: {select: {disable: {rule: x}}}", Code.WRONG_TYPE),
            (b"rules: {append_output: [{match: {tag: x}}]}", Code.UNKNOWN_KEY),
            (b"rules: {append_output: [{match: {tags: x}}]}", Code.WRONG_TYPE),
            (b"rules: {append_output: [{match: {tags: [[x]]}}]}", Code.WRONG_TYPE),
            (b"rules: {append_output: [{extra_output: [x]}]}", Code.WRONG_TYPE),
            (b"rules: {append_output: [{extra_fields: [{a: b, c: d}]}]}", Code.ONE_KEY),
            (b"rules: {append_output: [{extra_fields: [{a: [b]}]}]}", Code.WRONG_TYPE),
            (b"rules: {static_fields: [x]}", Code.WRONG_TYPE),
            (b"rules: {static_fields: {x: [y]}}", Code.WRONG_TYPE),
            (b"rules: {static_fields: {a b: y}}", Code.CHOICE),
            (b'outputs: {alert_log: {path: ""}}', Code.PATH),
            (b'outputs: {alert_log: {path: "a\\0b"}}', Code.PATH),
            (b'outputs: {alert_log: {path: "\\ud800"}}', Code.PATH),
        ],
    )
    def test_each_has_its_code(self, write, text, code):
        assert [code] == [problem.code for problem in load(write(text))[1]]

    def test_yaml_errors_have_their_line(self, write):
        assert [3] == [problem.line for problem in load(write("scope: all\nbpf: {}\n  rules: {}\n"))[1]]

    def test_a_missing_file_is_one(self, tmp_path):
        path = tmp_path / "none.yaml"

        assert [f"{path}: C001 cannot read it: No such file or directory; give another file with -c"] == [
            str(problem) for problem in load(path)[1]
        ]

    def test_a_directory_is_one(self, tmp_path):
        assert [Code.UNREADABLE] == [problem.code for problem in load(tmp_path)[1]]


class TestMasks:
    def test_names_and_options_of_programs(self, write):
        config, problems = load(write('privacy: {mask: ["*_pin", "mysql*:-p*"], mask_usual: false}'))

        assert [] == problems
        assert PrivacyConfig(("*_pin", "mysql*:-p*"), False) == config.privacy

    @pytest.mark.parametrize("item", ["*", "", "a b", "a=", "x:", ":-p", "x:*"])
    def test_a_name_that_masks_nothing_or_everything(self, write, item):
        config, problems = load(write(f"privacy: {{mask: [{item!r}]}}"))

        assert ["C017"] == [problem.code for problem in problems]
        assert PrivacyConfig() == config.privacy
