"""What a field is; the fields themselves are in `monitord.rules.fields`."""

import enum
from collections.abc import Callable
from dataclasses import dataclass

from monitord.model.event import Event
from monitord.model.process import Context
from monitord.model.value import Value


class FieldType(enum.Enum):
    """How the literals compared with a field are read, and which operators it takes."""

    NUMBER = "number"
    BOOL = "bool"
    TEXT = "text"
    LIST = "list"


class Argument(enum.Enum):
    """Whether a field takes an argument in brackets (or, for ``evt.arg.NAME``, behind a dot)."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


Extract = Callable[[Event, Context, str | None], Value]
"""The value of a field for an event; the third argument is the field's own."""


@dataclass(frozen=True, slots=True)
class Field:
    """
    One field of the catalogue.

    :ivar meaning: one line for `monitord fields` and for error messages.
    :ivar missing: how the value can be missing, one line.
    :ivar numbered: the argument is a number (``proc.aname[2]``).
    :ivar any_of: the value is a tuple of candidates and a test holds if it holds for any of them
        (``proc.aname`` without index).
    """

    name: str
    type: FieldType
    meaning: str
    missing: str
    extract: Extract
    argument: Argument = Argument.NONE
    numbered: bool = False
    any_of: bool = False
