"""YAML documents as values that know where they stand in their file, to the line and column."""

import enum
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import yaml

from monitord.config.file import read_file
from monitord.dataclass import dataclass
from monitord.model.problem import Problem
from monitord.rules.code import Code

MAX_DEPTH = 20
"""Nesting of lists and maps; rules need five. An anchor can contain itself."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ITEM = re.compile(r"^(?:- |-$|---)", re.MULTILINE)
"""Where an item or a document begins; what people indent is in an item."""

_HINTS = {
    "mapping values are not allowed": "quote a text with ': ' in it, and indent the keys of an item alike",
    "cannot start any token": "a text that begins with %, @ or ` needs quotes",
    "expected '-' indicator": "indent the keys of an item alike, two blanks more than its '-'",
    "expected <block end>": "indent the keys of an item alike, two blanks more than its '-'",
    "tab character": "indent by blanks",
    "unexpected end of stream": "a quote is not closed",
    "expected ',' or ']'": "a list is not closed, or a text in it needs quotes",
    "expected ',' or '}'": "a map is not closed, or a text in it needs quotes",
    "could not find expected ':'": "a key needs ': ' behind it",
    "undefined alias": "a text that begins with * needs quotes",
}
"""What the parser of YAML says -> what to do."""

_ESCAPE_DIGITS = {"x": 2, "u": 4, "U": 8}
_BLANK_ESCAPES = frozenset("tnvre _NLP\t\n")


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file; line and column are 1-based, 0 for the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def problem(self, code: enum.StrEnum, message: str, warning: bool = False) -> Problem:
        """A mistake made here."""
        return Problem(self.file, self.line, self.column, code.value, message, warning)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file as it was read."""

    name: str
    text: str

    def place(self, index: int) -> Place:
        """The place of a character."""
        begin = self.text.rfind("\n", 0, index) + 1
        return Place(self.name, self.text.count("\n", 0, index) + 1, index - begin + 1)


@dataclass(frozen=True, slots=True)
class Scalar:
    """
    A text, whatever YAML thinks its type is: the key it belongs to says how to read it.

    :ivar begin: index in the file of its first character, quote, or ``|`` or ``>``.
    :ivar style: YAML's own: ``'``, ``"``, ``|``, ``>`` or empty for plain.
    """

    text: str
    source: SourceFile
    begin: int
    style: str = ""

    @property
    def is_null(self) -> bool:
        """Whether nothing stands there."""
        return not self.style and self.text in ("", "~", "null")

    @property
    def start(self) -> Place:
        """Where it begins."""
        return self.source.place(self.begin)

    def place(self, offset: int) -> Place:
        """
        The place in the file of a character of the text.

        YAML folds lines and strips indentation, but keeps the order of what is not blank: so that is counted.
        """
        wanted = sum(not letter.isspace() for letter in self.text[:offset])
        at_end = not self.text[offset:].strip()  # then it is behind the last character, not at what follows in the file
        index = self.begin - 1
        for seen, index in enumerate(self._solid()):
            if seen == wanted - at_end:
                return self.source.place(index + at_end)
        return self.source.place(index + 1)

    def _solid(self) -> Iterator[int]:
        """Indices in the file of the characters that are not blank, from the first one of the text on."""
        text = self.source.text
        at = self.begin
        if self.style in ("|", ">"):
            at = text.find("\n", at)
        elif self.style:
            at += 1
        while 0 <= at < len(text):
            letter = text[at]
            width = 1
            solid = not letter.isspace()
            if self.style == '"' and letter == "\\":
                escape = text[at + 1 : at + 2]
                width = 2 + _ESCAPE_DIGITS.get(escape, 0)
                solid = escape not in _BLANK_ESCAPES
            elif self.style == "'" and letter == "'":
                width = 2
            if solid:
                yield at
            at += width


@dataclass(frozen=True, slots=True)
class Sequence:
    """A YAML list."""

    items: tuple["Yaml", ...]
    start: Place


@dataclass(frozen=True, slots=True)
class Map:
    """A YAML map, in the order of the file; a key may stand there twice."""

    entries: tuple[tuple[Scalar, "Yaml"], ...]
    start: Place


Yaml = Scalar | Sequence | Map


class _ShapeError(ValueError):
    """YAML that no rules file has."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


def files_in(directory: Path) -> list[Path]:
    """
    The ``*.yaml`` and ``*.yml`` files of a directory, in order of name.

    :raises OSError: it cannot be listed.
    """
    return sorted(file for file in directory.iterdir() if file.suffix in (".yaml", ".yml"))


def rule_files(paths: tuple[Path, ...]) -> tuple[list[Path], list[Problem]]:
    """The files that the paths name: themselves, or those in a directory."""
    files: list[Path] = []
    problems = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        try:
            files.extend(files_in(path))
        except OSError as err:
            problems.append(Place(str(path)).problem(Code.FILE, f"cannot list this directory: {err.strerror}"))
    return files, problems


def read(path: Path) -> tuple[list[Yaml], list[Problem]]:
    """The documents of a file that are not empty; after a mistake in YAML, those items that are right."""
    documents: list[Yaml] = []
    whole = Place(str(path))
    try:
        source = SourceFile(str(path), read_file(path).decode("utf-8-sig"))
    except OSError as err:
        return [], [whole.problem(Code.FILE, f"cannot read this file: {err.strerror}; check its path and mode")]
    except UnicodeDecodeError as err:
        line = err.object.count(b"\n", 0, err.start) + 1
        return [], [Place(str(path), line).problem(Code.YAML, "this is not UTF-8 text; save the file as UTF-8")]
    anchors: dict[str, Yaml] = {}
    try:
        return list(_documents(source, 0, len(source.text), anchors)), []
    except (yaml.YAMLError, _ShapeError):
        pass
    # Item by item, so that a mistake in one does not hide those of the others.
    problems = []
    for begin, end in pairwise((0, *(match.start() for match in _ITEM.finditer(source.text, 1)), len(source.text))):
        try:
            documents.extend(_documents(source, begin, end, anchors))
        except _ShapeError as err:
            problems.append(err.place.problem(Code.YAML, f"this is not YAML for rules: {err}"))
        except yaml.MarkedYAMLError as err:
            mark = err.problem_mark or err.context_mark
            place = source.place(min(begin + mark.index, end)) if mark else whole
            problems.append(place.problem(Code.YAML, f"this is not YAML: {_explained(err)}"))
        except yaml.reader.ReaderError as err:
            place = source.place(min(begin + int(err.position), end))
            problems.append(place.problem(Code.YAML, "this is not YAML: a control character; remove it"))
    return documents, problems


def _explained(err: yaml.MarkedYAMLError) -> str:
    """What the parser says, and what it most often comes from."""
    said = str(err.problem or err.context)
    for part, hint in _HINTS.items():
        if part in said:
            return f"{said}; {hint}"
    context = f" ({err.context})" if err.context and err.problem else ""
    return f"{said}{context}; check indentation, quotes and brackets around here"


def _documents(source: SourceFile, begin: int, end: int, anchors: dict[str, Yaml]) -> Iterator[Yaml]:
    """
    The documents in a part of a file that are not empty.

    Composed here from the parser's events: yaml's own composer in C recurses, and a line of 100 000 brackets overruns
    its stack. It would also look for the type of each scalar, which rules leave to their keys.

    :param anchors: the values named so far, in the order of the file.
    """
    events = yaml.parse(source.text[begin:end], _Loader)
    part = _Part(source, begin, source.text.count("\n", 0, begin), anchors)
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            document = _node(next(events), events, part, 1)
            if not (isinstance(document, Scalar) and document.is_null):
                yield document


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a file: `begin` characters and `line` lines are before it."""

    source: SourceFile
    begin: int
    line: int
    anchors: dict[str, Yaml]


def _node(event: yaml.Event, events: Iterator[yaml.Event], part: _Part, depth: int) -> Yaml:
    """
    The value that begins with an event. An alias is the same value again, so that part.anchors cannot multiply.

    :raises _ShapeError: an unknown alias, a key that is no text, or too deep.
    """
    mark, anchor = event.start_mark, getattr(event, "anchor", None)
    assert mark is not None
    place = Place(part.source.name, part.line + mark.line + 1, mark.column + 1)
    if depth > MAX_DEPTH:
        raise _ShapeError("lists and maps are nested too deep for rules", place)
    if isinstance(event, yaml.AliasEvent):
        if anchor not in part.anchors:
            raise _ShapeError(f"there is no '&{anchor}' before this alias", place)
        return part.anchors[anchor]
    made: Yaml
    if isinstance(event, yaml.ScalarEvent):
        made = Scalar(event.value, part.source, part.begin + mark.index, event.style or "")
    elif isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(_node(event, events, part, depth + 1))
        made = Sequence(tuple(items), place)
    else:
        entries = []
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = _node(event, events, part, depth + 1)
            if not isinstance(key, Scalar):
                raise _ShapeError("a key has to be a text", place)
            entries.append((key, _node(next(events), events, part, depth + 1)))
        made = Map(tuple(entries), place)
    if anchor is not None:
        part.anchors[anchor] = made
    return made
