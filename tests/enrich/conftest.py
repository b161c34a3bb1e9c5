"""What several tests of this directory need."""

import pytest

from monitord.enrich.runtimes.asking import Runtimes


@pytest.fixture
def asking():
    """Makes `Runtimes`, closed at the end."""
    made = []

    def make(*sockets, **options):
        made.append(Runtimes(sockets, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
