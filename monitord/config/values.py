"""One YAML value to one Python value; what does not fit is a `WrongValueError`."""

import difflib
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from monitord.config.address import parse_address
from monitord.config.codes import Code
from monitord.config.mask import problem_of
from monitord.config.schema import IGNORED_MAX, Scope
from monitord.config.scope import parse_scope
from monitord.model.priority import Priority

COMM_BYTES = 15
"""The longest name of a process."""

PLACE_BYTES = 58
"""Of a path that the kernel compares, one less than PLACE_BYTES of bpf/places.h, and its slash."""

_ROUNDABOUT = re.compile(rb"//|\A/?\Z|/\.{1,2}(?:/|\Z)")

RING_PAGES_MAX = 1 << 16
"""256 MiB per CPU: more is a slip of the pen."""

ORIGINS_MAX = 4096
"""Each is two series, which Prometheus keeps in memory."""

_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "bool", "null"))

Read = Callable[[yaml.Node], Any]
"""
Reads a value.

:raises WrongValueError: it is of the wrong type or out of range.
"""


class WrongValueError(Exception):
    """A value that does not fit its key; the message says what is wrong and what to write instead."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_flag(node: yaml.Node) -> bool:
    """``true`` or ``false``."""
    value = _python(node)
    if isinstance(value, bool):
        return value
    raise _wrong_type(node, "true or false")


def read_number(low: int, high: int) -> Callable[[yaml.Node], int]:
    """A whole number from `low` to `high`."""

    def read(node: yaml.Node) -> int:
        value = _python(node)
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong_type(node, "a whole number")
        if not low <= value <= high:
            # Not as Python's decimal number, which may be one digit too long for Python.
            raise WrongValueError(Code.OUT_OF_RANGE, f"{node.value} is not between {low} and {high}")
        return value

    return read


def read_ring_pages(node: yaml.Node) -> int:
    """A power of two."""
    pages = read_number(1, RING_PAGES_MAX)(node)
    if pages & (pages - 1):
        below = 1 << (pages.bit_length() - 1)
        raise WrongValueError(Code.RING_PAGES, f"{pages} is not a power of two; nearest are {below} and {below * 2}")
    return pages


def read_text(node: yaml.Node) -> str:
    """A text."""
    value = _python(node)
    if isinstance(value, str):
        return value
    raise _wrong_type(node, "a text")


def read_choice(words: Iterable[str]) -> Callable[[yaml.Node], str]:
    """One of some words."""
    known = tuple(words)

    def read(node: yaml.Node) -> str:
        text = read_text(node)
        if text not in known:
            near = difflib.get_close_matches(text, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"write one of {', '.join(known)}"
            raise WrongValueError(Code.CHOICE, f"{text!r} is unknown; {hint}")
        return text

    return read


def read_scope(node: yaml.Node) -> Scope:
    """A scope, as `parse_scope` reads it."""
    if isinstance(node, yaml.MappingNode):
        raise _wrong_type(node, "a text such as pid:1234, without a space after the colon")
    scope = parse_scope(read_text(node))
    if isinstance(scope, str):
        raise WrongValueError(Code.SCOPE, scope)
    return scope


def read_address(node: yaml.Node) -> tuple[str, int]:
    """A host and a port, as `parse_address` reads them."""
    address = parse_address(read_text(node))
    if isinstance(address, str):
        raise WrongValueError(Code.ADDRESS, address)
    return address


def read_mask(node: yaml.Node) -> str:
    """What a secret is called, as `problem_of` allows it."""
    item = read_text(node)
    if problem := problem_of(item):
        raise WrongValueError(Code.MASK, problem)
    return item


def read_comm(node: yaml.Node) -> str:
    """The name of a process, as the kernel has it."""
    text = read_text(node)
    name = text.encode("utf-8", "surrogateescape")
    if len(name) > COMM_BYTES:
        cut = name[:COMM_BYTES].decode("utf-8", "replace")
        raise WrongValueError(Code.IGNORE, f"{text!r} is longer than 15 bytes, where the kernel cuts names: {cut!r}")
    if not name or 0 in name:
        raise WrongValueError(Code.IGNORE, f"{text!r} is the name of no process")
    return text


def read_place(node: yaml.Node) -> str:
    """A path that stands for itself and all below it."""
    text = read_text(node)
    path = text.encode("utf-8", "surrogateescape")
    if not path.startswith(b"/") or _ROUNDABOUT.search(path.removesuffix(b"/")) or 0 in path:
        raise WrongValueError(
            Code.IGNORE, f"{text!r} is not absolute and plain; write it without //, . and .., such as /var/cache"
        )
    if len(path) > PLACE_BYTES:
        raise WrongValueError(Code.IGNORE, f"{text!r} is longer than {PLACE_BYTES} bytes; give a directory above it")
    return text


def ignored(read: Read) -> Read:
    """What `read` reads of a list, which is no longer than the kernel has room for."""

    def read_all(node: yaml.Node) -> Any:
        if (found := len(items_of(node))) > IGNORED_MAX:
            raise WrongValueError(Code.IGNORE, f"{found} are more than {IGNORED_MAX}, for which the kernel has room")
        return read(node)

    return read_all


def read_priority(node: yaml.Node) -> Priority:
    """The name of a priority, in any case."""
    text = read_text(node)
    priority = Priority.parse(text)
    if priority is None:
        known = ", ".join(known.label.lower() for known in Priority)
        raise WrongValueError(Code.PRIORITY, f"{text!r} is not a priority; write one of {known}")
    return priority


def read_path(directory: Path) -> Callable[[yaml.Node], Path]:
    """A path, relative to `directory` if it is not absolute."""

    def read(node: yaml.Node) -> Path:
        text = read_text(node)
        try:
            fits = bool(text) and b"\0" not in os.fsencode(text)
        except UnicodeEncodeError:
            fits = False
        if not fits:
            raise WrongValueError(Code.PATH, f"{text!r} cannot be a path; write one that is not empty")
        return directory / text

    return read


def optional(read: Read) -> Read:
    """What `read` reads, or None for ``null``."""
    return lambda node: None if is_null(node) else read(node)


def items_of(node: yaml.Node) -> list[yaml.Node]:
    """The items of a list, unread."""
    if not isinstance(node, yaml.SequenceNode):
        raise _wrong_type(node, "a list")
    return list(node.value)


def entries_of(node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    """The keys and values of a map, unread; none of ``null``."""
    if is_null(node):
        return []
    if not isinstance(node, yaml.MappingNode):
        raise _wrong_type(node, "keys with values")
    return list(node.value)


def is_null(node: yaml.Node) -> bool:
    """Whether nothing, or ``null``, is there."""
    return isinstance(node, yaml.ScalarNode) and _python(node) is None


def _wrong_type(node: yaml.Node, expected: str) -> WrongValueError:
    found = "a list" if isinstance(node, yaml.SequenceNode) else "keys"
    if isinstance(node, yaml.ScalarNode):
        found = "nothing" if is_null(node) else repr(node.value)
    return WrongValueError(Code.WRONG_TYPE, f"expected {expected}, found {found}")


def _python(node: yaml.Node) -> object:
    """A text, number, flag or null as Python sees it; the node itself for anything else."""
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _TAGS:
        return node
    try:
        value: object = SafeConstructor().construct_object(node)
    except (ValueError, LookupError):  # !!int x, !!bool x, !!int ""
        return node
    return value
