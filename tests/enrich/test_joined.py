"""Moves of processes between cgroups v1."""

from collections import Counter

import numpy as np
import pytest

from monitord.enrich.joined import CONTAINERS, UNTOLD, join, joined
from monitord.model.placement import HOST
from monitord.model.value import Missing

DEVICES, MEMORY = 5, 7


def container(number):
    return f"/docker/{number:064x}"


def ids(placements):
    return [where if isinstance(where, Missing) else where.full_id for where in placements]


def test_the_time_of_an_event_counts():
    moved = join(joined({DEVICES: "/x"}, 100), 200, DEVICES, container(1))

    assert [Missing.LATE, HOST, f"{1:064x}"] == ids(map(moved.at, (99, 199, 200)))


def test_the_first_hierarchy_of_a_container_tells_and_the_others_change_nothing():
    moved = join(join(joined({DEVICES: container(1)}, 100), 110, MEMORY, container(1)), 120, 3, "/")

    assert [Missing.LATE, f"{1:064x}"] == ids(map(moved.at, (99, 100)))
    assert moved.before is None


def test_who_leaves_in_all_hierarchies_is_out():
    moved = join(joined({DEVICES: container(1)}, 100), 110, MEMORY, container(1))
    half = join(moved, 120, DEVICES, "/")

    assert f"{1:064x}" == half.at(130).full_id
    assert HOST == join(half, 140, MEMORY, "/").at(150).full_id


def test_one_that_nobody_could_be_asked_about_is_known_from_its_next_move_on():
    assert [Missing.LATE, f"{1:064x}"] == ids(map(join(UNTOLD, 100, DEVICES, container(1)).at, (99, 100)))


def test_what_is_kept_is_bounded():
    moved = UNTOLD
    for number in range(97):
        moved = join(moved, number, DEVICES, container(number))

    assert [Missing.LATE, f"{97 - CONTAINERS:064x}"] == ids(map(moved.at, (96 - CONTAINERS, 97 - CONTAINERS)))


@pytest.mark.parametrize("first_ns", [0, 90, 150, 205, 300])
@pytest.mark.parametrize("since_ns", [0, 100])
def test_many_times_at_once_are_as_one_by_one(first_ns, since_ns):
    moved = join(join(joined({DEVICES: "/"}, since_ns), 200, DEVICES, container(1)), 210, DEVICES, "/")
    times = np.arange(first_ns, first_ns + 113, dtype=np.uint64)
    found = Counter()
    for where, count in moved.over(times):
        found[ids([where])[0]] += count

    assert Counter(ids(map(moved.at, times.tolist()))) == found
