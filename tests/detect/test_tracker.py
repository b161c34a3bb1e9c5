"""What a correlation remembers, and when it is enough."""

import random
import tracemalloc

import pytest

from monitord.detect.tracker import Tracker
from monitord.model.interest import Interest
from monitord.model.value import Missing
from monitord.rules.ast import Check, FieldRef, Op
from monitord.rules.correlation import Base, Correlation, Kind
from monitord.telemetry import CorrelationCounts

SECOND = 10**9
SPAN = 60 * SECOND
START = 1000 * SECOND


class Stand:
    def __init__(self, kind, threshold=1, bases=1, **limits):
        condition = Check(FieldRef("evt.type"), Op.EXISTS)
        named = tuple(Base(f"rule{number}", condition, Interest(), (), None) for number in range(bases))
        self.counts = CorrelationCounts()
        correlation = Correlation(kind, named, ("proc.pid",), SPAN, threshold)
        self.tracker = Tracker(correlation, self.counts, **limits)

    def add(self, second, what=0, key=7, shown=None):
        """An event, in seconds since the start; what is shown of its value is the value, unless it is said."""
        base = what if not self.tracker.correlation.kind.counts else 0
        return self.tracker.add(base, START + int(second * SECOND), (key,), what, lambda: shown or what)

    def fired(self, *seconds):
        return [second for second in seconds if self.add(second)]


class TestEventCount:
    def test_fires_when_enough_events_are_within_the_timespan(self):
        assert [4] == Stand(Kind.EVENT_COUNT, 3).fired(0, 2, 4)

    def test_an_event_a_whole_timespan_before_is_too_old(self):
        assert [] == Stand(Kind.EVENT_COUNT, 3).fired(0, 30, 60, 90)

    def test_an_event_just_within_it_counts(self):
        assert [59.9] == Stand(Kind.EVENT_COUNT, 3).fired(0, 30, 59.9)

    def test_says_how_many_and_when(self):
        stand = Stand(Kind.EVENT_COUNT, 2)
        stand.add(3)
        finding = stand.add(5)

        assert (2, START + 3 * SECOND, START + 5 * SECOND, ()) == (
            finding.count,
            finding.first_ns,
            finding.last_ns,
            finding.values,
        )

    def test_groups_count_by_themselves(self):
        stand = Stand(Kind.EVENT_COUNT, 2)

        assert [False, False, True] == [bool(stand.add(0, key=key)) for key in ("a", "b", "a")]

    def test_fires_once_per_timespan_and_then_for_all_since(self):
        stand = Stand(Kind.EVENT_COUNT, 2)
        findings = [(second, found.count) for second in range(0, 130, 10) if (found := stand.add(second))]

        assert [(10, 2), (70, 6)] == findings

    def test_tells_the_first_of_all_since(self):
        stand = Stand(Kind.EVENT_COUNT, 2)
        [_, second] = [found for at in range(0, 80, 10) if (found := stand.add(at))]

        assert START + 20 * SECOND == second.first_ns

    def test_what_comes_late_is_counted_in_its_place(self):
        assert [1.001] == Stand(Kind.EVENT_COUNT, 3).fired(1, 0.999, 1.001)

    def test_what_comes_later_than_the_timespan_is_not(self):
        assert [] == Stand(Kind.EVENT_COUNT, 3).fired(100, 100, 39)

    def test_is_what_counting_anew_each_time_says(self):
        """Random times, up to the first alert, against all events of the last timespan."""
        randomly = random.Random(7)
        for _ in range(200):
            threshold = randomly.randint(1, 6)
            stand, past, now = Stand(Kind.EVENT_COUNT, threshold), [], 0.0
            for _ in range(40):
                now += randomly.choice([0, 1, 7, 31, 61])
                past.append(now)
                enough = sum(time > now - 60 for time in past) >= threshold
                assert enough == bool(stand.add(now))
                if enough:
                    break


class TestValueCount:
    def test_counts_a_value_once(self):
        stand = Stand(Kind.VALUE_COUNT, 3)

        assert [False, False, False, True] == [bool(stand.add(0, what)) for what in ("a", "b", "a", "c")]

    def test_a_value_is_as_old_as_its_last_event(self):
        stand = Stand(Kind.VALUE_COUNT, 3)
        stand.add(0, "a")
        stand.add(1, "b")
        stand.add(50, "a")

        assert (None, True) == (stand.add(61, "c"), bool(stand.add(62, "d")))

    def test_shows_the_last_ten(self):
        stand = Stand(Kind.VALUE_COUNT, 12)
        [finding] = [found for port in range(12) if (found := stand.add(port, port))]

        assert tuple(map(str, range(2, 12))) == finding.values

    def test_values_that_are_shown_alike_are_still_two(self):
        stand = Stand(Kind.VALUE_COUNT, 2)
        stand.add(0, "s3cret1", shown="***")
        finding = stand.add(0, "s3cret2", shown="***")

        assert (2, ("***", "***")) == (finding.count, finding.values)

    def test_while_it_is_quiet_it_goes_on_to_count(self):
        stand = Stand(Kind.VALUE_COUNT, 3)
        for port in range(3):
            stand.add(0, port)
        for port in range(10, 20):
            assert stand.add(5, port) is None
        finding = stand.add(60, 20)

        assert (11, START + 5 * SECOND) == (finding.count, finding.first_ns)

    def test_is_what_counting_anew_each_time_says(self):
        randomly = random.Random(11)
        for _ in range(200):
            threshold = randomly.randint(1, 5)
            stand, past, now = Stand(Kind.VALUE_COUNT, threshold), [], 0.0
            for _ in range(40):
                now += randomly.choice([0, 1, 7, 31, 61])
                value = randomly.choice("abcdefg")
                past.append((now, value))
                enough = len({one for time, one in past if time > now - 60}) >= threshold
                assert enough == bool(stand.add(now, value))
                if enough:
                    break


class TestTemporal:
    def test_fires_when_each_rule_matched_in_any_order(self):
        stand = Stand(Kind.TEMPORAL, bases=3)

        assert [False, False, False, True] == [bool(stand.add(0, base)) for base in (2, 0, 2, 1)]

    def test_not_when_one_of_them_is_too_old(self):
        stand = Stand(Kind.TEMPORAL, bases=2)

        assert [False, False] == [bool(stand.add(second, base)) for second, base in ((0, 1), (60, 0))]

    def test_names_the_rules_in_the_order_of_their_events(self):
        stand = Stand(Kind.TEMPORAL, bases=2)
        stand.add(0, 1)

        assert ("rule1", "rule0") == stand.add(1, 0).values


class TestTemporalOrdered:
    def test_fires_when_each_rule_matched_in_turn(self):
        stand = Stand(Kind.TEMPORAL_ORDERED, bases=3)

        assert [False, False, True] == [bool(stand.add(second, second)) for second in range(3)]

    def test_not_in_another_order(self):
        stand = Stand(Kind.TEMPORAL_ORDERED, bases=2)

        assert [False, False] == [bool(stand.add(second, 1 - second)) for second in range(2)]

    def test_one_event_is_not_two_steps(self):
        stand = Stand(Kind.TEMPORAL_ORDERED, bases=2)

        assert [False, False, True] == [bool(stand.add(second, base)) for second, base in ((0, 0), (0, 1), (1, 1))]

    def test_a_later_step_that_nothing_waits_for_is_not_remembered(self):
        """However many there are, they push out no group that waits."""
        stand = Stand(Kind.TEMPORAL_ORDERED, bases=2, groups=2)
        stand.add(0, 0, key="waits")
        for number in range(10):
            stand.add(1, 1, key=str(number))

        assert (1, 1, 0) == (stand.counts.events, stand.counts.groups, stand.counts.evicted)
        assert stand.add(2, 1, key="waits")

    def test_steps_that_come_again_and_again_do_not_push_the_way_out(self):
        stand = Stand(Kind.TEMPORAL_ORDERED, bases=2)
        for number in range(1000):
            assert stand.add(number / 100, 0) is None

        assert stand.add(10, 1)

    def test_not_when_the_first_is_too_old_for_the_last(self):
        stand = Stand(Kind.TEMPORAL_ORDERED, bases=3)

        assert [False] * 3 == [bool(stand.add(second, base)) for second, base in ((0, 0), (40, 1), (61, 2))]


class TestBounds:
    def test_an_event_without_a_value_counts_in_no_group(self):
        stand = Stand(Kind.EVENT_COUNT, 1)

        assert (None, None, 2, 0) == (
            stand.add(0, key=Missing.LATE),
            stand.add(0, Missing.FAULT),
            stand.counts.ungrouped,
            stand.counts.events,
        )

    def test_the_group_that_is_idle_longest_goes_first(self):
        stand = Stand(Kind.EVENT_COUNT, 2, groups=2)
        for key in ("a", "b", "a", "c"):
            last = stand.add(0, key=key)

        assert (1, 2, None) == (stand.counts.evicted, stand.counts.groups, last)
        assert stand.add(0, key="b") is None
        assert stand.add(0, key="c")

    def test_groups_whose_time_is_over_are_forgotten(self):
        stand = Stand(Kind.EVENT_COUNT, 2)
        for key in range(100):
            stand.add(0, key=key)
        stand.add(70, key="x")

        assert (1, 0) == (stand.counts.groups, stand.counts.evicted)

    @pytest.mark.parametrize("kind", [Kind.EVENT_COUNT, Kind.VALUE_COUNT])
    def test_memory_is_bounded_by_what_is_counted_in_bytes(self, kind):
        """Long paths in ever new groups, against 1 MiB."""
        stand = Stand(kind, 1000, size_bytes=1 << 20)
        tracemalloc.start()
        try:
            for number in range(20_000):
                text = f"{number}{'x' * 250}"
                stand.add(number / 1000, text, key=f"{number // 3}{'y' * 500}", shown=f"shown {text}")
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert stand.counts.evicted
        assert held < 1.5 * (1 << 20)

    @pytest.mark.parametrize("kind", Kind)
    def test_nothing_is_held_when_all_is_forgotten(self, kind):
        stand = Stand(kind, 3, bases=2)
        randomly = random.Random(3)
        for number in range(2000):
            stand.add(number, randomly.randrange(2), key=randomly.randrange(50), shown=randomly.choice(("a", None)))
        while stand.tracker._windows:
            stand.tracker._forget()

        assert 0 == stand.tracker._bytes
