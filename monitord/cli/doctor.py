"""`monitord doctor`: what will work on this machine, and what to do about what will not."""

import argparse
import importlib
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from monitord.cli.machine_checks import CHECKS, Check, Host, Verdict
from monitord.config.default import INSTALLED, config_path


def examine(host: Host, path: Path) -> list[Check]:
    """All checks; those of the configuration, and a start, where what they need is there."""
    checks = [check(host) for check in CHECKS]
    if any(check.name in ("kernel", "libraries") and check.verdict is Verdict.FAIL for check in checks):
        return checks
    # Late: it imports what the checks above looked for.
    configured = importlib.import_module("monitord.cli.config_checks")
    config, more = configured.examine_config(path)
    checks += more
    if not any(check.verdict is Verdict.FAIL for check in checks):
        checks.append(configured.check_start(config))
    return checks


def table(checks: Iterable[Check]) -> str:
    """The checks for a person, each with its advice below it, and what follows from all of them."""
    checks = list(checks)
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{check.verdict:<4}  {check.name:<{width}}  {check.found}")
        if check.advice:
            lines.append(f"{'':4}  {'':{width}}  -> {check.advice}")
    failed = [check.name for check in checks if check.verdict is Verdict.FAIL]
    lines.append(f"monitord cannot run here: {', '.join(failed)}" if failed else "monitord can run here")
    return "\n".join(lines) + "\n"


def run(args: argparse.Namespace) -> int:
    """
    Examine this machine and say what was found.

    :return: 0 when the daemon can run, warnings or not, else 1.
    """
    checks = examine(Host(), config_path(args.config))
    sys.stdout.write(json.dumps([asdict(check) for check in checks], indent=2) + "\n" if args.json else table(checks))
    return int(any(check.verdict is Verdict.FAIL for check in checks))


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to those of `monitord`."""
    parser = commands.add_parser(
        "doctor",
        help="say what will work on this machine, and what to do about what will not",
        description=(
            "Examine this machine: kernel, BTF, capabilities, perf, BCC, limits, tracefs, cgroups, journal; what the "
            "configuration names; and, when nothing of it fails, whether the programs load. Nothing is watched. Run it "
            "as the user that will run the daemon."
        ),
        epilog="Exit code 0: the daemon can run, if with less (warn). 1: it cannot (fail).",
    )
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        metavar="FILE",
        help=f"the configuration; default {INSTALLED}, or the shipped one when that is not there",
    )
    parser.add_argument("--json", action="store_true", help="print an array of {name, verdict, found, advice}")
    parser.set_defaults(run=run)
