"""``user.*`` and ``group.*``: as whom the thread runs."""

from monitord.rules.field import Field, FieldType

IDENTITY_FIELDS = (
    Field(
        "user.uid",
        FieldType.NUMBER,
        "user id (real) of the thread when the call returned",
        "never",
        lambda event, _context, _arg: event.uid,
    ),
    Field(
        "user.name",
        FieldType.TEXT,
        "name of that user on the host",
        "the host does not name the user",
        lambda event, context, _arg: context.user_name(event.uid),
    ),
    Field(
        "group.gid",
        FieldType.NUMBER,
        "group id (real) of the thread when the call returned",
        "never",
        lambda event, _context, _arg: event.gid,
    ),
    Field(
        "group.name",
        FieldType.TEXT,
        "name of that group on the host",
        "the host does not name the group",
        lambda event, context, _arg: context.group_name(event.gid),
    ),
)
