"""YAML documents as values that know where they stand in their file, to the line and column."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from monitord.model.problem import Problem
from monitord.rules.code import Code

MAX_DEPTH = 20
"""Nesting of lists and maps; rules need five. An anchor can contain itself."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ESCAPE_DIGITS = {"x": 2, "u": 4, "U": 8}
_BLANK_ESCAPES = frozenset("tnvre _NLP\t\n")


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file; line and column are 1-based, 0 for the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def problem(self, code: Code, message: str, warning: bool = False) -> Problem:
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
        index = self.begin - 1
        for seen, index in enumerate(self._solid()):
            if seen == wanted:
                return self.source.place(index)
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


def rule_files(paths: tuple[Path, ...]) -> tuple[list[Path], list[Problem]]:
    """The files that the paths name: themselves, or for a directory its ``*.yaml`` files in order of name."""
    files: list[Path] = []
    problems = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        try:
            files.extend(sorted(file for file in path.iterdir() if file.suffix == ".yaml"))
        except OSError as err:
            problems.append(Place(str(path)).problem(Code.FILE, f"cannot list this directory: {err.strerror}"))
    return files, problems


def read(path: Path) -> tuple[list[Yaml], list[Problem]]:
    """The documents of a file that are not empty; after a mistake in YAML itself, those before it."""
    documents: list[Yaml] = []
    whole = Place(str(path))
    try:
        source = SourceFile(str(path), path.read_bytes().decode("utf-8-sig"))
    except OSError as err:
        return [], [whole.problem(Code.FILE, f"cannot read this file: {err.strerror}; check its path and mode")]
    except UnicodeDecodeError as err:
        line = err.object.count(b"\n", 0, err.start) + 1
        return [], [Place(str(path), line).problem(Code.YAML, "this is not UTF-8 text; save the file as UTF-8")]
    try:
        for document in _documents(source):
            documents.append(document)  # one by one: those before a mistake count
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        place = Place(str(path), mark.line + 1, mark.column + 1) if mark else whole
        context = f" ({err.context})" if err.context else ""
        message = f"this is not YAML: {err.problem}{context}; check indentation, quotes and brackets around here"
        return documents, [place.problem(Code.YAML, message)]
    except _ShapeError as err:
        return documents, [err.place.problem(Code.YAML, f"this is not YAML for rules: {err}")]
    except yaml.reader.ReaderError as err:
        place = source.place(min(int(err.position), len(source.text)))
        return documents, [place.problem(Code.YAML, "this is not YAML: a control character; remove it")]
    return documents, []


def _documents(source: SourceFile) -> Iterator[Yaml]:
    """
    The documents of a file that are not empty.

    Composed here from the parser's events: yaml's own composer in C recurses, and a line of 100 000 brackets overruns
    its stack. It would also look for the type of each scalar, which rules leave to their keys.
    """
    events = yaml.parse(source.text, _Loader)
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            document = _node(next(events), events, source, {}, 1)
            if not (isinstance(document, Scalar) and document.is_null):
                yield document


def _node(
    event: yaml.Event, events: Iterator[yaml.Event], source: SourceFile, anchors: dict[str, Yaml], depth: int
) -> Yaml:
    """
    The value that begins with an event.

    :param anchors: the values named so far; an alias is the same value again, so that anchors cannot multiply.
    :raises _ShapeError: an unknown alias, a key that is no text, or too deep.
    """
    mark, anchor = event.start_mark, getattr(event, "anchor", None)
    assert mark is not None
    place = Place(source.name, mark.line + 1, mark.column + 1)
    if depth > MAX_DEPTH:
        raise _ShapeError("lists and maps are nested too deep for rules", place)
    if isinstance(event, yaml.AliasEvent):
        if anchor not in anchors:
            raise _ShapeError(f"there is no '&{anchor}' before this alias", place)
        return anchors[anchor]
    made: Yaml
    if isinstance(event, yaml.ScalarEvent):
        made = Scalar(event.value, source, mark.index, event.style or "")
    elif isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(_node(event, events, source, anchors, depth + 1))
        made = Sequence(tuple(items), place)
    else:
        entries = []
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = _node(event, events, source, anchors, depth + 1)
            if not isinstance(key, Scalar):
                raise _ShapeError("a key has to be a text", place)
            entries.append((key, _node(next(events), events, source, anchors, depth + 1)))
        made = Map(tuple(entries), place)
    if anchor is not None:
        anchors[anchor] = made
    return made
