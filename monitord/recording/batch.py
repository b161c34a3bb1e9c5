"""Events as columns again, so that a recorded one goes through the same stage as one that is new."""

from collections.abc import Iterator, Sequence

import numpy as np

from monitord.abi.event import DATA_BYTES, DESCRIPTOR_TEXT, EVENT, TASK_TEXT, TEXT_CAP_BYTES, Capture, Kind
from monitord.model.batch import EventBatch
from monitord.model.event import Captured, Event

_SLOTS = {
    **dict.fromkeys((Capture.FILE, Capture.SOCKET), DESCRIPTOR_TEXT),
    Capture.TASK: TASK_TEXT,
}
_COPIED = [name for name in EVENT.names or () if name in Event.__slots__ and name not in ("comm", "parent_comm")]


def batch_of(events: Sequence[Event]) -> EventBatch:
    """
    The batch that `EventBatch.event` makes such events of.

    :param events: with their texts in the order of the record; those behind a lost one have to be lost, too.
    """
    records = np.zeros(len(events), EVENT)
    overflow = {}
    for row, event in enumerate(events):
        record = records[row]
        record["kind"] = Kind.EVENT
        for name in _COPIED:
            record[name] = getattr(event, name)
        record["comm"], record["parent_comm"] = _raw(event.comm), _raw(event.parent_comm)
        for slot, text in _slots(event.texts):
            record["text"][slot] = (_size(text), text.capture << 4 | text.arg, text.flags)
        whole = b"".join(text.data for text in event.texts)
        record["data_len"] = record["text"]["len"].sum()
        record["data"] = np.void(whole[:DATA_BYTES].ljust(DATA_BYTES, b"\0"))
        if len(whole) > DATA_BYTES and not any(text.lost for text in event.texts):
            overflow[row] = whole[DATA_BYTES:]
    return EventBatch(records, np.array([event.cpu for event in events], np.uint16), overflow)


def _slots(texts: Sequence[Captured]) -> Iterator[tuple[int, Captured]]:
    """The texts and where they are in the record."""
    of_args = 0
    for text in texts:
        slot = _SLOTS.get(text.capture)
        if slot is None:
            slot, of_args = of_args, of_args + 1
        yield slot, text


def _size(text: Captured) -> int:
    """Of a lost text it is not known; it was more than is there."""
    return TEXT_CAP_BYTES if text.lost else len(text.data)


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
