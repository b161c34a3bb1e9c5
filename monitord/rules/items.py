"""The items of a rules file: lists, macros, rules and what they require, read from YAML with their shape checked."""

import difflib
import enum
from collections.abc import Iterable, Mapping
from dataclasses import field

from monitord.dataclass import dataclass
from monitord.model.problem import Problem
from monitord.rules.code import Code
from monitord.rules.lexer import BARE, IDENTIFIER
from monitord.rules.reader import Map, Place, Scalar, Sequence, Yaml

KEYS: Mapping[str, frozenset[str]] = {
    "rule": frozenset(
        ("desc", "condition", "output", "priority", "source", "enabled", "tags", "exceptions", "warn_evttypes")
    )
    | {"skip-if-unknown-filter", "capture", "capture_duration", "correlation", "throttle", "append", "override"},
    "macro": frozenset(("condition", "append", "override")),
    "list": frozenset(("items", "append", "override")),
    "required_engine_version": frozenset(),
    "required_plugin_versions": frozenset(),
}
"""Kind of item, which is its first key, -> the other keys it may have."""

_FLAGS = dict.fromkeys(("true", "yes", "on", "y"), True) | dict.fromkeys(("false", "no", "off", "n"), False)
"""As YAML 1.1, and with it Falco, reads them; in any case."""

_NAMES = {"macro": IDENTIFIER, "list": BARE}


MAX_HINTS = 50


@dataclass(slots=True)
class Problems:
    """Mistakes, as they are found."""

    found: list[Problem] = field(default_factory=list)
    hints: int = MAX_HINTS

    def error(self, place: Place, code: enum.StrEnum, message: str) -> None:
        """A mistake that has to be put right."""
        self.found.append(place.problem(code, message))

    def nearest(self, name: str, known: Iterable[str]) -> str:
        """As `nearest`, for names that a file defines: these may be many, and so `MAX_HINTS` times at most."""
        self.hints -= 1
        return nearest(name, known) if self.hints >= 0 else ""

    def warn(self, place: Place, code: enum.StrEnum, message: str) -> None:
        """Something worth saying."""
        self.found.append(place.problem(code, message, warning=True))


@dataclass(frozen=True, slots=True)
class Item:
    """
    One item of a rules file.

    :ivar kind: ``rule``, ``macro``, ...; a key of `KEYS`.
    :ivar head: the value of that key: the item's name, for those that have one.
    :ivar values: the other keys that mean something.
    :ivar keys: where those keys stand.
    """

    kind: str
    head: Yaml
    values: Mapping[str, Yaml]
    keys: Mapping[str, Scalar]

    @property
    def place(self) -> Place:
        """Where the item's name stands."""
        return self.head.start


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'openat'?`` for the known name most like this one, or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
    return f"; did you mean '{close[0]}'?" if close else ""


def items_of(document: Yaml, problems: Problems) -> list[Item]:
    """The items of one YAML document, in its order."""
    if not isinstance(document, Sequence):
        problems.error(document.start, Code.SHAPE, "a rules file is a list: begin each item with '- rule:' or the like")
        return []
    items = []
    for entry in document.items:
        if isinstance(entry, Scalar) and entry.is_null:
            continue
        if not isinstance(entry, Map):
            problems.error(entry.start, Code.SHAPE, "expected an item such as '- rule: NAME' with its keys below")
            continue
        item = _item_of(entry, problems)
        if item is not None:
            items.append(item)
    return items


def _item_of(entry: Map, problems: Problems) -> Item | None:
    values: dict[str, Yaml] = {}
    keys: dict[str, Scalar] = {}
    for key, value in entry.entries:
        if key.text in values:
            first = keys[key.text].start.line
            problems.error(key.start, Code.DUPLICATE, f"the key '{key.text}' is here twice, first on line {first}")
        values[key.text] = value
        keys[key.text] = key
    kind = next((kind for kind in KEYS if kind in values), None)
    if kind is None:
        known = ", ".join(KEYS)
        first_key = entry.entries[0][0].text if entry.entries else ""
        message = f"unknown item '{first_key}'{nearest(first_key, KEYS) or f'; known are {known}'}; it is ignored"
        problems.warn(entry.start, Code.UNKNOWN_KEY, message)
        return None
    head = values.pop(kind)
    for key_name in list(values):
        if key_name not in KEYS[kind]:
            hint = nearest(key_name, KEYS[kind]) or f"; a {kind} has {', '.join(sorted(KEYS[kind]))}"
            problems.warn(keys[key_name].start, Code.UNKNOWN_KEY, f"unknown key '{key_name}' is ignored{hint}")
            del values[key_name]
    named = kind in ("rule", "macro", "list")
    if named and not (isinstance(head, Scalar) and head.text):
        problems.error(head.start, Code.SHAPE, f"the name of a {kind} is a text: '- {kind}: NAME'")
        return None
    if kind in _NAMES and isinstance(head, Scalar) and not _NAMES[kind].fullmatch(head.text):
        wanted = "letters, digits and '_'" if kind == "macro" else "no blanks, quotes, commas, parentheses or '='"
        problems.error(head.start, Code.NAME, f"no condition can name the {kind} '{head.text}'; a name has {wanted}")
        return None
    return Item(kind, head, values, keys)


def text_in(item: Item, key: str, problems: Problems) -> Scalar | None:
    """The text of a key; None, and a problem unless the key is absent, when it has none."""
    value = item.values.get(key)
    if value is None or (isinstance(value, Scalar) and value.text.strip()):
        return value
    what = "empty" if isinstance(value, Scalar) else "not a text"
    problems.error(value.start, Code.VALUE, f"'{key}' is {what}; write it behind 'key:' or indented below it")
    return None


def texts_in(item: Item, key: str, problems: Problems) -> tuple[Scalar, ...] | None:
    """The texts of a list; None when the key is absent or no list."""
    value = item.values.get(key)
    if value is None:
        return None
    if isinstance(value, Sequence):
        texts = tuple(text for text in value.items if isinstance(text, Scalar))
        if len(texts) == len(value.items):
            return texts
    elif isinstance(value, Scalar) and value.text in ("", "~", "null"):
        return ()
    problems.error(value.start, Code.VALUE, f"'{key}' is a list of texts: [one, two]")
    return None


def flag_in(item: Item, key: str, default: bool, problems: Problems) -> bool:
    """The truth value of a key, or the default."""
    value = item.values.get(key)
    if value is None:
        return default
    flag = _FLAGS.get(value.text.lower()) if isinstance(value, Scalar) else None
    if flag is None:
        problems.error(value.start, Code.VALUE, f"'{key}' is true or false")
    return default if flag is None else flag
