"""Loss is data: where an event can go missing or lose a part, and how often it did."""

import enum


class Stage(enum.StrEnum):
    """Where an event was lost."""

    RING = "ring"  # kernel: the CPU's perf ring was full
    QUEUE = "queue"  # daemon: the worker fell behind and the queue was full
    DECODE = "decode"  # daemon: a record that does not decode
    RULES = "rules"  # daemon: a batch whose evaluation failed


class Degraded(enum.StrEnum):
    """What was recorded with a part missing: the event or the count is there, not all of it."""

    TEXT = "text"  # a long string's tail did not fit the ring
    START = "start"  # no room to keep a call over a context switch: no duration, no enter-time strings
    ERRNO = "errno"  # no room for another (syscall, errno): the error is counted in no series
