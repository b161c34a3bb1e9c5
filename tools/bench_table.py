"""
What the process table costs per process, and whether its memory stays level: `python3 -m tools.bench_table [HOURS]` in
the root of the repository. It draws docs/images/memory.svg, too.

Records as the kernel side writes them, of shells that start a program which ends, at 50 starts a second, and each
hundredth as an orphan, go through decoder and table as fast as they can. Of each program it is asked what it is, as by
a rule about execs: a process that nobody asks about is not read.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from monitord.abi.arch import Abi
from monitord.abi.event import CELL_BYTES, DATA_BYTES, EVENT, NO_ARGUMENT, NO_CALL, PAYLOAD_BYTES, Capture, Kind
from monitord.decode.decoder import Decoder
from monitord.enrich.context import ProcContext
from monitord.model.batch import RawBatch
from monitord.tables.syscalls import SyscallTable
from tools.bench_detect import opens
from tools.drawing import Chart, page

OUTPUT = Path(__file__).resolve().parent.parent / "docs" / "images" / "memory.svg"
DRAWN = 96
"""Points: one each quarter of an hour."""

STARTS_PER_S = 50
"""A busy build machine; a quiet server has one."""

BATCH = 1000
SHELLS = 100
PIDS = 4_000_000
SECOND = 1_000_000_000
EXECVE, CHDIR = 59, 80


def batches(starts: int) -> Iterator[tuple[bytes, int]]:
    """
    Drains, and how many processes start in them: the shells, which go to a directory, then fork, exec and exit of
    `BATCH` at a time.
    """
    shells = np.arange(2, 2 + SHELLS)
    there = np.zeros(SHELLS * 2, EVENT)
    there["perf_type"], there["perf_size"], there["raw_size"] = 9, CELL_BYTES, PAYLOAD_BYTES
    there["cells"], there["comm"], there["abi"] = 1, b"sh", Abi.X86_64
    there["seq"], there["pid"], there["ppid"] = np.arange(1, 1 + len(there)), np.tile(shells, 2), 1
    there["tid"], there["start_ns"] = there["pid"], np.tile(shells, 2) * SECOND
    there["kind"], there["nr"] = np.repeat((Kind.FORK, Kind.EVENT), SHELLS), np.repeat((NO_CALL, CHDIR), SHELLS)
    there["ts_ns"] = there["start_ns"] + (there["kind"] == Kind.EVENT) * SHELLS * SECOND
    moves = there[SHELLS:]
    moves["data"], moves["data_len"] = np.void(b"data\0srv\0".ljust(DATA_BYTES, b"\0")), 9
    moves["text"]["len"][:, 0], moves["text"]["source"][:, 0] = 9, Capture.DIRECTORY << 4 | NO_ARGUMENT
    yield there.tobytes(), SHELLS
    seq = len(there)
    for begin in range(0, starts, BATCH):
        number = np.arange(begin, begin + BATCH)
        pid = 1000 + number % PIDS
        born_ns = SECOND * 1000 + number * (SECOND // STARTS_PER_S)
        cells = np.zeros(BATCH * 3, EVENT)
        cells["perf_type"], cells["perf_size"], cells["raw_size"] = 9, CELL_BYTES, PAYLOAD_BYTES
        cells["cells"], cells["abi"] = 1, Abi.X86_64
        cells["seq"] = np.arange(seq + 1, seq + 1 + len(cells))
        seq += len(cells)
        parent = shells[number % SHELLS]
        parent_ns = parent * SECOND
        # The parent of each hundredth is the process before, which ends first.
        orphan = number % 100 == 99
        parent = np.where(orphan, np.roll(pid, 1), parent)
        parent_ns = np.where(orphan, np.roll(born_ns, 1), parent_ns)
        for part, kind in enumerate((Kind.FORK, Kind.EVENT, Kind.EXIT)):
            rows = cells[part::3]
            rows["kind"], rows["nr"] = kind, EXECVE if kind is Kind.EVENT else NO_CALL
            rows["pid"] = rows["tid"] = pid
            rows["start_ns"], rows["ts_ns"] = born_ns, born_ns + part * 1_000_000
            rows["ppid"], rows["parent_comm"] = parent, b"sh"
            rows["comm"] = b"sh" if kind is Kind.FORK else b"tool"
        forks, execs = cells[0::3], cells[1::3]
        forks["args"][:, 0], forks["args"][:, 1], forks["args"][:, 2] = parent, parent_ns, parent_ns
        texts = (
            (0, Capture.STR, b"/usr/bin/tool"),
            (NO_ARGUMENT, Capture.EXE, b"tool\0bin\0usr\0"),
            (1, Capture.ARGV, b"tool\0--input\0/srv/data/"),
        )
        execs["data"] = np.void(b"".join(text for *_, text in texts).ljust(DATA_BYTES, b"x"))
        execs["data_len"] = DATA_BYTES
        for slot, (arg, capture, text) in enumerate(texts):
            size = len(text) if capture is not Capture.ARGV else DATA_BYTES - sum(len(one) for *_, one in texts[:slot])
            execs["text"]["len"][:, slot], execs["text"]["source"][:, slot] = size, capture << 4 | arg
        yield cells.tobytes(), BATCH


def resident_kib() -> int:
    """The memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGESIZE") // 1024


def churn(hours: float, steps: int = 8, *, asked: bool = True) -> tuple[float, list[tuple[float, int, int]]]:
    """
    Run.

    :param asked: whether anybody wants to know what the programs are.
    :return: microseconds per process; and hour, resident KiB and processes in the table, along the way.
    """
    starts = int(hours * 3600 * STARTS_PER_S) // BATCH * BATCH
    context, decoder = ProcContext(SyscallTable.load((Abi.X86_64,))), Decoder()
    spent_ns, done = 0, 0
    seen: list[tuple[float, int, int]] = []
    for data, begun in batches(starts):
        before_ns = time.process_time_ns()
        batch = decoder.decode([RawBatch(0, data)])
        context.observe(batch)
        spent_ns += time.process_time_ns() - before_ns
        execs = [batch.event(row) for row in np.flatnonzero(batch.records["nr"] == EXECVE).tolist()]
        before_ns = time.process_time_ns()
        for event in execs if asked else ():
            context.process(event)
        spent_ns += time.process_time_ns() - before_ns
        done += begun
        if (done - SHELLS) % (starts // steps // BATCH * BATCH) == 0 and done > SHELLS:
            seen.append((done / STARTS_PER_S / 3600, resident_kib(), context.size))
    return spent_ns / 1000 / done, seen


def observing_ns(events: int = 4000, rounds: int = 50) -> float:
    """What each event costs the table when it is an open: nanoseconds, counting by origin included."""
    context = ProcContext(SyscallTable.load((Abi.X86_64,)))
    batch = opens(events, 100)
    context.origins(batch)
    before_ns = time.process_time_ns()
    for _ in range(rounds):
        context.observe(batch)
        context.origins(batch)
    return (time.process_time_ns() - before_ns) / rounds / events


def draw(seen: list[tuple[float, int, int]], output: Path = OUTPUT) -> None:
    """Memory and table over the hours."""
    hours = seen[-1][0]
    ticks = {hours * part / 6: f"{hours * part / 6:.3g} h" for part in range(7)}
    memory = [(hour, kib * 1024.0) for hour, kib, _ in seen]
    table = [(hour, float(processes)) for hour, _, processes in seen]
    charts = [
        Chart(
            "Resident memory", "B", {"decoder and process table, 50 processes started per second": memory}, hours, ticks
        ),
        Chart(
            "Processes in the table", "", {"those that live, and those that ended within a second": table}, hours, ticks
        ),
    ]
    output.write_text(page("Memory of the process table over a day of churn", charts), encoding="utf-8")


def main() -> int:
    """Print and draw."""
    per_process_us, seen = churn(float(sys.argv[1]) if len(sys.argv) > 1 else 24.0, DRAWN)
    draw(seen)
    unasked_us, _ = churn(1.0, asked=False)
    sys.stdout.write(f"{per_process_us:.1f} us per process, {unasked_us:.1f} us of one that nobody asks about\n")
    sys.stdout.write(f"{observing_ns():.0f} ns per open in batches of 4,000\n")
    for hour, kib, processes in seen[DRAWN // 8 - 1 :: DRAWN // 8]:
        sys.stdout.write(f"hour {hour:4.1f}: {kib / 1024:.1f} MiB resident, {processes} processes in the table\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
