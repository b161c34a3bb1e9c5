"""Fields that the kernel side sends along: of the thread, and of the file that it executes."""

from collections.abc import Callable

from monitord.model.descriptor import ProgramFile
from monitord.model.event import Event
from monitord.model.interest import Along
from monitord.model.process import Context
from monitord.model.task import TaskState
from monitord.model.value import Missing, Value
from monitord.rules.field import Field, FieldType
from monitord.rules.fields import sources

Of = Callable[[TaskState, Event], Value]


def of_task(name: str, type_: FieldType, meaning: str, part: Of, missing: str = sources.UNSENT) -> Field:
    """A field of the thread, when its call returned."""

    def extract(event: Event, _context: Context, _arg: str | None) -> Value:
        task = event.task
        return task if isinstance(task, Missing) else part(task, event)

    return Field(name, type_, meaning, sources.KERNEL, missing, extract, along=Along.TASK)


def of_program(
    name: str, type_: FieldType, meaning: str, part: Callable[[ProgramFile, Event, Context], Value]
) -> Field:
    """A field of the executable's inode, when the call returned."""

    def extract(event: Event, context: Context, _arg: str | None) -> Value:
        program = event.program
        return program if isinstance(program, Missing) else part(program, event, context)

    return Field(name, type_, meaning, sources.KERNEL, sources.UNSENT, extract, along=Along.PROGRAM)
