"""`monitord fields`: search the fields of the rule language."""

import argparse
import fnmatch
import json
import shutil
import sys
from collections.abc import Sequence

from monitord.rules.field import Argument, Field
from monitord.rules.fields import CATALOGUE

_DESCRIPTION = """\
List the fields that conditions can test and outputs can show, or those that match PATTERN: a part of a name or of a
meaning, or with * or ? a whole name. A value can be missing for the reason given; then every comparison is false. A
field marked 'no' has no source in this version: it is always missing, and rules that lean on it are reported when they
are loaded."""

_EPILOG = """\
examples:
  monitord fields                       all fields
  monitord fields proc.a*               by name: the ancestors of a process
  monitord fields port                  by a part of the name or of the meaning
  monitord fields --json | jq -r '.[] | select(.supplied | not) | .name'

exit code: 0; 1 if nothing matches; 2 for a wrong option
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "fields",
        help="search the fields of the rule language by name or meaning",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "pattern", metavar="PATTERN", nargs="?", help="a part of a name or meaning, or a name with * or ? (any case)"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="an array of {name, type, argument, meaning, source, missing, supplied}",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Search, print, and return the exit code."""
    fields = CATALOGUE.values()
    found = [field for field in fields if args.pattern is None or matches(field, args.pattern.lower())]
    if not found:
        sys.stderr.write(
            f"monitord fields: no field has '{args.pattern}' in its name or meaning. Try a shorter word, or a pattern"
            " such as 'proc.*'.\n"
        )
        return 1
    sys.stdout.write(as_json(found) if args.json else as_table(found))
    return 0


def matches(field: Field, pattern: str) -> bool:
    """Whether a field is meant by a lower-case pattern."""
    if "*" in pattern or "?" in pattern:
        return fnmatch.fnmatchcase(field.name, pattern)
    return pattern in field.name or pattern in field.meaning.lower()


def written(field: Field) -> str:
    """How it is written in a condition: ``proc.aname[n]``; an argument that may be left out is in parentheses."""
    argument = "[n]" if field.numbered else "[x]"
    shown = {Argument.NONE: "", Argument.OPTIONAL: f"({argument})", Argument.REQUIRED: argument}
    return field.name + shown[field.argument]


def as_table(fields: Sequence[Field]) -> str:
    """Lines for a person; on a terminal they are cut to its width."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    rows = [("FIELD", "TYPE", "HERE", "MEANING", "FROM", "MISSING WHEN")]
    for field in fields:
        here = "yes" if field.supplied else "no"
        rows.append((written(field), field.type.value, here, field.meaning, field.source, field.missing))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = (" ".join(f"{cell:{size}}" for cell, size in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line if width is None else line[:width]}\n" for line in lines)


def as_json(fields: Sequence[Field]) -> str:
    """A JSON array, one object in a line."""
    objects = (
        {
            "name": field.name,
            "type": field.type.value,
            "argument": field.argument.value,
            "meaning": field.meaning,
            "source": field.source,
            "missing": field.missing,
            "supplied": field.supplied,
        }
        for field in fields
    )
    return "[\n" + ",\n".join(map(json.dumps, objects)) + "\n]\n"
