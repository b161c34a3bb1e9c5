from prometheus_client import CollectorRegistry, ProcessCollector

from monitord.sinks.exposition import samples_of
from monitord.sinks.own_process import own_process

GROWS_BETWEEN = {"process_cpu_seconds_total": 1.0, "process_resident_memory_bytes": 4 << 20}
"""By how much at most, between the two readings."""


def test_as_the_library_of_prometheus_has_it():
    ours = {name: number for name, _, number in samples_of("".join(own_process()))}
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    theirs = {sample.name: sample.value for family in registry.collect() for sample in family.samples}

    theirs["process_open_fds"] -= 1  # that by which it counts them
    assert theirs.keys() == ours.keys()
    for name, value in theirs.items():
        assert abs(value - ours[name]) <= GROWS_BETWEEN.get(name, 0), name
