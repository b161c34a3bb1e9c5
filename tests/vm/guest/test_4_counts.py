"""Every call is counted and every event accounted for, also when a CPU goes and comes."""

import subprocess
import sys
from pathlib import Path

import pytest
from machine import Metrics, read_secret, run, seen, settled

CALLS = 20011
BURST = 1499
CPU1 = Path("/sys/devices/system/cpu/cpu1/online")

CALLER = f"""
import ctypes
call = ctypes.CDLL(None).syscall
input()
for _ in range({CALLS}):
    call(110)
print(flush=True)
input()
"""


def test_calls_are_counted_exactly():
    """On both CPUs at once; 110 is getppid."""
    callers = [
        subprocess.Popen(
            ["taskset", "-c", str(cpu), sys.executable, "-c", CALLER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for cpu in (0, 1)
    ]

    def tell(caller):
        caller.stdin.write("\n")
        caller.stdin.flush()

    for caller in callers:
        run(f"while ! grep -q libffi /proc/{caller.pid}/maps; do sleep 0.2; done; sleep 1")
    before = Metrics().value("monitord_syscalls_total", abi="x86_64", syscall="getppid")
    for caller in callers:
        tell(caller)
    for caller in callers:
        caller.stdout.readline()
    after = Metrics().value("monitord_syscalls_total", abi="x86_64", syscall="getppid")
    for caller in callers:
        tell(caller)
        caller.wait()

    assert 2 * CALLS == after - before


@pytest.fixture(scope="module")
def cpu_back():
    """CPU 1 went away, something happened meanwhile, and it came back."""
    CPU1.write_text("0")
    read_secret("cpu-offline")
    run("sleep 2")
    CPU1.write_text("1")
    run("sleep 2")


def test_alerts_come_while_a_cpu_is_offline(cpu_back):
    assert 0 == seen("cpu-offline")["event"].get("cpu", 0)


@pytest.mark.parametrize("cpu", [0, 1])
def test_alerts_come_from_each_cpu_when_it_is_back(cpu_back, cpu):
    run(f"taskset -c {cpu} cat /etc/shadow /nowhere/cpu-{cpu} >/dev/null", 1)

    assert cpu == seen(f"cpu-{cpu}")["event"].get("cpu", 0)


def test_every_event_of_the_cpu_is_judged_or_counted_as_lost(cpu_back):
    """More than the spare ring holds at once, which is 1024. Relative paths are delivered wherever they lead."""
    before = settled()
    burst = f'import os\nos.chdir("/etc")\nfor _ in range({BURST}): os.close(os.open("hostname", 0))'
    run(f"taskset -c 1 {sys.executable} -c '{burst}'")
    after = settled()

    events = {
        stage: after.value("monitord_events_total", stage=stage) - before.value("monitord_events_total", stage=stage)
        for stage in ("admitted", "judged")
    }
    assert events["admitted"] > BURST
    assert events["admitted"] == events["judged"] + after.lost() - before.lost()
