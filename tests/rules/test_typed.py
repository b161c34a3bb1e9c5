import pytest

from monitord.rules.parser import parse_condition
from monitord.rules.typed import Typing
from tests.support.rules import TABLE

TYPING = Typing(TABLE.names())


@pytest.mark.parametrize(
    "condition",
    [
        "evt.type=openat",
        "evt.type in (open, openat) and proc.name=cat",
        "proc.name=cat and (evt.type=openat or evt.type=execve)",
        "evt.type != openat",
        "not evt.type=openat",
        "not (evt.type=openat or proc.name=cat)",
        "evt.type startswith open",
        "(evt.type=openat and proc.name=cat) or (evt.type=execve and proc.name=sh)",
    ],
)
def test_a_condition_that_leaves_out_some_type_of_call_is_typed(condition):
    assert TYPING.is_typed(parse_condition(condition))


@pytest.mark.parametrize(
    "condition",
    [
        "proc.name=cat",
        "evt.is_foreign_abi=true",
        "evt.type=openat or proc.name=cat",
        "not (evt.type=openat and proc.name=cat)",
        "evt.type=openat or evt.type != openat or not evt.type exists",
        "evt.type=val(proc.name)",
        "toupper(evt.type)=OPENAT",
    ],
)
def test_a_condition_that_may_be_true_of_any_call_is_not(condition):
    assert not TYPING.is_typed(parse_condition(condition))
