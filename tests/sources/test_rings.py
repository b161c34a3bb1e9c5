"""Rings of CPUs that come and go."""

import os

import pytest

from monitord.sources.bpf.errors import LoadError
from monitord.sources.bpf.rings import Rings
from tests.support.descriptors import no_descriptors

pytestmark = pytest.mark.bpf

PAGES = 8


@pytest.fixture
def rings():
    made = Rings(PAGES)
    yield made
    made.close()


def cpus_of(opened) -> list[int]:
    return [ring.cpu for ring in opened[0]]


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two CPUs")
class TestWithoutDescriptors:
    """A CPU comes online at a bad moment."""

    def test_a_start_says_so(self, rings):
        with no_descriptors(), pytest.raises(LoadError, match="CPU 0 failed"):
            rings.follow((0, 1))

    def test_a_later_cpu_has_to_wait_and_the_others_go_on(self, rings, caplog):
        rings.follow((0,))
        with no_descriptors():
            assert [] == cpus_of(rings.follow((0, 1)))
            assert [] == cpus_of(rings.follow((0, 1)))

        (message,) = caplog.messages  # said once
        assert message.endswith("; CPU 1 sends to the spare ring")
        assert [1] == cpus_of(rings.follow((0, 1)))
