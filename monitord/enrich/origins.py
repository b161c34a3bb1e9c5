"""From how many events came from which container and unit, without a look at each."""

from collections import Counter
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from monitord.enrich.cgroups import Cgroups, together
from monitord.enrich.cgroups_v1 import CgroupsV1
from monitord.enrich.joined import Joined
from monitord.enrich.lineage import Lineage
from monitord.enrich.processes import ProcessTable
from monitord.model.event import EventBatch
from monitord.model.placement import HOST, Placement, origin_of
from monitord.model.top import Origin
from monitord.model.value import Missing


class Origins:
    """
    Counts the events of batches by where they come from. Used by one thread.

    Each cgroup v2 of a batch is asked for once; where cgroup v1 is mounted and a cgroup v2 is in no container, each
    process in it, which takes half a microsecond.
    """

    def __init__(self, processes: ProcessTable, cgroups: Cgroups, cgroups_v1: CgroupsV1, lineage: Lineage) -> None:
        self._processes = processes
        self._cgroups = cgroups
        self._v1 = cgroups_v1
        self._lineage = lineage

    def count(self, batch: EventBatch) -> Counter[Origin]:
        """Events by origin; the batch has been observed."""
        found: Counter[Origin] = Counter()
        if not len(batch):
            return found
        cgroup_id = np.ascontiguousarray(batch.records["cgroup_id"])
        if (cgroup_id == cgroup_id[0]).all():
            ids, rows, counts = cgroup_id[:1], np.zeros(1, np.intp), np.array([len(batch)])
        else:
            ids, rows, counts = np.unique(cgroup_id, return_index=True, return_counts=True)
        placements = []
        unsettled = []
        for one, row, count in zip(ids.tolist(), rows.tolist(), counts.tolist(), strict=True):
            placement = self._cgroups.known(one) or self._cgroups.of_id(one, batch.event(row))
            placements.append(placement)
            in_container = isinstance(placement, Placement) and placement.full_id != HOST
            unsettled.append(self._v1.mounted and not in_container)
            if not unsettled[-1]:
                found[origin_of(placement)] += count
        if any(unsettled):
            which = np.searchsorted(ids, cgroup_id)
            rows = np.arange(len(batch)) if all(unsettled) else np.flatnonzero(np.array(unsettled)[which])
            self._count_by_process(batch, which, rows, placements, found)
        return found

    def _count_by_process(
        self,
        batch: EventBatch,
        which: NDArray[np.intp],
        rows: NDArray[np.intp],
        placements: list[Placement | Missing],
        found: Counter[Origin],
    ) -> None:
        """
        Count some rows, each process of a cgroup at one go.

        :param which: (n,) the cgroup of each row, an index of `placements`.
        """
        records = batch.records
        pid, start_ns = np.ascontiguousarray(records["pid"]), np.ascontiguousarray(records["start_ns"])
        # Stable: those of a process stay in order of time.
        rows = rows[np.lexsort((start_ns[rows], pid[rows], which[rows]))]
        pid, start_ns, which, ts_ns = pid[rows], start_ns[rows], which[rows], records["ts_ns"][rows]
        changes = (pid[1:] != pid[:-1]) | (start_ns[1:] != start_ns[:-1]) | (which[1:] != which[:-1])
        first = np.concatenate(([0], np.flatnonzero(changes) + 1))
        bounds = pairwise([*first.tolist(), len(rows)])
        columns = [column[first].tolist() for column in (which, ts_ns, rows, pid, start_ns // self._processes.tick_ns)]
        settled: Counter[tuple[int, Joined]] = Counter()
        for (begin, end), of_cgroup, first_ns, row, number, tick in zip(bounds, *columns, strict=True):
            entry = self._processes.find((number, tick)) or self._lineage.entry(batch.event(row))
            joined = entry.joined or self._v1.of(entry)
            if joined.since_ns <= first_ns:
                settled[of_cgroup, joined] += end - begin
                continue
            for placement, count in joined.over(ts_ns[begin:end]):
                found[origin_of(together(placements[of_cgroup], placement))] += count
        for (of_cgroup, joined), count in settled.items():
            found[origin_of(together(placements[of_cgroup], joined.placement))] += count
