"""The BPF source: the kernel side loaded, attached and read, as one object."""

import contextlib
import ctypes
import logging
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monitord.abi.arch import NR_SLOTS, machine_abis, slot_of
from monitord.config.schema import BpfConfig, Ignore, Scope, ScopeKind
from monitord.model.array import NDArray
from monitord.model.batch import RawBatch
from monitord.model.counts import CountTable
from monitord.model.interest import Interest
from monitord.model.loss import Degraded, Stage
from monitord.sources.bpf import libbpf
from monitord.sources.bpf.counts import LATENCY_WORDS, STATS, PerCpuMap, count_table
from monitord.sources.bpf.cpus import online_cpus
from monitord.sources.bpf.filter_table import IGNORED_NAMES, IGNORED_PLACES, FilterTable
from monitord.sources.bpf.loader import attach, load
from monitord.sources.bpf.plan import GATES, bare_plans, gates_of, path_calls_of, plans_of
from monitord.sources.bpf.ring_store import RingStore
from monitord.sources.bpf.rings import Rings
from monitord.sources.bpf.scope import ScopeError, cgroup2_mount, cgroup_directory, children, pid_max
from monitord.sources.bpf.settings import Settings
from monitord.sources.bpf.spare import SpareRing
from monitord.tables.syscalls import SyscallTable

_HOUSEKEEPING_S = 1.0
"""How often CPUs that come and go, and units that restart, are looked for."""

_log = logging.getLogger(__name__)


class BpfSource:
    """
    Everything between the kernel and the pipeline; implements `monitord.stages.Source`.

    Made: programs loaded, rings open, nothing attached. `start` attaches. One thread drains; `counts`, `losses`
    and the like may be asked for by any.
    """

    def __init__(self, table: SyscallTable, scope: Scope, config: BpfConfig) -> None:
        """
        :raises LoadError: this machine cannot.
        :raises ScopeError: the scope names nothing.
        """
        self._table = table
        self._abis = machine_abis()
        self._scope = scope
        self._cgroup_id = 0
        number = self._scope_number()
        self._loaded = load(Settings(scope.kind, number, config.latency, os.getpid()))
        store = RingStore()
        self._stats_fd = _switch_on_stats(store.stats) if config.program_stats else -1
        self._links: list[int] = []
        self._rings = Rings(config.ring_pages, store.rings)
        self._spare = SpareRing(self._loaded.maps["spare"])
        self._calls = PerCpuMap(self._loaded.maps["calls"], NR_SLOTS)
        self._errors = PerCpuMap(self._loaded.maps["errors"], 1)
        self._stats = PerCpuMap(self._loaded.maps["stats"], len(STATS))
        self._latencies = PerCpuMap(self._loaded.maps["latencies"], LATENCY_WORDS) if config.latency else None
        self._filters = FilterTable(self._loaded.maps)
        self._bare_plans = bare_plans(table, self._abis)
        self._plans = np.zeros_like(self._bare_plans)
        self._with_path = path_calls_of(table)
        self._ignore = Ignore()
        self._gates = np.zeros(GATES, np.uint8)
        self._housekeeping_due_s = 0.0
        self._spared: set[int] = set()  # CPUs that sent to the spare ring since the last look, and in the second before
        self._spared_before: set[int] = set()
        self.install(Interest())
        self._follow_cpus()
        store.close()  # a CPU that comes later is another one: what was opened for the one before is dead
        self._follow_cgroup()

    @property
    def origin(self) -> str:
        """When the programs were compiled, in words."""
        return self._loaded.origin

    def start(self) -> None:
        """Attach; from here on calls are counted and events delivered."""
        self._links = attach(self._loaded.programs)
        if self._scope.kind is ScopeKind.PID:
            self._mark(self._scope.number)

    def install(self, interest: Interest) -> None:
        """Replace what is delivered as events, while they flow; events in both sets are never missed."""
        plans = plans_of(self._bare_plans, self._table, interest, self._abis)
        for call in interest.calls:
            ignored = IGNORED_NAMES if self._ignore.comm else 0
            if call in self._with_path and self._ignore.paths:
                ignored |= IGNORED_PLACES
            plans["filter"][slot_of(*call, self._abis)] = self._filters.slot_of(interest.wanted(call), ignored)
        gates = gates_of(plans, interest, self._abis)
        # Gates open before plans ask and close after they stop asking: in between a call passes one for nothing.
        self._write_gates(self._gates | gates)
        self._update_array("plans", self._plans, plans)
        self._plans = plans
        self._write_gates(gates)
        self._update("lifecycle", 0, bytes([interest.lifecycle]))
        self._filters.keep(frozenset(plans["filter"].tolist()))

    def ignore(self, ignore: Ignore) -> None:
        """Whose events, and which paths', are dropped from the next `install` on, whatever it asks for."""
        self._filters.ignore(ignore.names, ignore.places)
        self._ignore = ignore

    def drain(self, timeout_s: float) -> Sequence[RawBatch]:
        """Wait until a ring has `WAKEUP_BYTES` or the time is over, and take what all rings hold."""
        self._rings.wait(timeout_s)
        # A CPU that got a ring a moment ago has older events in the spare one.
        spare = self._spare.take()
        batches = [*spare, *self._rings.take()]
        self._spared.update(batch.cpu for batch in spare)
        now_s = time.monotonic()
        if now_s >= self._housekeeping_due_s:
            self._housekeeping_due_s = now_s + _HOUSEKEEPING_S
            with contextlib.suppress(OSError):  # for want of descriptors; the next time will do
                batches += self._follow_cpus()
            self._follow_cgroup()
        return batches

    def quiesce(self) -> None:
        """Detach: nothing is counted or delivered any more, what is in the rings can still be drained."""
        for link in self._links:
            os.close(link)
        self._links = []

    def counts(self) -> CountTable:
        """Totals of every syscall in scope."""
        return count_table(self._abis, self._calls, self._errors, self._latencies)

    def seen(self) -> int:
        """Events that the kernel side admitted, lost ones included."""
        return self._stat("seq")

    def losses(self) -> Mapping[Stage, int]:
        """Events lost between the kernel and the rings."""
        return {Stage.RING: self._stat("lost_ring")}

    def degraded(self) -> Mapping[Degraded, int]:
        """What was recorded with a part missing."""
        return {
            Degraded.TEXT: self._stat("lost_texts"),
            Degraded.START: self._stat("spill_failed"),
            Degraded.ERRNO: self._stat("errors_failed"),
        }

    def ignored(self) -> Mapping[str, int]:
        """Events that rules wanted and the operator does not, by what they were told by."""
        return {"comm": self._stat("ignored_names"), "path": self._stat("ignored_places")}

    def program_runs(self) -> Mapping[str, tuple[int, int]]:
        """
        Program -> (runs, nanoseconds) as the kernel counts them.

        Both stay 0 unless the kernel keeps statistics: `bpf.program_stats`, or sysctl kernel.bpf_stats_enabled.
        """
        runs = {}
        for name, fd in self._loaded.programs.items():
            info, size = libbpf.ProgInfo(), ctypes.c_uint32(ctypes.sizeof(libbpf.ProgInfo))
            if libbpf.library().bpf_obj_get_info_by_fd(fd, ctypes.byref(info), ctypes.byref(size)) == 0:
                runs[name] = (int(info.run_cnt), int(info.run_time_ns))
        return runs

    def ring_bytes(self) -> Mapping[int, int]:
        """CPU -> bytes that wait in its ring."""
        return self._rings.used_bytes()

    def close(self) -> None:
        """Detach and free everything."""
        self.quiesce()
        self._rings.close()
        self._spare.close()
        self._loaded.close()
        if self._stats_fd >= 0:
            os.close(self._stats_fd)

    def _stat(self, name: str) -> int:
        return int(self._stats.total(0)[STATS.index(name)])

    def _update(self, name: str, key: int, value: bytes) -> None:
        lib, fd = libbpf.library(), self._loaded.maps[name]
        libbpf.check(
            lib.bpf_map_update_elem(fd, ctypes.byref(ctypes.c_uint32(key)), value, 0), f"writing map {name}[{key}]"
        )

    def _update_array(self, name: str, old: NDArray[Any], new: NDArray[Any]) -> None:
        """Write what has changed, at one go: one by one the thousands of a start took 10 ms."""
        changed = np.flatnonzero(new != old)
        if changed.size:
            count = ctypes.c_uint32(changed.size)
            keys, values = changed.astype(np.uint32).tobytes(), new[changed].tobytes()
            updated = libbpf.library().bpf_map_update_batch(
                self._loaded.maps[name], keys, values, ctypes.byref(count), None
            )
            libbpf.check(updated, f"writing map {name}")

    def _write_gates(self, gates: NDArray[np.uint8]) -> None:
        self._update_array("gates", self._gates, gates)
        self._gates = gates

    def _follow_cpus(self) -> list[RawBatch]:
        # One that sends to the spare ring for two seconds has no other, whatever was opened for it: it was offline for
        # a moment. What it sent until it had got its ring comes later than that, and is not held against it.
        opened, left = self._rings.follow(online_cpus(), self._spared & self._spared_before)
        for ring in opened:
            self._update("events", ring.cpu, ring.fd.to_bytes(4, "little"))
        self._spared_before, self._spared = self._spared.difference(ring.cpu for ring in opened), set()
        return left

    def _scope_number(self) -> int:
        """What stands for the scope in the program."""
        match self._scope.kind:
            case ScopeKind.ALL:
                return 0
            case ScopeKind.CGROUP:
                return cgroup_directory(self._scope).stat().st_ino
            case ScopeKind.UNIT:
                cgroup2_mount()
                try:
                    cgroup_directory(self._scope)
                except ScopeError as error:  # at boot it starts later than this daemon
                    _log.warning("%s It is watched from its start on", error)
                return 0  # a unit gets a new cgroup when it restarts: only the map knows which
            case ScopeKind.PID:
                if not os.path.exists(f"/proc/{self._scope.number}"):
                    raise ScopeError(f"there is no process {self._scope.number}")
                return pid_max()
            case ScopeKind.UID | ScopeKind.PIDNS:
                return self._scope.number

    def _follow_cgroup(self) -> None:
        """Keep the scope's cgroup in the kernel's table: a unit gets a new one with every start."""
        if self._scope.kind not in (ScopeKind.CGROUP, ScopeKind.UNIT):
            return
        try:
            directory = cgroup_directory(self._scope)
            cgroup_id = directory.stat().st_ino
            if cgroup_id == self._cgroup_id:
                return
            fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._update("scope_cgroup", 0, fd.to_bytes(4, "little"))
            finally:
                os.close(fd)
        except (ScopeError, OSError):
            return  # stopped, be it this moment; the next start is found the next time
        self._cgroup_id = cgroup_id

    def _mark(self, pid: int) -> None:
        """
        Put a process and its descendants into scope.

        A process is marked before its children are listed: what it starts after that is marked by the kernel side.
        """
        waiting = [pid]
        while waiting:
            pid = waiting.pop()
            self._update("scope_pids", pid, b"\1")
            waiting += children(pid)


def _switch_on_stats(stored: int) -> int:
    """What keeps the kernel's statistics of BPF programs on while it is open; -1 for nothing."""
    if stored >= 0:
        return os.dup(stored)
    fd = int(libbpf.library().bpf_enable_stats(libbpf.STATS_RUN_TIME))
    if fd < 0:
        _log.warning(
            "bpf.program_stats: the kernel does not switch its statistics on (%s): this needs CAP_SYS_ADMIN; "
            "sysctl kernel.bpf_stats_enabled=1 does it for everybody",
            os.strerror(ctypes.get_errno()),
        )
    return fd
