"""What a field can be: known, or missing with the reason."""

import enum


class Missing(enum.Enum):
    """
    Why a value is not there. No empty string stands for "could not read".

    Every comparison on a missing value is false, as in Falco; in an output it prints ``<NA>``.
    """

    NOT_APPLICABLE = "the event has no such thing"
    FAULT = "the memory was not readable"
    LATE = "the process was gone before it was asked"
    LOST = "a part of the record was lost"
    UNFINISHED = "the call did not return"
    UNKNOWN = "there is no source for it on this machine"

    def __str__(self) -> str:
        return "<NA>"


Value = str | int | bool | tuple[str, ...] | tuple[int, ...] | Missing
"""
A field's value. Text from the kernel is decoded as UTF-8 with surrogateescape, so that odd bytes compare
exactly and come back as they were; sinks replace the surrogates when they write.
"""
