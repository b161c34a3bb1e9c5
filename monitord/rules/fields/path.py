"""``fs.path.*``: the paths that a call names, by what it does with them."""

from monitord.model.event import Event
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.field import Extract, Field, FieldType
from monitord.rules.fields import sources
from monitord.rules.path import path_argument, raw_path
from monitord.tables.captures import ArgCapture, captures_of
from monitord.tables.syscalls import Syscall


def _named_by(syscall: Syscall) -> tuple[ArgCapture, ...]:
    """The path of a call, or its two in the order of source and target."""
    captures = captures_of(syscall)
    if syscall.name in ("symlink", "symlinkat"):
        link, leads_to = captures
        return leads_to, link
    return tuple(one for one in captures if one.is_path)


def _path(index: int, *, of: int, raw: bool = False) -> Extract:
    """
    A path of a call.

    :param of: how many paths the call has to name.
    """

    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        syscall = context.syscall(event)
        named = () if syscall is None else _named_by(syscall)
        if len(named) != of:
            return Missing.NOT_APPLICABLE
        path = named[index]
        return path_argument(event, context, path) if path.is_path and not raw else raw_path(event, path)

    return extract


_NO_PATH = "the call names no path, or two, or its memory was not readable"
_NO_PAIR = "the call does not name two paths, or its memory was not readable"

PATH_FIELDS = (
    Field(
        "fs.path.name",
        FieldType.TEXT,
        "absolute path of a call that names one",
        sources.CALL,
        _NO_PATH,
        _path(0, of=1),
    ),
    Field(
        "fs.path.nameraw",
        FieldType.TEXT,
        "that path as the caller wrote it",
        sources.CALL,
        _NO_PATH,
        _path(0, of=1, raw=True),
    ),
    Field(
        "fs.path.source",
        FieldType.TEXT,
        "absolute path that is renamed or linked; of a symbolic link what it leads to, as it was given",
        sources.CALL,
        _NO_PAIR,
        _path(0, of=2),
    ),
    Field(
        "fs.path.sourceraw",
        FieldType.TEXT,
        "that path as the caller wrote it",
        sources.CALL,
        _NO_PAIR,
        _path(0, of=2, raw=True),
    ),
    Field(
        "fs.path.target",
        FieldType.TEXT,
        "absolute path that is made by a rename or link",
        sources.CALL,
        _NO_PAIR,
        _path(1, of=2),
    ),
    Field(
        "fs.path.targetraw",
        FieldType.TEXT,
        "that path as the caller wrote it",
        sources.CALL,
        _NO_PAIR,
        _path(1, of=2, raw=True),
    ),
)
