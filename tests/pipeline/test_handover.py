import threading

import pytest

from monitord.model.event import RawBatch
from monitord.pipeline.handover import Handover


def drain(size, cpu=0):
    return [RawBatch(cpu, b"x" * size)]


@pytest.fixture
def handover():
    return Handover(capacity_bytes=100)


class TestPut:
    def test_what_comes_first_is_given_out_first(self, handover):
        handover.put(drain(7, cpu=1))
        handover.put(drain(7, cpu=2))

        assert [drain(7, cpu=1), drain(7, cpu=2)] == [handover.get(0), handover.get(0)]

    def test_what_does_not_fit_is_refused(self, handover):
        handover.put(drain(60))

        assert not handover.put(drain(41))

    def test_what_fits_to_the_byte_is_taken(self, handover):
        handover.put(drain(60))

        assert handover.put(drain(40))

    def test_there_is_room_again_behind_what_was_given_out(self, handover):
        handover.put(drain(60))
        handover.get(0)

        assert handover.put(drain(100))

    def test_a_drain_larger_than_all_of_it_is_taken_when_nothing_waits(self, handover):
        assert handover.put(drain(101))

    def test_the_depth_is_what_waits(self, handover):
        handover.put(drain(31) + drain(11, cpu=1))

        assert 42 == handover.depth_bytes()


class TestGet:
    def test_nothing_is_empty(self, handover):
        assert () == handover.get(0)

    def test_it_waits_for_what_comes(self, handover):
        threading.Timer(0.05, handover.put, [drain(7)]).start()

        assert drain(7) == handover.get(10)

    def test_what_waits_at_the_close_is_still_given_out(self, handover):
        handover.put(drain(7))
        handover.close()

        assert (drain(7), None) == (handover.get(0), handover.get(0))

    def test_a_close_ends_the_wait(self, handover):
        threading.Timer(0.05, handover.close).start()

        assert handover.get(10) is None
