"""What several tests of this directory need."""

import shutil
import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def place():
    """A directory that every user can enter."""
    directory = Path(tempfile.mkdtemp(prefix="monitord-test-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)
