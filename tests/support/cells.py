"""Perf records as the kernel side writes them, for tests of what reads them."""

import struct

import numpy as np

from monitord.abi.event import CELL_BYTES, DATA_BYTES, EVENT, MORE, MORE_BYTES, PAYLOAD_BYTES, Capture, Kind


def event_cells(seq: int, *texts: bytes, **fields) -> bytes:
    """One event with string arguments 0, 1, ..., as its cells."""
    data = b"".join(texts)
    more = max(0, -(-(len(data) - DATA_BYTES) // MORE_BYTES))
    head = np.zeros(1, EVENT)
    head["perf_type"], head["perf_size"], head["raw_size"] = 9, CELL_BYTES, PAYLOAD_BYTES
    head["kind"], head["seq"], head["cells"], head["data_len"] = Kind.EVENT, seq, 1 + more, len(data)
    head["ts_ns"] = seq
    for i, text in enumerate(texts):
        head["text"][0, i] = (len(text), Capture.STR << 4 | i, 0)
    for name, value in fields.items():
        head[name] = value
    cells = [head.tobytes()[: CELL_BYTES - DATA_BYTES] + data[:DATA_BYTES].ljust(DATA_BYTES, b"\0")]
    for index in range(1, more + 1):
        cell = np.zeros(1, MORE)
        cell["perf_type"], cell["perf_size"], cell["raw_size"] = 9, CELL_BYTES, PAYLOAD_BYTES
        cell["kind"], cell["seq"], cell["index"] = Kind.MORE, seq, index
        begin = DATA_BYTES + (index - 1) * MORE_BYTES
        part = data[begin : begin + MORE_BYTES].ljust(MORE_BYTES, b"\0")
        cells.append(cell.tobytes()[: CELL_BYTES - MORE_BYTES] + part)
    return b"".join(cells)


def lost_record(lost: int) -> bytes:
    """PERF_RECORD_LOST: header, id, lost."""
    return struct.pack("<IHHQQ", 2, 0, 24, 0, lost)
