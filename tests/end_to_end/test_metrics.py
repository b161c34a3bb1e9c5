"""What Prometheus sees of a daemon that watched a program whose calls are known."""

import json
import subprocess

import pytest

from tests.support.daemon import COMMAND, SHIPPED, environment, running, shell
from tests.support.live import compiled, machine_abis

pytestmark = pytest.mark.bpf

ABI = machine_abis()[0].label

GETPPIDS = 10007
OPENS = 503


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """Shipped rules, latency on."""
    directory = tmp_path_factory.mktemp("daemon")
    config = directory / "monitord.yaml"
    config.write_text(
        f"rules: {{paths: [{SHIPPED.parent}/rules]}}\n"
        "bpf: {latency: true, program_stats: true}\n"
        "outputs: {alert_log: {path: alerts.jsonl}}\n"
        "metrics: {address: '127.0.0.1:0'}\n"
    )
    with shell() as opened, running(directory, opened.scope, config) as daemon:
        opened.run(f"{compiled('flood')} getppid {GETPPIDS}")
        opened.run(f"{compiled('flood')} open {OPENS} /nowhere/x")
        opened.run(": < /etc/shadow")
        yield daemon


@pytest.fixture(scope="module")
def scrape(daemon):
    return daemon.settle()


def test_promtool_finds_nothing_to_say(scrape):
    checked = subprocess.run(["promtool", "check", "metrics"], input=scrape.text, capture_output=True, text=True)

    assert (0, "", "") == (checked.returncode, checked.stdout, checked.stderr)


def test_its_memory_is_small(scrape):
    """With shipped rules and after scrapes, work and alerts: 52 MiB; each library more is to be noticed."""
    assert scrape.value("process_resident_memory_bytes") < 56 << 20


def test_every_call_is_counted(scrape):
    assert GETPPIDS == scrape.value("monitord_syscalls_total", abi=ABI, syscall="getppid")


def test_errors_have_their_name(scrape):
    assert OPENS == scrape.value("monitord_syscall_errors_total", abi=ABI, syscall="openat", errno="ENOENT")


def test_every_call_is_in_the_histogram(scrape):
    labels = {"abi": ABI, "syscall": "getppid"}

    assert (GETPPIDS, GETPPIDS) == (
        scrape.value("monitord_syscall_duration_seconds_count", **labels),
        scrape.value("monitord_syscall_duration_seconds_bucket", **labels, le="+Inf"),
    )


def test_every_rule_is_there_from_zero(scrape):
    shipped = "".join(path.read_text() for path in (SHIPPED.parent / "rules").glob("*.yaml"))
    rules = [rule for rule in shipped.split("\n- rule: ")[1:] if "\n  enabled: false\n" not in rule]
    names = {rule.partition("\n")[0] for rule in rules}
    matches = {labels["rule"]: matches for labels, matches in scrape.labelled("monitord_rule_matches_total")}
    executed = matches["File executed"]  # which correlations count, and nothing alerts of

    assert dict.fromkeys(names, 0) | {"Password file read": 1, "File executed": executed} == matches
    assert executed > 0


def test_every_stage_of_loss_is_there_from_zero(scrape):
    lost = {labels["stage"]: events for labels, events in scrape.labelled("monitord_events_lost_total")}

    assert dict.fromkeys(("ring", "queue", "decode", "rules"), 0) == lost


def test_rules_cost_what_is_scraped(daemon, scrape):
    command = [*COMMAND, "rules", "--cost", "--json", "-c", str(SHIPPED), "--metrics", daemon.metrics_address()]
    told = json.loads(subprocess.run(command, env=environment(), check=True, capture_output=True).stdout)
    seconds = {labels["rule"]: number for labels, number in scrape.labelled("monitord_rule_evaluation_seconds_total")}
    matches = {labels["rule"]: number for labels, number in scrape.labelled("monitord_rule_matches_total")}

    assert matches == {one["rule"]: one["matches"] for one in told}
    assert all(seconds[one["rule"]] <= one["seconds"] < 60 for one in told)
    assert 0 < seconds["Password file read"]


def test_the_kernel_timed_the_programs(scrape):
    assert scrape.value("monitord_bpf_program_runs_total", program="on_sys_exit") > GETPPIDS
