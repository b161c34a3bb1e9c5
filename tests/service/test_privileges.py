"""What the running daemon may: read from /proc, for each of its threads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitord.service.privileges import RUNNING, Capability
from tests.support.daemon import configured, running, shell, until

KEPT = sum(1 << bit for bit in RUNNING)
KEPT_BY_ROOT = KEPT | 1 << Capability.CAP_DAC_OVERRIDE
AMBIENT = [f"--{kind}-caps=-all,+bpf,+perfmon,+sys_admin,+sys_ptrace" for kind in ("inh", "ambient")]


def sets_of(status):
    lines = dict(line.split(":\t", 1) for line in status.split("\n") if ":\t" in line)
    return {name: int(lines[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}


@pytest.mark.bpf
def test_no_thread_of_a_running_daemon_has_more_than_it_needs(tmp_path):
    with shell() as opened, running(tmp_path, opened.scope) as daemon:
        threads = [sets_of(path.read_text()) for path in Path(f"/proc/{daemon.process.pid}/task").glob("*/status")]

    kept = KEPT_BY_ROOT
    assert [{"CapInh": 0, "CapPrm": kept, "CapEff": kept, "CapAmb": 0}] * len(threads) == threads
    assert len(threads) > 4


@pytest.mark.bpf
def test_a_program_that_gets_alerts_has_no_more(tmp_path):
    """From its first start on, before anything was watched."""
    say = f"cat /proc/self/status >{tmp_path}/new; mv {tmp_path}/new {tmp_path}/status; exec cat >/dev/null"
    config = configured(tmp_path, "[]", outputs={"program": {"command": ["/bin/sh", "-c", say]}})
    with shell() as opened, running(tmp_path, opened.scope, config, ("setpriv", *AMBIENT)):
        until((tmp_path / "status").exists)
        sets = sets_of((tmp_path / "status").read_text())

    assert {"CapInh": 0, "CapAmb": 0} == {name: sets[name] for name in ("CapInh", "CapAmb")}
    assert 0 == sets["CapPrm"] & ~KEPT_BY_ROOT


def as_service(code):
    """As systemd starts the service: an ordinary user with ambient capabilities."""
    return subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *AMBIENT, sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_an_ordinary_user_keeps_what_running_takes_and_hands_nothing_on():
    said = as_service(
        "import subprocess; from monitord.service.privileges import drop; drop();"
        "print(open('/proc/self/status').read(), '---', subprocess.run(['cat', '/proc/self/status'], text=True,"
        "capture_output=True).stdout, sep='\\n')"
    )
    own, child = said.split("---\n")

    assert {"CapInh": 0, "CapPrm": KEPT, "CapEff": KEPT, "CapAmb": 0} == sets_of(own)
    assert {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapAmb": 0} == sets_of(child)


@pytest.mark.skipif(os.geteuid() != 0, reason="has nothing to drop")
def test_a_program_that_root_starts_afterwards_gets_nothing_back():
    code = (
        "import subprocess; from monitord.service.privileges import drop; drop();"
        "subprocess.run(['cat', '/proc/self/status'])"
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert 0 == sets_of(child)["CapEff"] & ~KEPT_BY_ROOT
