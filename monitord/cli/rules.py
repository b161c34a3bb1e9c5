"""`monitord rules`: the rules, which of them are on, and what they cost."""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from monitord.abi.arch import Abi, UnknownMachineError, machine_abis
from monitord.config.address import parse_address
from monitord.config.default import INSTALLED, config_path
from monitord.model.problem import errors
from monitord.pipeline.load import Overrides, load
from monitord.rules.rule import Rule
from monitord.sinks.scrape import RuleCost, ScrapeError, rule_costs
from monitord.tables.syscalls import SyscallTable

_DESCRIPTION = """\
List the rules, or those with PATTERN in their name or as a tag: whether each is on, or what switched it off, what
fields without a source make of it (it can never fire, fires too often, has a weaker exception, misses cases), which
calls it asks the kernel for, and where it stands. With --cost, what the running daemon has spent on each and how often
each has matched, the dearest first."""

_EPILOG = """\
examples:
  monitord rules                         all rules of the installed configuration
  monitord rules ssh                     by a part of the name, or by a tag
  monitord rules --rules my-rules.yaml   the rules of a file
  monitord rules --cost                  asks the daemon at the configuration's metrics.address
  monitord rules --cost --metrics 127.0.0.1:9750

exit code: 0; 1 if nothing matches or no daemon answers; 2 for mistakes in the files, which `monitord check` shows
"""

_MANY = 6
"""Calls of a rule that are named; more are counted."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "rules",
        help="list the rules: which are on, and what each costs",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pattern", metavar="PATTERN", nargs="?", help="a part of a name (any case), or a tag")
    parser.add_argument(
        "-c", "--config", metavar="FILE", type=Path, help=f"configuration (default: {INSTALLED}, or the shipped one)"
    )
    parser.add_argument(
        "--rules", type=Path, action="append", default=[], metavar="PATH", help="rules instead of the configured ones"
    )
    parser.add_argument("--cost", action="store_true", help="ask the running daemon for time and matches")
    parser.add_argument(
        "--metrics",
        type=_address,
        metavar="ADDR:PORT",
        help="where the daemon serves metrics, if not as configured",
    )
    parser.add_argument("--json", action="store_true", help="an array of objects")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List, and return the exit code."""
    table = SyscallTable.load(_abis())
    overrides = Overrides(rules=args.rules, metrics=args.metrics)
    config, loaded, problems = load(config_path(args.config), overrides, table)
    if wrong := errors(problems):
        sys.stderr.write(f"monitord rules: {wrong[0]}\n")
        if len(wrong) > 1:
            sys.stderr.write(f"monitord rules: and {len(wrong) - 1} more; 'monitord check' shows them all\n")
        return 2
    rules = [rule for rule in loaded.rules if args.pattern is None or _matches(rule, args.pattern)]
    if not rules:
        missing = (
            "there are no rules" if args.pattern is None else f"no rule has '{args.pattern}' in its name or as a tag"
        )
        sys.stderr.write(f"monitord rules: {missing}\n")
        return 1
    costs: dict[str, RuleCost] | None = None
    if args.cost:
        try:
            if not config.metrics.enabled or not config.metrics.port:
                raise ScrapeError("the configuration gives no fixed metrics.address to ask")
            costs = rule_costs(config.metrics.address, config.metrics.port)
        except ScrapeError as error:
            sys.stderr.write(f"monitord rules: {error}. Start it, or give its address with --metrics.\n")
            return 1
        rules.sort(key=lambda rule: -costs[rule.name].seconds if rule.name in costs else 1)
    calls = {rule.name: _calls_of(rule, table) for rule in rules}
    if args.json:
        sys.stdout.write(_as_json(rules, calls, costs))
    elif costs is not None:
        sys.stdout.write(_as_costs(rules, costs))
    else:
        sys.stdout.write(_as_table(rules, calls))
    return 0


def _matches(rule: Rule, pattern: str) -> bool:
    return pattern.lower() in rule.name.lower() or pattern in rule.tags


def _calls_of(rule: Rule, table: SyscallTable) -> list[str]:
    """Names of the calls that a rule asks for, of whatever ABI."""
    calls = (table.find(abi, nr) for abi, nr in rule.interest.calls)
    return sorted({call.name if call else "unknown" for call in calls})


def _shown(calls: list[str]) -> str:
    more = len(calls) - _MANY
    return " ".join(calls[:_MANY]) + (f" and {more} more" if more > 0 else "")


def _as_table(rules: Sequence[Rule], calls: dict[str, list[str]]) -> str:
    rows = [("RULE", "PRIORITY", "STATE", "CALLS", "PLACE", "TAGS")]
    for rule in rules:
        state = _state(rule)
        place = f"{rule.place.file}:{rule.place.line}"
        rows.append((rule.name, rule.priority.label, state, _shown(calls[rule.name]), place, " ".join(rule.tags)))
    return _aligned(rows, "<<<<<<")


def _state(rule: Rule) -> str:
    """Whether it is on, and then what fields that are not supplied make of it."""
    if not rule.enabled:
        return f"off: {rule.off_by}"
    return "; ".join(("on", *(consequence.value for consequence in rule.consequences)))


def _as_costs(rules: Sequence[Rule], costs: dict[str, RuleCost]) -> str:
    """The share is of the time that all rules took, those not shown included."""
    total = sum(cost.seconds for cost in costs.values())
    rows = [("RULE", "SECONDS", "SHARE", "MATCHES", "ms/MATCH")]
    for rule in rules:
        cost = costs.get(rule.name)
        if cost is None:
            rows.append((rule.name, f"off: {rule.off_by}" if rule.off_by else "not loaded", "", "", ""))
            continue
        share = f"{100 * cost.seconds / total:.1f} %" if total else ""
        each = f"{1e3 * cost.seconds / cost.matches:.3f}" if cost.matches else ""
        rows.append((rule.name, f"{cost.seconds:.6f}", share, str(cost.matches), each))
    return _aligned(rows, "<>>>>")


def _aligned(rows: Sequence[tuple[str, ...]], sides: str) -> str:
    """Columns for a person; on a terminal they are cut to its width."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(f"{cell:{side}{size}}" for cell, side, size in zip(row, sides, widths, strict=True)).rstrip()
        for row in rows
    )
    return "".join(f"{line if width is None else line[:width]}\n" for line in lines)


def _as_json(rules: Sequence[Rule], calls: dict[str, list[str]], costs: dict[str, RuleCost] | None) -> str:
    objects = []
    for rule in rules:
        values: dict[str, object] = {
            "rule": rule.name,
            "priority": rule.priority.label,
            "enabled": rule.enabled,
            "off_by": rule.off_by or None,
            "consequences": {one.value: fields for one, fields in rule.consequences.items()},
            "calls": calls[rule.name],
            "tags": rule.tags,
            "file": rule.place.file,
            "line": rule.place.line,
        }
        if costs is not None:
            cost = costs.get(rule.name)
            values |= {"seconds": cost.seconds if cost else None, "matches": cost.matches if cost else None}
        objects.append(json.dumps(values))
    return "[\n" + ",\n".join(objects) + "\n]\n"


def _abis() -> tuple[Abi, ...]:
    """Those of this machine; all, on one that monitord itself cannot run on."""
    try:
        return machine_abis()
    except UnknownMachineError:
        return tuple(Abi)


def _address(text: str) -> tuple[str, int]:
    address = parse_address(text)
    if isinstance(address, str):
        raise argparse.ArgumentTypeError(address)
    return address
