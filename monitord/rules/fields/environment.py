"""``proc.env`` and ``proc.aenv``: environments, sent along when a rule asks, and kept in its alerts alone."""

from collections.abc import Mapping

from monitord.model.event import Event
from monitord.model.interest import Along
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.field import Argument, Field, FieldType
from monitord.rules.fields import sources
from monitord.rules.fields.family import MAX_GENERATIONS

_MISSING = "no such variable; started before the daemon or with more than 8 KiB, and gone before it was asked"


def _one(variables: Mapping[str, str] | Missing, name: str | None) -> Value:
    if isinstance(variables, Missing):
        return variables
    if name is None:
        return " ".join(f"{name}={value}" for name, value in variables.items())
    return variables.get(name, Missing.NOT_APPLICABLE)


def _own(event: Event, context: Context, name: str | None) -> Value:
    return _one(context.environment(event, 0), name)


def _of_ancestors(event: Event, context: Context, arg: str | None) -> Value:
    if arg is not None and arg.isdecimal():
        return _one(context.environment(event, int(arg)), None)
    found = []
    for generation in range(1, MAX_GENERATIONS):
        if isinstance(context.ancestor(event, generation), Missing):
            break
        value = _one(context.environment(event, generation), arg)
        if isinstance(value, str):
            found.append(value)
    return tuple(found) or Missing.NOT_APPLICABLE


ENVIRONMENT_FIELDS = (
    Field(
        "proc.env",
        FieldType.TEXT,
        "environment as NAME=value, joined by blanks; [NAME] for one value",
        sources.EXEC_OR_PROC,
        _MISSING,
        _own,
        Argument.OPTIONAL,
        along=Along.ENVIRONMENT,
    ),
    Field(
        "proc.aenv",
        FieldType.TEXT,
        "environment of any ancestor; [n] of the n-th one, [NAME] for one variable of any ancestor",
        sources.EXEC_OR_PROC,
        _MISSING,
        _of_ancestors,
        Argument.OPTIONAL,
        along=Along.ENVIRONMENT,
        any_of=True,
        left_only=True,
    ),
)
