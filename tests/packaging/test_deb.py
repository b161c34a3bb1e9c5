"""The Debian package: built from this checkout, and what is in it."""

import argparse
import dataclasses
import gzip
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from monitord.cli.main import COMMANDS
from monitord.config.outputs import (
    AlertLogConfig,
    AlertmanagerConfig,
    OutputsConfig,
    ProgramConfig,
    SyslogConfig,
    WebhookConfig,
)
from monitord.config.schema import Config

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The directory that the package was unpacked to, with its control files in DEBIAN."""
    done = subprocess.run(["make", "deb"], cwd=ROOT, capture_output=True, text=True)
    assert 0 == done.returncode, done.stdout[-3000:] + done.stderr[-3000:]
    (deb,) = (ROOT / "dist").glob("*.deb")
    tree = tmp_path_factory.mktemp("unpacked")
    subprocess.run(["dpkg-deb", "--raw-extract", deb, tree], check=True)
    return tree


def test_all_that_an_operator_edits_is_a_conffile(package):
    rules = {f"/etc/monitord/rules.d/{path.name}" for path in (ROOT / "config/rules").glob("*.yaml")}

    assert {"/etc/monitord/monitord.yaml", "/etc/logrotate.d/monitord"} | rules == set(
        (package / "DEBIAN/conffiles").read_text().split()
    )


def test_needs_nothing_but_debian(package):
    (depends,) = re.findall(r"^Depends: (.*)$", (package / "DEBIAN/control").read_text(), re.MULTILINE)

    names = {dependency.split(" | ")[0] for dependency in depends.split(", ")}

    python = {"python3-bpfcc", "python3-numpy", "python3-prometheus-client", "python3-systemd", "python3-yaml"}
    assert python | {"python3:any", "systemd"} == names


def test_what_runs_while_it_is_built_is_among_its_build_dependencies():
    control, makefile = (ROOT / "packaging/deb/control").read_text(), (ROOT / "Makefile").read_text()
    (declared,) = re.findall(r"^Build-Depends: (.*)$", control, re.MULTILINE)
    (installed,) = re.findall(r"^DEB_PACKAGES +:= (.*)$", makefile, re.MULTILINE)
    code = (
        "import sys; from monitord.cli.main import main; main(['check', '-c', 'config/monitord.yaml']);"
        "print(*{m.__file__ for m in [*sys.modules.values()] if 'packages' in (getattr(m, '__file__', 0) or '')})"
    )
    python = {"cwd": ROOT, "env": os.environ | {"PYTHONPATH": str(ROOT)}, "check": True}
    said = subprocess.run(["/usr/bin/python3", "-c", code], **python, capture_output=True, text=True).stdout
    owners = subprocess.run(["dpkg", "-S", *said.splitlines()[-1].split()], check=True, capture_output=True, text=True)

    imported = {line.split(":")[0] for line in owners.stdout.splitlines()}

    assert {"python3-numpy", "python3-yaml"} <= imported
    assert set() == imported - set(declared.split(", "))
    assert set() == imported - set(installed.split())


def test_its_configuration_finds_its_rules_and_writes_a_log(package):
    text = (package / "etc/monitord/monitord.yaml").read_text()

    assert "\n  paths: [rules.d]\n" in text
    assert "\n  alert_log:\n    path: /var/log/monitord/alerts.jsonl\n" in text


def test_rotated_is_the_log_that_is_configured(package):
    assert (package / "etc/logrotate.d/monitord").read_text().startswith("/var/log/monitord/alerts.jsonl {")


def test_the_unit_is_the_one_in_the_repository(package):
    unit = (ROOT / "packaging/systemd/monitord.service").read_text()

    assert unit == next(package.glob("**/systemd/system/monitord.service")).read_text()


@pytest.mark.parametrize(("action", "left"), [("remove", 4), ("purge", 0)])
def test_a_purge_leaves_nothing_of_the_operators_or_of_the_service(action, left):
    """In a mount namespace of its own, where these directories are empty but for what is put there."""
    places = "/etc /var/log /var/lib /var/cache"
    script = (
        f"for place in {places}; do mount -t tmpfs none $place; mkdir -p $place/monitord/tls; done;"
        f"for place in {places}; do touch $place/monitord/tls/own; done;"
        f"sh /dev/fd/3 {action} || exit; find {places} -name own"
    )
    with (ROOT / "packaging/deb/monitord.postrm").open() as postrm:
        command = ["unshare", "-m", "sh", "-c", f"exec 3<&0; {script}"]
        done = subprocess.run(command, stdin=postrm, capture_output=True, text=True)

    assert (0, "", left) == (done.returncode, done.stderr, len(done.stdout.splitlines()))


@pytest.mark.parametrize("page", ["man8/monitord.8", "man5/monitord.yaml.5", "man7/monitord-rules.7"])
def test_manual_pages_render(package, page):
    done = subprocess.run(
        ["man", "--warnings", "-l", package / f"usr/share/man/{page}.gz"],
        capture_output=True,
        text=True,
        env={**os.environ, "MANWIDTH": "300"},  # tables in narrow columns make warnings
    )

    assert (0, "") == (done.returncode, done.stderr)
    assert "NAME" in done.stdout


def test_manual_of_the_configuration_has_every_key(package):
    page = gzip.decompress((package / "usr/share/man/man5/monitord.yaml.5.gz").read_bytes()).decode()
    kinds = (AlertLogConfig, SyslogConfig, WebhookConfig, AlertmanagerConfig, ProgramConfig, OutputsConfig, Config)
    keys = {field.name.removesuffix("_s").replace("_", ".") for kind in kinds for field in dataclasses.fields(kind)}

    assert set() == {key for key in keys if not re.search(key.replace(".", r"[_.\\-]+"), page)}


def test_manual_lists_the_commands(package):
    section = (ROOT / "docs/man.md").read_text().partition("# COMMANDS")[2].partition("\n# ")[0]

    assert set(COMMANDS) == set(re.findall(r"^- \*\*(\w+)\*\*", section, re.MULTILINE))


def completed(*words):
    """What a real bash offers for the last of these words, with the monitord of this checkout."""
    script = (
        f'monitord() {{ {sys.executable} -m monitord.cli.main "$@"; }}; source packaging/completion/monitord.bash;'
        'COMP_WORDS=(monitord "$@"); COMP_CWORD=$#; _monitord; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", script, "bash", *words], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.split()


def test_completion_knows_the_commands():
    assert set(COMMANDS) == set(completed(""))


@pytest.mark.parametrize("command", COMMANDS)
def test_completion_knows_every_option_and_no_other(command):
    commands = argparse.ArgumentParser().add_subparsers()
    importlib.import_module(f"monitord.cli.{command}").add_parser(commands)

    assert set(commands.choices[command]._option_string_actions) == set(completed(command, "-"))


def test_alerting_rules_and_dashboard_are_examples(package):
    examples = package / "usr/share/doc/monitord/examples"

    for name in ("prometheus/monitord.rules.yml", "grafana/monitord.json"):
        assert (ROOT / "config" / name).read_bytes() == (examples / name).read_bytes()
