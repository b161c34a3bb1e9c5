"""
What the rule stage costs per event that is judged and dropped, with the shipped rules: `python3 -m tools.bench_detect`
in the root of the repository. Two thirds of the events are opens of a hundred paths, the rest execs and connects.
"""

import socket
import statistics
import struct
import time
from collections.abc import Callable
from pathlib import Path

from monitord.detect.detector import RuleDetector
from monitord.model.event import EventBatch
from monitord.rules.ruleset import load
from monitord.tables.syscalls import SyscallTable
from monitord.telemetry import Telemetry
from tests.support.batches import Row, batch_of, connect_to, exec_of, open_of
from tests.support.detect import ABIS, FixedContext

RULES = Path(__file__).parent.parent / "config" / "rules"
SIZES = (1, 10, 100, 4000)
EVENTS = 40_000
REPEATS = 7
WRONLY_CREAT = 0o101


def opens(count: int, paths: int) -> EventBatch:
    """Opens to read, and one in eight to write, of absolute paths."""
    rows = []
    for number in range(count):
        path = b"/usr/share/zoneinfo/Europe/city%d" % (number * 7 % paths)
        rows.append(open_of(path, WRONLY_CREAT if number % 8 == 0 else 0, comm=b"worker%d" % (number % 13)))
    return batch_of(*rows)


def mixture(count: int, paths: int) -> EventBatch:
    """Opens, execs and connects."""
    address = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(443), socket.inet_aton("10.0.0.1"))
    opened = opens(count, paths)
    rows: list[Row] = []
    for number in range(count // 3):
        if number % 2:
            rows.append(exec_of(b"/usr/bin/tool%d" % (number % 23), b"tool", b"-v", comm=b"tool%d" % (number % 23)))
        else:
            rows.append(connect_to(address))
    others = batch_of(*rows)
    opened.records[2::3][: len(rows)] = others.records
    return opened


def ns_per_event(judge: Callable[[EventBatch], object], batch: EventBatch, size: int) -> float:
    """The median of several runs over the same events, in batches of a size."""
    parts = [EventBatch(batch.records[at : at + size], batch.cpu[at : at + size]) for at in range(0, len(batch), size)]
    measured = []
    for _ in range(REPEATS):
        before = time.perf_counter_ns()
        for part in parts:
            judge(part)
        measured.append((time.perf_counter_ns() - before) / len(batch))
    return statistics.median(measured)


def main() -> None:
    """Print the table."""
    table = SyscallTable.load(ABIS)
    rules, problems = load((RULES,), table)
    for problem in problems:
        print(problem)
    print(f"{len(rules.rules)} rules; ns per event judged and dropped")
    print(f"{'batch':>8} {'100 paths':>12} {'mixture':>12} {'new paths':>12}")
    for size in SIZES:
        # Few events for small batches: they are slow one by one.
        count = min(EVENTS, size * 400)
        row = []
        for batch in (opens(count, 100), mixture(count, 100), opens(count, count)):
            detector = RuleDetector(rules, table, FixedContext(table), Telemetry(), "host")
            row.append(ns_per_event(lambda part, detector=detector: detector.judge(part, 0), batch, size))
        print(f"{size:>8} " + " ".join(f"{ns:>12.0f}" for ns in row))


if __name__ == "__main__":
    main()
