"""What stands left or right of an operator: its type, and its value for an event."""

from collections.abc import Iterator, Mapping

from monitord.model.event import Event
from monitord.model.process import Context
from monitord.model.value import Value
from monitord.rules.ast import FieldRef, Operand
from monitord.rules.field import Field, FieldType
from monitord.rules.transform import ONE_TO_ONE, RESULT_TYPES, transform


def type_of(operand: Operand, catalogue: Mapping[str, Field]) -> FieldType:
    """
    The type of an operand's value.

    :raises KeyError: a field that is not in the catalogue.
    """
    if isinstance(operand, FieldRef):
        return catalogue[operand.name].type
    if operand.function == "getopt" and operand.arg is None:
        return FieldType.LIST
    return RESULT_TYPES[operand.function]


def is_any_of(operand: Operand, catalogue: Mapping[str, Field]) -> bool:
    """
    Whether a test holds if it holds for any of the operand's values.

    :raises KeyError: a field that is not in the catalogue.
    """
    if isinstance(operand, FieldRef):
        return catalogue[operand.name].any_of
    first = operand.args[0]
    return operand.function in ONE_TO_ONE and not isinstance(first, (str, tuple)) and is_any_of(first, catalogue)


def has_sides(operand: Operand, catalogue: Mapping[str, Field]) -> bool:
    """Whether ``!=`` has to hold for all of the operand's values."""
    return isinstance(operand, FieldRef) and catalogue[operand.name].sides


def fields_of(*operands: Operand | str | tuple[str, ...] | None) -> Iterator[FieldRef]:
    """The fields in operands, those in transformers included."""
    for operand in operands:
        if isinstance(operand, FieldRef):
            yield operand
        elif operand is not None and not isinstance(operand, (str, tuple)):
            yield from fields_of(*operand.args)


def value_of(
    operand: Operand | str | tuple[str, ...], event: Event, context: Context, catalogue: Mapping[str, Field]
) -> Value:
    """
    The value of an operand, or of an argument of a transformer, for an event.

    :raises KeyError: a field that is not in the catalogue.
    """
    if isinstance(operand, (str, tuple)):
        return operand
    if isinstance(operand, FieldRef):
        return catalogue[operand.name].extract(event, context, operand.arg)
    args = [value_of(arg, event, context, catalogue) for arg in operand.args]
    return transform(operand.function, args, operand.arg)
