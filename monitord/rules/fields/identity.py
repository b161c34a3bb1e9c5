"""``user.*`` and ``group.*``: as whom the thread runs."""

from monitord.rules.field import Field, FieldType
from monitord.rules.fields import sources

_UNNAMED = "the host does not name the user"

IDENTITY_FIELDS = (
    Field(
        "user.uid",
        FieldType.NUMBER,
        "user id (real) of the thread when the call returned",
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
    Field("user.homedir", FieldType.TEXT, "home directory of that user", sources.DATABASE, _UNNAMED),
    Field("user.shell", FieldType.TEXT, "login shell of that user", sources.DATABASE, _UNNAMED),
    Field(
        "user.loginuid",
        FieldType.NUMBER,
        "user id with which the session was opened; -1 for none",
        sources.PROC,
        sources.LATE,
    ),
    Field(
        "user.loginname",
        FieldType.TEXT,
        "name of that user on the host",
        sources.PROC,
        "nobody logged in, or the host does not name the user",
    ),
    Field(
        "group.gid",
        FieldType.NUMBER,
        "group id (real) of the thread when the call returned",
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
