"""What the kernel is to let through of one call: clauses as a `struct filter` of bpf/filter.h, and its look-ups."""

from collections.abc import Iterable, Mapping

import numpy as np

from monitord.dataclass import dataclass
from monitord.model.clause import MOST, Clause, Clauses
from monitord.model.facts import COMM, FOREIGN, LEAF, PATH, RESULT, TOP, Key, Source
from monitord.model.limit import Names, Numbers, Paths, Span

TESTS = 16
RESULT_TESTS = 8
PLACE_BYTES = 60
"""PLACE_BYTES of bpf/places.h."""

_ALTERNATIVES = 4
"""Clauses that one clause may be split into for a set of numbers that no single test holds."""

_TEST = np.dtype(
    [
        ("mask", "<u8"),
        ("base", "<u8"),
        ("width", "<u8"),
        ("bits", "<u8"),
        ("clauses", "<u4"),
        ("source", "u1"),
        ("negate", "u1"),
        ("pad", "u1", 2),
    ]
)

FILTER = np.dtype(
    [
        *((name, "<u4") for name in ("generation", "clauses", "success", "failure", "foreign", "native")),
        *((name, "<u4") for name in ("named", "names_others", "placed", "places_others")),
        *((name, "<u4") for name in ("leafed", "leaves_others", "topped", "tops_others", "leaf_sizes")),
        *((name, "u1") for name in ("tests", "result_tests", "ignored", "pad")),
        ("test", _TEST, TESTS),
        ("result_test", _TEST, RESULT_TESTS),
    ]
)
"""struct filter."""


@dataclass(frozen=True, slots=True)
class Filter:
    """
    :ivar record: one `FILTER` as bytes, its generation 0.
    :ivar entries: by map: `names` of processes that fit other clauses than `names_others` says, with those that they
        fit; `places` likewise, beginnings of paths, of which the longest counts; `leaves` and `tops`, names of opened
        files.
    """

    record: bytes
    entries: Mapping[str, Mapping[bytes, int]]


@dataclass(frozen=True, slots=True)
class _Test:
    """`base` to ``base + width - 1``, of the first 64 those whose bit is set."""

    source: int
    mask: int
    base: int
    width: int
    bits: int
    negate: bool


def filter_of(clauses: Clauses, ignored: int) -> Filter:
    """
    The filter that lets through what fits any of the clauses; more, where the kernel's tests are too few.

    :param ignored: IGNORED_* of bpf/filter.h.
    """
    lowered: list[tuple[Clause, frozenset[_Test], frozenset[_Test]]] = []
    for number, clause in enumerate(clauses):
        room = MOST - len(lowered) - (len(clauses) - number - 1)
        lowered += _lowered(clause, min(room, _ALTERNATIVES))
    record = np.zeros((), FILTER)
    record["clauses"] = (1 << len(lowered)) - 1
    record["ignored"] = ignored
    masks = dict.fromkeys(("success", "failure", "foreign", "native"), 0)
    for number, (clause, _, _) in enumerate(lowered):
        result, foreign = clause.get(RESULT), clause.get(FOREIGN)
        if not isinstance(result, Numbers) or 0 in result:
            masks["success"] |= 1 << number
        if not isinstance(result, Numbers) or result.spans[-1][1] > 0:
            masks["failure"] |= 1 << number
        if isinstance(foreign, Numbers):
            masks["foreign" if 1 in foreign else "native"] |= 1 << number
    for name, mask in masks.items():
        record[name] = mask
    record["tests"] = _put_tests(record["test"], [tests for _, tests, _ in lowered])
    record["result_tests"] = _put_tests(record["result_test"], [tests for _, _, tests in lowered])
    names, named, names_others = _by_name([clause for clause, _, _ in lowered], COMM)
    leaves, leafed, leaves_others = _by_name([clause for clause, _, _ in lowered], LEAF)
    tops, topped, tops_others = _by_name([clause for clause, _, _ in lowered], TOP)
    places, placed, places_others = _by_place([clause for clause, _, _ in lowered])
    record["named"], record["names_others"] = named, names_others
    record["placed"], record["places_others"] = placed, places_others
    record["leafed"], record["leaves_others"] = leafed, leaves_others
    record["topped"], record["tops_others"] = topped, tops_others
    record["leaf_sizes"] = sum(1 << size for size in {len(leaf) for leaf in leaves})
    return Filter(record.tobytes(), {"names": names, "places": places, "leaves": leaves, "tops": tops})


def _lowered(clause: Clause, room: int) -> list[tuple[Clause, frozenset[_Test], frozenset[_Test]]]:
    """A clause with its tests of registers and of errors; several that make it up, if it takes more than all of one."""
    alternatives: list[tuple[frozenset[_Test], frozenset[_Test]]] = [(frozenset(), frozenset())]
    for key, limit in clause.limits:
        if not isinstance(limit, Numbers) or key.source == Source.FOREIGN:
            continue
        is_result = key.source == Source.RESULT
        numbers = limit
        if is_result:  # success has a mask of its own
            numbers = Numbers.of(((max(low, 1), high) for low, high in limit.spans), limit.top)
            if not numbers.spans or numbers.spans == ((1, limit.top),):
                continue
        choices = _tests(key.source, key.mask, numbers)
        if len(choices) * len(alternatives) > room:
            continue  # without it the clause is wider
        alternatives = [
            (tests, of_result | choice) if is_result else (tests | choice, of_result)
            for tests, of_result in alternatives
            for choice in choices
        ]
    return [(clause, tests, of_result) for tests, of_result in alternatives]


def _tests(source: int, mask: int, limit: Numbers) -> list[frozenset[_Test]]:
    """Groups of tests: a number is in the set if all tests of some group hold."""
    inside, outside = (list(_windows(numbers.spans)) for numbers in (limit, ~limit))
    if len(inside) > 1 and len(outside) <= 3:
        return [frozenset(_Test(source, mask, *window, negate=True) for window in outside)]
    return [frozenset((_Test(source, mask, *window, negate=False),)) for window in inside]


def _windows(spans: Iterable[Span]) -> Iterable[tuple[int, int, int]]:
    """(base, width, bits) of as few windows as hold the spans and no other number."""
    base = width = bits = 0
    for low, high in spans:
        if width and width <= 64 and high - base < 64:
            width = high - base + 1
        else:
            if width:
                yield base, width, bits
            base, width, bits = low, high - low + 1, 0
        for number in range(low, min(high, base + 63) + 1):
            bits |= 1 << number - base
    if width:
        yield base, width, bits


def _put_tests(records: "np.ndarray[tuple[int], np.dtype[np.void]]", asked: "list[frozenset[_Test]]") -> int:
    """Write the tests that clauses ask for, those first that most ask for, as many as fit; how many."""
    masks: dict[_Test, int] = {}
    for number, tests in enumerate(asked):
        for test in tests:
            masks[test] = masks.get(test, 0) | 1 << number
    ordered = sorted(masks, key=lambda test: (-masks[test].bit_count(), test.source, test.mask, test.base, test.bits))
    for record, test in zip(records, ordered, strict=False):
        record["source"], record["mask"], record["base"] = test.source, test.mask, test.base
        record["width"], record["bits"], record["negate"] = test.width, test.bits, test.negate
        record["clauses"] = masks[test]
    return min(len(ordered), len(records))


def _by_name(clauses: list[Clause], key: Key) -> tuple[Mapping[bytes, int], int, int]:
    limits = [(1 << number, clause.get(key)) for number, clause in enumerate(clauses)]
    names = [(bit, limit) for bit, limit in limits if isinstance(limit, Names)]
    always = sum(bit for bit, limit in limits if limit is None)
    others = always | sum(bit for bit, limit in names if not limit.listed)
    members = frozenset[bytes]().union(*(limit.members for _, limit in names))
    fitting = {name: always | sum(bit for bit, limit in names if name in limit) for name in members}
    return {name: mask for name, mask in fitting.items() if mask != others}, sum(bit for bit, _ in names), others


def _by_place(clauses: list[Clause]) -> tuple[Mapping[bytes, int], int, int]:
    limits = [(1 << number, clause.get(PATH)) for number, clause in enumerate(clauses)]
    paths = [(bit, limit) for bit, limit in limits if isinstance(limit, Paths)]
    always = sum(bit for bit, limit in limits if limit is None)
    others = always | sum(bit for bit, limit in paths if limit.others)
    marks = sorted({mark for _, limit in paths for mark in limit})
    deciders = [(bit, limit.decider()) for bit, limit in paths]
    fitting: dict[bytes, int] = {}
    for mark in marks:
        # Of what begins alike further than the kernel compares, it has to let through what fits any.
        place = mark[:PLACE_BYTES]
        mask = always | sum(bit for bit, decide in deciders if decide(mark))
        if len(mark) > PLACE_BYTES:
            mask |= always | sum(bit for bit, decide in deciders if decide(place))
        fitting[place] = fitting.get(place, 0) | mask
    return fitting, sum(bit for bit, _ in paths), others
