"""What a field is; the fields themselves are in `monitord.rules.fields`."""

import enum
from collections.abc import Callable

from monitord.dataclass import dataclass
from monitord.model.event import Event
from monitord.model.interest import Along
from monitord.model.process import Context
from monitord.model.value import Missing, Value


class FieldType(enum.Enum):
    """How the literals compared with a field are read, and which operators it takes."""

    NUMBER = "number"
    DURATION = "duration"  # a number of nanoseconds
    PORT = "port"  # a number, or a service's name
    BOOL = "bool"
    TEXT = "text"
    BYTES = "bytes"
    ADDRESS = "ip"
    NET = "net"  # an address, compared with networks
    LIST = "list"


class Argument(enum.Enum):
    """Whether a field takes an argument in brackets (or, for ``evt.arg.NAME``, behind a dot)."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


Extract = Callable[[Event, Context, str | None], Value]
"""The value of a field for an event; the third argument is the field's own."""


def not_supplied(_event: Event, _context: Context, _arg: str | None) -> Value:
    """The value of a field that nothing here can tell yet. A rule that leans on it is reported when loaded."""
    return Missing.UNKNOWN


@dataclass(frozen=True, slots=True)
class Field:
    """
    One field of the catalogue.

    :ivar meaning: one line for `monitord fields` and for error messages.
    :ivar source: where the value comes from, one line.
    :ivar missing: how the value can be missing, one line.
    :ivar numbered: the argument is a number (``proc.aname[2]``).
    :ivar any_of: the value is a tuple of candidates and a test holds if it holds for any of them
        (``proc.aname`` without index).
    :ivar sides: the same, but ``!=`` has to hold for all: client and server of ``fd.ip``.
    :ivar along: what the kernel has to send along for it.
    :ivar by_path: nothing has to be sent along for a call that names a path.
    :ivar of_runtime: only a container runtime can tell, if one is configured: `containers.sockets`.
    :ivar left_only: it cannot stand right of an operator, in ``val()``.
    """

    name: str
    type: FieldType
    meaning: str
    source: str
    missing: str
    extract: Extract = not_supplied
    argument: Argument = Argument.NONE
    numbered: bool = False
    any_of: bool = False
    sides: bool = False
    left_only: bool = False
    along: Along = Along.NONE
    by_path: bool = False
    of_runtime: bool = False

    @property
    def supplied(self) -> bool:
        """Whether it can have a value at all."""
        return self.extract is not not_supplied
