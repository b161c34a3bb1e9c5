import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from monitord.sinks.http_files import NO_CERTIFICATE
from tests.support.daemon import PATIENCE_S
from tests.support.receiver import make_certificates

ROOT = Path(__file__).parents[2]
GOOD = "- macro: m\n  condition: (evt.type=open)\n- list: l\n  items: [cat]\n" + (
    "- rule: r\n  desc: d\n  condition: m and proc.name in (l)\n  output: o\n  priority: NOTICE\n"
)
RULES = "rules: {paths: [good.yaml]}\n"


@pytest.fixture
def check(tmp_path):
    def run(*args, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.yaml").write_text(text)
        environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
        command = [sys.executable, "-m", "monitord.cli.main", "check", *args]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE_S
        )

    return run


def test_good_rules_are_counted(check):
    done = check("good.yaml", good=GOOD)

    assert (0, "ok: 1 rule, 1 macro, 1 list\n", "") == (done.returncode, done.stdout, done.stderr)


def test_every_mistake_is_shown_with_its_line_and_a_caret(check):
    done = check("bad.yaml", "worse.yaml", bad=GOOD.replace("proc.name", "proc.nmae"), worse="- [\n")

    assert (2, "") == (done.returncode, done.stdout)
    first, line, caret, *rest = done.stderr.splitlines()
    assert first.startswith("bad.yaml:7:20: R011 there is no field 'proc.nmae'; did you mean 'proc.name'?")
    assert "      condition: m and proc.nmae in (l)" == line
    assert line.index("proc.nmae") == caret.index("^")
    assert any(text.startswith("worse.yaml:2:1: R002 ") for text in rest)


@pytest.mark.parametrize(
    "text",
    [
        "webhook: {url: 'https://h/s3cret path'}",
        "webhook: {url: [https://h/s3cret]}",
        'webhook: {url: http://h/, headers: {X-Token: "s3cret\\n"}}',
        "alertmanager: {urls: ['https://me:s3cret@h/']}",
    ],
)
def test_a_line_that_can_hold_a_secret_is_not_shown(check, text):
    """The output of a check ends in the logs of others, as that of a build does."""
    done = check("-c", "monitord.yaml", monitord=f"outputs: {{{text}}}\n{RULES}", good=GOOD)

    assert (2, 2) == (done.returncode, len(done.stderr.splitlines()))
    assert "s3cret" not in done.stderr


def test_warnings_are_shown_and_do_not_fail(check):
    done = check("odd.yaml", odd=GOOD + "- list: unused\n  items: []\n")

    assert (0, "ok: 1 rule, 1 macro, 2 lists; 1 warning\n") == (done.returncode, done.stdout)
    assert "odd.yaml:10:9: warning R021" in done.stderr


def test_rules_that_alert_only_in_correlations_are_named(check):
    correlation = (
        "- rule: many\n  desc: d\n  output: o\n  priority: NOTICE\n  correlation:\n    type: event_count\n"
        + ("    rules: [r]\n    timespan: 1m\n    condition: {gte: 5}\n")
    )
    done = check("rules.yaml", rules=GOOD + correlation)

    assert "not alerting by themselves, only in correlations: r" == done.stdout.splitlines()[0]


def test_the_rules_of_a_configuration_are_checked(check):
    done = check("-c", "monitord.yaml", monitord="rules:\n  paths: [good.yaml]\n", good=GOOD)

    assert (0, "ok: 1 rule, 1 macro, 1 list\n") == (done.returncode, done.stdout)


def test_mistakes_of_the_configuration_are_shown_beside_those_of_the_rules(check):
    done = check("-c", "monitord.yaml", monitord="scop: x\nrules: {paths: [bad.yaml]}\n", bad="- rule: r\n")

    assert 2 == done.returncode
    assert "monitord.yaml:1:" in done.stderr
    assert "bad.yaml:1:9: R005" in done.stderr


def test_a_file_that_is_not_there_is_one_clear_message(check):
    done = check("none.yaml")

    assert 2 == done.returncode
    assert "none.yaml: R001 cannot read this file: No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr


class TestWhatIsNoRegularFile:
    """Opening a pipe waits for a writer, and /dev/zero has no end."""

    @pytest.fixture(params=["a pipe", "a socket", "a device"])
    def kind(self, request, tmp_path):
        path = tmp_path / "odd.yaml"
        if request.param == "a pipe":
            os.mkfifo(path)
        elif request.param == "a socket":
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(str(path))
        else:
            path.symlink_to("/dev/zero")
        return request.param

    def test_as_rules(self, check, kind):
        done = check("odd.yaml")

        expected = f"odd.yaml: R001 cannot read this file: it is {kind}, not a regular file; check its path and mode\n"
        assert (2, expected + "1 mistake to put right\n") == (done.returncode, done.stderr)

    def test_as_configuration(self, check, kind):
        done = check("-c", "odd.yaml")

        expected = f"odd.yaml: C001 cannot read it: it is {kind}, not a regular file; give another file with -c\n"
        assert (2, expected) == (done.returncode, "".join(done.stderr.splitlines(keepends=True)[:1]))

    @pytest.mark.parametrize("key", ["headers_file", "ca_file"])
    def test_as_a_file_of_an_output(self, check, kind, key):
        done = check("-c", "monitord.yaml", monitord=f"outputs: {{webhook: {{url: https://a/, {key}: odd.yaml}}}}\n")

        assert 2 == done.returncode
        assert f"C037 outputs.webhook.{key}: " in done.stderr
        assert f"odd.yaml: it is {kind}, not a regular file\n" in done.stderr

    def test_but_the_null_device_is_an_empty_file(self, check, tmp_path):
        (tmp_path / "off.yaml").symlink_to(os.devnull)

        assert 0 == check("good.yaml", "off.yaml", good=GOOD).returncode


def test_a_line_with_tabs_keeps_the_caret_in_place(check):
    done = check("tabs.yaml", tabs=GOOD.replace("m and ", "m and\t").replace("proc.name", "proc.nmae"))

    assert "\t^" in done.stderr


def test_disabled_rules_are_counted_apart(check):
    done = check("off.yaml", off=GOOD + "  enabled: false\n")

    assert "ok: 1 rule (1 disabled), 1 macro, 1 list; 1 warning\n" == done.stdout


def test_no_rule_in_force_is_worth_a_warning(check):
    done = check("off.yaml", off=GOOD + "  enabled: false\n")

    assert 0 == done.returncode
    assert "off.yaml: warning R036 no rule is in force, nothing will alert: all that are here are switched off" in (
        done.stderr
    )


def test_mistakes_say_enough(check):
    done = check("-c", "absent.yaml")

    assert (2, False) == (done.returncode, "R036" in done.stderr)


def test_rules_named_yml_are_read_too(check, tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/site.yml").write_text(GOOD)

    assert "ok: 1 rule, 1 macro, 1 list\n" == check("rules").stdout


class TestFilesOfOutputs:
    """Certificates, keys and headers are opened as the daemon opens them."""

    @pytest.fixture(scope="class")
    def certificates(self, tmp_path_factory):
        return make_certificates(tmp_path_factory.mktemp("certificates"))

    def test_right_ones_are_no_mistake(self, check, certificates, tmp_path):
        (tmp_path / "headers").write_text("# a token\nAuthorization: Bearer x\n")
        cert, key, ca = certificates.cert("client"), certificates.key("client"), certificates.cert("ca")
        files = f"headers_file: headers, ca_file: {ca}, client_cert: {cert}, client_key: {key}"
        done = check(
            "-c", "monitord.yaml", monitord=f"outputs:\n  webhook: {{url: 'https://a/', {files}}}\n{RULES}", good=GOOD
        )

        assert (0, "") == (done.returncode, done.stderr)

    def test_all_that_is_wrong_is_said_with_its_place(self, check, certificates, tmp_path):
        (tmp_path / "headers").write_text("A: b\ns3cr3t\nHost: x\n")
        (tmp_path / "empty.pem").touch()
        cert, key = certificates.cert("client"), certificates.key("server")
        done = check(
            "-c",
            "monitord.yaml",
            monitord="outputs:\n"
            "  webhook:\n    url: https://a/\n    headers_file: headers\n    ca_file: empty.pem\n"
            f"  alertmanager:\n    urls: [https://a/]\n    client_cert: {cert}\n    client_key: {key}\n",
        )
        said = [line for line in done.stderr.splitlines() if ": C0" in line]

        assert 2 == done.returncode
        assert [
            "monitord.yaml:4:19: C037 outputs.webhook.headers_file: headers:2: not a line of the form 'Name: value'",
            "monitord.yaml:4:19: C037 outputs.webhook.headers_file: headers:3: Host is set by monitord; leave it out",
            f"monitord.yaml:5:14: C037 outputs.webhook.ca_file: empty.pem: {NO_CERTIFICATE}",
            f"monitord.yaml:9:17: C037 outputs.alertmanager.client_key: {key}: "
            "the key belongs to another certificate than client_cert",
        ] == said
        assert "s3cr3t" not in done.stderr

    @pytest.mark.parametrize(
        ("program", "why"),
        [
            ("/no/such", "no such file or directory"),
            ("/etc", f"not a file that uid {os.geteuid()} may execute"),
            ("/etc/passwd", f"not a file that uid {os.geteuid()} may execute"),
            ("/bin/true", ""),
        ],
    )
    def test_so_is_a_program_that_cannot_be_started(self, check, program, why):
        done = check("-c", "monitord.yaml", monitord=f"outputs: {{program: {{command: [{program}, x]}}}}\n")
        said = [line for line in done.stderr.splitlines() if ": C0" in line]

        assert bool(why) * [f"monitord.yaml:1:30: C037 outputs.program.command: {program}: {why}"] == said
        assert (2 if why else 0) == done.returncode

    def test_those_of_tls_are_of_no_interest_without_it(self, check):
        text = "outputs: {webhook: {url: 'http://a/', ca_file: /no/such}}\n"
        done = check("-c", "monitord.yaml", monitord=text + RULES, good=GOOD)

        assert (0, "") == (done.returncode, done.stderr)
