"""``proc.is_exe_*`` and ``proc.exe_ino*``: the file that the process executes."""

from monitord.model.descriptor import ProgramFile
from monitord.model.event import Event
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.rules.field import Field, FieldType
from monitord.rules.fields import sources
from monitord.rules.fields.kernel import of_program
from monitord.rules.fields.process import is_from_memfd, of_process


def _since_change(program: ProgramFile, event: Event, context: Context) -> Value:
    return context.wall_ns(event.start_ns) - program.ctime_ns


def _changed_since_namespace(program: ProgramFile, event: Event, context: Context) -> Value:
    task = event.task
    if isinstance(task, Missing):
        return task
    return program.ctime_ns - context.wall_ns(task.pid_ns_start_ns) if task.pid_ns_start_ns else Missing.LATE


EXECUTABLE_FIELDS = (
    Field(
        "proc.is_exe_from_memfd",
        FieldType.BOOL,
        "the executable is a memory file without a name in a filesystem",
        sources.EXEC_OR_PROC,
        sources.LATE,
        of_process(is_from_memfd),
    ),
    of_program(
        "proc.is_exe_writable",
        FieldType.BOOL,
        "the process may write to its executable, or give itself the right: by owner, mode, groups and capabilities",
        lambda program, _event, _context: program.writable,
    ),
    of_program(
        "proc.is_exe_upper_layer",
        FieldType.BOOL,
        "the executable is in the upper layer of an overlay: it was added or changed since the container started",
        lambda program, _event, _context: program.upper_layer,
    ),
    of_program(
        "proc.is_exe_lower_layer",
        FieldType.BOOL,
        "the executable is in a lower layer of an overlay: it comes from the image",
        lambda program, _event, _context: program.lower_layer,
    ),
    of_program(
        "proc.exe_ino",
        FieldType.NUMBER,
        "inode number of the executable",
        lambda program, _event, _context: program.ino,
    ),
    of_program(
        "proc.exe_ino.ctime",
        FieldType.NUMBER,
        "last change of the executable's inode, in nanoseconds since the Unix epoch",
        lambda program, _event, _context: program.ctime_ns,
    ),
    of_program(
        "proc.exe_ino.mtime",
        FieldType.NUMBER,
        "last change of the executable's content, in nanoseconds since the Unix epoch",
        lambda program, _event, _context: program.mtime_ns,
    ),
    of_program(
        "proc.exe_ino.ctime_duration_proc_start",
        FieldType.DURATION,
        "nanoseconds from proc.exe_ino.ctime to the start of the process",
        _since_change,
    ),
    of_program(
        "proc.exe_ino.ctime_duration_pidns_start",
        FieldType.DURATION,
        "nanoseconds from the start of the pid namespace to proc.exe_ino.ctime",
        _changed_since_namespace,
    ),
)

_FLAGS = (
    ("EXE_WRITABLE", "proc.is_exe_writable"),
    ("EXE_UPPER_LAYER", "proc.is_exe_upper_layer"),
    ("EXE_FROM_MEMFD", "proc.is_exe_from_memfd"),
    ("EXE_LOWER_LAYER", "proc.is_exe_lower_layer"),
)
"""Falco's names of what an exec says of the executable."""


def executable_flags(event: Event, context: Context, _arg: str | None) -> Value:
    """``EXE_WRITABLE|EXE_UPPER_LAYER``, what is not known being left out; ``0`` for none."""
    fields = {field.name: field for field in EXECUTABLE_FIELDS}
    values = {flag: fields[name].extract(event, context, None) for flag, name in _FLAGS}
    if all(isinstance(value, Missing) for value in values.values()):
        return values["EXE_FROM_MEMFD"]
    return "|".join(flag for flag, value in values.items() if value is True) or "0"
