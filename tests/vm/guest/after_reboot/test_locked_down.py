"""A kernel that is locked down, which lasts until the next boot: one line says so, and nothing is tried again."""

from pathlib import Path

import pytest
from machine import SERVICE, refused, run

LOCKDOWN = Path("/sys/kernel/security/lockdown")


@pytest.fixture(scope="module", autouse=True)
def locked_down():
    """From here on."""
    run(f"systemctl stop {SERVICE}; systemctl reset-failed {SERVICE}", None)
    LOCKDOWN.write_text("confidentiality")
    yield
    run(f"systemctl reset-failed {SERVICE}")


def test_start_is_refused_in_one_line():
    (line,) = refused()

    assert "locked down" in line
    assert "lockdown=integrity" in line


def test_doctor_says_so():
    said = run("monitord doctor", 1)

    assert "monitord cannot run here: lockdown" in said
