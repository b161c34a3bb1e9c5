"""Events of real processes, as the kernel side would have reported them."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from monitord.abi.arch import Abi
from monitord.abi.event import CELL, DATA_BYTES, EVENT, Capture, Kind, TextFlag
from monitord.model.batch import EventBatch
from monitord.model.event import Event

GETPPID = 110
EXECVE = 59
EXECVEAT = 322
TICK_NS = 10_000_000

Text = tuple[int, Capture, bytes] | tuple[int, Capture, bytes, TextFlag]


def start_ns(pid: int) -> int:
    """When a process started, somewhere within the tick that /proc shows."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[19]) * TICK_NS + 1_234_567


def comm(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().removesuffix("\n")


def batch_of(texts: Sequence[Text] = (), **columns: object) -> EventBatch:
    """One event of this process, unless the columns say otherwise."""
    record = np.zeros(1, EVENT)
    pid = columns.setdefault("pid", os.getpid())
    values = {
        "kind": Kind.EVENT,
        "abi": Abi.X86_64,
        "nr": GETPPID,
        "ts_ns": 1,
        "start_ns": start_ns(pid) if "start_ns" not in columns else 0,
        "comm": comm(pid).encode() if "comm" not in columns else b"",
        "ppid": os.getpid(),
        "parent_comm": comm(os.getpid()).encode(),
    }
    for name, value in {**values, **columns}.items():
        record[name] = value
    data = b"".join(text[2] for text in texts)
    for index, (arg, capture, piece, *flags) in enumerate(texts):
        record["text"][0, index] = (len(piece), capture << 4 | arg, *(flags or [0]))
    record["data"] = np.void(data[:DATA_BYTES].ljust(DATA_BYTES, b"\0"))
    return EventBatch(record, np.zeros(1, np.uint16), {0: data[DATA_BYTES:]} if len(data) > DATA_BYTES else {})


def one_behind_the_other(*batches: EventBatch) -> EventBatch:
    """Several batches of one event each as one."""
    records = np.concatenate([batch.records.view(CELL) for batch in batches]).view(EVENT)
    overflow = {row: batch.overflow[0] for row, batch in enumerate(batches) if batch.overflow}
    return EventBatch(records, np.zeros(len(records), np.uint16), overflow)


def event_of(texts: Sequence[Text] = (), **columns: object) -> Event:
    return batch_of(texts, **columns).event(0)


def exec_batch(filename: bytes, argv: bytes, **columns: object) -> EventBatch:
    """A successful execve."""
    texts: list[Text] = [(0, Capture.STR, filename), (1, Capture.ARGV, argv)]
    return batch_of(texts, nr=EXECVE, **columns)


@contextmanager
def running(command: Sequence[str | bytes | Path], **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A cat that has come to read its input, and waits for the end of it."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **pipes, **options) as process:
        process.stdin.write(b"ready\n")
        process.stdin.flush()
        assert b"ready\n" == process.stdout.readline()
        yield process
