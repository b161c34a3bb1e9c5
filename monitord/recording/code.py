"""The codes of what can be wrong with recorded events. They are a promise: a code is never given another meaning."""

import enum


class Code(enum.StrEnum):
    """What kind of mistake it is, for people to search."""

    FILE = "E001"  # a file cannot be read or written
    EXISTS = "E002"  # a capture that is there already
    LINE = "E003"  # a line that is no JSON object
    RECORD = "E004"  # an object that is no event
    CUT = "E005"  # the last line is not whole
    NO_EVENT = "E006"  # no event where one was asked for
    NO_END = "E007"  # a capture without its last line (warning)
    FULL = "E008"  # the disk is full
