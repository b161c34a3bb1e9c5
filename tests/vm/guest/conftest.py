"""Figures that tests find go to the end of the report."""

import platform

import pytest

_FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture
def figure(request):
    """Call it with what is to be reported."""
    return request.config.stash.setdefault(_FIGURES, []).append


def pytest_terminal_summary(terminalreporter, config):
    for text in config.stash.get(_FIGURES, []):
        terminalreporter.write_line(f"figure, Linux {platform.release()}: {text}")
