"""Moves of processes between cgroups v1."""

from monitord.enrich.joined import CONTAINERS, join
from monitord.model.placement import HOST

DEVICES, MEMORY = 5, 7


def container(number):
    return f"/docker/{number:064x}"


def test_the_time_of_an_event_counts():
    joined = join(join(None, 100, DEVICES, "/x"), 200, DEVICES, container(1))

    assert [None, HOST, f"{1:064x}"] == [where and where.full_id for where in map(joined.at, (99, 199, 200))]


def test_the_first_hierarchy_of_a_container_tells_and_the_others_change_nothing():
    joined = join(join(join(None, 100, DEVICES, container(1)), 110, MEMORY, container(1)), 120, 3, "/")

    assert [None, f"{1:064x}"] == [where and where.full_id for where in map(joined.at, (99, 100))]
    assert joined.before is None


def test_who_leaves_in_all_hierarchies_is_out():
    joined = join(join(None, 100, DEVICES, container(1)), 110, MEMORY, container(1))
    half = join(joined, 120, DEVICES, "/")

    assert f"{1:064x}" == half.at(130).full_id
    assert HOST == join(half, 140, MEMORY, "/").at(150).full_id


def test_what_is_kept_is_bounded():
    joined = None
    for number in range(97):
        joined = join(joined, number, DEVICES, container(number))

    assert [None, f"{97 - CONTAINERS:064x}"] == [
        where and where.full_id for where in map(joined.at, (96 - CONTAINERS, 97 - CONTAINERS))
    ]
