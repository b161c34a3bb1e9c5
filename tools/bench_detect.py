"""
What the rule stage costs per event that is judged and dropped, with the shipped rules, or with those of the files and
directories given: `python3 -m tools.bench_detect [RULES...]` in the root of the repository. Two thirds of the events
are opens of a hundred paths, the rest execs and connects.
"""

import socket
import statistics
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from monitord.abi.event import NO_ARGUMENT, PROGRAM, SOCKET, TASK, Capture
from monitord.detect.detector import RuleDetector
from monitord.model.batch import EventBatch
from monitord.model.problem import errors
from monitord.rules.ruleset import load
from monitord.tables.syscalls import SyscallTable
from monitord.telemetry import Telemetry
from tests.support.batches import Row, Text, batch_of, connect_to, exec_of, open_of
from tests.support.detect import ABIS, FixedContext

RULES = Path(__file__).parent.parent / "config" / "rules"
SIZES = (1, 10, 100, 4000)
EVENTS = 12_000
REPEATS = 5
WRONLY_CREAT = 0o101


def opens(count: int, paths: int, below: bytes | None = None) -> EventBatch:
    """
    Opens to read, and one in eight to write.

    :param below: the directory of relative paths; None for absolute ones.
    """
    root = b"" if below else b"/usr/share/zoneinfo/"
    rows = []
    for number in range(count):
        flags = WRONLY_CREAT if number % 8 == 0 else 0
        path = root + b"Europe/city%d" % (number * 7 % paths)
        rows.append(open_of(path, flags, below=below, comm=b"worker%d" % (number % 13)))
    return batch_of(*rows)


TASK_AND_PROGRAM = Text(NO_ARGUMENT, bytes(TASK.itemsize + PROGRAM.itemsize), Capture.TASK)
"""As Falco's rules have it sent along with execs."""


def exec_tool(number: int, arg: bytes) -> Row:
    """An exec of one of many programs."""
    path = b"/usr/bin/tool%d" % number
    return exec_of(path, b"tool", arg, exe=path, comm=b"tool%d" % number, task=TASK_AND_PROGRAM)


def connect_from(port: int) -> Row:
    """A connect to one server, from a port of its own."""
    server = socket.inet_aton("10.0.0.1")
    made = np.zeros(1, SOCKET)
    made["family"], made["type"], made["state"] = socket.AF_INET, socket.SOCK_STREAM, 1
    made["ino"], made["local_port"], made["remote_port"] = 4711 + port, port, 443
    made["local"], made["remote"] = (np.void(host.ljust(16, b"\0")) for host in (socket.inet_aton("10.0.0.2"), server))
    address = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(443), server)
    return connect_to(address, behind=Text(0, made.tobytes(), Capture.SOCKET))


def execs(count: int) -> EventBatch:
    """Execs that each have arguments of their own."""
    return batch_of(*(exec_tool(number % 23, b"file%d" % number) for number in range(count)))


def mixture(count: int, paths: int) -> EventBatch:
    """Opens, execs and connects."""
    opened = opens(count, paths)
    rows: list[Row] = []
    for number in range(count // 3):
        if number % 2:
            rows.append(exec_tool(number % 23, b"-v"))
        else:
            rows.append(connect_from(10_000 + number))
    others = batch_of(*rows)
    opened.records[2::3][: len(rows)] = others.records
    return EventBatch(opened.records, opened.cpu, {2 + 3 * row: data for row, data in others.overflow.items()})


def parts_of(batch: EventBatch, size: int) -> list[EventBatch]:
    """The same events in batches of a size."""
    return [batch.take(np.arange(at, min(at + size, len(batch)))) for at in range(0, len(batch), size)]


def ns_per_event(new_detector: Callable[[], RuleDetector], batch: EventBatch, size: int, fresh: bool) -> float:
    """
    The median of several runs over the same events.

    :param fresh: by a detector that has seen none of them.
    """
    parts = parts_of(batch, size)
    detector = new_detector()
    measured = []
    for _ in range(REPEATS):
        if fresh:
            detector = new_detector()
            detector.judge(batch_of(open_of(b"/"), open_of(b"/", WRONLY_CREAT), exec_tool(0, b"")), 0)
        before = time.process_time_ns()
        for part in parts:
            detector.judge(part, 0)
        measured.append((time.process_time_ns() - before) / len(batch))
    return statistics.median(measured)


def main() -> None:
    """Print the table."""
    table = SyscallTable.load(ABIS)
    paths = tuple(map(Path, sys.argv[1:])) or (RULES,)
    rules, problems = load(paths, table)
    for problem in errors(problems):
        print(problem)

    def new_detector() -> RuleDetector:
        return RuleDetector(rules, table, FixedContext(table), Telemetry(), "host")

    print(f"{len(rules.rules)} rules; ns of CPU per event judged and dropped")
    columns = ("100 paths", "relative", "mixture", "new paths", "new relative", "new execs")
    print(f"{'batch':>8} " + " ".join(f"{column:>12}" for column in columns))
    for size in SIZES:
        # Few events for small batches: they are slow one by one.
        count = min(EVENTS, size * 400)
        measured = (
            ns_per_event(new_detector, opens(count, 100), size, fresh=False),
            ns_per_event(new_detector, opens(count, 100, b"/usr/share/zoneinfo"), size, fresh=False),
            ns_per_event(new_detector, mixture(count, 100), size, fresh=False),
            ns_per_event(new_detector, opens(count, count), size, fresh=True),
            ns_per_event(new_detector, opens(count, count, b"/usr/share/zoneinfo"), size, fresh=True),
            ns_per_event(new_detector, execs(count), size, fresh=True),
        )
        print(f"{size:>8} " + " ".join(f"{ns:>12.0f}" for ns in measured))


if __name__ == "__main__":
    main()
