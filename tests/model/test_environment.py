"""The environment that an exec brought along."""

import numpy as np
import pytest

from monitord.abi.event import DESCRIPTOR_TEXT, EVENT, NO_ARGUMENT, Capture, TextFlag
from monitord.model.event import environment_in, texts_of
from monitord.model.text import variables_of

DATA = b"A=1\0B=x=y\0"


def record(data=DATA, flags=0, argv=b"true\0"):
    """The head cell of an exec, and what is behind it."""
    head = np.zeros((), EVENT)
    whole = argv + data
    head["text"][1] = (len(argv), Capture.ARGV << 4 | 1, 0)
    head["text"][DESCRIPTOR_TEXT] = (len(data), Capture.ENVIRONMENT << 4 | NO_ARGUMENT, flags)
    room = EVENT["data"].itemsize
    head["data"] = np.void(whole[:room].ljust(room, b"\0"))
    return head.tobytes(), whole[room:]


def test_it_is_behind_the_arguments():
    assert environment_in(*record()) == DATA


def test_a_long_one_is_in_several_cells():
    data = b"LONG=" + b"x" * 5000 + b"\0"

    assert environment_in(*record(data)) == data


@pytest.mark.parametrize("flags", [TextFlag.TRUNCATED, TextFlag.FAULT])
def test_what_was_not_read_did_not_come_along(flags):
    assert environment_in(*record(b"", flags)) is None


def test_of_a_lost_cell_there_is_none():
    head, _ = record(b"LONG=" + b"x" * 5000 + b"\0")

    assert environment_in(head) is None


def test_nobody_sees_it_in_the_event():
    (argv,) = texts_of(*record())

    assert (Capture.ARGV, b"true\0") == (argv.capture, argv.data)


def test_of_a_name_given_twice_the_first_value_counts():
    assert {"A": "1", "B": "x=y", "E": ""} == variables_of(b"A=1\0B=x=y\0A=2\0odd\0E=\0")
