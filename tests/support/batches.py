"""Event batches made by hand, as decoding makes them of what the kernel sends."""

from dataclasses import dataclass, replace

import numpy as np

from monitord.abi.arch import Abi
from monitord.abi.event import DATA_BYTES, DESCRIPTOR_TEXT, EVENT, TASK_TEXT, Capture, Kind
from monitord.model.batch import EventBatch

AT_FDCWD = 0xFFFFFFFFFFFFFF9C


@dataclass(frozen=True)
class Text:
    """One thing copied from the caller."""

    arg: int
    data: bytes
    capture: Capture = Capture.STR
    flags: int = 0  # TextFlag


@dataclass(frozen=True)
class Row:
    """
    One event, by default an openat on x86_64 that succeeded.

    :ivar behind: what is behind the descriptor; `task` what the kernel says of the thread.
    :ivar lost: the continuation cells did not arrive.
    """

    nr: int = 257
    abi: Abi = Abi.X86_64
    flags: int = 0  # Flag
    ret: int = 3
    args: tuple[int, ...] = (AT_FDCWD, 0x7FFD00001000, 0, 0, 0, 0)
    texts: tuple[Text, ...] = ()
    comm: bytes = b"cat"
    parent_comm: bytes = b"bash"
    pid: int = 4242
    tid: int = 4243
    ppid: int = 4001
    uid: int = 1000
    gid: int = 1000
    seq: int = 1
    ts_ns: int = 5_000_000_000
    duration_ns: int = 1_700
    start_ns: int = 1_000_000_000
    cpu: int = 0
    behind: Text | None = None
    task: Text | None = None
    lost: bool = False


def batch_of(*rows: Row) -> EventBatch:
    """The batch of some events."""
    records = np.zeros(len(rows), EVENT)
    overflow = {}
    for index, (record, row) in enumerate(zip(records, rows, strict=True)):
        record["kind"] = Kind.EVENT
        for name in ("abi", "flags", "nr", "seq", "ts_ns", "duration_ns", "ret", "args", "pid", "tid", "ppid"):
            record[name] = getattr(row, name)
        for name in ("uid", "gid", "comm", "parent_comm"):
            record[name] = getattr(row, name)
        record["start_ns"] = row.start_ns
        slots = dict(enumerate(row.texts)) | {DESCRIPTOR_TEXT: row.behind, TASK_TEXT: row.task}
        texts = {slot: text for slot, text in slots.items() if text is not None}
        whole = b"".join(text.data for text in texts.values())
        record["data_len"] = len(whole)
        for slot, text in texts.items():
            record["text"][slot] = (len(text.data), text.capture << 4 | text.arg, text.flags)
        # What the kernel has not written is not cleared.
        record["data"] = np.void(whole[:DATA_BYTES].ljust(DATA_BYTES, b"\xa5"))
        if len(whole) > DATA_BYTES and not row.lost:
            overflow[index] = whole[DATA_BYTES:]
    return EventBatch(records, np.array([row.cpu for row in rows], np.uint16), overflow)


def directory(arg: int, path: bytes) -> Text:
    """Where the relative path of an argument starts, as the kernel sends it."""
    names = [name + b"\0" for name in path.split(b"/") if name]
    return Text(arg, b"".join(reversed(names)), Capture.DIRECTORY)


def open_of(path: bytes, flags: int = 0, ret: int = 3, below: bytes | None = None, **changes) -> Row:
    """
    An openat of a path.

    :param below: the directory that a relative path starts from, if the kernel saw it.
    """
    texts = (Text(1, path),) if below is None else (Text(1, path), directory(1, below))
    return Row(ret=ret, args=(AT_FDCWD, 0x7FFD00001000, flags, 0o644, 0, 0), texts=texts, **changes)


def executable(path: bytes) -> Text:
    """The file that a successful exec runs, as the kernel sends it."""
    return replace(directory(15, path), capture=Capture.EXE)


def exec_of(path: bytes, *argv: bytes, ret: int = 0, exe: bytes | None = None, **changes) -> Row:
    """
    An execve.

    :param exe: the file that it runs, if the kernel saw it.
    """
    texts = (Text(0, path), Text(1, b"\0".join(argv), Capture.ARGV))
    if exe is not None:
        texts += (executable(exe),)
    return Row(nr=59, ret=ret, args=(0x7FFD00001000, 0x7FFD00002000, 0x7FFD00003000, 0, 0, 0), texts=texts, **changes)


def connect_to(address: bytes, ret: int = 0, **changes) -> Row:
    """
    A connect.

    :param address: of struct sockaddr.
    """
    args = (3, 0x7FFD00001000, len(address), 0, 0, 0)
    return Row(nr=42, ret=ret, args=args, texts=(Text(1, address, Capture.SOCKADDR),), **changes)
