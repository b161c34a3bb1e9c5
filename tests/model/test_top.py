from hypothesis import given
from hypothesis import strategies as st

from monitord.model.top import Top


class TestTop:
    def test_the_first_get_places_and_the_others_are_the_rest(self):
        top = Top(2)
        for label, count in (("a", 3), ("b", 5), ("c", 7), ("a", 1)):
            top.add(label, count)

        assert [("a", 4), ("b", 5)] == top.shown()
        assert 7 == top.rest

    def test_a_busier_one_takes_the_place_of_a_quiet_one(self):
        top = Top(2)
        for label, count in (("a", 3), ("b", 5), ("c", 70)):
            top.add(label, count)
        top.elect()
        top.add("c", 2)

        assert [("b", 5), ("c", 2)] == top.shown()
        assert (73, 1) == (top.rest, top.replaced)

    def test_one_that_is_not_twice_as_busy_waits(self):
        top = Top(1)
        top.add("a", 5)
        top.add("b", 10)
        top.elect()

        assert [("a", 5)] == top.shown()

    def test_without_places_nothing_is_counted(self):
        top = Top(0)
        top.add("a")
        top.elect()

        assert ([], 0) == (top.shown(), top.rest)

    @given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)) | st.none(), max_size=300))
    def test_nothing_goes_missing_and_no_series_goes_back(self, steps):
        """None is an election."""
        top, total, before, rest = Top(3), 0, {}, 0
        for step in steps:
            if step is None:
                top.elect()
            else:
                top.add(*step)
                total += step[1]
            now = dict(top.shown())
            assert total == sum(now.values()) + top.rest
            assert len(now) <= 3
            assert rest <= top.rest
            assert all(now[label] >= before[label] for label in before.keys() & now.keys())
            before, rest = now, top.rest
