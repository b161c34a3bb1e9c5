"""Results in the form of JUnit, which CI systems read."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement

from monitord.ruletest.run import Result


def write_junit(path: Path, results: Sequence[Result]) -> None:
    """
    Write the results.

    :raises OSError: the file cannot be written.
    """
    failed = sum(bool(result.wrong) for result in results)
    suite = Element("testsuite", name="monitord test", tests=str(len(results)), failures=str(failed))
    for result in results:
        test = result.test
        case = SubElement(
            suite,
            "testcase",
            name=test.name,
            classname=test.place.file,
            file=test.place.file,
            line=str(test.place.line),
        )
        if result.wrong:
            failure = SubElement(case, "failure", message=_xml(result.wrong[0]))
            failure.text = _xml("\n".join(result.wrong))
    ElementTree(suite).write(path, "utf-8", xml_declaration=True)


def _xml(text: str) -> str:
    """The text without what XML cannot hold."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)
