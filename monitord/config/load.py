"""monitord.yaml to `Config`: every mistake is found in one pass, each with its line and column."""

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from monitord.config.codes import Code
from monitord.config.file import read_file
from monitord.config.load_outputs import outputs_keys
from monitord.config.outputs import OutputsConfig
from monitord.config.schema import (
    BadFiles,
    BpfConfig,
    Config,
    ContainersConfig,
    ControlConfig,
    Ignore,
    MetricsConfig,
    PrivacyConfig,
    RuleMatching,
    RulesConfig,
)
from monitord.config.selection import Named, append_outputs, selections, static_fields
from monitord.config.values import (
    ORIGINS_MAX,
    Read,
    WrongValueError,
    ignored,
    is_null,
    items_of,
    optional,
    read_address,
    read_choice,
    read_comm,
    read_flag,
    read_mask,
    read_number,
    read_path,
    read_place,
    read_priority,
    read_ring_pages,
    read_scope,
    read_text,
)
from monitord.model.problem import Problem

T = TypeVar("T")


def load(path: Path) -> tuple[Config, list[Problem]]:
    """
    Read a configuration file.

    Paths in it are relative to its directory. An empty file is the defaults.

    :return: the configuration, with the default wherever the file is wrong, and the mistakes in the order of the file.
    """
    reader = _Reader(path)
    root = reader.compose()
    config = Config(**reader.values("", root, reader.keys())) if root else Config()
    return config, sorted(reader.problems)


class _Reader:
    """Walks the YAML nodes of one file and collects what is wrong with them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problems: list[Problem] = []

    def keys(self) -> dict[str, Read]:
        """How each key of the file is read; the names are those of `monitord.config.schema`."""
        file = read_path(self._path.parent)
        return {
            "scope": read_scope,
            "bpf": self.section(
                "bpf", BpfConfig, {"latency": read_flag, "ring_pages": read_ring_pages, "program_stats": read_flag}
            ),
            "ignore": self.section(
                "ignore",
                Ignore,
                {
                    "comm": ignored(self.each("ignore.comm", lambda _: read_comm)),
                    "paths": ignored(self.each("ignore.paths", lambda _: read_place)),
                },
            ),
            "rules": self.section(
                "rules",
                RulesConfig,
                {
                    "paths": self.each("rules.paths", lambda _: file),
                    "select": selections(self, self._path),
                    "priority": read_priority,
                    "rule_matching": lambda node: RuleMatching(read_choice(RuleMatching)(node)),
                    "append_output": append_outputs(self, self._path),
                    "static_fields": static_fields,
                    "bad_files": lambda node: BadFiles(read_choice(BadFiles)(node)),
                    "watch": read_flag,
                },
            ),
            "outputs": self.section("outputs", OutputsConfig, outputs_keys(self.section, file)),
            "privacy": self.section(
                "privacy",
                PrivacyConfig,
                {"mask": self.each("privacy.mask", lambda _: read_mask), "mask_usual": read_flag},
            ),
            "metrics": self.section(
                "metrics",
                _metrics,
                {"enabled": read_flag, "address": read_address, "origins": read_number(0, ORIGINS_MAX)},
            ),
            "containers": self.section(
                "containers", ContainersConfig, {"sockets": self.each("containers.sockets", lambda _: file)}
            ),
            "control": self.section("control", ControlConfig, {"socket": optional(file), "group": optional(read_text)}),
        }

    def compose(self) -> yaml.Node | None:
        """The file as YAML nodes, which know their line and column; None when it is empty or does not read."""
        try:
            root: yaml.Node | None = yaml.compose(read_file(self._path), yaml.SafeLoader)
        except OSError as err:
            self._report(None, Code.UNREADABLE, f"cannot read it: {err.strerror}; give another file with -c")
        except yaml.MarkedYAMLError as err:
            self._report(err.problem_mark or err.context_mark, Code.NOT_YAML, f"not YAML: {err.problem or err.context}")
        except yaml.YAMLError as err:  # a byte or character that YAML does not allow: its message is all there is
            self._report(None, Code.NOT_YAML, "not YAML: " + " ".join(str(err).split()))
        except RecursionError:
            self._report(None, Code.NOT_YAML, "nested too deeply")
        else:
            return root
        return None

    def values(self, section: str, node: yaml.Node, keys: Mapping[str, Read]) -> dict[str, Any]:
        """The values that are there and right, by key; a section without a value has none."""
        values: dict[str, Any] = {}
        if is_null(node):
            return values
        if not isinstance(node, yaml.MappingNode):
            known = ", ".join(keys)
            self._report(
                node.start_mark, Code.NOT_A_SECTION, f"{section or 'the file'}: expected keys with values: {known}"
            )
            return values
        seen: set[str] = set()
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "(not a name)"
            name = f"{section}.{key}" if section else key
            if key not in keys:
                near = difflib.get_close_matches(key, keys, 1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(keys)}"
                self._report(key_node.start_mark, Code.UNKNOWN_KEY, f"{name}: unknown key; {hint}")
            elif key in seen:
                self._report(key_node.start_mark, Code.REPEATED_KEY, f"{name}: given twice; keep one")
            else:
                seen.add(key)
                self._read(name, value_node, keys[key], values, key)
        return values

    def section(self, name: str, make: Callable[..., Any], keys: Mapping[str, Read], required: str = "") -> Read:
        """How a map with these keys is read, into keyword arguments; without `required` it is a mistake."""

        def read(node: yaml.Node) -> Any:
            before = len(self.problems)
            values = self.values(name, node, keys)
            if not required or required in values:
                return make(**values)
            if len(self.problems) == before:
                self._report(node.start_mark, Code.REQUIRED, f"{name}: {required} is missing; add it, or write null")
            return None

        return read

    def each(self, name: str, read: Named) -> Read:
        """How a list is read, each item by its own name."""

        def read_all(node: yaml.Node) -> tuple[Any, ...]:
            values: dict[int, Any] = {}
            for index, item in enumerate(items_of(node)):
                self._read(f"{name}[{index}]", item, read(f"{name}[{index}]"), values, index)
            return tuple(value for value in values.values() if value is not None)

        return read_all

    def _read(self, name: str, node: yaml.Node, read: Read, into: dict[T, Any], key: T) -> None:
        try:
            into[key] = read(node)
        except WrongValueError as wrong:
            self._report(node.start_mark, wrong.code, f"{name}: {wrong}")

    def _report(self, mark: Any, code: Code, message: str) -> None:
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        self.problems.append(Problem(str(self._path), line, column, code.value, message))


def _metrics(**values: Any) -> MetricsConfig:
    """``address`` of the file is both `address` and `port`."""
    if "address" in values:
        values["address"], values["port"] = values["address"]
    return MetricsConfig(**values)
