"""``systemd.*``: the unit that the process runs in, by the name of its cgroup."""

from collections.abc import Callable

from monitord.model.event import Event
from monitord.model.placement import Placement
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.field import Extract, Field, FieldType
from monitord.rules.fields import sources


def of_placement(part: Callable[[Placement], Value]) -> Extract:
    """A field that is a part of what the cgroup's name tells."""

    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        placement = context.placement(event)
        return placement if isinstance(placement, Missing) else part(placement)

    return extract


UNIT_FIELDS = (
    Field(
        "systemd.unit",
        FieldType.TEXT,
        "unit of the host's systemd: nginx.service, session-2.scope, user@1000.service",
        sources.CGROUP,
        "the caller is in no unit, or " + sources.NO_CGROUP,
        of_placement(lambda placement: placement.unit),
    ),
    Field(
        "systemd.user_unit",
        FieldType.TEXT,
        "unit of the user's own systemd",
        sources.CGROUP,
        "the caller is in no such unit, or " + sources.NO_CGROUP,
        of_placement(lambda placement: placement.user_unit),
    ),
    Field(
        "systemd.slice",
        FieldType.TEXT,
        "the innermost slice around the unit: system.slice, user-1000.slice",
        sources.CGROUP,
        "the caller is in no slice, or " + sources.NO_CGROUP,
        of_placement(lambda placement: placement.slice),
    ),
)
