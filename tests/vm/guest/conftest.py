"""What holds for a whole boot: figures that tests find go to the end of the report, and a start may take long."""

import platform
import sys
from pathlib import Path

import pytest
from machine import does

SLOW = Path("/etc/systemd/system/monitord.service.d/slow.conf")
"""TimeoutStartSec of the unit is for real processors: LLVM and the verifier take ten times as long on emulated ones."""

_FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session", autouse=True)
def patience():
    """A longer limit for starts, until the next boot's tests are done, too."""
    if not SLOW.exists():
        SLOW.parent.mkdir(parents=True)
        SLOW.write_text("[Service]\nTimeoutStartSec=900\n")


@pytest.fixture
def figure(request):
    """Call it with what is to be reported."""
    return request.config.stash.setdefault(_FIGURES, []).append


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "one_kernel(part): no kernel changes it; only one machine of a run does this part"
    )


def pytest_collection_modifyitems(config, items):
    """The mark nearest to a test counts."""
    marks = {item: item.get_closest_marker("one_kernel") for item in items}
    left = [item for item in items if marks[item] and not does(marks[item].args[0])]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def pytest_terminal_summary(terminalreporter, config):
    for text in config.stash.get(_FIGURES, []):
        terminalreporter.write_line(f"figure, Linux {platform.release()}: {text}")


def pytest_runtest_logreport(report):
    """At once, for those who watch: the report comes minutes later."""
    if report.failed:
        sys.stdout.write(f"\n{report.nodeid}: {report.longreprtext[-2000:]}\n")
