"""Paths as Falco shows them: absolute, lexically normalised, no symlink followed."""

import posixpath

from monitord.model.event import Event
from monitord.model.value import Missing, Value
from monitord.tables.captures import captures_of
from monitord.tables.syscalls import Syscall


def normalise(path: str) -> str:
    """
    Collapse ``//``, ``/./``, ``/../`` and drop a trailing slash; ``..`` at the root stays there.

    As `sinsp_utils::concatenate_paths` of falcosecurity/libs does, by its own unit tests.

    :param path: absolute.
    """
    # POSIX lets exactly two leading slashes mean something else, and normpath keeps them; Linux does not.
    return "/" + posixpath.normpath(path).lstrip("/")


def argument_of(call: Syscall | None, event: Event, dirfd: int, text: str) -> int | None:
    """
    The argument by which a call was given a path: two can have the same text, as in ``mv x directory/``.

    :param dirfd: the descriptor that it is relative to.
    """
    for one in captures_of(call) if call is not None else ():
        if one.is_path and one.descriptor(event.args) == dirfd:
            captured = event.captured(one.arg)
            if captured is not None and captured.text == text:
                return one.arg
    return None


def below(base: Value, text: str) -> Value:
    """
    A path, relative to another.

    :param base: an absolute path, what a descriptor refers to if it has no path, or why it is not known.
    """
    if text.startswith("/"):
        return normalise(text)
    if not text or not isinstance(base, str):
        return base
    return normalise(f"{base}/{text}") if base.startswith("/") else Missing.NOT_APPLICABLE
