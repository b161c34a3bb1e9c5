"""Bytes from the kernel as text."""

from monitord.abi.event import TextFlag
from monitord.model.value import Missing, Value

DELETED = " (deleted)"

_TRUNCATED, _FAULT = int(TextFlag.TRUNCATED), int(TextFlag.FAULT)  # an IntFlag's own `&` takes half a microsecond


def text_of(data: bytes) -> str:
    """Kernel bytes as text that compares exactly and comes back as it was."""
    return data.decode("utf-8", "surrogateescape")


def path_of_names(names: bytes, flags: TextFlag) -> Value:
    """
    The path whose names were read from the inside out, each with its NUL.

    :return: ``/memfd:NAME (deleted)`` for a file that is in no directory, as /proc shows it.
    """
    if int(flags) & _TRUNCATED:
        return Missing.FAULT  # the outer names are not there
    if int(flags) & _FAULT:
        return "/" + text_of(names.removesuffix(b"\0")) + DELETED if names else Missing.FAULT
    return "/" + text_of(b"/".join(reversed(names.split(b"\0")[:-1])))


def executable_of_link(link: str) -> str:
    """
    What an executable is called that the kernel shows by a link, or by what it calls a file without a directory.

    :return: ``memfd:NAME`` for a memory file; of a file unlinked since, the name that it had.
    """
    name = link.removesuffix(DELETED)
    return name.removeprefix("/") if name != link and name.startswith("/memfd:") else name


def argv_of(data: bytes) -> tuple[str, ...]:
    """The strings of an argv as the kernel keeps it: each ends with a NUL, but the last one if it was cut."""
    return tuple(text_of(data.removesuffix(b"\0")).split("\0")) if data else ()


def variables_of(data: bytes) -> dict[str, str]:
    """An environment as the kernel keeps it, by name; of a name given twice the first one counts, as for getenv(3)."""
    variables = [one.partition("=") for one in argv_of(data)]
    return {name: value for name, equals, value in reversed(variables) if equals}
