"""Reading ``rules.select`` and ``rules.append_output``, whose items have keys of their own."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import yaml

from monitord.config.codes import Code
from monitord.config.schema import AppendOutput, ExtraField, Selection, Written
from monitord.config.values import Read, WrongValueError, entries_of, read_text

_FIELD_NAME = re.compile("[a-zA-Z][a-zA-Z0-9_]*(\\.[a-zA-Z][a-zA-Z0-9_]*)*", re.ASCII)

Named = Callable[[str], Read]
"""How a value is read whose name, for messages, is this."""


class Sections(Protocol):
    """What is asked of the reader of the whole file."""

    def section(self, name: str, make: Callable[..., object], keys: Mapping[str, Read]) -> Read:
        """Reads a map with these keys into keyword arguments."""

    def each(self, name: str, read: Named) -> Read:
        """Reads a list, each item by its own name."""


def selections(sections: Sections, path: Path) -> Read:
    """``[{disable: {rule: "*"}}, {enable: {tag: network}}]``"""
    keys: dict[str, Read] = {"rule": written(path), "tag": written(path)}

    def one(name: str) -> Read:
        def enabling(enable: bool) -> Callable[..., Selection]:
            return lambda **values: Selection(enable, **values)

        choices = {
            word: _one_key(sections.section(f"{name}.{word}", enabling(word == "enable"), keys), keys)
            for word in ("enable", "disable")
        }
        return _one_key(sections.section(name, lambda **values: next(iter(values.values()), None), choices), choices)

    return sections.each("rules.select", one)


def append_outputs(sections: Sections, path: Path) -> Read:
    """``[{match: {rule, source, tags}, extra_output: ..., extra_fields: [proc.exe, {name: ...}]}]``"""

    def one(name: str) -> Read:
        match = sections.section(
            f"{name}.match",
            dict,
            {"rule": read_text, "source": read_text, "tags": sections.each(f"{name}.match.tags", lambda _: read_text)},
        )
        fields = sections.each(f"{name}.extra_fields", lambda _: lambda node: _extra_field(node, path))
        keys = {"match": match, "extra_output": written(path), "extra_fields": fields}
        return sections.section(name, lambda match=None, **values: AppendOutput(**(match or {}), **values), keys)

    return sections.each("rules.append_output", one)


def static_fields(node: yaml.Node) -> tuple[tuple[str, str], ...]:
    """``{name: text}``; numbers and flags are texts, too."""
    fields = []
    for key, value in entries_of(node):
        name = _name(key)
        if not _FIELD_NAME.fullmatch(name):
            raise WrongValueError(Code.CHOICE, f"{name!r} is no name for a field; use letters, digits and '_'")
        fields.append((name, _scalar(value)))
    return tuple(fields)


def written(path: Path) -> Read:
    """A text and where it stands."""
    return lambda node: _written(node, read_text(node), path)


def _written(node: yaml.Node, text: str, path: Path) -> Written:
    return Written(text, str(path), node.start_mark.line + 1, node.start_mark.column + 1)


def _extra_field(node: yaml.Node, path: Path) -> ExtraField:
    if isinstance(node, yaml.ScalarNode):
        text = read_text(node)
        return ExtraField(text, _written(node, f"%{text}", path), raw=True)
    entries = entries_of(node)
    if len(entries) != 1:
        raise WrongValueError(
            Code.ONE_KEY, "expected the name of a field, or one key with a template: {home: '%proc.cwd'}"
        )
    ((key, value),) = entries
    return ExtraField(_name(key), _written(value, _scalar(value), path), raw=False)


def _name(node: yaml.Node) -> str:
    text = _scalar(node)
    if not text:
        raise WrongValueError(Code.WRONG_TYPE, "a name cannot be empty")
    return text


def _scalar(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise WrongValueError(Code.WRONG_TYPE, "expected a text")
    return str(node.value)


def _one_key(read: Read, keys: dict[str, Read]) -> Read:
    def read_one(node: yaml.Node) -> object:
        if len(entries_of(node)) != 1:
            raise WrongValueError(Code.ONE_KEY, f"expected one key: {' or '.join(keys)}")
        return read(node)

    return read_one
