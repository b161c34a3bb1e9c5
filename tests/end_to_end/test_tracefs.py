"""A machine whose tracefs is not mounted, or for root alone: the daemon works, and says what it does without."""

import json
import subprocess
import sys

import pytest

from tests.support.daemon import CHECKOUT, configured, environment, running, shell

RULE = "- {rule: R, desc: d, condition: evt.type=mkdir, output: '%evt.type of %evt.nr', priority: INFO}\n"
SAID = "system calls newer than the shipped table have no names: /sys/kernel/tracing/events/syscalls: "


def after(setup: str) -> tuple[str, ...]:
    """What executes the command behind it after this one, in a mount namespace of its own."""
    return ("unshare", "--mount", "sh", "-c", f'{setup} && exec "$@"', "sh")


WITH = after("{ mountpoint -q /sys/kernel/tracing || mount -t tracefs none /sys/kernel/tracing; }")
"""Whether the machine has it mounted is its own business."""

HIDDEN = after("mount -t tmpfs none /sys/kernel/tracing")
WITHOUT = after("{ umount -a -l -t tracefs; true; }")


@pytest.mark.bpf
def test_without_it_the_daemon_says_so_once_and_names_calls(tmp_path):
    with shell() as opened, running(tmp_path, opened.scope, configured(tmp_path, RULE), HIDDEN) as daemon:
        opened.run(f"mkdir {tmp_path}/new")
        daemon.settle()
        daemon.reload()

        assert ["mkdir of 83"] == [alert["output"].split(": ")[-1] for alert in daemon.alerts()]
        said = [line for line in daemon.log.splitlines() if "system calls newer" in line]
    assert [f"monitord: {SAID}No such file or directory; see `monitord doctor`"] == said


@pytest.mark.bpf
def test_with_it_nothing_is_said(tmp_path):
    with shell() as opened, running(tmp_path, opened.scope, configured(tmp_path, RULE), WITH) as daemon:
        assert "system calls newer" not in daemon.log


def test_doctor_says_how_to_mount_it():
    command = [*WITHOUT, sys.executable, "-m", "monitord.cli.main", "doctor", "--json"]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment(), capture_output=True, text=True)
    (check,) = [check for check in json.loads(done.stdout) if check["name"] == "tracefs"]

    assert "warn" == check["verdict"]
    assert "/sys/kernel/tracing/events/syscalls: No such file or directory" == check["found"]
    assert check["advice"].endswith(": mount -t tracefs tracefs /sys/kernel/tracing")


def test_doctor_of_a_service_says_that_it_is_for_root():
    code = (
        "import os; from monitord.cli.machine_checks import Host, check_tracefs\n"
        "os.seteuid(65534); check = check_tracefs(Host())\n"
        "print(check.verdict.name, check.found, check.advice, sep='\\n')"
    )
    done = subprocess.run(
        [*WITH, sys.executable, "-c", code], cwd=CHECKOUT, env=environment(), capture_output=True, text=True
    )
    verdict, found, advice = done.stdout.splitlines()

    assert ("WARN", "/sys/kernel/tracing/events/syscalls: Permission denied") == (verdict, found)
    assert "only root may read it" in advice
