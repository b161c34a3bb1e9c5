"""The count lane agrees with strace, call for call and error for error."""

import os
import subprocess
from pathlib import Path

import pytest

from monitord.abi.arch import NR_UNKNOWN, Abi
from monitord.tables.constants import errno_name
from tests.support.live import TABLE, Gated, compiled, scope_of, watching

pytestmark = pytest.mark.bpf

NOT_IN_STRACE = {"exit", "exit_group"}
"""strace -c lists calls that return; monitord counts these two when they begin."""


def strace_counts(argv: list[str], out: Path) -> dict[str, tuple[int, int]]:
    """name -> (calls, errors)."""
    columns = ["-U", "name,calls,errors"]
    subprocess.run(
        ["strace", "-c", "-f", *columns, "-o", out, *argv],
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )
    found = {}
    for line in out.read_text().splitlines():
        name, *numbers = line.split()
        if numbers and numbers[0].isdigit() and name != "total":
            found[name] = (int(numbers[0]), int(numbers[1]) if len(numbers) > 1 else 0)
    return found


def our_counts(argv: list[str], latency: bool) -> dict[str, tuple[int, int]]:
    gated = Gated(argv, env=ENVIRONMENT)
    with watching(scope_of(gated), latency=latency) as source:
        gated.run()
        found: dict[str, tuple[int, int]] = {}
        for (abi, nr), count in source.counts().items():
            assert Abi.X86_64 is abi
            found[TABLE.find(abi, nr).name] = (count.calls, sum(count.errors.values()))
    # The gate's own read was under way when the watching began.
    calls, errors = found["read"]
    found["read"] = (calls - 1, errors)
    return {name: count for name, count in found.items() if name not in NOT_IN_STRACE and count[0]}


ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C"}

PROGRAMS = {
    "static program with forks, signals, threads, errors": lambda: [compiled("mixed")],
    "echo": lambda: ["/bin/echo", "hello"],
    "ls": lambda: ["/bin/ls", "-l", "/usr/share/common-licenses"],
    "find with many directories": lambda: ["/usr/bin/find", "/usr/share/doc", "-maxdepth", "1", "-name", "lib*"],
    "flood": lambda: [compiled("flood"), "getppid", "100003"],
    "failing opens": lambda: [compiled("flood"), "open", "10007", "/no/such/file"],
}


@pytest.mark.parametrize("latency", [False, True], ids=["counting", "with latency"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_counts_equal_straces(name, latency, tmp_path):
    argv = PROGRAMS[name]()
    theirs = strace_counts(argv, tmp_path / "strace")
    ours = our_counts(argv, latency)

    differences = {
        call: (theirs.get(call), ours.get(call))
        for call in theirs.keys() | ours.keys()
        if theirs.get(call) != ours.get(call)
    }
    assert {} == differences, "call: (strace, monitord), each (calls, errors)"


def test_errors_are_counted_by_errno():
    gated = Gated([compiled("flood"), "open", "503", "/no/such/file"])
    with watching(scope_of(gated)) as source:
        gated.run()
        counts = source.counts()

    opened = counts[Abi.X86_64, TABLE.named(Abi.X86_64, "openat").nr]
    assert {"ENOENT": 503} == {errno_name(number): calls for number, calls in opened.errors.items()}


def test_exit_group_is_counted_though_it_does_not_return():
    gated = Gated([compiled("mixed")])
    with watching(scope_of(gated)) as source:
        gated.run()
        counts = source.counts()

    # five forked children, the vfork, the execveat, the seccomp child, and the last exec
    assert 9 == counts[Abi.X86_64, TABLE.named(Abi.X86_64, "exit_group").nr].calls


def test_a_number_outside_the_table_is_counted_as_unknown():
    gated = Gated([compiled("strange")])
    with watching(scope_of(gated)) as source:
        gated.run()
        counts = source.counts()

    assert (31, {38: 31}) == (counts[Abi.X86_64, NR_UNKNOWN].calls, counts[Abi.X86_64, NR_UNKNOWN].errors)


class TestLatency:
    def test_every_timed_call_is_in_one_bucket(self):
        gated = Gated([compiled("flood"), "getppid", "20011"])
        with watching(scope_of(gated), latency=True) as source:
            gated.run()
            count = source.counts()[Abi.X86_64, TABLE.named(Abi.X86_64, "getppid").nr]

        assert 20011 == count.calls == sum(count.latency.buckets)

    def test_a_call_that_sleeps_is_timed_over_its_sleep(self):
        gated = Gated(["/bin/sleep", "0.3"])
        with watching(scope_of(gated), latency=True) as source:
            gated.run()
            count = source.counts()[Abi.X86_64, TABLE.named(Abi.X86_64, "clock_nanosleep").nr]

        assert 1 == count.calls
        assert 300_000_000 <= count.latency.sum_ns < 30_000_000_000
        bucket = next(i for i, calls in enumerate(count.latency.buckets) if calls)
        assert 2 ** (bucket + 5) < count.latency.sum_ns <= 2 ** (bucket + 6)

    def test_there_is_none_when_it_is_switched_off(self):
        gated = Gated(["/bin/true"])
        with watching(scope_of(gated), latency=False) as source:
            gated.run()

            assert {None} == {count.latency for count in source.counts().values()}
