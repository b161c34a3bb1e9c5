"""``proc.*`` and ``thread.*``: who made the call."""

from collections.abc import Callable, Iterator

from monitord.model.event import Event
from monitord.model.process import Context, Process
from monitord.model.value import Missing, Value
from monitord.rules.field import Argument, Extract, Field, FieldType

MAX_GENERATIONS = 64
"""Ancestors that ``proc.aname`` without an index looks at; a line this long is a loop or an attack."""

_LATE = "the process was gone before it was asked"
_NO_PARENT = "there is no such ancestor, or it was gone before it was asked"


def _of_process(part: Callable[[Process], Value]) -> Extract:
    return lambda event, context, _arg: part(context.process(event))


def _of_ancestor(generation: int, part: Callable[[Process], Value]) -> Extract:
    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        ancestor = context.ancestor(event, generation)
        return ancestor if isinstance(ancestor, Missing) else part(ancestor)

    return extract


def _exe(process: Process) -> Value:
    if isinstance(process.argv, Missing):
        return process.argv
    return process.argv[0] if process.argv else Missing.NOT_APPLICABLE


def _args(process: Process) -> Value:
    return process.argv if isinstance(process.argv, Missing) else " ".join(process.argv[1:])


def _arg(event: Event, context: Context, arg: str | None) -> Value:
    process = context.process(event)
    if arg is None or isinstance(process.argv, Missing):
        return _args(process)
    index = int(arg) + 1
    return process.argv[index] if index < len(process.argv) else Missing.NOT_APPLICABLE


def _cmdline(process: Process) -> Value:
    if isinstance(process.argv, Missing):
        return process.argv
    return process.comm if isinstance(process.comm, Missing) else " ".join((str(process.comm), *process.argv[1:]))


def _own_cmdline(event: Event, context: Context, _arg: str | None) -> Value:
    argv = context.process(event).argv
    return argv if isinstance(argv, Missing) else " ".join((event.comm, *argv[1:]))


def _exeline(process: Process) -> Value:
    return process.argv if isinstance(process.argv, Missing) else " ".join(process.argv)


def _cwd(process: Process) -> Value:
    if isinstance(process.cwd, Missing):
        return process.cwd
    return f"{str(process.cwd).rstrip('/')}/"


def _from_memfd(process: Process) -> Value:
    path = process.exepath
    return path if isinstance(path, Missing) else str(path).startswith(("memfd:", "/memfd:"))


def _ancestor_names(event: Event, context: Context, arg: str | None) -> Value:
    if arg is not None:
        generation = int(arg)
        if generation == 0:
            return event.comm
        return event.parent_comm if generation == 1 else _of_ancestor(generation, _comm)(event, context, None)
    return tuple(_names(event, context)) or Missing.NOT_APPLICABLE


def _names(event: Event, context: Context) -> Iterator[str]:
    if event.ppid:
        yield event.parent_comm
    for generation in range(2, MAX_GENERATIONS):
        ancestor = context.ancestor(event, generation)
        if isinstance(ancestor, Missing):
            return
        if isinstance(ancestor.comm, str):
            yield ancestor.comm


def _comm(process: Process) -> Value:
    return process.comm


PROCESS_FIELDS = (
    Field(
        "thread.tid",
        FieldType.NUMBER,
        "thread id, in the initial pid namespace",
        "never",
        lambda event, _context, _arg: event.tid,
    ),
    Field(
        "proc.pid",
        FieldType.NUMBER,
        "process id (tgid), in the initial pid namespace",
        "never",
        lambda event, _context, _arg: event.pid,
    ),
    Field(
        "proc.ppid",
        FieldType.NUMBER,
        "process id of the parent",
        "never",
        lambda event, _context, _arg: event.ppid,
    ),
    Field(
        "proc.name",
        FieldType.TEXT,
        "name (comm, 15 bytes) of the process; after exec, of the new program",
        "never",
        lambda event, _context, _arg: event.comm,
    ),
    Field(
        "proc.pname",
        FieldType.TEXT,
        "name of the parent",
        "there is no parent",
        lambda event, _context, _arg: event.parent_comm if event.ppid else Missing.NOT_APPLICABLE,
    ),
    Field(
        "proc.aname",
        FieldType.TEXT,
        "name of the n-th ancestor, [0] being the process; without index, of any ancestor",
        _NO_PARENT,
        _ancestor_names,
        Argument.OPTIONAL,
        numbered=True,
        any_of=True,
    ),
    Field("proc.exe", FieldType.TEXT, "first argument (argv[0]) of the program", _LATE, _of_process(_exe)),
    Field(
        "proc.exepath",
        FieldType.TEXT,
        "resolved path of the executable",
        _LATE,
        _of_process(lambda process: process.exepath),
    ),
    Field(
        "proc.args",
        FieldType.TEXT,
        "arguments behind argv[0], joined by blanks; [n] for one of them",
        _LATE,
        _arg,
        Argument.OPTIONAL,
        numbered=True,
    ),
    Field("proc.cmdline", FieldType.TEXT, "proc.name and proc.args", _LATE, _own_cmdline),
    Field("proc.exeline", FieldType.TEXT, "proc.exe and proc.args", _LATE, _of_process(_exeline)),
    Field("proc.cwd", FieldType.TEXT, "working directory, with a slash at the end", _LATE, _of_process(_cwd)),
    Field("proc.pcmdline", FieldType.TEXT, "proc.cmdline of the parent", _NO_PARENT, _of_ancestor(1, _cmdline)),
    Field("proc.pexe", FieldType.TEXT, "proc.exe of the parent", _NO_PARENT, _of_ancestor(1, _exe)),
    Field(
        "proc.pexepath",
        FieldType.TEXT,
        "proc.exepath of the parent",
        _NO_PARENT,
        _of_ancestor(1, lambda process: process.exepath),
    ),
    Field(
        "proc.is_exe_from_memfd",
        FieldType.BOOL,
        "the executable is a memory file without a name in a filesystem",
        _LATE,
        _of_process(_from_memfd),
    ),
)
