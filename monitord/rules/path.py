"""The path arguments of a call."""

import re

from monitord.model.event import Event
from monitord.model.process import Context
from monitord.model.value import Missing, Value
from monitord.tables.captures import ArgCapture, captures_of

_SLASHES = re.compile("/+")


def first_path(event: Event, context: Context) -> ArgCapture | None:
    """Where the call's first path argument is, or None for a call without."""
    syscall = context.syscall(event)
    if syscall is None:
        return None
    return next((one for one in captures_of(syscall) if one.is_path), None)


def path_argument(event: Event, context: Context, path: ArgCapture) -> Value:
    """A path argument made absolute: relative to its dirfd, or to the working directory."""
    captured = event.captured(path.arg)
    if captured is None:
        return Missing.NOT_APPLICABLE
    text = captured.text
    if isinstance(text, Missing):
        return text
    return context.path(event, path.descriptor(event.args), str(text))


def raw_path(event: Event, path: ArgCapture) -> Value:
    """A path argument as the caller wrote it, without repeated slashes."""
    captured = event.captured(path.arg)
    if captured is None:
        return Missing.NOT_APPLICABLE
    text = captured.text
    return text if isinstance(text, Missing) else _SLASHES.sub("/", str(text))
