"""`monitord test`: rules, tested with written or recorded events."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from monitord.cli.check import shown
from monitord.config.schema import RulesConfig
from monitord.model.problem import Problem, errors
from monitord.recording.capture import CaptureError
from monitord.rules.items import Problems
from monitord.rules.rule import RuleSet
from monitord.rules.ruleset import load
from monitord.ruletest.baseline import baseline_of
from monitord.ruletest.judge import all_abis
from monitord.ruletest.junit import write_junit
from monitord.ruletest.run import Result, mistakes
from monitord.ruletest.run import run as run_test
from monitord.ruletest.testfile import TestFile, read_tests
from monitord.tables.syscalls import SyscallTable

USER_MUST_FIX = 2

_DESCRIPTION = """\
Run tests of rules: events, written by hand or recorded, go through the detector of the daemon, and the alerts are
compared with what each test expects. Nothing is watched, and no privilege is needed."""

_EPILOG = """\
a test:
  rules: [../my-rules.yaml]               # relative to this file
  tests:
    - name: cat reads the passwords
      events:
        - call: openat
          args: {filename: /etc/shadow, flags: O_RDONLY}
          process: {name: cat, parent: {name: bash}}
      expect: [Password file read]        # or {rule: ..., count: 1, output: a part of it, fields: {proc.name: cat}}
    - name: login may
      events: [{call: openat, args: {filename: /etc/shadow}, process: {name: login}}]
      not: [Password file read]

examples:
  monitord test tests/                            every *.yaml and *.yml there
  monitord test tests/ --junit results.xml        for CI
  monitord test --rules my-rules.yaml --baseline good.jsonl --baseline-limit 0.5
                                                  no rule more than 0.5 alerts per 1000 events of a good day

exit code: 0 all passed; 1 a test failed, or a rule was over the limit; 2 something that you must put right
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "test",
        help="test rules with written or recorded events",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths", metavar="DIR|FILE", nargs="*", type=Path, help="tests; a directory stands for its *.yaml and *.yml"
    )
    parser.add_argument(
        "--baseline", metavar="CAPTURE", type=Path, help="how often do rules alert of this known-good one"
    )
    parser.add_argument(
        "--baseline-limit", metavar="N", type=float, help="alerts per 1000 events that a rule may make of it"
    )
    parser.add_argument(
        "--rules",
        metavar="PATH",
        type=Path,
        action="append",
        default=[],
        help="rules for --baseline",
    )
    parser.add_argument("--junit", metavar="FILE", type=Path, help="write the results as JUnit XML, too")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Test, print, and return the exit code."""
    if not args.paths and args.baseline is None:
        return _refused("give files or directories of tests, or a capture with --baseline")
    if args.baseline_limit is not None and args.baseline is None:
        return _refused("--baseline-limit is for --baseline CAPTURE")
    problems = Problems()
    table = all_abis()
    files = read_tests(tuple(args.paths), problems) if args.paths else []
    sets = _rule_sets(files, table, problems)
    results: list[Result] = []
    for file in files:
        before = len(errors(problems.found))
        mistakes(file, sets[file.rules], problems)
        if len(errors(problems.found)) == before:
            results += [run_test(test, sets[file.rules], table, file.match_all) for test in file.tests]
    if _say(problems.found):
        return USER_MUST_FIX
    failed = [result for result in results if result.wrong]
    for result in failed:
        sys.stdout.write(f"{result.test.place.file}:{result.test.place.line}: FAILED {result.test.name}\n")
        sys.stdout.writelines(f"    {line}\n" for line in result.wrong)
    if args.paths:
        sys.stdout.write(f"{len(results) - len(failed)} passed, {len(failed)} failed\n")
    if args.junit is not None:
        try:
            write_junit(args.junit, results)
        except OSError as err:
            return _refused(f"cannot write {args.junit}: {err.strerror}")
    loud = 0 if args.baseline is None else _baseline(args, files, table)
    return loud or int(bool(failed))


def _baseline(args: argparse.Namespace, files: Sequence[TestFile], table: SyscallTable) -> int:
    paths = tuple(args.rules) or tuple(dict.fromkeys(path for file in files for path in file.rules))
    if not paths:
        return _refused("say which rules are to judge the capture: --rules PATH")
    problems = Problems()
    rules = _loaded(paths, table, problems)
    if _say(problems.found):
        return USER_MUST_FIX
    warnings: list[Problem] = []
    try:
        baseline = baseline_of(args.baseline, rules, table, False, warnings)
    except CaptureError as error:
        return _refused(str(error))
    _say(warnings)
    sys.stdout.writelines(f"{line}\n" for line in baseline.lines())
    limit = args.baseline_limit
    over = [] if limit is None else [rule for rule in baseline.alerts if baseline.per_thousand(rule) > limit]
    for rule in over:
        sys.stdout.write(f"FAILED '{rule}' alerts more than {limit:g} times per 1000 events\n")
    return int(bool(over))


def _rule_sets(files: Sequence[TestFile], table: SyscallTable, problems: Problems) -> dict[tuple[Path, ...], RuleSet]:
    sets: dict[tuple[Path, ...], RuleSet] = {}
    for file in files:
        if file.rules not in sets:
            sets[file.rules] = _loaded(file.rules, table, problems)
    return sets


def _loaded(paths: tuple[Path, ...], table: SyscallTable, problems: Problems) -> RuleSet:
    """Rules; what is worth a warning is for `monitord check`."""
    rules, found = load(paths, table, RulesConfig())
    problems.found.extend(errors(found))
    return rules


def _say(problems: Sequence[Problem]) -> int:
    """Show problems; how many of them are mistakes."""
    sys.stderr.write("".join(shown(problems)))
    return len(errors(problems))


def _refused(message: str) -> int:
    sys.stderr.write(f"monitord test: {message}\n")
    return USER_MUST_FIX
