"""``corr.*``: what a rule with ``correlation`` found, for its output. An event alone has none of it."""

from collections.abc import Mapping
from dataclasses import replace

from monitord.model.event import Event
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.field import Field, FieldType
from monitord.rules.fields.sources import NEVER

CLASS = "corr."
_SOURCE = "what the correlation counted"


def _nothing(_event: Event, _context: Context, _arg: str | None) -> Value:
    return Missing.NOT_APPLICABLE


CORRELATION_FIELDS = (
    Field(
        "corr.count",
        FieldType.NUMBER,
        "in a correlation's output: the events that it counted, or the distinct values for value_count",
        _SOURCE,
        NEVER,
        _nothing,
    ),
    Field(
        "corr.values",
        FieldType.LIST,
        "in a correlation's output: the last ten distinct values for value_count; the rules that matched, in "
        "the order of their events, for temporal and temporal_ordered",
        _SOURCE,
        "the correlation is an event_count",
        _nothing,
    ),
    Field(
        "corr.duration",
        FieldType.NUMBER,
        "in a correlation's output: nanoseconds from the first of the events to the last",
        _SOURCE,
        NEVER,
        _nothing,
    ),
)


def with_finding(
    catalogue: Mapping[str, Field], count: int, values: tuple[str, ...], duration_ns: int
) -> Mapping[str, Field]:
    """The catalogue, with what a correlation found for its fields, whatever the event."""
    found: Mapping[str, Value] = {
        "corr.count": count,
        "corr.values": values or Missing.NOT_APPLICABLE,
        "corr.duration": duration_ns,
    }
    return {**catalogue, **{name: _known(catalogue[name], value) for name, value in found.items()}}


def _known(field: Field, value: Value) -> Field:
    return replace(field, extract=lambda _event, _context, _arg: value)
