"""
Files of rule tests, read with every mistake of all of them.

A file is a map: ``rules``, files or directories relative to it; ``rule_matching``, as in the configuration; ``tests``,
a list. A test has a ``name``; ``events`` or a ``capture``; ``expect`` and ``not``.
"""

from collections.abc import Collection, Mapping
from dataclasses import field
from pathlib import Path

from monitord.dataclass import dataclass
from monitord.model.event import Event
from monitord.recording.capture import CaptureError, read_events
from monitord.recording.snapshot import Snapshot
from monitord.rules.items import Problems, nearest
from monitord.rules.reader import Map, Place, Scalar, Sequence, Yaml, read, rule_files
from monitord.ruletest.code import Code
from monitord.ruletest.event import WrittenError, written_events

_FILE_KEYS = ("rules", "rule_matching", "tests")
_TEST_KEYS = ("name", "events", "capture", "expect", "not")
_EXPECT_KEYS = ("rule", "count", "output", "fields")


@dataclass(frozen=True, slots=True)
class Expected:
    """
    Alerts that a test waits for.

    :ivar count: how many; None for one or more.
    :ivar output: what the message holds; empty for anything.
    :ivar fields: values by field, as text.
    """

    rule: str
    place: Place
    count: int | None = None
    output: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleTest:
    """
    One test.

    :ivar expect: None when only `forbidden` counts; empty for no alert at all.
    :ivar forbidden: rules that must not alert, with where it says so.
    """

    name: str
    place: Place
    events: tuple[tuple[Event, Snapshot], ...]
    expect: tuple[Expected, ...] | None
    forbidden: tuple[tuple[str, Place], ...]


@dataclass(frozen=True, slots=True)
class TestFile:
    """
    The tests of a file.

    :ivar rules: the paths of the rules that they are about.
    """

    __test__ = False  # for pytest

    path: Path
    rules: tuple[Path, ...]
    match_all: bool
    tests: tuple[RuleTest, ...]


def read_tests(paths: tuple[Path, ...], problems: Problems) -> list[TestFile]:
    """The tests of files, and of the ``*.yaml`` and ``*.yml`` files of directories."""
    files, unlisted = rule_files(paths)
    problems.found.extend(unlisted)
    found = []
    for path in files:
        documents, unread = read(path)
        problems.found.extend(unread)
        found += [_Reader(path, problems).file(document) for document in documents]
        if not documents and not unread:
            problems.error(Place(str(path)), Code.NONE, "there is no test in this file")
    if not files and not unlisted:
        where = ", ".join(map(str, paths))
        problems.error(
            Place(where), Code.NONE, "there is no *.yaml or *.yml file here; give a file or directory of tests"
        )
    return found


class _Reader:
    """Reads one file; mistakes go to `problems`."""

    def __init__(self, path: Path, problems: Problems) -> None:
        self._path = path
        self._problems = problems

    def file(self, document: Yaml) -> TestFile:
        """All of it, without what is wrong."""
        keys = self._keys(document, _FILE_KEYS, "a file of tests")
        rules = tuple(self._path.parent / text.text for text in self._texts(keys.get("rules"), "rules"))
        if isinstance(document, Map) and not rules:
            message = "say which rules are tested: 'rules: [my-rules.yaml]', relative to this file"
            self._problems.error(document.start, Code.KEY, message)
        matching = keys.get("rule_matching")
        word = matching.text if isinstance(matching, Scalar) else "first"
        if word not in ("first", "all"):
            self._problems.error(keys["rule_matching"].start, Code.VALUE, "'rule_matching' is first or all")
        tests = keys.get("tests")
        items = tests.items if isinstance(tests, Sequence) else ()
        if isinstance(document, Map) and not items:
            self._problems.error(document.start, Code.NONE, "there is no test here; write a list below 'tests:'")
        return TestFile(self._path, rules, word == "all", tuple(self._test(item) for item in items))

    def _test(self, item: Yaml) -> RuleTest:
        keys = self._keys(item, _TEST_KEYS, "a test")
        name = keys.get("name")
        if isinstance(item, Map) and not (isinstance(name, Scalar) and name.text):
            self._problems.error(item.start, Code.KEY, "a test needs a 'name'")
        if isinstance(item, Map) and ("events" in keys) == ("capture" in keys):
            self._problems.error(item.start, Code.KEY, "a test needs 'events', or a 'capture', and not both")
        if isinstance(item, Map) and "expect" not in keys and "not" not in keys:
            message = "say what is expected: 'expect: [RULE]', 'expect: []' for no alert, or 'not: [RULE]'"
            self._problems.error(item.start, Code.KEY, message)
        events = (*self._events(keys.get("events")), *self._captured(keys.get("capture")))
        expect = None
        if "expect" in keys:
            expected = keys["expect"]
            several = expected.items if isinstance(expected, Sequence) else (expected,)
            expect = tuple(one for value in several if (one := self._expected(value)) is not None)
        forbidden = tuple((text.text, text.start) for text in self._texts(keys.get("not"), "not"))
        shown = name.text if isinstance(name, Scalar) else ""
        return RuleTest(shown, item.start, events, expect, forbidden)

    def _events(self, value: Yaml | None) -> list[tuple[Event, Snapshot]]:
        if value is None:
            return []
        events: list[tuple[Event, Snapshot]] = []
        for item in value.items if isinstance(value, Sequence) else (value,):
            try:
                events += written_events(item, len(events) + 1)
            except WrittenError as error:
                self._problems.error(error.place, Code.EVENT, str(error))
        return events

    def _captured(self, value: Yaml | None) -> list[tuple[Event, Snapshot]]:
        if value is None:
            return []
        if not isinstance(value, Scalar) or not value.text:
            self._problems.error(value.start, Code.VALUE, "'capture' is a file that 'monitord record' wrote")
            return []
        try:
            path = self._path.parent / value.text
            return [(recorded.event, recorded.context) for recorded in read_events(path, self._problems.found)]
        except CaptureError as error:
            self._problems.found.append(error.problem)
            return []

    def _expected(self, value: Yaml) -> Expected | None:
        if isinstance(value, Scalar) and value.text:
            return Expected(value.text, value.start)
        keys = self._keys(value, _EXPECT_KEYS, "an expected alert")
        rule = keys.get("rule")
        if not isinstance(rule, Scalar) or not rule.text:
            self._problems.error(value.start, Code.KEY, "an expected alert needs its 'rule'")
            return None
        count = keys.get("count")
        number = count.text if isinstance(count, Scalar) else "1"
        if not (number.isascii() and number.isdigit() and 0 < int(number) < 10**9):
            message = "'count' is a number from 1; 'not: [RULE]' says that a rule must not alert"
            self._problems.error(keys["count"].start, Code.VALUE, message)
            number = "1"
        output = keys.get("output")
        fields = {}
        for name, wanted in self._keys(keys["fields"], None, "fields").items() if "fields" in keys else ():
            if isinstance(wanted, Scalar):
                fields[name] = wanted.text
            else:
                self._problems.error(wanted.start, Code.VALUE, f"the value of '{name}' is a text, as outputs show it")
        text = output.text if isinstance(output, Scalar) else ""
        return Expected(rule.text, rule.start, int(number) if count is not None else None, text, fields)

    def _keys(self, value: Yaml, known: Collection[str] | None, what: str) -> dict[str, Yaml]:
        if not isinstance(value, Map):
            names = f" with {', '.join(known)}" if known else ""
            self._problems.error(value.start, Code.SHAPE, f"{what} is a map{names}")
            return {}
        found: dict[str, Yaml] = {}
        for key, content in value.entries:
            if known is not None and key.text not in known:
                hint = nearest(key.text, known) or f"; there are {', '.join(known)}"
                self._problems.error(key.start, Code.KEY, f"{what} has no '{key.text}'{hint}")
            elif key.text in found:
                self._problems.error(key.start, Code.KEY, f"the key '{key.text}' is here twice; keep one")
            else:
                found[key.text] = content
        return found

    def _texts(self, value: Yaml | None, key: str) -> list[Scalar]:
        if value is None:
            return []
        items = value.items if isinstance(value, Sequence) else (value,)
        texts = [item for item in items if isinstance(item, Scalar) and item.text]
        if len(texts) < len(items):
            self._problems.error(value.start, Code.VALUE, f"'{key}' is a list of texts: [one, two]")
        return texts
