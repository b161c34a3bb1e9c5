"""`monitord explain`: what a rule asks for, and why it did, or did not, match an event."""

import argparse
import difflib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from monitord.abi.arch import Abi, machine_abis
from monitord.cli.check import shown
from monitord.config.default import INSTALLED, config_path
from monitord.config.schema import RuleMatching
from monitord.explain.event import Case
from monitord.explain.page import Paint
from monitord.explain.rule import rule_lines
from monitord.model.problem import errors
from monitord.pipeline.load import Overrides, load
from monitord.recording.capture import CaptureError, Recorded, event_at, split_place
from monitord.rules.rule import Rule, RuleSet
from monitord.tables.syscalls import SyscallTable

USER_MUST_FIX = 2

_DESCRIPTION = """\
Say what a rule asks for: its condition with lists and macros put in, what the kernel delivers for it, and how its
tests are judged. With --event, say what each test finds in a recorded event, and why the rule matches it or does not.
Without a rule, --event shows which rules match the event, and which nearly do.
"""
_EPILOG = """\
examples:
  monitord explain "Password file read"
  monitord explain password                                   a part of the name will do
  monitord explain password --rules my-rules.yaml
  monitord explain password --event /var/log/monitord/alerts.jsonl
                                                              why the last alert, or why not
  monitord explain --event capture.jsonl:17                   line 17 of a capture; which rules match it

exit code: 0 done; 2 something that you must put right (the rule's name, a file)
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "explain",
        help="what a rule asks for, and why it matches an event or not",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rule", metavar="RULE", nargs="?", help="name of a rule, or a part of it in any case")
    parser.add_argument(
        "--event", metavar="FILE[:N]", help="line N of an alert log or a capture; default: its last event"
    )
    parser.add_argument(
        "-c", "--config", metavar="FILE", type=Path, help=f"configuration (default: {INSTALLED}, or the shipped one)"
    )
    parser.add_argument(
        "--rules",
        metavar="PATH",
        type=Path,
        action="append",
        default=[],
        help="a rules file, or a directory of them, instead of the configured ones; may be given several times",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Explain, and return the exit code."""
    if args.rule is None and args.event is None:
        return _refused("name a rule, or give an event with --event; 'monitord rules' lists which rules there are")
    # The event may be of another machine: conditions are read with the names of all of them.
    config, rules, problems = load(config_path(args.config), Overrides(rules=args.rules), SyscallTable.load(Abi))
    if errors(problems):
        sys.stderr.write("".join(shown(errors(problems))))
        return USER_MUST_FIX
    try:
        recorded = None if args.event is None else event_at(*split_place(args.event))
    except CaptureError as error:
        return _refused(str(error))
    paint = Paint.for_stream(sys.stdout)
    rule = None if args.rule is None else found_rule(args.rule, rules.rules)
    if isinstance(rule, str):
        return _refused(rule)
    lines = _lines(rule, recorded, rules, config.rules.rule_matching is RuleMatching.ALL, paint)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


def _lines(
    rule: Rule | None, recorded: Recorded | None, rules: RuleSet, match_all: bool, paint: Paint
) -> Iterable[str]:
    if recorded is None:
        assert rule is not None
        return rule_lines(rule, SyscallTable.load(machine_abis()), rules.catalogue, paint)
    case = Case(recorded, rules.alerting, rules.catalogue, match_all)
    return case.all_lines(paint) if rule is None else case.rule_lines(rule, paint)


def found_rule(name: str, rules: Sequence[Rule]) -> Rule | str:
    """The rule that a name, or a part of one, means; or what to say when it means none, or several."""
    exact = [rule for rule in rules if rule.name == name]
    if exact:
        return exact[0]
    alike = [rule for rule in rules if name.lower() in rule.name.lower()]
    if len(alike) == 1:
        return alike[0]
    if alike:
        return f"several rules have '{name}' in their names: {_listed(alike)}; give more of the name"
    if not rules:
        return "there are no rules; give some with --rules"
    lower = {rule.name.lower(): rule for rule in rules}
    close = [lower[match] for match in difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.3)]
    hint = f"; the nearest are {_listed(close)}" if close else ""
    return f"there is no rule '{name}'{hint}"


def _listed(rules: Sequence[Rule]) -> str:
    return ", ".join(f"'{rule.name}'" for rule in rules)


def _refused(message: str) -> int:
    sys.stderr.write(f"monitord explain: {message}\n")
    return USER_MUST_FIX
