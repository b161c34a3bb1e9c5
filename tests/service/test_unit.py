"""The systemd unit says what the daemon does."""

import re
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest

from monitord.service.daemon import STOP_DEADLINE_S, TURN_S

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "packaging/systemd/monitord.service"
GUIDE = ROOT / "docs/operating.md"


@pytest.fixture(scope="module")
def service():
    """The settings of all sections; one given several times has all its values."""
    settings = defaultdict(list)
    for line in UNIT.read_text().splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            settings[name].append(value)
    return settings


def faults_of(text, tmp_path):
    """What systemd says of a unit, with `true` in the place of a monitord that need not be installed."""
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"/\S+/bin/(monitord|python) ", "/usr/bin/true ", text))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True)
    return done.returncode, done.stderr


def test_systemd_finds_no_fault(tmp_path):
    assert (0, "") == faults_of(UNIT.read_text(), tmp_path)


def test_systemd_knows_the_drop_ins_of_the_guide(tmp_path):
    page = GUIDE.read_text()
    blocks = re.findall(r"```ini\n\[Service\]\n(.*?)```", page, re.DOTALL)
    settings = re.findall(r"`([A-Z]\w+=[^`]+)`", page.partition("## Drop-ins")[2].partition("\n## ")[0])
    text = UNIT.read_text().replace("[Service]\n", "\n".join(["[Service]", *settings, ""]))

    assert len(settings) >= 6
    assert (0, "") == faults_of(text, tmp_path)
    for block in blocks:
        assert (0, "") == faults_of(UNIT.read_text().replace("[Install]", f"{block}\n[Install]"), tmp_path)


def test_daemon_is_run_with_the_configuration_in_etc(service):
    assert ["/usr/bin/monitord run -c /etc/monitord/monitord.yaml"] == service["ExecStart"]


def test_readiness_comes_from_the_main_process(service):
    assert (["notify"], ["exec"]) == (service["Type"], service["NotifyAccess"])


def test_reload_sends_the_signal_that_reloads(service):
    assert ["kill -HUP $MAINPID"] == service["ExecReload"]


def test_stop_is_given_the_time_to_drain(service):
    assert float(service["TimeoutStopSec"][0]) > STOP_DEADLINE_S


def test_watchdog_is_slower_than_the_main_loop(service):
    assert float(service["WatchdogSec"][0]) / 2 > TURN_S


def test_services_with_default_dependencies_start_after_it(service):
    assert (["no"], True) == (service["DefaultDependencies"], "sysinit.target" in service["Before"])


def test_shutdown_waits_for_it(service):
    assert (["shutdown.target"], True) == (service["Conflicts"], "shutdown.target" in service["Before"])


def calls_of(words):
    """System calls by name, groups of systemd resolved."""
    for word in words:
        if word.startswith("@"):
            listed = subprocess.run(
                ["systemd-analyze", "syscall-filter", word], check=True, capture_output=True, text=True
            )
            yield from calls_of(
                line.strip() for line in listed.stdout.splitlines()[1:] if line.strip()[:1] not in ("", "#")
            )
        else:
            yield word


def test_no_call_is_left_that_reaches_into_others(service):
    allowed = set()
    for words in service["SystemCallFilter"]:
        calls = set(calls_of(words.removeprefix("~").split()))
        allowed = allowed - calls if words.startswith("~") else allowed | calls

    assert {"bpf", "read", "openat", "execve", "epoll_wait"} <= allowed
    reaching = {"process_vm_readv", "process_vm_writev", "process_madvise", "ptrace", "kcmp", "pidfd_getfd"}
    assert set() == allowed & reaching
    assert set() == allowed & {
        "io_uring_setup",
        "userfaultfd",
        "perf_event_open",
        "mount",
        "init_module",
        "reboot",
    }


def test_wrong_configuration_is_not_tried_again(service):
    assert (["on-failure"], ["2"]) == (service["Restart"], service["RestartPreventExitStatus"])


def test_capabilities_are_bounded_to_the_ones_with_a_reason(service):
    bounding = service["CapabilityBoundingSet"][0].split()

    assert ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE"] == bounding


def test_bpf_and_capset_pass_the_system_call_filter(service):
    """After the groups that hold them were taken out."""
    assert "bpf capset" == service["SystemCallFilter"][-1]


def test_systemd_rates_the_exposure_at_2_or_better():
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", UNIT]
    done = subprocess.run(command, check=True, capture_output=True, text=True)

    (level,) = re.findall(r"exposure level for monitord.service: ([\d.]+)", done.stdout)
    assert float(level) <= 2.0
