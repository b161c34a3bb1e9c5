"""The filters in the kernel: which slot of the `filters` map holds what, and how one takes the place of another."""

import ctypes
import logging
import platform
import struct
import time
from collections import deque
from collections.abc import Callable, Mapping

from monitord.config.schema import IGNORED_MAX
from monitord.model.clause import Clause, Clauses
from monitord.model.facts import LEAF_BYTES, RESULT
from monitord.model.limit import Numbers
from monitord.sources.bpf import libbpf
from monitord.sources.bpf.filters import PLACE_BYTES, Filter, filter_of

SLOTS = 256
ROOM: Mapping[str, int] = {"names": 16384, "places": 16384, "leaves": 16384, "tops": 1024}
"""Entries of the maps in bpf/filter.h, bpf/places.h, bpf/leaf.h and bpf/top.h."""

KEPT: Mapping[str, int] = {"names": IGNORED_MAX, "places": 2 * IGNORED_MAX, "leaves": 0, "tops": 0}
"""Of `ROOM`, for what is ignored: a path is two places. Rules can do with wider filters."""

IGNORED_NAMES = 1
IGNORED_PLACES = 2

_MEMBARRIER_NR = {"x86_64": 324, "aarch64": 283}
_MEMBARRIER_GLOBAL = 1
_GRACE_S = 0.1

_log = logging.getLogger(__name__)

_Content = tuple[Clauses, int]


class FilterTable:
    """
    Filters are never changed: a new one is written to a free slot, plans are pointed to it by one byte each, and only
    when no program can be using the old one any more is its slot given away. So a program sees either of them whole.

    :param maps: name -> descriptor of `filters`, and of those in `ROOM`.
    """

    def __init__(self, maps: Mapping[str, int]) -> None:
        self._maps = maps
        self._generation = 0
        self._free = deque(range(1, SLOTS))  # the first one lets nothing through, and is never written
        self._slots: dict[_Content, int] = {}
        self._filters: dict[int, tuple[int, Filter]] = {}  # slot -> generation and filter
        self._entries = dict(KEPT)
        self._ignored: tuple[frozenset[bytes], frozenset[bytes]] = frozenset(), frozenset()

    def slot_of(self, clauses: Clauses, ignored: int) -> int:
        """The slot of a filter for these clauses, written if there is none; for lack of room, of a wider one."""
        content = clauses, ignored
        slot = self._slots.get(content)
        if slot is None:
            slot = self._write(content)
        if slot is None:
            wider = tuple(dict.fromkeys(map(_result_only, clauses)))
            if content == (wider, ignored):
                raise RuntimeError("there are more than 255 filters of results alone")
            _log.debug("the kernel has no room for a filter; a wider one is installed")
            slot = self._slots[content] = self.slot_of(wider, ignored)
        return slot

    def keep(self, used: frozenset[int]) -> None:
        """Free all slots but these; no plan may point to another any more."""
        unused = self._filters.keys() - used
        if not unused:
            return
        _wait_for_programs()
        for slot in unused:
            generation, filter_ = self._filters.pop(slot)
            for name, entries in filter_.entries.items():
                for mark in entries:
                    self._delete(name, _KEYS[name](generation, mark))
                self._entries[name] -= len(entries)
            self._free.append(slot)
        self._slots = {content: slot for content, slot in self._slots.items() if slot in self._filters}

    def ignore(self, names: frozenset[bytes], places: frozenset[bytes]) -> None:
        """
        Replace the names of processes and the beginnings of paths whose events nobody wants to see.

        There is room for them: `KEPT`.
        """
        old_names, old_places = self._ignored
        for name in old_names - names:
            self._delete("names", _name_key(0, name))
        for place in old_places - places:
            self._delete("places", _place_key(0, place))
        for name in names - old_names:
            self._update("names", _name_key(0, name), 1)
        for place in places - old_places:
            self._update("places", _place_key(0, place), 1)
        self._ignored = names, places

    def _write(self, content: _Content) -> int | None:
        filter_ = filter_of(*content)
        fits = all(self._entries[name] + len(entries) <= ROOM[name] for name, entries in filter_.entries.items())
        if not self._free or not fits:
            return None
        slot = self._free.popleft()
        self._generation += 1
        for name, entries in filter_.entries.items():
            for mark, mask in entries.items():
                self._update(name, _KEYS[name](self._generation, mark), mask)
            self._entries[name] += len(entries)
        record = struct.pack("<I", self._generation) + filter_.record[4:]
        self._update("filters", struct.pack("<I", slot), record)
        self._filters[slot] = self._generation, filter_
        self._slots[content] = slot
        return slot

    def _update(self, name: str, key: bytes, value: int | bytes) -> None:
        data = value if isinstance(value, bytes) else struct.pack("<I", value)
        result = libbpf.library().bpf_map_update_elem(self._maps[name], key, data, 0)
        libbpf.check(result, f"writing map {name}")

    def _delete(self, name: str, key: bytes) -> None:
        libbpf.check(libbpf.library().bpf_map_delete_elem(self._maps[name], key), f"writing map {name}")


def _result_only(clause: Clause) -> Clause:
    """
    A clause that tells success from failure and no more, of which there are few.
    """
    limit = clause.get(RESULT)
    if not isinstance(limit, Numbers):
        return Clause()
    spans = [(0, 0)] * (0 in limit) + [(1, limit.top)] * (limit.spans[-1][1] > 0)
    wider = Numbers.of(spans, limit.top)
    return Clause() if wider.is_all else Clause(((RESULT, wider),))


def _name_key(generation: int, name: bytes) -> bytes:
    """struct name_key."""
    return struct.pack("<I16s", generation, name)


def _leaf_key(generation: int, leaf: bytes) -> bytes:
    """struct leaf_key."""
    return struct.pack(f"<I{LEAF_BYTES + 1}s", generation, leaf)


def _place_key(generation: int, place: bytes) -> bytes:
    """struct place_key."""
    return struct.pack(f"<II{PLACE_BYTES}s", 32 + 8 * len(place), generation, place)


_KEYS: Mapping[str, Callable[[int, bytes], bytes]] = {
    "names": _name_key,
    "places": _place_key,
    "leaves": _leaf_key,
    "tops": _leaf_key,
}
"""By map."""


def _wait_for_programs() -> None:
    """Until every program that runs now has ended: what it has read of the maps it uses no longer."""
    libc = ctypes.CDLL(None, use_errno=True)
    # MEMBARRIER_CMD_GLOBAL is synchronize_rcu(), and programs run inside an RCU section. Kernels with nohz_full CPUs
    # refuse it; a program takes microseconds.
    if libc.syscall(_MEMBARRIER_NR[platform.machine()], _MEMBARRIER_GLOBAL, 0, 0) != 0:
        time.sleep(_GRACE_S)
