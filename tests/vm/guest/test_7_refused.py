"""What the service cannot start with: it says so in one line, and is not started again and again."""

import re
import socket

import pytest
from machine import CONFIG, SERVICE, drop_in, journal, now, prop, read_secret, refused, run, seen, until


@pytest.fixture(autouse=True)
def stopped():
    """Stopped, and its starts forgotten."""
    run(f"systemctl stop {SERVICE}; systemctl reset-failed {SERVICE}", None)


@pytest.mark.one_kernel(0)
def test_wrong_configuration():
    text = CONFIG.read_text()
    CONFIG.write_text(text.replace("scope: all", "scope: al"))
    try:
        (line,) = refused()
    finally:
        CONFIG.write_text(text)

    assert re.match(rf"{CONFIG}:\d+:\d+: C010 .*al", line)


@pytest.mark.one_kernel(1)
def test_configuration_that_it_may_not_read():
    CONFIG.chmod(0o600)
    try:
        (line,) = refused()
    finally:
        CONFIG.chmod(0o644)

    assert re.match(rf"{CONFIG}: C001 ", line)


@pytest.mark.one_kernel(0)
def test_port_in_use():
    with socket.create_server(("127.0.0.1", 9750)):
        (line,) = refused()

    assert "127.0.0.1:9750" in line
    assert "metrics.address" in line


@pytest.mark.one_kernel(1)
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"InaccessiblePaths": "/sys/kernel/btf"}, "this kernel has no BTF (/sys/kernel/btf/vmlinux)"),
        (
            dict.fromkeys(("CapabilityBoundingSet", "AmbientCapabilities"), "~CAP_PERFMON CAP_SYS_ADMIN"),
            "loading BPF needs root, or CAP_BPF and CAP_PERFMON",
        ),
    ],
    ids=["BTF", "capability"],
)
def test_what_the_kernel_does_not_give(settings, expected):
    drop_in(**settings)
    run("mv /var/cache/monitord /var/cache/kept")  # programs that are compiled need no BTF
    try:
        (line,) = refused()
    finally:
        drop_in()
        run("rm -r /var/cache/monitord; mv /var/cache/kept /var/cache/monitord")

    assert line.startswith(expected)


@pytest.mark.one_kernel(0)
def test_memory_limit_that_is_too_small_ends_in_a_few_tries():
    before = now()
    drop_in(MemoryMax="12M")
    try:
        run(f"systemctl start {SERVICE}", None)
        until(lambda: prop("ActiveState") == "failed")
    finally:
        drop_in()
    said = journal(before)

    assert "A process of this unit has been killed by the OOM killer." in said
    assert 5 == said.count("code=killed, status=9/KILL")  # StartLimitBurst
    assert "Start request repeated too quickly" in said


def test_right_again_it_starts_and_says_how_long_nothing_was_watched():
    before = now()
    run(f"systemctl start {SERVICE}")
    read_secret("right-again")

    seen("right-again")
    assert re.search(r"the last run \(pid \d+\) stopped at \d{4}-.*; not watched for [\d.]+ s", journal(before))
