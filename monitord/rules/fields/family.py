"""
``proc.p*`` and ``proc.a*``: the parent and the ancestors of the process.

``proc.ppid`` and ``proc.pname`` are of the parent that the kernel had when the call was made: of an orphan, whoever
adopted it. All others go by birth, so that a process does not lose its history by the end of its parent.
"""

from collections.abc import Callable, Iterator

from monitord.model.event import Event
from monitord.model.process import Context, Process
from monitord.model.value import Missing, Value
from monitord.rules.field import Argument, Extract, Field, FieldType
from monitord.rules.fields import sources
from monitord.rules.fields.process import cmdline, exe, exepath

_SHELLS = frozenset(("ash", "bash", "csh", "dash", "fish", "ksh", "mksh", "sh", "tcsh", "zsh"))

MAX_GENERATIONS = 64
"""Ancestors that ``proc.aname`` without an index looks at; a line this long is a loop or an attack."""


def of_ancestor(generation: int, part: Callable[[Process], Value]) -> Extract:
    """A field that is a part of what is known of one ancestor."""

    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        ancestor = context.ancestor(event, generation)
        return ancestor if isinstance(ancestor, Missing) else part(ancestor)

    return extract


def of_ancestors(part: Callable[[Process], Value]) -> Extract:
    """The same of the ancestor that the argument says, 0 being the process itself; without one, of all but itself."""

    def extract(event: Event, context: Context, arg: str | None) -> Value:
        if arg is not None:
            return of_ancestor(int(arg), part)(event, context, None)
        values = (part(ancestor) for ancestor in _line(event, context, 1))
        return tuple(str(value) for value in values if not isinstance(value, Missing)) or Missing.NOT_APPLICABLE

    return extract


def _line(event: Event, context: Context, first: int) -> Iterator[Process]:
    for generation in range(first, MAX_GENERATIONS):
        ancestor = context.ancestor(event, generation)
        if isinstance(ancestor, Missing):
            return
        yield ancestor


def _comm(process: Process) -> Value:
    return process.comm


def _pids(event: Event, context: Context, arg: str | None) -> Value:
    if arg is not None:
        return of_ancestor(int(arg), _pid)(event, context, None)
    return tuple(ancestor.key.pid for ancestor in _line(event, context, 1)) or Missing.NOT_APPLICABLE


def _pid(process: Process) -> Value:
    return process.key.pid


def _login_shell(event: Event, context: Context, _arg: str | None) -> Value:
    shells = [process.key.pid for process in _line(event, context, 0) if process.comm in _SHELLS]
    return shells[-1] if shells else Missing.NOT_APPLICABLE


def _parent_start(event: Event, context: Context) -> int | Missing:
    parent = context.ancestor(event, 1)
    if isinstance(parent, Missing):
        return parent
    return parent.key.start_ns or Missing.LATE


def _parent_duration(event: Event, context: Context, _arg: str | None) -> Value:
    start_ns = _parent_start(event, context)
    return start_ns if isinstance(start_ns, Missing) else max(event.ts_ns - start_ns, 0)


def _parent_time(event: Event, context: Context, _arg: str | None) -> Value:
    start_ns = _parent_start(event, context)
    return start_ns if isinstance(start_ns, Missing) else context.wall_ns(start_ns)


def _of_all(name: str, type_: FieldType, meaning: str, extract: Extract) -> Field:
    return Field(
        name,
        type_,
        meaning + " of the n-th ancestor, [0] being the process; without index, of any ancestor",
        sources.PARENTS,
        sources.NO_ANCESTOR,
        extract,
        Argument.OPTIONAL,
        numbered=True,
        any_of=True,
        left_only=True,
    )


FAMILY_FIELDS = (
    Field(
        "proc.ppid",
        FieldType.NUMBER,
        "process id of the parent when the call was made: of an orphan, of whoever adopted it",
        sources.EVENT,
        sources.NEVER,
        lambda event, _context, _arg: event.ppid,
    ),
    Field(
        "proc.pname",
        FieldType.TEXT,
        "name of that parent",
        sources.EVENT,
        "there is no parent",
        lambda event, _context, _arg: event.parent_comm if event.ppid else Missing.NOT_APPLICABLE,
    ),
    Field(
        "proc.pcmdline",
        FieldType.TEXT,
        "proc.cmdline of the parent that the process was born to",
        sources.PARENTS,
        sources.NO_ANCESTOR,
        of_ancestor(1, cmdline),
    ),
    Field(
        "proc.pexe",
        FieldType.TEXT,
        "proc.exe of the parent",
        sources.PARENTS,
        sources.NO_ANCESTOR,
        of_ancestor(1, exe),
    ),
    Field(
        "proc.pexepath",
        FieldType.TEXT,
        "proc.exepath of the parent",
        sources.PARENTS,
        sources.NO_ANCESTOR,
        of_ancestor(1, exepath),
    ),
    Field(
        "proc.ppid.duration",
        FieldType.DURATION,
        "nanoseconds since the parent started",
        sources.PARENTS,
        sources.NO_ANCESTOR,
        _parent_duration,
    ),
    Field(
        "proc.ppid.ts",
        FieldType.NUMBER,
        "when the parent started, in nanoseconds since the Unix epoch",
        sources.PARENTS,
        sources.NO_ANCESTOR,
        _parent_time,
    ),
    _of_all("proc.aname", FieldType.TEXT, "name", of_ancestors(_comm)),
    _of_all("proc.apid", FieldType.NUMBER, "process id", _pids),
    _of_all("proc.aexe", FieldType.TEXT, "proc.exe", of_ancestors(exe)),
    _of_all("proc.aexepath", FieldType.TEXT, "proc.exepath", of_ancestors(exepath)),
    _of_all("proc.acmdline", FieldType.TEXT, "proc.cmdline", of_ancestors(cmdline)),
    Field(
        "proc.loginshellid",
        FieldType.NUMBER,
        "process id of the oldest shell among the process and its ancestors",
        sources.PARENTS,
        "none of them is a shell",
        _login_shell,
    ),
)
