import re
from dataclasses import fields
from pathlib import Path

import pytest

from monitord.config.codes import Code
from monitord.config.load import load
from monitord.config.outputs import AlertLogConfig, Format, OutputsConfig, SyslogAddress

ROOT = Path(__file__).parents[2]
SECTIONS = ("alert_log", "syslog", "webhook", "alertmanager", "program")
SECRET = "s3cr3t"


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "monitord.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def outputs(write):
    """The outputs of a text without mistakes, without those that are there by default."""

    def outputs(text: str) -> OutputsConfig:
        config, problems = load(write(f"outputs:\n  {text}\n"))
        assert [] == problems
        return config.outputs

    return outputs


@pytest.fixture
def mistakes(write):
    def mistakes(text: str) -> list[str]:
        return [str(problem).partition(".yaml:")[2] for problem in load(write(f"outputs:\n  {text}\n"))[1]]

    return mistakes


class TestShippedFile:
    @pytest.fixture(scope="class")
    def switched_on(self, tmp_path_factory):
        """The shipped file with every output on and every key of it there."""
        text = (ROOT / "config/monitord.yaml").read_text()
        for name in SECTIONS:
            text = text.replace(f"  {name}: null\n", f"  {name}:\n")
        path = tmp_path_factory.mktemp("config") / "monitord.yaml"
        path.write_text(re.sub("^    # ([a-z_]+: )", r"    \1", text, flags=re.MULTILINE))
        return path

    def test_it_is_right(self, switched_on):
        assert [] == load(switched_on)[1]

    @pytest.mark.parametrize("name", SECTIONS)
    def test_every_key_is_at_its_default(self, switched_on, name):
        config = getattr(load(switched_on)[0].outputs, name)
        required = {"path", "url", "urls", "command"} & {field.name for field in fields(config)}

        assert type(config)(**{key: getattr(config, key) for key in required}) == config

    @pytest.mark.parametrize("name", SECTIONS)
    def test_every_key_is_there_and_in_the_documentation(self, switched_on, name):
        config = getattr(load(switched_on)[0].outputs, name)
        keys = {field.name for field in fields(config)}
        section = re.search(rf"^  {name}:\n((?:    .*\n)*)", switched_on.read_text(), re.MULTILINE)[1]
        told = (ROOT / "docs/outputs.md").read_text().split(f"### {name}\n")[1].split("###")[0]

        assert keys == set(re.findall("^    ([a-z_]+):", section, re.MULTILINE))
        assert keys == set(re.findall("^\\| `([a-z_]+)` \\|", told, re.MULTILINE))


class TestValues:
    def test_null_is_off(self, outputs):
        assert OutputsConfig() == outputs("webhook: null")

    def test_an_alert_log(self, outputs, tmp_path):
        expected = AlertLogConfig(tmp_path / "a.jsonl", Format.OCSF)

        assert expected == outputs("alert_log: {path: a.jsonl, format: ocsf}").alert_log

    @pytest.mark.parametrize(
        ("text", "address"),
        [
            ("/run/log", SyslogAddress("unix", "/run/log")),
            ("udp://loghost:514", SyslogAddress("udp", "loghost", 514)),
            ("tcp://[::1]:6514", SyslogAddress("tcp", "::1", 6514)),
        ],
    )
    def test_a_place_of_syslog_reads_as_it_is_written(self, outputs, text, address):
        found = outputs(f'syslog: {{address: "{text}"}}').syslog.address

        assert (address, text) == (found, str(found))

    def test_headers(self, outputs):
        webhook = outputs("webhook: {url: http://h/, headers: {X-A: b, Authorization: Basic x}}").webhook

        assert (("X-A", "b"), ("Authorization", "Basic x")) == webhook.headers

    def test_nothing_shows_secrets(self, outputs):
        webhook = f"webhook: {{url: https://h/{SECRET}, headers: {{Authorization: {SECRET}}}}}"

        assert SECRET not in repr(outputs(webhook))


class TestMistakes:
    def test_a_missing_key_is_named(self, mistakes):
        assert ["2:12: C030 outputs.webhook: url is missing; add it, or write null"] == mistakes(
            "webhook: {timeout_s: 5}"
        )

    def test_the_nearest_key_is_named(self, mistakes):
        assert ["2:32: C004 outputs.webhook.spol: unknown key; did you mean spool?"] == mistakes(
            "webhook: {url: http://h/,    spol: x}"
        )

    def test_the_nearest_word_is_named(self, mistakes):
        assert ["2:33: C031 outputs.alert_log.format: 'oscf' is unknown; did you mean ocsf?"] == mistakes(
            "alert_log: {path: a, format:  oscf}"
        )

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            ("webhook: {url: ftp://h/}", Code.URL),
            ("webhook: {url: h.example.org/hook}", Code.URL),
            ("webhook: {url: 'https:///hook'}", Code.URL),
            ("webhook: {url: 'https://h:99999/'}", Code.URL),
            ("webhook: {url: 'https://h:0/'}", Code.URL),
            ("webhook: {url: 'https://[::1/'}", Code.URL),
            ("webhook: {url: 'https://me:secret@h/'}", Code.URL),
            ("webhook: {url: 'https://h/a b'}", Code.URL),
            ("webhook: {url: https://bücher.example/}", Code.URL),
            ("webhook: {url: https://a..b/}", Code.URL),
            (f"webhook: {{url: https://{64 * 'a'}.example/}}", Code.URL),
            ("webhook: {url: 'https://h/#x'}", Code.URL),
            ("webhook: {url: 5}", Code.WRONG_TYPE),
            ("alertmanager: {urls: []}", Code.URL),
            ("alertmanager: {urls: ['http://h/', 'ftp://h/']}", Code.URL),
            ("alertmanager: {urls: ['http://h/', 'http://h/']}", Code.URL),
            ("alertmanager: {urls: ['http://h/am/api/v2/alerts']}", Code.URL),
            ("alertmanager: {urls: http://h/}", Code.WRONG_TYPE),
            ("webhook: {url: http://h/, headers: [a]}", Code.WRONG_TYPE),
            ("webhook: {url: http://h/, headers: {a: 5}}", Code.WRONG_TYPE),
            ("webhook: {url: http://h/, headers: {'a b': c}}", Code.HEADER),
            ('webhook: {url: http://h/, headers: {a: "b\\r\\nc: d"}}', Code.HEADER),
            ("webhook: {url: http://h/, headers: {content-Length: '5'}}", Code.HEADER),
            ("webhook: {url: http://h/, timeout_s: 0}", Code.OUT_OF_RANGE),
            ("webhook: {url: http://h/, spool_mib: 0}", Code.OUT_OF_RANGE),
            ("webhook: http://h/", Code.NOT_A_SECTION),
            ("webhook: {}", Code.REQUIRED),
            ("syslog: {address: dev/log}", Code.SYSLOG),
            ("syslog: {address: 'tls://h:5'}", Code.SYSLOG),
            ("syslog: {address: 'udp://h'}", Code.SYSLOG),
            ("syslog: {address: 'udp://h:0'}", Code.SYSLOG),
            (f"syslog: {{address: /{'x' * 107}}}", Code.SYSLOG),
            ("syslog: {facility: local8}", Code.CHOICE),
            ("program: {command: /bin/cat}", Code.WRONG_TYPE),
            ("program: {command: []}", Code.COMMAND),
            ("program: {command: [cat]}", Code.COMMAND),
            ('program: {command: [/bin/cat, "\\0"]}', Code.COMMAND),
        ],
    )
    def test_each_has_its_code(self, write, text, code):
        assert [code] == [problem.code for problem in load(write(f"outputs:\n  {text}\n"))[1]]

    @pytest.mark.parametrize(
        "text",
        [
            f"webhook: {{url: 'ftp://h/{SECRET}'}}",
            f"webhook: {{url: 'https://me:{SECRET}@h/'}}",
            f"webhook: {{url: 'https://h:{SECRET}/'}}",
            f"webhook: {{url: [{SECRET}]}}",
            f"webhook: {{url: http://h/, headers: {{A: [{SECRET}]}}}}",
            f'webhook: {{url: http://h/, headers: {{A: "{SECRET}\\n"}}}}',
        ],
    )
    def test_none_shows_a_secret(self, mistakes, text):
        found = mistakes(text)

        assert 1 == len(found)
        assert SECRET not in found[0]
