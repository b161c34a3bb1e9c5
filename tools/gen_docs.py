#!/usr/bin/python3
"""
Write docs/fields.md and docs/shipped_rules.md: the fields of the rule language and the rules that ship, as tables.

With --check nothing is written; the exit code is 1 when a file is not what would be written.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from monitord.abi.arch import Abi  # noqa: E402
from monitord.cli.fields import written  # noqa: E402
from monitord.model.interest import Outcome  # noqa: E402
from monitord.rules.field import Field  # noqa: E402
from monitord.rules.fields import CATALOGUE  # noqa: E402
from monitord.rules.rule import Rule, RuleSet  # noqa: E402
from monitord.rules.ruleset import load  # noqa: E402
from monitord.tables.canonical import canonical  # noqa: E402
from monitord.tables.syscalls import SyscallTable  # noqa: E402

RULES = ROOT / "config" / "rules"
MANY_CALLS = 12
"""More names than these say less than their number."""

_FIELD_HEAD = ("field", "type", "meaning", "from", "missing when")
FIELDS_INTRO = """\
# Fields

What a condition can test and an output can show, by `%` and the name. How a test reads its value: [rules](rules.md).
A value can be missing, for the reason given: then every comparison is false, `!=` too, and an output shows `<NA>`.
A field in *italics* has no source in this version and is always missing; rules that lean on one load, and are
[reported](rules.md#fields-that-are-not-supplied). `monitord fields PATTERN` searches this list.

An argument in brackets that may be left out is in parentheses. A duration is a number of nanoseconds.
"""
RULES_INTRO = """\
# Shipped rules

The files in `config/rules`, in the order of evaluation. A rule marked *several events* is a
[correlation](rules.md#sequences-and-counts), one marked *only in correlations* does not alert by itself, and one marked
*off* has to be switched on. *Calls* is what each rule asks the kernel for, worked out from its condition, and only with
the outcome (success, error) that it can match. A call that no rule asks for makes no event, successful execs excepted:
they tell who is who.
"""


def fields_page() -> str:
    """docs/fields.md."""
    classes: dict[str, list[Field]] = {}
    for field in CATALOGUE.values():
        classes.setdefault(field.name.partition(".")[0], []).append(field)
    sections = [f"## {name}\n" + _table(_FIELD_HEAD, map(_field_row, fields)) for name, fields in classes.items()]
    return _page("monitord/rules/fields", FIELDS_INTRO, sections)


def _field_row(field: Field) -> tuple[str, ...]:
    name = f"`{written(field)}`" if field.supplied else f"*`{written(field)}`*"
    return name, field.type.value, field.meaning, field.source, field.missing


def rules_page() -> str:
    """docs/shipped_rules.md."""
    table = SyscallTable.load(Abi)
    rules, problems = load((RULES,), table)
    if problems:
        sys.exit("\n".join(map(str, problems)))
    rows = (
        (
            f"**{rule.name}**{_mark(rule, rules)}<br>{rule.desc}",
            rule.priority.label,
            _calls(rule, table),
            ", ".join(_techniques(rule)),
        )
        for rule in rules.rules
    )
    return _page("config/rules", RULES_INTRO, [_table(("rule", "priority", "calls", "ATT&CK"), rows)])


def _mark(rule: Rule, rules: RuleSet) -> str:
    marks = {
        "several events": rule.correlation,
        "only in correlations": rule.name in rules.silent,
        "off": not rule.enabled,
    }
    return "".join(f" *{mark}*" for mark, on in marks.items() if on)


def _calls(rule: Rule, table: SyscallTable) -> str:
    entries = (table.find(abi, nr) for abi, nr in rule.interest.calls)
    names = sorted({canonical(entry.name) for entry in entries if entry})
    if len(names) <= MANY_CALLS:
        return ", ".join(names)
    foreign = all(outcome == Outcome.FOREIGN for outcome in rule.interest.calls.values())
    return f"{len(names)} kinds{', only when 64-bit code makes them by 32-bit or x32 numbers' if foreign else ''}"


def _techniques(rule: Rule) -> Iterator[str]:
    for tag in rule.tags:
        number = tag.removeprefix("T")
        if number != tag and number.replace(".", "").isdigit():
            yield f"[{tag}](https://attack.mitre.org/techniques/{tag.replace('.', '/')}/)"


def _page(source: str, intro: str, sections: Iterable[str]) -> str:
    return "\n".join([f"<!-- Made from {source} by tools/gen_docs.py; do not edit. -->", intro, *sections])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def pages() -> Mapping[Path, str]:
    """What each file holds."""
    return {ROOT / "docs" / "fields.md": fields_page(), ROOT / "docs" / "shipped_rules.md": rules_page()}


def main() -> int:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is out of date")
    check = parser.parse_args().check
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if check:
            sys.stderr.write(f"{path.relative_to(ROOT)} is out of date: run tools/gen_docs.py\n")
        else:
            path.write_text(pages()[path], encoding="utf-8")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
