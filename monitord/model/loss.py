"""Loss is data: where an event can go missing, and how many did."""

import enum


class Stage(enum.StrEnum):
    """Where an event was lost."""

    INFLIGHT = "inflight"  # kernel: no room to remember the call from enter to exit
    RING = "ring"  # kernel: the CPU's perf ring was full
    NO_RING = "no_ring"  # kernel: the CPU came online and has no ring yet
    QUEUE = "queue"  # daemon: the worker fell behind and the queue was full
    DECODE = "decode"  # daemon: a record that does not decode
    RULES = "rules"  # daemon: a batch whose evaluation failed
