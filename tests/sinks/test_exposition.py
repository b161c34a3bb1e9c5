"""What is written, as Prometheus' own library for Python reads it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from monitord.sinks.exposition import counter, gauge, histogram, samples_of


def read(text: str) -> list[tuple[str, dict[str, str], float]]:
    return [tuple(sample[:3]) for family in text_string_to_metric_families(text) for sample in family.samples]


numbers = st.integers(0, 2**53) | st.floats(allow_nan=False)
texts = st.text(st.characters(blacklist_categories=["Cs"])) | st.text('\\"\n,={} a', max_size=7)


class TestLines:
    def test_counter(self):
        text = counter("calls_total", "Calls.", ("abi", "call"), [(("x86_64", "read"), 23), (("i386", "open"), 7.5)])

        assert (
            "# HELP calls_total Calls.\n"
            "# TYPE calls_total counter\n"
            'calls_total{abi="x86_64",call="read"} 23\n'
            'calls_total{abi="i386",call="open"} 7.5\n'
        ) == text

    def test_gauge_without_labels(self):
        assert "# HELP up Up.\n# TYPE up gauge\nup 1\n" == gauge("up", "Up.", (), [((), 1)])

    def test_histogram(self):
        text = histogram("took_seconds", "Time.", ("call",), [(("read",), [("0.5", 2), ("+Inf", 3)], 1.25)])

        assert (
            "# HELP took_seconds Time.\n"
            "# TYPE took_seconds histogram\n"
            'took_seconds_bucket{call="read",le="0.5"} 2\n'
            'took_seconds_bucket{call="read",le="+Inf"} 3\n'
            'took_seconds_sum{call="read"} 1.25\n'
            'took_seconds_count{call="read"} 3\n'
        ) == text

    def test_histogram_without_labels(self):
        text = histogram("took_seconds", "Time.", (), [((), [("+Inf", 3)], 1.25)])

        assert [
            ("took_seconds_bucket", {"le": "+Inf"}, 3),
            ("took_seconds_sum", {}, 1.25),
            ("took_seconds_count", {}, 3),
        ] == read(text)

    @given(texts, texts, numbers)
    def test_any_text_and_any_number(self, one, other, number):
        text = counter("a_total", "A.", ("one", "other"), [((one, other), number)])

        assert [("a_total", {"one": one, "other": other}, number)] == read(text) == list(samples_of(text))


class TestSamplesOf:
    def test_infinity_and_no_number(self):
        ((_, _, most), (_, _, none)) = samples_of("a +Inf\nb NaN\n")

        assert math.inf == most
        assert math.isnan(none)

    @pytest.mark.parametrize("text", ["<html>", "a", "a{b", 'a{b="c"} ', "a 1 2 3", "a one"])
    def test_what_is_none(self, text):
        with pytest.raises(ValueError, match=r"sample|float"):
            list(samples_of(text))
