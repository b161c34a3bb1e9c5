"""From a match to an alert."""

from collections.abc import Mapping

from monitord.detect.tracker import Finding
from monitord.model.alert import Alert, Tally
from monitord.model.event import Event
from monitord.model.process import Context
from monitord.model.value import Value
from monitord.privacy.masks import Masks
from monitord.privacy.view import masked_event, masked_snapshot, masked_value
from monitord.recording.snapshot import snapshot_of
from monitord.rules.along import fields_in
from monitord.rules.ast import FieldRef, Operand
from monitord.rules.field import Field
from monitord.rules.fields.correlation import with_finding
from monitord.rules.operand import fields_of, value_of
from monitord.rules.output import render
from monitord.rules.rule import Rule

_TELLING = frozenset(("fd.name", "fd.nameraw", "fd.realpath", "proc.name", "proc.pname", "proc.exepath", "proc.cwd"))
"""Fields whose own text says what is secret in it. Of an argument or a variable, what stands in front of it does."""


class AlertMaker:
    """
    Makes alerts, without secrets.

    :param hostname: stamped on them.
    """

    def __init__(self, context: Context, catalogue: Mapping[str, Field], hostname: str, masks: Masks) -> None:
        self._context = context
        self._catalogue = catalogue
        self._hostname = hostname
        self._masks = masks
        self._fields: dict[str, frozenset[str]] = {}

    def _asked(self, rule: Rule) -> frozenset[str]:
        if rule.name not in self._fields:
            self._fields[rule.name] = frozenset(field.name for field in fields_in(rule))
        return self._fields[rule.name]

    def shown(self, operand: Operand, value: Value, event: Event) -> Value:
        """What an alert shows of the value of a field, or of a transformed one: as of the event, without secrets."""
        if not isinstance(value, (str, tuple)):
            return value
        if not (isinstance(operand, FieldRef) and operand.name in _TELLING):
            asked = frozenset(field.name for field in fields_of(operand))
            context = masked_snapshot(snapshot_of(event, self._context, asked), self._masks)
            value = value_of(operand, masked_event(event, self._masks), context, self._catalogue)
        return masked_value(value, self._masks)

    def alert(self, rule: Rule, event: Event, lost: int, finding: Finding | None = None) -> Alert:
        """
        The alert of an event.

        :param lost: events lost so far.
        :param finding: what a correlation counted, whose last event this is.
        """
        catalogue, tally = self._catalogue, None
        if finding is not None:
            catalogue = with_finding(catalogue, finding.count, finding.values, finding.last_ns - finding.first_ns)
            first_ns, last_ns = self._context.wall_ns(finding.first_ns), self._context.wall_ns(finding.last_ns)
            values = tuple(str(masked_value(value, self._masks)) for value in finding.values)
            tally = Tally(finding.count, first_ns, last_ns, values)
        masked = masked_event(event, self._masks)
        context = masked_snapshot(snapshot_of(event, self._context, self._asked(rule)), self._masks)
        output, fields = render(rule.output, masked, context, catalogue, lambda value: masked_value(value, self._masks))
        return Alert(
            time_ns=self._context.wall_ns(event.ts_ns),
            rule=rule.name,
            priority=rule.priority,
            source=rule.source,
            hostname=self._hostname,
            output=output,
            tags=rule.tags,
            fields=fields,
            event=masked,
            context=context,
            lost_before=lost,
            tally=tally,
        )
