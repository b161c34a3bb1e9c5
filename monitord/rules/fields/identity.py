"""``user.*`` and ``group.*``: as whom the thread runs."""

from monitord.model.event import Event
from monitord.model.interest import Along
from monitord.model.process import Context
from monitord.model.task import NO_LOGIN
from monitord.model.value import Missing, Value
from monitord.rules.field import Field, FieldType
from monitord.rules.fields import sources
from monitord.rules.fields.kernel import of_task

_UNNAMED = "the host does not name the user"


def _login_name(event: Event, context: Context, _arg: str | None) -> Value:
    task = event.task
    if isinstance(task, Missing):
        return task
    return Missing.NOT_APPLICABLE if task.loginuid == NO_LOGIN else context.user_name(task.loginuid)


IDENTITY_FIELDS = (
    Field(
        "user.uid",
        FieldType.NUMBER,
        "user id (effective, as Falco has it) of the thread when the call returned",
        sources.EVENT,
        sources.NEVER,
        lambda event, _context, _arg: event.uid,
    ),
    Field(
        "user.name",
        FieldType.TEXT,
        "name of that user on the host",
        sources.DATABASE,
        _UNNAMED,
        lambda event, context, _arg: context.user_name(event.uid),
    ),
    Field(
        "user.homedir",
        FieldType.TEXT,
        "home directory of that user",
        sources.DATABASE,
        _UNNAMED,
        lambda event, context, _arg: context.user_home(event.uid),
    ),
    Field(
        "user.shell",
        FieldType.TEXT,
        "login shell of that user",
        sources.DATABASE,
        _UNNAMED,
        lambda event, context, _arg: context.user_shell(event.uid),
    ),
    of_task(
        "user.loginuid",
        FieldType.NUMBER,
        "user id with which the session was opened; -1 for none",
        lambda task, _event: -1 if task.loginuid == NO_LOGIN else task.loginuid,
    ),
    Field(
        "user.loginname",
        FieldType.TEXT,
        "name of that user on the host",
        sources.KERNEL,
        "nobody logged in, or the host does not name the user",
        _login_name,
        along=Along.TASK,
    ),
    Field(
        "group.gid",
        FieldType.NUMBER,
        "group id (effective) of the thread when the call returned",
        sources.EVENT,
        sources.NEVER,
        lambda event, _context, _arg: event.gid,
    ),
    Field(
        "group.name",
        FieldType.TEXT,
        "name of that group on the host",
        sources.DATABASE,
        "the host does not name the group",
        lambda event, context, _arg: context.group_name(event.gid),
    ),
)
