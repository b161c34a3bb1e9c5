"""From how many events came from which container and unit, without a look at each."""

from collections import Counter
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from monitord.enrich.cgroups import Cgroups, together
from monitord.enrich.cgroups_v1 import CgroupsV1
from monitord.enrich.lineage import Lineage
from monitord.model.event import EventBatch
from monitord.model.placement import HOST, Placement, origin_of
from monitord.model.top import Origin
from monitord.model.value import Missing


class Origins:
    """
    Counts the events of batches by where they come from. Used by one thread.

    Each cgroup v2 of a batch is asked for once; where cgroup v1 is mounted and a cgroup v2 is in no container, each
    process in it.
    """

    def __init__(self, cgroups: Cgroups, cgroups_v1: CgroupsV1, lineage: Lineage) -> None:
        self._cgroups = cgroups
        self._v1 = cgroups_v1
        self._lineage = lineage

    def count(self, batch: EventBatch) -> Counter[Origin]:
        """Events by origin; the batch has been observed."""
        found: Counter[Origin] = Counter()
        if not len(batch):
            return found
        cgroup_id = np.ascontiguousarray(batch.records["cgroup_id"])
        ids, rows, counts = np.unique(cgroup_id, return_index=True, return_counts=True)
        placements = []
        for one, row, count in zip(ids.tolist(), rows.tolist(), counts.tolist(), strict=True):
            placement = self._cgroups.known(one) or self._cgroups.of_id(one, batch.event(row))
            placements.append(placement)
            if not self._is_open(placement):
                found[origin_of(placement)] += count
        is_open = np.array([self._is_open(placement) for placement in placements])
        if is_open.any():
            which = np.searchsorted(ids, cgroup_id)
            self._count_by_process(batch, which, np.flatnonzero(is_open[which]), placements, found)
        return found

    def _is_open(self, placement: Placement | Missing) -> bool:
        """Whether cgroup v1 may say more."""
        return self._v1.mounted and (isinstance(placement, Missing) or placement.full_id == HOST)

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
        pid, start_ns = batch.records["pid"][rows], batch.records["start_ns"][rows]
        order = np.lexsort((start_ns, pid, which[rows]))  # stable: those of a process stay in order of time
        rows, pid, start_ns = rows[order], pid[order], start_ns[order]
        which, ts_ns = which[rows], batch.records["ts_ns"][rows]
        changes = (which[1:] != which[:-1]) | (pid[1:] != pid[:-1]) | (start_ns[1:] != start_ns[:-1])
        bounds = [0, *(np.flatnonzero(changes) + 1).tolist(), len(rows)]
        first = bounds[:-1]
        columns = (which[first].tolist(), rows[first].tolist(), pid[first].tolist(), start_ns[first].tolist())
        for (begin, end), of_cgroup, row, *process in zip(pairwise(bounds), *columns, strict=True):
            entry = self._lineage.known(*process) or self._lineage.entry(batch.event(row))
            for placement, count in self._v1.of(entry).over(ts_ns[begin:end]):
                found[origin_of(together(placements[of_cgroup], placement))] += count
