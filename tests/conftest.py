"""Settings for all tests."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("monitord", deadline=None)
settings.load_profile("monitord")


@pytest.fixture(scope="session", autouse=True)
def _shared_cache(tmp_path_factory) -> Iterator[None]:
    """Each kind of BPF programs is compiled once in a session; what the machine itself keeps is not touched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CACHE_DIRECTORY", str(tmp_path_factory.mktemp("cache")))
        yield
