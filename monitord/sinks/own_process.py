"""The daemon's own process, in the metrics that Prometheus' client libraries have for it."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from monitord.sinks.exposition import counter, gauge

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def own_process(proc: Path = Path("/proc")) -> Iterator[str]:
    """Every metric of the process itself; proc(5) says what is read."""
    # Behind the name, which can hold anything, the state is field 3.
    stat = (proc / "self/stat").read_text(errors="replace").rpartition(")")[2].split()
    user, system, begin, virtual, resident = (int(stat[field - 3]) for field in (14, 15, 22, 23, 24))
    boot = next(int(line.split()[1]) for line in (proc / "stat").open() if line.startswith("btime "))
    fds = len(os.listdir(proc / "self/fd")) - 1  # the listing has one of its own
    most_fds = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield counter("process_cpu_seconds_total", "CPU time.", (), [((), (user + system) / _TICKS)])
    yield gauge("process_resident_memory_bytes", "Resident memory.", (), [((), resident * _PAGE_BYTES)])
    yield gauge("process_virtual_memory_bytes", "Address space.", (), [((), virtual)])
    yield gauge("process_start_time_seconds", "Start, since the epoch.", (), [((), boot + begin / _TICKS)])
    yield gauge("process_open_fds", "Open descriptors.", (), [((), fds)])
    yield gauge("process_max_fds", "The most descriptors that may be open.", (), [((), most_fds)])
