"""``proc.*`` and ``thread.*``: who made the call."""

from collections.abc import Callable

from monitord.model.event import Event
from monitord.model.process import Context, Process
from monitord.model.value import Missing, Value
from monitord.rules.field import Argument, Extract, Field, FieldType
from monitord.rules.fields import sources
from monitord.rules.fields.kernel import of_task
from monitord.tables.capabilities import capability_names


def of_process(part: Callable[[Process], Value]) -> Extract:
    """A field that is a part of what is known of the process."""
    return lambda event, context, _arg: part(context.process(event))


def exe(process: Process) -> Value:
    """argv[0]"""
    if isinstance(process.argv, Missing):
        return process.argv
    return process.argv[0] if process.argv else Missing.NOT_APPLICABLE


def exepath(process: Process) -> Value:
    """The resolved path of the executable."""
    return process.exepath


def cmdline(process: Process) -> Value:
    """comm and arguments."""
    if isinstance(process.argv, Missing):
        return process.argv
    return process.comm if isinstance(process.comm, Missing) else " ".join((str(process.comm), *process.argv[1:]))


def args(process: Process, arg: str | None) -> Value:
    """The arguments behind argv[0], or one of them."""
    argv = process.argv
    if isinstance(argv, Missing):
        return argv
    if arg is None:
        return " ".join(argv[1:])
    index = int(arg) + 1
    return argv[index] if index < len(argv) else Missing.NOT_APPLICABLE


def _own_cmdline(event: Event, context: Context, _arg: str | None) -> Value:
    argv = context.process(event).argv
    return argv if isinstance(argv, Missing) else " ".join((event.comm, *argv[1:]))


def exeline(process: Process) -> Value:
    """All arguments."""
    return process.argv if isinstance(process.argv, Missing) else " ".join(process.argv)


def _count(process: Process) -> Value:
    return process.argv if isinstance(process.argv, Missing) else max(len(process.argv) - 1, 0)


def _length(process: Process) -> Value:
    if isinstance(process.argv, Missing):
        return process.argv
    return sum(len(word.encode("utf-8", "surrogateescape")) for word in process.argv[1:])


def cwd(process: Process) -> Value:
    """The working directory, as Falco shows it."""
    if isinstance(process.cwd, Missing):
        return process.cwd
    return f"{str(process.cwd).rstrip('/')}/"


def is_from_memfd(process: Process) -> Value:
    """By the name of the executable: that of a file begins with a slash."""
    path = process.exepath
    return path if isinstance(path, Missing) else str(path).startswith("memfd:")


def _cgroups(event: Event, context: Context, _arg: str | None) -> Value:
    paths = context.cgroups(event)
    if isinstance(paths, Missing):
        return paths
    return " ".join(f"{controller or 'unified'}={path}" for controller, path in paths.items())


def _cgroup(event: Event, context: Context, arg: str | None) -> Value:
    paths = context.cgroups(event)
    if isinstance(paths, Missing):
        return paths
    return paths.get(arg or "", paths.get("", Missing.NOT_APPLICABLE))


PROCESS_FIELDS = (
    Field(
        "proc.pid",
        FieldType.NUMBER,
        "process id (tgid), in the initial pid namespace",
        sources.EVENT,
        sources.NEVER,
        lambda event, _context, _arg: event.pid,
    ),
    Field(
        "proc.name",
        FieldType.TEXT,
        "name (comm, 15 bytes) of the process; after exec, of the new program",
        sources.EVENT,
        sources.NEVER,
        lambda event, _context, _arg: event.comm,
    ),
    Field(
        "proc.exe",
        FieldType.TEXT,
        "first argument (argv[0]) of the program",
        sources.EXEC_OR_PROC,
        sources.LATE,
        of_process(exe),
    ),
    Field(
        "proc.exepath",
        FieldType.TEXT,
        "resolved path of the executable",
        sources.EXEC_OR_PROC,
        sources.LATE,
        of_process(exepath),
    ),
    Field(
        "proc.args",
        FieldType.TEXT,
        "arguments behind argv[0], joined by blanks; [n] for one of them",
        sources.EXEC_OR_PROC,
        sources.LATE,
        lambda event, context, arg: args(context.process(event), arg),
        Argument.OPTIONAL,
        numbered=True,
    ),
    Field(
        "proc.cmdline",
        FieldType.TEXT,
        "proc.name and proc.args",
        sources.EXEC_OR_PROC,
        sources.LATE,
        _own_cmdline,
    ),
    Field(
        "proc.exeline",
        FieldType.TEXT,
        "proc.exe and proc.args",
        sources.EXEC_OR_PROC,
        sources.LATE,
        of_process(exeline),
    ),
    Field(
        "proc.cmdnargs",
        FieldType.NUMBER,
        "how many arguments there are behind argv[0]",
        sources.EXEC_OR_PROC,
        sources.LATE,
        of_process(_count),
    ),
    Field(
        "proc.cmdlenargs",
        FieldType.NUMBER,
        "bytes of those arguments, without what separates them",
        sources.EXEC_OR_PROC,
        sources.LATE,
        of_process(_length),
    ),
    Field(
        "proc.cwd",
        FieldType.TEXT,
        "working directory, with a slash at the end",
        sources.PROC,
        sources.LATE,
        of_process(cwd),
    ),
    of_task(
        "proc.tty",
        FieldType.NUMBER,
        "device number of the controlling terminal; 0 for none",
        lambda task, _event: task.tty,
    ),
    Field(
        "proc.duration",
        FieldType.DURATION,
        "nanoseconds since the process started",
        sources.EVENT,
        sources.NEVER,
        lambda event, _context, _arg: max(event.ts_ns - event.start_ns, 0),
    ),
    Field(
        "proc.pid.ts",
        FieldType.NUMBER,
        "when the process started, in nanoseconds since the Unix epoch",
        sources.EVENT,
        sources.NEVER,
        lambda event, context, _arg: context.wall_ns(event.start_ns),
    ),
    Field(
        "thread.tid",
        FieldType.NUMBER,
        "thread id, in the initial pid namespace",
        sources.EVENT,
        sources.NEVER,
        lambda event, _context, _arg: event.tid,
    ),
    Field(
        "thread.ismain",
        FieldType.BOOL,
        "the thread is the main one of its process",
        sources.EVENT,
        sources.NEVER,
        lambda event, _context, _arg: event.tid == event.pid,
    ),
    Field(
        "thread.nametid",
        FieldType.TEXT,
        "proc.name and thread.tid",
        sources.EVENT,
        sources.NEVER,
        lambda event, _context, _arg: f"{event.comm}{event.tid}",
    ),
    of_task(
        "thread.cap_effective",
        FieldType.TEXT,
        "effective capabilities, joined by blanks: CAP_SYS_ADMIN CAP_NET_RAW",
        lambda task, _event: capability_names(task.cap_effective),
    ),
    of_task(
        "thread.cap_permitted",
        FieldType.TEXT,
        "permitted capabilities",
        lambda task, _event: capability_names(task.cap_permitted),
    ),
    of_task(
        "thread.cap_inheritable",
        FieldType.TEXT,
        "inheritable capabilities",
        lambda task, _event: capability_names(task.cap_inheritable),
    ),
    Field(
        "thread.cgroups",
        FieldType.TEXT,
        "all cgroups as controller=path, joined by blanks; that of cgroup v2 is named unified",
        sources.PROC,
        sources.LATE,
        _cgroups,
    ),
    Field(
        "thread.cgroup",
        FieldType.TEXT,
        "path of the cgroup of one controller, that of cgroup v2 where v1 has none: thread.cgroup.cpuset",
        sources.PROC,
        sources.LATE,
        _cgroup,
        Argument.REQUIRED,
    ),
)
