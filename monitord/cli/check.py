"""`monitord check`: every mistake in the configuration and the rules, at once."""

import argparse
import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from monitord.abi.arch import Abi
from monitord.cli.output_files import mistakes_in_files
from monitord.config.default import INSTALLED, config_path
from monitord.config.load import load as load_config
from monitord.config.schema import BadFiles, RulesConfig
from monitord.model.amount import amount
from monitord.model.problem import Problem, errors
from monitord.rules.ruleset import load as load_rules
from monitord.rules.ruleset import no_rules
from monitord.tables.syscalls import SyscallTable

_DESCRIPTION = """\
Read the configuration and the rules as `monitord run` would, and say everything that is wrong with them, with file,
line, column, a code to search for, and what to do. Certificates, keys and headers that outputs name are opened, too.
Nothing is started, and no privilege is needed but to read these files.
"""
_EPILOG = """\
examples:
  monitord check                       the installed configuration and the rules it names
  monitord check -c monitord.yaml      another configuration
  monitord check rules/ my-rule.yaml   these rules alone; a directory stands for its *.yaml and *.yml files

Exit status: 0 when there are no mistakes (warnings do not count), 2 when there are.
"""


_SECRET = re.compile(r"outputs\.\w+\.(?:urls?|headers): ")
"""The line of such a mistake can hold what its message takes care not to show."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "check",
        help="find every mistake in the configuration and the rules",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-c", "--config", metavar="FILE", type=Path, help=f"configuration (default: {INSTALLED}, or the shipped one)"
    )
    parser.add_argument("rules", metavar="RULES", nargs="*", type=Path, help="rules files or directories to check")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check, print, and return the exit status."""
    problems: list[Problem] = []
    config = RulesConfig()
    runtimes = False
    if args.config is not None or not args.rules:
        path = config_path(args.config)
        whole, problems = load_config(path)
        problems += mistakes_in_files(path, whole.outputs)
        config = whole.rules
        runtimes = bool(whole.containers.sockets)
    paths = tuple(args.rules) or config.paths
    # Conditions are checked against the names of all machines: a rules file may be written on another one.
    # Mistakes are mistakes here, also where the daemon would leave the file out.
    config = replace(config, bad_files=BadFiles.REFUSE)
    rules, found = load_rules(paths, SyscallTable.load(Abi), config, runtimes=runtimes)
    problems = [*problems, *found]
    if not errors(problems):
        problems += no_rules(paths, rules)
    sys.stderr.write("".join(shown(problems)))
    wrong = len(errors(problems))
    if wrong:
        sys.stderr.write(f"{amount(wrong, 'mistake')} to put right\n")
        return 2
    enabled = sum(rule.enabled for rule in rules.rules)
    counts = [amount(len(rules.rules), "rule"), amount(rules.macros, "macro"), amount(rules.lists, "list")]
    disabled = f" ({len(rules.rules) - enabled} disabled)" if enabled < len(rules.rules) else ""
    warnings = f"; {amount(len(problems), 'warning')}" if problems else ""
    if rules.silent:
        sys.stdout.write(f"not alerting by themselves, only in correlations: {', '.join(sorted(rules.silent))}\n")
    sys.stdout.write(f"ok: {counts[0]}{disabled}, {counts[1]}, {counts[2]}{warnings}\n")
    return 0


def shown(problems: Iterable[Problem]) -> Iterable[str]:
    """Each problem, with the line it is on and a caret below its column."""
    lines: dict[str, list[str]] = {}
    for problem in problems:
        yield f"{problem}\n"
        if problem.file not in lines:
            lines[problem.file] = _lines_of(Path(problem.file))
        if 0 < problem.line <= len(lines[problem.file]) and not _SECRET.match(problem.message):
            line = lines[problem.file][problem.line - 1]
            yield f"    {_printable(line)}\n"
            if problem.column:
                # Tabs stay tabs, so that the caret stands below its character.
                indent = "".join("\t" if letter == "\t" else " " for letter in line[: problem.column - 1])
                yield f"    {indent}^\n"


def _lines_of(file: Path) -> list[str]:
    if not file.is_file():  # and no pipe, which would wait for a writer
        return []
    try:
        return file.read_text("utf-8", "replace").split("\n")
    except OSError:
        return []


def _printable(line: str) -> str:
    return "".join(letter if letter.isprintable() or letter == "\t" else "\N{REPLACEMENT CHARACTER}" for letter in line)
