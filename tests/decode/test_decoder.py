"""Ring bytes become events: whole, in order, with every loss counted."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitord.abi.event import CELL_BYTES
from monitord.decode.decoder import Decoder, events_in
from monitord.model.batch import RawBatch
from monitord.model.value import Missing
from tests.support.cells import event_cells, lost_record

LONG = b"/a/path/" + b"x" * 1009


def seqs(batch) -> list[int]:
    return batch.records["seq"].tolist()


class TestOneRing:
    def test_events_come_in_the_order_of_the_ring(self):
        batch = Decoder().decode([RawBatch(3, event_cells(1) + event_cells(2))])

        assert [1, 2] == seqs(batch)
        assert [3, 3] == batch.cpu.tolist()

    def test_a_short_string_is_in_the_head_cell(self):
        batch = Decoder().decode([RawBatch(0, event_cells(1, b"/etc/hosts", b"second"))])

        assert ["/etc/hosts", "second"] == [text.text for text in batch.event(0).texts]

    def test_a_long_string_is_put_together_from_its_cells(self):
        batch = Decoder().decode([RawBatch(0, event_cells(1, b"first") + event_cells(2, LONG, b"end"))])

        assert ["first"] == [text.text for text in batch.event(0).texts]
        assert [LONG.decode(), "end"] == [text.text for text in batch.event(1).texts]

    def test_an_event_cut_in_two_by_the_drain_waits_for_its_rest(self):
        cells = event_cells(1) + event_cells(2, LONG)
        decoder = Decoder()
        first = decoder.decode([RawBatch(0, cells[: 256 * 3])])
        second = decoder.decode([RawBatch(0, cells[256 * 3 :])])

        assert [1] == seqs(first)
        assert [2] == seqs(second)
        assert LONG.decode() == second.event(0).texts[0].text

    def test_an_event_whose_rest_never_comes_is_given_out_without_the_string(self):
        decoder = Decoder()
        decoder.decode([RawBatch(0, event_cells(1, b"short", LONG)[: 256 * 2])])
        assert decoder.holds
        batch = decoder.decode([])

        assert "short" == batch.event(0).texts[0].text
        assert Missing.LOST is batch.event(0).texts[1].text
        assert 0 == decoder.missed

    def test_cells_of_an_event_that_lost_its_head_are_dropped(self):
        batch = Decoder().decode([RawBatch(0, event_cells(1, LONG)[256:] + event_cells(2))])

        assert [2] == seqs(batch)


class TestLoss:
    def test_a_gap_in_the_numbers_is_counted(self):
        decoder = Decoder()
        decoder.decode([RawBatch(0, event_cells(1) + event_cells(5))])
        decoder.decode([RawBatch(0, event_cells(13))])

        assert 10 == decoder.missed
        assert 3 == decoder.events

    def test_events_lost_before_the_first_are_counted(self):
        decoder = Decoder()
        decoder.decode([RawBatch(0, event_cells(8))])

        assert 7 == decoder.missed

    def test_a_lost_record_between_events_shifts_nothing(self):
        batch = Decoder().decode([RawBatch(0, event_cells(1) + lost_record(3) + event_cells(5, b"x") + lost_record(1))])

        assert [1, 5] == seqs(batch)
        assert "x" == batch.event(1).texts[0].text

    def test_bytes_that_are_no_record_are_counted_and_the_rest_is_kept(self):
        decoder = Decoder()
        batch = decoder.decode([RawBatch(0, event_cells(1) + b"\xff" * 300), RawBatch(1, event_cells(1))])

        assert [1, 1] == seqs(batch)
        assert 2 == decoder.undecoded

    def test_events_of_a_drain_are_counted_without_decoding(self):
        assert 2 == events_in(event_cells(1, LONG) + lost_record(7) + event_cells(9))


class TestManyRings:
    def test_events_are_sorted_by_time_over_rings(self):
        rings = [
            RawBatch(0, event_cells(1, ts_ns=10) + event_cells(2, LONG, ts_ns=30)),
            RawBatch(1, event_cells(1, b"b", ts_ns=20) + event_cells(2, ts_ns=40)),
        ]
        batch = Decoder().decode(rings)

        assert [10, 20, 30, 40] == batch.records["ts_ns"].tolist()
        assert [0, 1, 0, 1] == batch.cpu.tolist()
        assert LONG.decode() == batch.event(2).texts[0].text

    def test_equal_times_keep_ring_order(self):
        batch = Decoder().decode([RawBatch(0, event_cells(23, ts_ns=7) + event_cells(24, ts_ns=7))])

        assert [23, 24] == seqs(batch)

    def test_nothing_is_an_empty_batch(self):
        assert 0 == len(Decoder().decode([]))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2048))
def test_of_any_bytes_what_is_decoded_is_counted(data):
    """Odd bytes are no exception; what comes out is counted, and no more is counted than there was."""
    decoder = Decoder()
    batch = decoder.decode([RawBatch(0, data)])

    assert len(batch) == decoder.events
    assert decoder.events + decoder.undecoded <= -(-len(data) // CELL_BYTES)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.binary(max_size=600), max_size=4), min_size=1, max_size=12),
    st.lists(st.integers(0, 60), max_size=4),
    st.data(),
)
def test_however_the_drains_cut_the_ring_every_string_comes_whole(events, cuts, data):
    """Drains end at record boundaries; wherever that is, the events are the same."""
    ring = b"".join(event_cells(n, *texts) for n, texts in enumerate(events, 1))
    edges = sorted({0, len(ring), *(256 * cut for cut in cuts if 256 * cut < len(ring))})
    decoder, got = Decoder(), []
    for begin, end in pairwise(edges):
        batch = decoder.decode([RawBatch(0, ring[begin:end])])
        got += [batch.event(row) for row in range(len(batch))]

    assert [[text.data for text in event.texts] for event in got] == events
    assert np.arange(1, len(events) + 1).tolist() == [event.seq for event in got]


class TestOrder:
    """Rings are read one after the other: what is younger than the beginning of that waits for what is older."""

    def test_a_younger_event_waits_for_the_next_drain(self):
        decoder = Decoder()
        first = decoder.decode([RawBatch(1, event_cells(1, ts_ns=99) + event_cells(2, ts_ns=101), 100)])
        assert decoder.holds
        second = decoder.decode([RawBatch(0, event_cells(1, ts_ns=100), 200)])

        assert [99] == first.records["ts_ns"].tolist()
        assert [100, 101] == second.records["ts_ns"].tolist()
        assert [0, 1] == second.cpu.tolist()
        assert not decoder.holds

    def test_it_keeps_its_strings(self):
        decoder = Decoder()
        decoder.decode([RawBatch(0, event_cells(1, b"a") + event_cells(2, LONG, ts_ns=101), 100)])
        batch = decoder.decode([RawBatch(1, event_cells(1, LONG[:-1], ts_ns=102) + event_cells(2, ts_ns=103), 200)])

        assert [LONG.decode(), LONG[:-1].decode()] == [batch.event(row).texts[0].text for row in (0, 1)]

    def test_an_empty_drain_lets_it_go(self):
        decoder = Decoder()
        assert 0 == len(decoder.decode([RawBatch(0, event_cells(1, ts_ns=101), 100)]))

        assert [1] == seqs(decoder.decode([]))
        assert 1 == decoder.events
