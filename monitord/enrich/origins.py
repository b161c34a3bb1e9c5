"""From how many events came from which container and unit, without a look at each."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from monitord.enrich.cgroups import Cgroups, together
from monitord.enrich.cgroups_v1 import CgroupsV1
from monitord.enrich.joined import Joined
from monitord.enrich.lineage import Lineage
from monitord.enrich.observer import Observer
from monitord.model.array import NDArray
from monitord.model.batch import EventBatch
from monitord.model.placement import HOST, Placement, origin_of
from monitord.model.top import Origin
from monitord.model.value import Missing

FEW = 100
"""Events up to which counting them one by one takes less time than sorting."""


class Origins:
    """
    Counts the events of batches by where they come from. Used by one thread.

    Each cgroup v2 of a batch is asked for once; where cgroup v1 is mounted and a cgroup v2 is in no container, each
    process in it, which takes half a microsecond.
    """

    def __init__(self, observer: Observer, cgroups: Cgroups, cgroups_v1: CgroupsV1, lineage: Lineage) -> None:
        self._observer = observer
        self._cgroups = cgroups
        self._v1 = cgroups_v1
        self._lineage = lineage

    def count(self, batch: EventBatch) -> Counter[Origin]:
        """Events by origin; the batch has been observed."""
        found: Counter[Origin] = Counter()
        if not len(batch):
            return found
        records = batch.records
        if not self._v1.mounted:
            for (cgroup_id,), events in alike([records["cgroup_id"]]):
                found[origin_of(self._placement(batch, cgroup_id))] += events
            return found
        first_ns = int(records["ts_ns"][0])
        original = self._observer.original
        settled: dict[tuple[int, Joined], int] = {}
        for (cgroup_id, pid, start_ns), events in alike([records[name] for name in ("cgroup_id", "pid", "start_ns")]):
            entry = original(pid, start_ns)
            joined = None if entry is None else entry.joined
            if joined is None:
                placement = self._placement(batch, cgroup_id)
                if isinstance(placement, Placement) and placement.full_id != HOST:
                    found[origin_of(placement)] += events
                    continue
                joined = self._joined(batch, pid, start_ns)
            if joined.since_ns <= first_ns:
                settled[cgroup_id, joined] = settled.get((cgroup_id, joined), 0) + events
                continue
            placement = self._placement(batch, cgroup_id)
            of_process = (
                (records["cgroup_id"] == cgroup_id) & (records["pid"] == pid) & (records["start_ns"] == start_ns)
            )
            for v1, count in joined.over(records["ts_ns"][of_process]):
                found[origin_of(together(placement, v1))] += count
        for (cgroup_id, joined), events in settled.items():
            found[origin_of(together(self._placement(batch, cgroup_id), joined.placement))] += events
        return found

    def _placement(self, batch: EventBatch, cgroup_id: int) -> Placement | Missing:
        known = self._cgroups.known(cgroup_id)
        if known is not None:
            return known
        return self._cgroups.of_id(cgroup_id, batch.event(int((batch.records["cgroup_id"] == cgroup_id).argmax())))

    def _joined(self, batch: EventBatch, pid: int, start_ns: int) -> Joined:
        entry = self._observer.get(pid, start_ns)
        if entry is None:
            records = batch.records
            row = ((records["pid"] == pid) & (records["start_ns"] == start_ns)).argmax()
            entry = self._lineage.entry(batch.event(int(row)))
        return entry.joined or self._v1.of(entry)


def alike(columns: Sequence[NDArray[np.unsignedinteger]]) -> Iterable[tuple[tuple[int, ...], int]]:
    """
    The different rows of some columns, and how often each is there.

    :param columns: (n,) each.
    """
    if len(columns[0]) <= FEW:
        return Counter(zip(*(column.tolist() for column in columns), strict=True)).items()
    order = np.lexsort(columns)
    ordered = [column[order] for column in columns]
    changes = np.logical_or.reduce([column[1:] != column[:-1] for column in ordered])
    first = np.concatenate(([0], np.flatnonzero(changes) + 1))
    counts = (end - begin for begin, end in pairwise((*first.tolist(), len(order))))
    return zip(zip(*(column[first].tolist() for column in ordered), strict=True), counts, strict=True)
