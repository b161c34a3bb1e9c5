import threading
from itertools import pairwise

import pytest

from monitord.abi.event import CELL_BYTES
from monitord.decode.decoder import Decoder
from monitord.model.batch import COMPLETE, RawBatch
from monitord.pipeline import handover as module
from monitord.pipeline.handover import MUCH_BYTES, TOGETHER_BYTES, Handover
from tests.support.cells import event_cells


def drain(size, cpu=0):
    return [RawBatch(cpu, b"x" * size)]


@pytest.fixture
def handover():
    return Handover(capacity_bytes=100)


class TestPut:
    def test_what_comes_first_is_given_out_first(self, handover):
        handover.put(drain(7, cpu=1))
        handover.put(drain(7, cpu=2))

        assert [*drain(7, cpu=1), *drain(7, cpu=2)] == handover.get(0)

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
    def test_what_waits_comes_together_behind_each_other_by_cpu(self, handover):
        handover.put([RawBatch(0, b"a", 5), RawBatch(1, b"b", 5)])
        handover.put([RawBatch(1, b"c", 9), RawBatch(0, b"d", 9)])

        assert [RawBatch(0, b"ad", 9), RawBatch(1, b"bc", 9)] == handover.get(0)
        assert () == handover.get(0)
        assert 0 == handover.depth_bytes()

    def test_an_event_that_two_drains_share_is_whole(self):
        handover, path = Handover(capacity_bytes=4096), b"/" + b"x" * 600
        ring = event_cells(1, b"/a") + event_cells(2, path)
        for begin, end in pairwise((0, 2 * CELL_BYTES, len(ring))):
            handover.put([RawBatch(0, ring[begin:end])])

        batch = Decoder().decode(handover.get(0))

        assert [[b"/a"], [path]] == [[text.data for text in batch.event(row).texts] for row in range(len(batch))]

    def test_nothing_is_held_back_when_the_last_that_waits_says_that_all_is_there(self, handover):
        handover.put([RawBatch(0, b"a", 5)])
        handover.put([])

        assert [RawBatch(0, b"a", COMPLETE)] == handover.get(0)

    def test_no_more_comes_together_than_is_judged_in_good_time(self):
        handover = Handover(capacity_bytes=4 * TOGETHER_BYTES)
        for cpu in range(4):
            handover.put(drain(TOGETHER_BYTES // 2, cpu))

        assert [[0, 1], [2, 3]] == [[batch.cpu for batch in handover.get(0)] for _ in range(2)]

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


class TestWhereMuchComes:
    """A limit of an hour is one that no test sees the end of."""

    @pytest.fixture(autouse=True)
    def an_hour(self, monkeypatch):
        monkeypatch.setattr(module, "MORE_S", 3600.0)

    @pytest.fixture
    def handover(self):
        return Handover(capacity_bytes=4 * TOGETHER_BYTES)

    def test_little_is_given_out_at_once(self, handover):
        handover.put(drain(MUCH_BYTES - 1))

        assert drain(MUCH_BYTES - 1) == handover.get(0)

    def test_much_waits_until_there_is_enough(self, handover):
        handover.put(drain(MUCH_BYTES, cpu=1))
        threading.Timer(0.05, handover.put, [drain(7, cpu=2)]).start()
        threading.Timer(0.1, handover.put, [drain(TOGETHER_BYTES, cpu=3)]).start()

        assert [1, 2] == [batch.cpu for batch in handover.get(0)]
        assert [3] == [batch.cpu for batch in handover.get(0)]

    def test_a_close_ends_the_wait(self, handover):
        handover.put(drain(MUCH_BYTES))
        threading.Timer(0.05, handover.close).start()

        assert drain(MUCH_BYTES) == handover.get(0)

    def test_nothing_waits_longer_than_the_limit(self, handover, monkeypatch):
        monkeypatch.setattr(module, "MORE_S", 0.01)
        handover.put(drain(MUCH_BYTES))

        assert drain(MUCH_BYTES) == handover.get(0)

    def test_what_comes_after_a_wait_is_waited_for_again(self, handover, monkeypatch):
        monkeypatch.setattr(module, "MORE_S", 0.01)
        handover.put(drain(MUCH_BYTES))
        handover.get(0)
        threading.Timer(0.05, handover.put, [drain(7)]).start()

        assert drain(7) == handover.get(10)
