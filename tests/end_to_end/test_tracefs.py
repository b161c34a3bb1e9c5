"""A machine whose tracefs is not mounted, or for root alone: the daemon works, and says what it does without."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from monitord.cli.machine_checks import Host, Verdict, check_tracefs
from tests.support.daemon import CHECKOUT, configured, environment, running, shell

RULE = "- {rule: R, desc: d, condition: evt.type=mkdir, output: '%evt.type of %evt.nr', priority: INFO}\n"
OVER = "mount -t tmpfs none /sys/kernel/tracing && exec "
SAID = "system calls newer than the shipped table have no names: /sys/kernel/tracing/events/syscalls: "


@pytest.mark.bpf
def test_without_it_the_daemon_says_so_once_and_names_calls(tmp_path):
    before = ("unshare", "--mount", "sh", "-c", OVER + '"$@"', "sh")
    with shell() as opened, running(tmp_path, opened.scope, configured(tmp_path, RULE), before) as daemon:
        opened.run(f"mkdir {tmp_path}/new")
        daemon.settle()
        daemon.reload()

        assert ["mkdir of 83"] == [alert["output"].split(": ")[-1] for alert in daemon.alerts()]
        said = [line for line in daemon.log.splitlines() if "system calls newer" in line]
    assert [f"monitord: {SAID}No such file or directory; see `monitord doctor`"] == said


def test_with_it_nothing_is_said(tmp_path):
    with shell() as opened, running(tmp_path, opened.scope, configured(tmp_path, RULE)) as daemon:
        assert "system calls newer" not in daemon.log


def test_doctor_says_how_to_mount_it():
    command = f"umount -l /sys/kernel/tracing && exec {sys.executable} -m monitord.cli.main doctor --json"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command], cwd=CHECKOUT, env=environment(), capture_output=True, text=True
    )
    (check,) = [check for check in json.loads(done.stdout) if check["name"] == "tracefs"]

    assert "warn" == check["verdict"]
    assert "/sys/kernel/tracing/events/syscalls: No such file or directory" == check["found"]
    assert check["advice"].endswith(": mount -t tracefs tracefs /sys/kernel/tracing")


@contextmanager
def somebody_else():
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_doctor_of_a_service_says_that_it_is_for_root():
    with somebody_else():
        check = check_tracefs(Host())

    assert (Verdict.WARN, "/sys/kernel/tracing/events/syscalls: Permission denied") == (check.verdict, check.found)
    assert "only root may read it" in check.advice
