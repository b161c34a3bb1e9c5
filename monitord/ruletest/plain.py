"""YAML as the values that `json` would give, and where each of them stands."""

from collections.abc import Iterator
from dataclasses import field
from typing import Any

from monitord.dataclass import dataclass
from monitord.recording.codec import Path
from monitord.rules.reader import Map, Place, Scalar, Sequence, Yaml


@dataclass(slots=True)
class Plain:
    """
    A value without its places, and the places by the way to each part.

    :ivar value: all scalars are text, but for null: what they are belongs to their keys.
    :ivar keys: where the key of a part stands.
    """

    value: Any
    places: dict[Path, Place] = field(default_factory=dict)
    keys: dict[Path, Place] = field(default_factory=dict)

    def place(self, path: Path) -> Place:
        """Where a part stands, or what it would be in."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]

    def key_place(self, path: Path) -> Place:
        """Where the key of a part stands, or the part itself."""
        return self.keys.get(path) or self.place(path)


def plain_of(value: Yaml) -> Plain:
    """A value as `json` would give it. The later of two equal keys counts."""
    plain = Plain(None)
    plain.value = _plain(value, (), plain)
    return plain


def _plain(value: Yaml, path: Path, into: Plain) -> Any:
    into.places[path] = value.start
    if isinstance(value, Scalar):
        return None if value.is_null else value.text
    if isinstance(value, Sequence):
        return [_plain(item, (*path, at), into) for at, item in enumerate(value.items)]
    return dict(_entries(value, path, into))


def _entries(value: Map, path: Path, into: Plain) -> Iterator[tuple[str, Any]]:
    for key, part in value.entries:
        into.keys[*path, key.text] = key.start
        yield key.text, _plain(part, (*path, key.text), into)
