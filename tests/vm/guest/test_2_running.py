"""What the daemon is while it runs."""

import json
import pwd
import re
from pathlib import Path

import pytest
from machine import SERVICE, main_pid, run


@pytest.fixture(scope="module")
def threads():
    """/proc/PID/task/TID/status of each thread, by the thread's name, as a mapping."""
    found = {}
    for task in Path(f"/proc/{main_pid()}/task").iterdir():
        status = dict(re.findall(r"^(\w+):\s*(.*)$", (task / "status").read_text(), re.MULTILINE))
        found[f"{status['Name']} {task.name}"] = status
    assert len(found) >= 5
    return found


@pytest.mark.parametrize("kind", ["CapEff", "CapPrm"])
def test_threads_have_the_capabilities_of_a_running_daemon(threads, kind):
    from monitord.service.privileges import RUNNING  # not there before test_1_install

    wanted = sum(1 << capability for capability in RUNNING)

    assert dict.fromkeys(threads, wanted) == {name: int(status[kind], 16) for name, status in threads.items()}


@pytest.mark.parametrize("kind", ["CapInh", "CapAmb"])
def test_what_they_execute_has_none(threads, kind):
    assert dict.fromkeys(threads, 0) == {name: int(status[kind], 16) for name, status in threads.items()}


def test_threads_are_of_its_own_user(threads):
    uid = str(pwd.getpwnam("monitord").pw_uid)

    assert dict.fromkeys(threads, [uid] * 4) == {name: status["Uid"].split() for name, status in threads.items()}


def test_threads_can_gain_nothing_and_are_filtered(threads):
    assert dict.fromkeys(threads, ("1", "2")) == {
        name: (status["NoNewPrivs"], status["Seccomp"]) for name, status in threads.items()
    }


def test_no_llvm_is_left_in_its_memory(figure):
    maps = Path(f"/proc/{main_pid()}/maps").read_text()
    resident = re.search(r"VmRSS:\s*(\d+ kB)", Path(f"/proc/{main_pid()}/status").read_text())
    figure(f"resident {resident[1]}")

    assert "libpython" in maps or "/python3" in maps
    assert "LLVM" not in maps
    assert "clang" not in maps


def test_it_is_one_process():
    assert [str(main_pid())] == run(f"cat /sys/fs/cgroup/system.slice/{SERVICE}/cgroup.procs").split()


@pytest.mark.one_kernel(1)
def test_systemd_rates_its_exposure_at_2_or_better(figure):
    level = re.search(r"exposure level for monitord.service: ([\d.]+)", run(f"systemd-analyze security {SERVICE}"))
    figure(f"systemd-analyze security {level[1]}")

    assert float(level[1]) <= 2.0


def test_doctor_finds_nothing_that_fails_for_the_service():
    """With the service's programs, which are compiled; what tracefs has is for root."""
    caps = "+bpf,+perfmon,+sys_admin,+sys_ptrace"
    user = f"setpriv --reuid monitord --regid monitord --clear-groups --inh-caps=-all,{caps} --ambient-caps={caps}"
    checks = json.loads(run(f"ulimit -l unlimited; {user} monitord doctor --json"))

    assert [] == [check for check in checks if check["verdict"] != "ok" and check["name"] != "tracefs"]


@pytest.mark.one_kernel(1)
def test_doctor_finds_nothing_that_fails_for_root():
    """It takes nothing that another user has compiled, so this is a copy of its own."""
    run("cp -r /var/cache/monitord /root/kept")
    checks = json.loads(run("CACHE_DIRECTORY=/root/kept monitord doctor --json"))

    assert [] == [check for check in checks if check["verdict"] != "ok"]


def test_status_answers_root():
    status = json.loads(run("monitord status --json"))

    assert (main_pid(), "all", True) == (status["pid"], status["scope"], status["reload"]["successful"])
    assert {"alert_log", "journald"} == set(status["outputs"])


@pytest.mark.one_kernel(1)
def test_status_answers_nobody_else():
    refused = run("setpriv --reuid 65534 --regid 65534 --clear-groups monitord status", code=2)

    assert "/run/monitord/control.sock" in refused
