"""What rules files require of the program that loads them."""

import re

from monitord.rules.code import Code
from monitord.rules.items import Problems
from monitord.rules.reader import Map, Scalar, Sequence, Yaml

ENGINE_VERSION = (0, 63, 0)
"""The version of Falco's rule language that this loader knows."""

PLUGINS = frozenset(("container",))
"""Falco's plugins that rules may require: what they add is built in."""


def require_engine(head: Yaml, problems: Problems) -> None:
    """Report a version of the rule language that is not known here."""
    version = _version(head)
    if version is None:
        message = "required_engine_version is a number N or a version 0.N.0"
        problems.error(head.start, Code.VALUE, message)
    elif version > ENGINE_VERSION:
        known = ".".join(map(str, ENGINE_VERSION))
        message = f"these rules are for a newer rule language; this monitord knows up to {known}"
        problems.error(head.start, Code.ENGINE, message)


def require_plugins(head: Yaml, problems: Problems) -> None:
    """Report plugins whose fields are not built in."""
    if not isinstance(head, Sequence):
        problems.error(head.start, Code.VALUE, "required_plugin_versions is a list of {name, version}")
        return
    for plugin in head.items:
        alternatives = _plugin_names(plugin)
        if not alternatives:
            problems.error(plugin.start, Code.VALUE, "a required plugin is a map with name and version")
        elif PLUGINS.isdisjoint(alternatives):
            message = f"these rules need Falco's plugin '{alternatives[0]}', which monitord does not have"
            problems.error(plugin.start, Code.PLUGIN, message)


def _version(value: Yaml) -> tuple[int, ...] | None:
    match = (
        re.fullmatch(r"(?:(\d{1,9})\.)?(\d{1,9})(?:\.(\d{1,9}).*)?", value.text) if isinstance(value, Scalar) else None
    )
    return tuple(int(part or 0) for part in match.groups()) if match else None


def _plugin_names(plugin: Yaml) -> list[str]:
    """The name of a required plugin and of those that would do instead."""
    names: list[str] = []
    for key, value in plugin.entries if isinstance(plugin, Map) else ():
        if key.text == "name" and isinstance(value, Scalar):
            names.insert(0, value.text)
        elif key.text == "alternatives" and isinstance(value, Sequence):
            for alternative in value.items:
                names.extend(_plugin_names(alternative))
    return names
