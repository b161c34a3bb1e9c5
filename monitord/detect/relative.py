"""
What a relative path cannot be, whatever directory it is relative to: opens of relative paths are the rule, not the
exception, and to ask /proc for the directory costs more than all else that is done for an event.
"""

from collections.abc import Callable

from monitord.model.event import Event
from monitord.rules.ast import Check, FieldRef, Op


def refutation_of(check: Check, arg: int) -> Callable[[Event], bool] | None:
    """
    Whether a test of a path fails for an event by the last component of the path alone; None for a test that it
    never settles. Resolving a path keeps its last component, unless that is ``.``, ``..`` or empty.

    :param check: of the path, or of its last component.
    :param arg: the syscall argument with the path.
    """
    if not isinstance(check.operand, FieldRef) or check.other is not None or check.quantifier is not None:
        return None
    if check.operand.name == "fd.directory" or check.op not in (Op.EQ, Op.IN, Op.ENDSWITH):
        return None
    suffix = check.op is Op.ENDSWITH
    names = frozenset(value.rpartition("/")[2] for value in check.values if not suffix or "/" in value)
    endings = tuple(value for value in check.values if suffix and "/" not in value)

    def refutes(event: Event) -> bool:
        captured = event.captured(arg)
        if captured is None:
            return False
        name = str(captured.text).rstrip("/").rpartition("/")[2]
        return name not in ("", ".", "..") and name not in names and not name.endswith(endings)

    return refutes
