"""`monitord syscalls`: search the syscall table."""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence

from monitord.abi.arch import Abi, UnknownMachineError, machine_abis
from monitord.tables.syscalls import Syscall, SyscallTable
from monitord.tables.tracefs import extended

_DESCRIPTION = """\
List the system calls that monitord knows, or those that match PATTERN: a number, or a part of a name, a group or an
argument's name. The groups: files, processes, credentials, signals, memory, network, ipc, time, system."""

_EPILOG = """\
examples:
  monitord syscalls                     all calls of this machine
  monitord syscalls 59                  number 59 in each ABI
  monitord syscalls xattr               by a part of the name
  monitord syscalls credentials         by group
  monitord syscalls pathname            by an argument
  monitord syscalls open --abi arm64    of another machine
  monitord syscalls --json | jq -r '.[] | select(.group == "network") | .name'

exit code: 0; 1 if nothing matches; 2 for a wrong option
"""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "syscalls",
        help="search the syscall table by name, number, group or argument",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pattern", metavar="PATTERN", nargs="?", help="a number, or a part of a word (any case)")
    parser.add_argument(
        "--abi",
        choices=[abi.label for abi in Abi],
        action="append",
        help="only this ABI; may be given several times (default: those of this machine)",
    )
    parser.add_argument(
        "--json", action="store_true", help="an array of {abi, nr, name, entry, args: [{name, type}], group}"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Search, print, and return the exit code."""
    own = _own_abis()
    abis = tuple(Abi[label.upper()] for label in args.abi or ()) or own or tuple(Abi)
    table = SyscallTable.load(abis)
    if own:
        table = extended(table)
    found = [call for call in table if args.pattern is None or matches(call, args.pattern.lower())]
    if not found:
        searched = ", ".join(abi.label for abi in abis)
        sys.stderr.write(
            f"monitord syscalls: no call of {searched} has '{args.pattern}' as its number or in its name, group or"
            " arguments. Try a shorter word, or another --abi.\n"
        )
        return 1
    sys.stdout.write(as_json(found) if args.json else as_table(found))
    return 0


def matches(call: Syscall, pattern: str) -> bool:
    """Whether a call is meant by a lower-case pattern."""
    if pattern.isdecimal():
        return call.nr == int(pattern)
    return any(pattern in word.lower() for word in (call.name, call.group, *(arg.name for arg in call.args)))


def as_table(calls: Sequence[Syscall]) -> str:
    """Lines for a person; on a terminal they are cut to its width."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    rows = [("ABI", "NR", "NAME", "GROUP", "ARGUMENTS")]
    for call in calls:
        args = ", ".join(arg.name for arg in call.args) if call.entry else "(nothing behind this number)"
        rows.append((call.abi.label, str(call.nr), call.name, call.group.value, args))
    abi, nr, name, group = (max(len(row[column]) for row in rows) for column in range(4))
    lines = (f"{row[0]:{abi}} {row[1]:>{nr}} {row[2]:{name}} {row[3]:{group}} {row[4]}".rstrip() for row in rows)
    return "".join(f"{line if width is None else line[:width]}\n" for line in lines)


def as_json(calls: Sequence[Syscall]) -> str:
    """A JSON array, one object in a line."""
    objects = (
        {
            "abi": call.abi.label,
            "nr": call.nr,
            "name": call.name,
            "entry": call.entry,
            "args": [{"name": arg.name, "type": arg.type} for arg in call.args],
            "group": call.group.value,
        }
        for call in calls
    )
    return "[\n" + ",\n".join(map(json.dumps, objects)) + "\n]\n"


def _own_abis() -> tuple[Abi, ...]:
    """Those of this machine; none, on one that monitord itself cannot run on, where the table is still of use."""
    try:
        return machine_abis()
    except UnknownMachineError:
        return ()
