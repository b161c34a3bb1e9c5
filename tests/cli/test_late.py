"""What a daemon does not use takes none of its memory."""

import subprocess
import sys

import pytest

RUN = """
import sys
from monitord.cli.main import main
try:
    main(["run", "--help"])
except SystemExit:
    pass
print(*sys.modules)
"""


@pytest.fixture(scope="module")
def imported() -> set[str]:
    """The modules of `monitord run`."""
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "module",
    ["bcc", "systemd", "h2", "numpy.random.mtrand", "numpy.ma.core", "numpy.polynomial.polynomial"],
)
def test_is_not_imported_for_a_watch(imported, module):
    """With the features that need it, it is; numpy's are 4 MB."""
    assert "numpy" in imported
    assert module not in imported


def test_what_numpy_brings_late_is_there_for_whoever_asks():
    code = """
from monitord.cli.late import import_late
import_late()
import numpy
assert [3, 5] == numpy.ma.array([3, 5]).tolist()
assert 0 <= numpy.random.default_rng(23).random() < 1
print(numpy.fft.fft([1, 1]).real.tolist(), numpy.polynomial.Polynomial([1, 2])(3))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert "[2.0, 0.0] 7.0\n" == done.stdout, done.stderr
